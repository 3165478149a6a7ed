"""What partners tells of contacts with partners: visits with checklist and protocol, known events, next actions."""
