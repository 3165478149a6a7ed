"""Printing reports and the dictionary as PDF, in a process of its own (shared/printing says why)."""
