"""Demo activity: schools and enterprises of the real territory at work, through the public API alone.

country    who there is, from a seed: realistic weights, names, numbers
work       what they do, as generators of commands that know nothing of HTTP; answers: how they answer questionnaires
execution  carries acts out – also twice, at once, and over cut connections – and keeps the ledger
history    months of work in minutes; live: a few commands a second, for as long as one likes
proof      is every acknowledged command in the logs, once, and applied everywhere?
"""
