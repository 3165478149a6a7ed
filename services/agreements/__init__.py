"""Agreements between institutions and social partners: their life, internship schedules, activities, and employments.

Also the final stage: instructions, work plans, boards, norms, and documents filled from data and printed.
Emits hamkor.agreements.*: every aggregate's whole state; listens to partners for institutions and enterprises.
Passing time is an event here: a scheduler brings agreements into force and to their end, by the Tashkent day.
"""
