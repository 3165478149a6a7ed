"""Counts of persons are shown as they were when last released, and where none of the small ones follows from them.

Owns the tables held, disclosed and unreleased; PRIVACY.md says against what it stands, and how far.
"""
