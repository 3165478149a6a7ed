"""The language services speak to each other: events as typed models, their topics and their JSON Schemas.

A consumer imports from here and nowhere else. Within a version only optional additions are allowed
(`python -m shared.contracts.schemas --check` refuses a break); a break is a new `.v2` published beside `.v1`.
"""
