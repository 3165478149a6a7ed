"""The rules of agreements, pure: (state, command, day) -> (event type, new state) or a DomainError. No I/O, no clock.

lifecycle.LIFECYCLE is the table of what may be done when; agreements, schedules, activities and employments say how.
"""
