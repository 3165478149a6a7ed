"""Trust in numbers over time: reports on their way up the tree, publications, and what changed between two moments.

Figures are frozen by freezes.py with the stream positions they rest on, once per submission and once per edition of a
publication; what was frozen is never written again. Who takes which step stands in lifecycle.py, when reports are due
in calendar.toml.
"""
