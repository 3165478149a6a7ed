"""The issuer's RSA key: made at the first start, kept in a file that only its owner reads."""

import base64
import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key

from shared.settings import WrongSettings


class SigningKey:
    """Signs and verifies the issuer's tokens (RS256)."""

    def __init__(self, private: RSAPrivateKey) -> None:
        self._private = private
        self._public: RSAPublicKey = private.public_key()
        numbers = self._public.public_numbers()
        public = {"e": _base64url(numbers.e), "kty": "RSA", "n": _base64url(numbers.n)}
        thumbprint = hashlib.sha256(json.dumps(public, separators=(",", ":")).encode()).digest()
        self.id = base64.urlsafe_b64encode(thumbprint).rstrip(b"=").decode()  # RFC 7638
        self.jwk = public | {"use": "sig", "alg": "RS256", "kid": self.id}

    def sign(self, claims: dict[str, Any], kind: str) -> str:
        """A signed token; `kind` is its `typ` header."""
        return jwt.encode(claims, self._private, algorithm="RS256", headers={"kid": self.id, "typ": kind})

    def verify(self, token: str, *, issuer: str, audience: str) -> dict[str, Any]:
        """The claims of one of our tokens; raises jwt.InvalidTokenError."""
        claims: dict[str, Any] = jwt.decode(
            token,
            self._public,
            algorithms=["RS256"],
            issuer=issuer,
            audience=audience,
            options={"require": ["exp", "iat", "sub"]},
        )
        return claims


def load_or_make_key(path: Path) -> SigningKey:
    """The key in the PEM file at `path`, made there if missing; raises WrongSettings if it is no RSA key."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        pem = generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        descriptor, name = tempfile.mkstemp(dir=path.parent)  # readable by the owner alone
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(pem)
            with contextlib.suppress(FileExistsError):  # another process was first: its key is as good
                os.link(name, path)
        finally:
            Path(name).unlink()
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise WrongSettings(f"PORTAL_ISSUER_KEY_FILE names {path}, which is no readable RSA private key in PEM form.")
    return SigningKey(key)


def _base64url(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
