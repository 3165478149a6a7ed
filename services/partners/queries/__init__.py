"""Reads of partners that are more than a register's list (shared.web.registers), a module a room."""
