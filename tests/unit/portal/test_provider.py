"""The portal as an ordinary client of a provider elsewhere (Keycloak, say): codes, refresh tokens, logout."""

import random
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from services.portal.app import build
from services.portal.issuer.keys import load_or_make_key
from services.portal.issuer.tokens import challenge_of
from tests.unit.portal.conftest import PORTAL, SAME_ORIGIN, Upstream

ISSUER = "https://idp.test/realms/hamkor"


class Keycloak:
    """A provider that hands out a new refresh token at every renewal, as a strict realm does."""

    def __init__(self, key_file: Path) -> None:
        self.key = load_or_make_key(key_file)
        self.claims: dict[str, Any] = {"role": "region", "org": "1708", "name": "Jizzax"}
        self.nonce = ""
        self.challenge = ""
        self.lifetime_s = 300
        self.refresh_token = "r1"
        self.grants: list[dict[str, str]] = []
        self.down = False
        self.ended = False
        self.padding = ""
        self.revoked: list[dict[str, str]] = []

    def token(self, audience: str, **claims: Any) -> str:
        """A signed token."""
        now = int(datetime.now(UTC).timestamp())
        stamped = {"iss": ISSUER, "aud": audience, "sub": "u1", "iat": now, "exp": now + 300}
        return self.key.sign(stamped | claims, "JWT")

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer as the provider's endpoints do."""
        if self.down:
            raise httpx.ConnectError("down", request=request)
        match request.url.path.removeprefix("/realms/hamkor"):
            case "/.well-known/openid-configuration":
                return httpx.Response(200, json={
                    "issuer": ISSUER, "authorization_endpoint": f"{ISSUER}/auth", "token_endpoint": f"{ISSUER}/token",
                    "jwks_uri": f"{ISSUER}/certs", "end_session_endpoint": f"{ISSUER}/logout",
                    "revocation_endpoint": f"{ISSUER}/revoke",
                })  # fmt: skip
            case "/certs":
                return httpx.Response(200, json={"keys": [self.key.jwk]})
            case "/token":
                return self._grant(await form_of(request))
            case "/revoke":
                self.revoked.append(await form_of(request))
                self.ended = True
                return httpx.Response(200)
        return httpx.Response(404)

    def _grant(self, form: dict[str, str]) -> httpx.Response:
        self.grants.append(form)
        if form["grant_type"] == "refresh_token":
            if self.ended or form["refresh_token"] != self.refresh_token:
                return httpx.Response(400, json={"error": "invalid_grant", "error_description": "Session not active"})
            self.refresh_token = f"r{len(self.grants)}"
        elif challenge_of(form["code_verifier"]) != self.challenge:
            return httpx.Response(400, json={"error": "invalid_grant"})
        return httpx.Response(200, json={
            "access_token": self.token("hamkor", **self.claims), "expires_in": self.lifetime_s,
            "id_token": self.token("hamkor-portal", nonce=self.nonce, padding=self.padding),
            "refresh_token": self.refresh_token,
        })  # fmt: skip


async def form_of(request: httpx.Request) -> dict[str, str]:
    """What a form says."""
    return {name: values[0] for name, values in parse_qs((await request.aread()).decode()).items()}


@pytest.fixture
def keycloak(key_file: Path) -> Keycloak:
    """The provider."""
    return Keycloak(key_file)


def a_client(environment: dict[str, str], upstream: Upstream, keycloak: Keycloak) -> httpx.AsyncClient:
    """Somebody at a portal process of their own that signs in at the provider."""
    settings = environment | {
        "PORTAL_EMBEDDED_ISSUER": "false",
        "AUTH_ISSUER": ISSUER,
        "PORTAL_CLIENT_SECRET": "secret",
    }
    app = build(settings, httpx.MockTransport(upstream), httpx.MockTransport(keycloak))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=PORTAL)


@pytest.fixture
async def client(
    environment: dict[str, str], upstream: Upstream, keycloak: Keycloak
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser-like client on a portal that signs in at the provider."""
    async with a_client(environment, upstream, keycloak) as client:
        yield client


async def sign_in(client: httpx.AsyncClient, keycloak: Keycloak) -> httpx.Response:
    """Begin at the portal, come back with the provider's code."""
    started = await client.get("/sign-in?next=/about")
    query = {name: values[0] for name, values in parse_qs(urlsplit(started.headers["location"]).query).items()}
    assert started.headers["location"].startswith(f"{ISSUER}/auth?")
    assert query["code_challenge_method"] == "S256"
    keycloak.nonce = keycloak.nonce or query["nonce"]
    keycloak.challenge = query["code_challenge"]
    return await client.get("/sign-in/callback", params={"code": "c", "state": query["state"]})


async def test_code_flow_opens_a_session_with_the_providers_claims(
    client: httpx.AsyncClient, keycloak: Keycloak
) -> None:
    back = await sign_in(client, keycloak)
    assert back.headers["location"] == "/about"
    assert keycloak.grants[0]["client_secret"] == "secret"
    assert "Jizzax viloyati" in (await client.get("/about")).text


async def test_there_is_no_issuer_here(client: httpx.AsyncClient) -> None:
    assert (await client.get("/oidc/jwks")).status_code == 404
    assert (await client.post("/oidc/token", data={"grant_type": "password"})).status_code == 404


async def test_rotated_refresh_token_is_kept_and_used(
    client: httpx.AsyncClient, keycloak: Keycloak, upstream: Upstream
) -> None:
    keycloak.lifetime_s = 1  # every access token is as good as expired
    await sign_in(client, keycloak)
    for _ in range(3):
        assert (await client.get("/api/monitoring/v1/scope")).status_code == 200
    assert [form.get("refresh_token") for form in keycloak.grants] == [None, "r1", "r2", "r3"]


async def test_rotated_refresh_token_that_never_reached_the_browser_ends_nothing(
    client: httpx.AsyncClient, keycloak: Keycloak
) -> None:
    keycloak.lifetime_s = 1
    await sign_in(client, keycloak)
    before = httpx.Cookies(client.cookies)
    assert (await client.get("/api/monitoring/v1/scope")).status_code == 200
    client.cookies = before  # as if the connection had been cut before the answer came
    answer = await client.get("/api/monitoring/v1/scope")
    assert answer.status_code == 200
    assert "hamkor_session" in answer.cookies


async def test_session_ended_at_the_provider_leads_to_the_sign_in(
    client: httpx.AsyncClient, keycloak: Keycloak
) -> None:
    keycloak.lifetime_s = 1
    await sign_in(client, keycloak)
    keycloak.ended = True
    assert (await client.get("/api/monitoring/v1/scope")).status_code == 401
    page = await client.get("/places/1708", headers={"accept": "text/html"})
    assert page.headers["location"] == "/sign-in?next=%2Fplaces%2F1708"


async def test_identity_token_for_another_request_is_refused(client: httpx.AsyncClient, keycloak: Keycloak) -> None:
    keycloak.nonce = "of another request"
    assert (await sign_in(client, keycloak)).status_code == 403


@pytest.mark.parametrize("claims", [{"role": "wizard", "org": "17"}, {}])
async def test_user_without_a_role_of_ours_is_refused(
    client: httpx.AsyncClient, keycloak: Keycloak, claims: dict[str, str]
) -> None:
    keycloak.claims = claims
    assert (await sign_in(client, keycloak)).status_code == 403


async def test_provider_that_is_down_is_said_so(client: httpx.AsyncClient, keycloak: Keycloak) -> None:
    keycloak.down = True
    answer = await client.get("/sign-in", headers={"accept": "text/html", "accept-language": "en"})
    assert answer.status_code == 503
    assert "sign-in service" in answer.text


async def test_signing_out_ends_the_session_at_the_provider_too(client: httpx.AsyncClient, keycloak: Keycloak) -> None:
    await sign_in(client, keycloak)
    answer = await client.post("/sign-out", headers=SAME_ORIGIN)
    assert answer.headers["location"].startswith(f"{ISSUER}/logout?client_id=hamkor-portal&post_logout_redirect_uri=")
    assert "form-action 'self' https://idp.test" in answer.headers["content-security-policy"]


async def test_provider_is_told_whose_session_ends_so_that_it_asks_nobody(
    client: httpx.AsyncClient, keycloak: Keycloak
) -> None:
    keycloak.padding = random.Random(1).randbytes(500).hex()  # as a realm's own claims
    back = await sign_in(client, keycloak)
    (cookie,) = [each for each in back.headers.get_list("set-cookie") if each.startswith("hamkor_identity=")]
    assert "HttpOnly" in cookie
    assert "Path=/sign-out" in cookie
    assert len(cookie) < 4096
    answer = await client.post("/sign-out", headers=SAME_ORIGIN)
    (hint,) = parse_qs(urlsplit(answer.headers["location"]).query)["id_token_hint"]
    assert keycloak.key.verify(hint, issuer=ISSUER, audience="hamkor-portal")["sub"] == "u1"
    assert "hamkor_identity" not in client.cookies


async def test_identity_token_too_large_for_a_cookie_is_left_out(client: httpx.AsyncClient, keycloak: Keycloak) -> None:
    keycloak.padding = random.Random(1).randbytes(4000).hex()
    await sign_in(client, keycloak)
    answer = await client.post("/sign-out", headers=SAME_ORIGIN)
    assert parse_qs(urlsplit(answer.headers["location"]).query).keys() == {"client_id", "post_logout_redirect_uri"}


async def test_copied_cookie_is_worth_nothing_anywhere_after_signing_out(
    client: httpx.AsyncClient, keycloak: Keycloak, environment: dict[str, str], upstream: Upstream
) -> None:
    keycloak.lifetime_s = 1
    await sign_in(client, keycloak)
    copied = httpx.Cookies(client.cookies)
    await client.post("/sign-out", headers=SAME_ORIGIN)
    (revoked,) = keycloak.revoked
    assert (revoked["token"], revoked["token_type_hint"]) == ("r1", "refresh_token")
    assert (revoked["client_id"], revoked["client_secret"]) == ("hamkor-portal", "secret")
    async with a_client(environment, upstream, keycloak) as thief:
        thief.cookies = copied
        assert (await thief.get("/api/monitoring/v1/scope")).status_code == 401
    assert upstream.requests == []


async def test_provider_that_is_down_keeps_nobody_signed_in(client: httpx.AsyncClient, keycloak: Keycloak) -> None:
    await sign_in(client, keycloak)
    keycloak.down = True
    answer = await client.post("/sign-out", headers=SAME_ORIGIN)
    assert answer.status_code == 303
    assert "hamkor_session" not in client.cookies


async def test_session_lasts_twelve_hours_however_often_its_tokens_are_renewed(
    client: httpx.AsyncClient, keycloak: Keycloak, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    keycloak.lifetime_s = 1
    await sign_in(client, keycloak)
    began = time.time()
    monkeypatch.setattr(time, "time", lambda: began + 11 * 3600)
    assert (await client.get("/api/monitoring/v1/scope")).status_code == 200
    assert "authorization" in upstream.last.headers
    monkeypatch.setattr(time, "time", lambda: began + 13 * 3600)
    await client.get("/api/monitoring/v1/scope")
    assert "authorization" not in upstream.last.headers
    page = await client.get("/places/1708", headers={"accept": "text/html"})
    assert page.headers["location"] == "/sign-in?next=%2Fplaces%2F1708"
