"""Every value once more, by brute force, straight from the final states: the proof that the live path is right.

Shares nothing with the live path but the measures' names, the gates and the notation of periods. No differences between
states, no reference counts: each state says what it counts as, and sets are sets. Obviously right, not fast. An
institution's events are all in one shard, so that a shard is worked on by itself; what institutions share is united.

country   the final states, and where institutions belonged
book      what an institution's states count as
standing  gates, stages and artefacts of an institution
parts     institutions put together
"""
