"""A token issuer for integration tests: a real RSA key, real signatures, keys served over HTTP."""

import time
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI

from shared.scope import Role


@dataclass
class Issuer:
    """Signs tokens for any role; `url` is set once it is served."""

    url: str = ""
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def token(self, role: Role | str, org: str = "", *, subject: str | None = None, **claims: Any) -> str:
        """A signed token."""
        now = int(time.time())
        payload = {
            "iss": self.url,
            "aud": "hamkor",
            "sub": subject or f"{role}-{org or 'all'}",
            "iat": now,
            "exp": now + 900,
            "role": str(role),
            "org": org,
            **claims,
        }
        return jwt.encode(payload, self.key, algorithm="RS256", headers={"kid": "test"})

    def app(self) -> FastAPI:
        """JWKS and client credentials."""
        app = FastAPI()

        @app.get("/jwks")
        def jwks() -> dict[str, Any]:
            key = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
            return {"keys": [{**key, "kid": "test", "use": "sig", "alg": "RS256"}]}

        @app.post("/token")
        def token() -> dict[str, Any]:
            return {"access_token": self.token(Role.SERVICE), "expires_in": 900, "token_type": "Bearer"}

        return app
