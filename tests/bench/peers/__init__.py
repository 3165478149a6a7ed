"""The reference job through Hamkor's engine and through the tools a user would take instead: `make bench-peers`."""
