"""Logs as events with keys, metrics declared once with their meaning, trace context."""
