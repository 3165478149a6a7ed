"""Tokens: only the issuer's own, for this audience, in time – and an issuer that is down harms nobody who is known."""

import asyncio
import json
import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from shared.errors import Unauthenticated, Unavailable
from shared.scope import Principal, Role
from shared.settings import Settings
from shared.web import auth
from shared.web.auth import ServiceToken, Verifier, principal_of

ISSUER = "http://issuer"
KEYS = {kid: rsa.generate_private_key(65537, 2048) for kid in ("one", "two")}


class FakeIssuer:
    """Answers for the issuer; `keys` are published, `down` refuses connections, `asked` counts."""

    def __init__(self, *keys: str) -> None:
        self.keys = list(keys)
        self.down = False
        self.asked = 0
        self.body: bytes | None = None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """One request."""
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise httpx.ConnectError("refused")
        if self.body is not None:
            return httpx.Response(200, content=self.body)
        if request.url.path == "/token":
            return httpx.Response(200, json={"access_token": f"t{self.asked}", "expires_in": 300})
        jwks = [
            {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEYS[kid].public_key())), "kid": kid, "use": "sig"}
            for kid in self.keys
        ]
        return httpx.Response(200, json={"keys": jwks})


def settings() -> Settings:
    return Settings.model_validate(
        {
            "service": "partners",
            "port": 1,
            "database_url": "postgresql+asyncpg://u:p@h/d",
            "kafka_bootstrap_servers": "h:1",
            "auth_issuer": ISSUER,
            "auth_jwks_url": ISSUER + "/jwks",
            "auth_token_url": ISSUER + "/token",
            "service_client_secret": "only-for-the-tests",
            "urls": {},
        }
    )


def a_verifier(issuer: FakeIssuer) -> Verifier:
    return Verifier(settings(), httpx.AsyncClient(transport=httpx.MockTransport(issuer)))


def a_token(kid: str = "one", key: Any = None, algorithm: str = "RS256", **changes: Any) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "hamkor", "sub": "s", "iat": now, "exp": now + 900, "role": "ministry", "org": "17"}
    claims |= changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key if key is not None else KEYS[kid], algorithm=algorithm, headers={"kid": kid})


async def test_good_token_names_the_caller() -> None:
    verifier = a_verifier(FakeIssuer("one"))
    assert await verifier.principal(f"Bearer {a_token()}") == Principal("s", Role.MINISTRY, "17")
    assert await verifier.principal(f"bearer {a_token(role='service', org='17')}") == Principal("s", Role.SERVICE)


BAD: dict[str, Any] = {
    "other issuer": lambda: a_token(iss="http://other"),
    "other audience": lambda: a_token(aud="bank"),
    "expired": lambda: a_token(exp=int(time.time()) - 60),
    "not yet valid": lambda: a_token(nbf=int(time.time()) + 600),
    "no expiry": lambda: a_token(exp=None),
    "no subject": lambda: a_token(sub=None),
    "no audience": lambda: a_token(aud=None),
    "no issuer": lambda: a_token(iss=None),
    "unknown role": lambda: a_token(role="king"),
    "no role": lambda: a_token(role=None),
    "region without territory": lambda: a_token(role="region", org="17"),
    "institution without id": lambda: a_token(role="institution", org=None),
    "institution with a path": lambda: a_token(role="institution", org="a/b"),
    "unsigned": lambda: a_token(key="", algorithm="none"),
    "signed with a shared secret": lambda: a_token(key="k" * 32, algorithm="HS256"),
    "signed by another key": lambda: a_token(key=KEYS["two"]),
    "signed by another kind of key": lambda: a_token(key=ec.generate_private_key(ec.SECP256R1()), algorithm="ES256"),
    "unknown key id": lambda: a_token(kid="two"),
    "tampered": lambda: a_token()[:-4] + "AAAA",
    "cut": lambda: a_token().rpartition(".")[0],
    "garbage": lambda: "\xff.\x00.é",
    "empty": lambda: "",
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_token_is_refused(name: str) -> None:
    verifier = a_verifier(FakeIssuer("one"))
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await verifier.principal(f"Bearer {BAD[name]()}")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic dTpw", "Bearer "])
async def test_no_token_is_refused(header: str | None) -> None:
    with pytest.raises(Unauthenticated):
        await a_verifier(FakeIssuer("one")).principal(header)


async def test_rotated_key_is_noticed_and_the_old_one_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "KEYS_RETRY_S", 0.0)
    issuer = FakeIssuer("one")
    verifier = a_verifier(issuer)
    await verifier.principal(f"Bearer {a_token()}")
    issuer.keys = ["two"]
    await verifier.principal(f"Bearer {a_token('two')}")
    with pytest.raises(Unauthenticated):
        await verifier.principal(f"Bearer {a_token('one', sub='other')}")


async def test_known_keys_outlive_an_issuer_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "KEYS_FRESH_S", 0.0)
    monkeypatch.setattr(auth, "KEYS_RETRY_S", 0.0)
    issuer = FakeIssuer("one")
    verifier = a_verifier(issuer)
    await verifier.principal(f"Bearer {a_token()}")
    issuer.down = True
    await verifier.principal(f"Bearer {a_token(sub='other')}")
    issuer.down, issuer.body = False, b"[1]"
    await verifier.principal(f"Bearer {a_token(sub='third')}")


async def test_dead_issuer_is_asked_once_by_many_callers() -> None:
    issuer = FakeIssuer("one")
    issuer.down = True
    verifier = a_verifier(issuer)
    answers = await asyncio.gather(
        *(verifier.principal(f"Bearer {a_token(sub=str(n))}") for n in range(30)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {Unavailable}
    assert issuer.asked == 1


async def test_unknown_keys_do_not_storm_the_issuer() -> None:
    issuer = FakeIssuer("one")
    verifier = a_verifier(issuer)
    await verifier.principal(f"Bearer {a_token()}")
    await asyncio.gather(
        *(verifier.principal(f"Bearer {a_token('two', sub=str(n))}") for n in range(30)), return_exceptions=True
    )
    assert issuer.asked <= 2


async def test_remembered_token_ends_with_its_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = a_verifier(FakeIssuer("one"))
    header = f"Bearer {a_token(exp=int(time.time()) + 20)}"
    await verifier.principal(header)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 40)
    monkeypatch.setattr(jwt.api_jwt, "datetime", _Later)
    with pytest.raises(Unauthenticated):
        await verifier.principal(header)


class _Later(jwt.api_jwt.datetime):  # type: ignore[name-defined,misc]  # PyJWT's own name for the class
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        """Forty seconds ahead."""
        from datetime import datetime, timedelta

        return datetime.now(tz) + timedelta(seconds=40)


async def test_service_token_is_fetched_once_and_renewed() -> None:
    issuer = FakeIssuer("one")
    token = ServiceToken(settings(), httpx.AsyncClient(transport=httpx.MockTransport(issuer)))
    assert {await token() for _ in range(3)} == {"t1"}
    token._renew_at = 0
    assert await token() == "t2"
    issuer.down, token._renew_at = True, 0
    with pytest.raises(OSError, match="token issuer"):
        await token()


@pytest.mark.parametrize("org", ["१७०८", "17/8", "99", "170", ""])
def test_territory_of_another_shape_is_refused(org: str) -> None:
    with pytest.raises(ValueError, match="territory code"):
        principal_of({"sub": "s", "role": "region", "org": org})


@pytest.mark.parametrize("org", ["17", "1708201", "1/2", "a:b", "x" * 65, ""])
def test_an_institution_is_no_part_of_the_territory(org: str) -> None:
    with pytest.raises(ValueError, match="id of its organisation"):
        principal_of({"sub": "s", "role": "institution", "org": org})
