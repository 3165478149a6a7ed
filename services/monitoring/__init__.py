"""Monitoring owns the indicators: from the events of the other services it keeps exact values of each place and period.

It emits reports' ways up the tree, publications, and recommendations. It listens to partners, agreements, surveys – and
to itself, because how completely is reported is an indicator too – and answers "how much", "since when" and "why".
"""

LISTENS_TO = ("partners", "agreements", "surveys", "monitoring")
