"""What agreements tells of the final stage: normative documents, job instructions, work plans, documents, boards."""
