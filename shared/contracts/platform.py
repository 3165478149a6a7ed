"""What partners tells of schools' own systems: API keys and webhooks, without any secret."""
