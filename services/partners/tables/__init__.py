"""Rows of the partners database, a module a room."""
