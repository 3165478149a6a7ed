"""What the monitoring service tells; it has nothing to tell yet but owns its topic."""
