"""Who is calling: JWT verification against the issuer's keys, and tokens for calls between services."""

import asyncio
import hashlib
import re
import time
from typing import Any, Protocol

import httpx
import jwt
import structlog

from shared.errors import Unauthenticated, Unavailable
from shared.scope import SOATO_LENGTHS, Principal, Role
from shared.settings import Settings

log = structlog.get_logger(__name__)

KEYS_FRESH_S = 300.0
KEYS_RETRY_S = 5.0
FIRST_KEYS_RETRY_S = 0.5
CLOCK_SKEW_S = 10
# A signature costs as much as a query: a token that was found good is good for this long, never past its expiry.
VERIFIED_FRESH_S = 30.0
VERIFIED_KEPT = 20_000


KEY_PREFIX = "hk_"
KEY_SHAPE = re.compile(r"hk_([0-9a-f]{32})_([0-9a-f]{64})")
"""An API key: its id without hyphens, and its secret."""
KEYS_KNOWN_S = 30.0
KEYS_KNOWN = 10_000
KEYS_ASKED = 8
"""Keys that partners are asked about at once: whoever sends made-up keys by the thousand waits for each other."""


class ApiKeys(Protocol):
    """Who knows API keys: partners by its database, the other services by asking partners."""

    async def principal(self, token: str) -> Principal | None:
        """Whom a well-formed key speaks for; None for one that is unknown, revoked or expired."""


class RemoteApiKeys:
    """Asks partners, and believes the answer for half a minute: by then a revoked key has ended everywhere."""

    def __init__(self, client: httpx.AsyncClient, partners_url: str, service_token: "ServiceToken") -> None:
        self._client = client
        self._url = f"{partners_url}/internal/api-keys/check"
        self._service_token = service_token
        # By digest: the memory of a process is no place for secrets either.
        self._known: dict[bytes, tuple[Principal, float]] = {}
        self._asking = asyncio.Semaphore(KEYS_ASKED)

    async def principal(self, token: str) -> Principal | None:
        """Whom the key speaks for; raises Unavailable while partners cannot be asked."""
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        self._known.pop(digest, None)
        async with self._asking:
            return await self._ask(token, digest)

    async def _ask(self, token: str, digest: bytes) -> Principal | None:
        asked_at = time.monotonic()
        try:
            response = await self._client.post(
                self._url,
                json={"key": token},
                headers={"Authorization": f"Bearer {await self._service_token()}"},
                timeout=httpx.Timeout(5, connect=2),
            )
            if response.status_code == 404:
                return None
            response.raise_for_status()
            answer = response.json()
            principal = Principal(
                str(answer["subject"]), Role.INSTITUTION, str(answer["institution_id"]), frozenset(answer["scopes"])
            )
        except (httpx.HTTPError, OSError, KeyError, ValueError) as problem:
            log.warning("auth.api_keys_unreachable", error=type(problem).__name__)
            raise Unavailable(service="partners") from None
        if len(self._known) >= KEYS_KNOWN:
            self._known.clear()
        self._known[digest] = principal, asked_at + KEYS_KNOWN_S
        return principal


class Verifier:
    """Verifies bearer tokens with the issuer's public keys (JWKS), fetched when first needed and kept for five minutes.

    With the issuer down, known keys go on working; an unknown key id fetches once more, so that rotation is noticed.
    """

    def __init__(self, settings: Settings, client: httpx.AsyncClient, api_keys: ApiKeys | None = None) -> None:
        self._settings = settings
        self._client = client
        self._api_keys = api_keys
        self._keys: dict[str, jwt.PyJWK] = {}
        self._verified: dict[str, tuple[Principal, float]] = {}
        self._fetched_at = -KEYS_FRESH_S
        self._tried_at = -KEYS_FRESH_S
        self._lock = asyncio.Lock()

    async def principal(self, authorization: str | None) -> Principal:
        """The caller of an Authorization header; raises Unauthenticated, or Unavailable while no keys can be had."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated
        if token.startswith(KEY_PREFIX):
            return await self._of_key(token)
        known = self._verified.get(token)
        if known is not None and known[1] > time.time():
            return known[0]
        try:
            key_id = str(jwt.get_unverified_header(token).get("kid", ""))
            key = await self._key(key_id)
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=["RS256", "ES256", "PS256"],
                audience=self._settings.auth_audience,
                issuer=self._settings.auth_issuer,
                leeway=CLOCK_SKEW_S,
                options={"require": ["exp", "sub", "aud", "iss"]},
            )
            principal = principal_of(claims)
            if len(self._verified) >= VERIFIED_KEPT:
                self._verified.clear()
            self._verified[token] = principal, min(float(claims["exp"]), time.time() + VERIFIED_FRESH_S)
            return principal
        except (jwt.PyJWTError, ValueError, TypeError) as problem:  # TypeError: the algorithm of another kind of key
            log.info("auth.refused", reason=type(problem).__name__)
            raise Unauthenticated from None

    async def _of_key(self, token: str) -> Principal:
        principal = None
        if self._api_keys is not None and KEY_SHAPE.fullmatch(token):
            principal = await self._api_keys.principal(token)
        if principal is None:
            log.info("auth.refused", reason="api key")
            raise Unauthenticated
        return principal

    async def _key(self, key_id: str) -> jwt.PyJWK:
        now = time.monotonic()
        if key_id not in self._keys or now - self._fetched_at > KEYS_FRESH_S:
            async with self._lock:
                stale = key_id not in self._keys or time.monotonic() - self._fetched_at > KEYS_FRESH_S
                pause_s = KEYS_RETRY_S if self._keys else FIRST_KEYS_RETRY_S
                if stale and time.monotonic() - self._tried_at > pause_s:
                    await self._fetch()
        if not self._keys:
            raise Unavailable(service="issuer")
        try:
            return self._keys[key_id]
        except KeyError:
            raise Unauthenticated from None

    async def _fetch(self) -> None:
        # Whatever comes of it: a hundred requests with unknown keys must not ask a dead issuer one after the other.
        self._tried_at = time.monotonic()
        try:
            response = await self._client.get(self._settings.auth_jwks_url, timeout=httpx.Timeout(5, connect=2))
            response.raise_for_status()
            keys = jwt.PyJWKSet.from_dict(response.json())
        except (httpx.HTTPError, jwt.PyJWTError, ValueError, TypeError, AttributeError) as problem:
            log.warning("auth.keys_unreachable", error=repr(problem)[:300])
            self._tried_at = time.monotonic()
            return
        self._keys = {str(key.key_id): key for key in keys.keys}
        self._fetched_at = self._tried_at = time.monotonic()


def principal_of(claims: dict[str, Any]) -> Principal:
    """The principal of verified claims; raises ValueError where role and org do not fit each other."""
    role = Role(str(claims.get("role", "")))
    org = str(claims.get("org") or "")
    if role in (Role.OPERATOR, Role.SERVICE):
        org = ""
    elif role in (Role.MINISTRY, Role.REGION, Role.DISTRICT):
        wanted = {Role.MINISTRY: 2, Role.REGION: 4, Role.DISTRICT: 7}[role]
        if len(org) != wanted or not (org.isascii() and org.isdigit()) or wanted not in SOATO_LENGTHS:
            raise ValueError(f"a {role} needs a territory code of {wanted} digits")
    elif not org or len(org) > 64 or "/" in org or ":" in org or (role is Role.INSTITUTION and org.isdigit()):
        # Digits alone name a part of the territory in a path: that would be far too much for an institution.
        raise ValueError(f"a {role} needs the id of its organisation")
    return Principal(str(claims["sub"]), role, org)


class ServiceToken:
    """This process's own token (OAuth 2.0 client credentials), renewed a minute before it expires."""

    def __init__(self, settings: Settings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client
        self._token = ""
        self._renew_at = 0.0
        self._lock = asyncio.Lock()

    async def __call__(self) -> str:
        """A valid token; raises OSError while the issuer cannot be reached or refuses."""
        if time.monotonic() < self._renew_at:
            return self._token
        async with self._lock:
            if time.monotonic() < self._renew_at:
                return self._token
            try:
                response = await self._client.post(
                    self._settings.auth_token_url,
                    data={"grant_type": "client_credentials", "scope": "hamkor"},
                    auth=(self._settings.service_client_id, self._settings.service_client_secret),
                    timeout=httpx.Timeout(5, connect=2),
                )
                response.raise_for_status()
                answer = response.json()
                self._token = str(answer["access_token"])
                self._renew_at = time.monotonic() + max(10.0, float(answer.get("expires_in", 300)) - 60)
            except (httpx.HTTPError, KeyError, ValueError) as problem:
                raise OSError(f"the token issuer: {problem!r}") from problem
            return self._token
