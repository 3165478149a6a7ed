"""Surveys: asks the five respondent groups S1–S5 and keeps their answers so that nobody can tell whose they are.

It owns instruments, campaigns, access codes and anonymous responses, and emits `hamkor.surveys.response.recorded.v1`.
It listens to partners for the institutions and the part of the territory they belong to.
"""
