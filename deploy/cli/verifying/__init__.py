"""`hamkor verify`, by parts: a shard at a time, so that a whole country's years fit into little memory.

run       the order of things, and the verdict
reading   what the services tell over HTTP
shards    a shard's events recomputed and compared; what institutions share laid aside
process   the same in processes of their own
folder    where the parts meet: files of a temporary folder
"""
