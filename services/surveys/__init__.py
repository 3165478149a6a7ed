"""Surveys: asks the five respondent groups S1–S5 and keeps their answers so that nobody can tell whose they are.

It owns instruments, waves and campaigns, access codes and invitations, anonymous responses, and – apart from all of
these – what graduates say of their status, and emits events of response, campaign, wave, invitation, graduate_status.
It listens to partners for institutions and enterprises, and to agreements for the facts that invite: completed
placements, employments, outcomes.
"""
