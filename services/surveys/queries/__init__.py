"""Reads of surveys, a module a room, each limited to the caller's scope in code (and by row-level security)."""
