"""A small OpenID Connect issuer for demonstrations: demo users of every role, code flow with PKCE, service tokens.

On only with PORTAL_EMBEDDED_ISSUER=true; elsewhere a real provider (Keycloak, say) stands at AUTH_ISSUER.
"""
