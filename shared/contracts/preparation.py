"""What partners tells of an institution's preparation: self-assessment, needs and offers, interests, R1, R3, R5, R6."""
