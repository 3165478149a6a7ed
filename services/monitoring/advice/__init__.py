"""What to do: rules that look at the indicators, the recommendations they make at places, what becomes of these.

The rules are data: rules/*.toml, read by declarations.py; their texts stand in messages/advice.<language>.toml. What
the ministry switches and changes of them is kept with its history (settings.py). Pure: declarations, statistics,
judging, lifecycle. evaluation.py reads, judges and writes; advisor.py does so daily and after changes; trials.py does
so with the past, and writes nothing.
"""
