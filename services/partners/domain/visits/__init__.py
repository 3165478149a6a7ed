"""Contacts with partners, pure: dossiers (V2), visits with their checklist and protocol, calendars, next actions."""
