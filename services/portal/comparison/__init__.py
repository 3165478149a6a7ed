"""Places compared, as pages: rankings with their uncertainty, spreads, peers, the index, targets, breakdowns."""
