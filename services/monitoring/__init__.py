"""Monitoring owns the indicators: from the events of the other services it keeps exact values of each place and period.

It emits nothing yet. It listens to partners, agreements and surveys, and answers "how much", "since when" and
"why this number".
"""

LISTENS_TO = ("partners", "agreements", "surveys")
