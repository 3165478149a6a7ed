"""What agreements tells of the work under each form: placements, outcomes, specialists, training …."""
