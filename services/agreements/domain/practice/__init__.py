"""The work under each form of agreement, pure: placements, outcomes, specialists, courses, sessions, income."""
