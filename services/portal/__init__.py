"""The web face and the only public door: pages, sign-in and the reverse proxy to the services' APIs.

It owns no data: what it shows it asks from monitoring, what it forwards it does not change. It keeps a person's session
in an encrypted cookie, so that a restart signs nobody out. For demonstrations it carries a token issuer of its own.
"""
