"""The HTTP edge every service shares: app factory, authentication, commands with idempotency, problem+json, paging."""
