"""Webhooks at work: events become deliveries as they are taken in, deliveries become signed requests."""
