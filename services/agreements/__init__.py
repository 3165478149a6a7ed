"""Agreements between institutions and social partners: their life, internship schedules, activities, and employments.

Emits hamkor.agreements.{agreement,activity,employment}.*; listens to partners for institutions and enterprises.
Passing time is an event here: a scheduler brings agreements into force and to their end, by the Tashkent day.
"""
