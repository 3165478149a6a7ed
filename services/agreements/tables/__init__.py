"""Rows of the agreements database, a module a room."""
