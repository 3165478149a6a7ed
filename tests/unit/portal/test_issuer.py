"""The embedded issuer: tokens with the right claims for the right people, PKCE, single-use codes."""

from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from services.portal.app import build
from services.portal.issuer.keys import load_or_make_key
from services.portal.issuer.revoked import Revoked
from services.portal.issuer.tokens import challenge_of
from services.portal.issuer.users import DEMO_USERS, find_user
from shared.settings import WrongSettings
from shared.web.auth import principal_of
from tests.unit.portal.conftest import PORTAL, SAME_ORIGIN, SECRET

VERIFIER = "a-verifier-of-at-least-43-characters-0123456789"
REQUEST = {
    "response_type": "code",
    "client_id": "hamkor-portal",
    "redirect_uri": f"{PORTAL}/sign-in/callback",
    "state": "s",
    "nonce": "n",
    "code_challenge": challenge_of(VERIFIER),
    "code_challenge_method": "S256",
}


async def claims_of(browser: httpx.AsyncClient, token: str, audience: str = "hamkor") -> dict[str, Any]:
    keys = jwt.PyJWKSet.from_dict((await browser.get("/oidc/jwks")).json())
    key = next(key for key in keys.keys if key.key_id == jwt.get_unverified_header(token)["kid"])
    claims: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], audience=audience, issuer=f"{PORTAL}/oidc")
    return claims


async def code_for(browser: httpx.AsyncClient, username: str = "ministry") -> str:
    answer = await browser.post("/oidc/authorize", data={**REQUEST, "chosen": username}, headers=SAME_ORIGIN)
    return httpx.URL(answer.headers["location"]).params["code"]


def exchange(code: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": "hamkor-portal",
        "redirect_uri": f"{PORTAL}/sign-in/callback",
        "code_verifier": VERIFIER,
    }


async def test_discovery_names_this_issuer_and_its_endpoints(browser: httpx.AsyncClient) -> None:
    document = (await browser.get("/oidc/.well-known/openid-configuration")).json()
    assert document["issuer"] == f"{PORTAL}/oidc"
    assert document["token_endpoint"] == f"{PORTAL}/oidc/token"
    assert document["code_challenge_methods_supported"] == ["S256"]


async def test_code_with_its_verifier_gives_tokens_of_the_chosen_user(browser: httpx.AsyncClient) -> None:
    answer = (await browser.post("/oidc/token", data=exchange(await code_for(browser, "jizzakh")))).json()
    claims = await claims_of(browser, answer["access_token"])
    assert (claims["role"], claims["org"]) == ("region", "1708")
    assert claims["exp"] - claims["iat"] == 15 * 60
    identity = await claims_of(browser, answer["id_token"], "hamkor-portal")
    assert identity["nonce"] == "n"


async def test_code_works_once(browser: httpx.AsyncClient) -> None:
    code = await code_for(browser)
    assert (await browser.post("/oidc/token", data=exchange(code))).status_code == 200
    again = await browser.post("/oidc/token", data=exchange(code))
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "another-verifier-of-at-least-43-characters-012345"},
        {"code_verifier": ""},
        {"redirect_uri": "http://evil.test/callback"},
        {"client_id": "somebody"},
        {"code": "guessed"},
    ],
)
async def test_wrong_exchange_is_refused(browser: httpx.AsyncClient, changes: dict[str, str]) -> None:
    code = await code_for(browser)
    answer = await browser.post("/oidc/token", data=exchange(code) | changes)
    assert answer.json()["error"] in ("invalid_grant", "invalid_client")
    assert "access_token" not in answer.json()


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "http://evil.test/"},
        {"client_id": "somebody"},
        {"code_challenge_method": "plain"},
        {"code_challenge": ""},
        {"response_type": "token"},
    ],
)
async def test_wrong_authorization_request_is_never_redirected(
    browser: httpx.AsyncClient, changes: dict[str, str]
) -> None:
    answer = await browser.get("/oidc/authorize", params=REQUEST | changes)
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_sign_in_page_offers_a_user_of_every_role(browser: httpx.AsyncClient) -> None:
    page = (await browser.get("/oidc/authorize", params=REQUEST)).text
    for user in DEMO_USERS:
        assert f'value="{user.username}"' in page


async def test_sign_in_page_lists_institutions_from_the_register(browser: httpx.AsyncClient, upstream: Any) -> None:
    institution = {"id": "0199-1", "name": "5-maktab", "district": "1708401"}
    upstream.answer = lambda _: httpx.Response(200, json={"items": [institution], "next": None})
    page = (await browser.get("/oidc/people", params={"q": "5"})).text
    assert 'value="institution:0199-1"' in page
    assert "Jizzax shahri" in page
    assert upstream.last.url.params["q"] == "5"
    claims = await claims_of(browser, upstream.last.headers["authorization"].removeprefix("Bearer "))
    assert claims["role"] == "service"


async def test_sign_in_page_works_while_the_register_does_not_answer(browser: httpx.AsyncClient, upstream: Any) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("down", request=request)

    upstream.answer = refuse
    assert (await browser.get("/oidc/authorize", params=REQUEST)).status_code == 200


@pytest.mark.parametrize(
    ("username", "role", "org"),
    [
        ("ministry", "ministry", "17"),
        ("region:1714", "region", "1714"),
        ("district:1708401", "district", "1708401"),
        ("institution:0199-aa", "institution", "0199-aa"),
        ("enterprise:0199-bb", "enterprise", "0199-bb"),
        ("operator", "operator", None),
    ],
)
async def test_password_grant_serves_the_command_line(
    browser: httpx.AsyncClient, username: str, role: str, org: str | None
) -> None:
    form = {"grant_type": "password", "client_id": "hamkor-cli", "username": username, "password": "hamkor"}
    answer = (await browser.post("/oidc/token", data=form)).json()
    claims = await claims_of(browser, answer["access_token"])
    assert (claims["role"], claims.get("org")) == (role, org)
    principal_of(claims)  # the services take it


@pytest.mark.parametrize(
    ("username", "password"),
    [("ministry", "wrong"), ("nobody", "hamkor"), ("region:9999", "hamkor"), ("institution:../x", "hamkor")],
)
async def test_unknown_user_or_wrong_password_is_refused(
    browser: httpx.AsyncClient, username: str, password: str
) -> None:
    form = {"grant_type": "password", "username": username, "password": password}
    assert (await browser.post("/oidc/token", data=form)).json()["error"] == "invalid_grant"


async def test_services_get_a_token_of_role_service(browser: httpx.AsyncClient) -> None:
    answer = await browser.post(
        "/oidc/token", data={"grant_type": "client_credentials"}, auth=("hamkor-services", SECRET)
    )
    claims = await claims_of(browser, answer.json()["access_token"])
    assert claims["role"] == "service"
    assert "org" not in claims
    refused = await browser.post(
        "/oidc/token", data={"grant_type": "client_credentials"}, auth=("hamkor-services", "wrong")
    )
    assert refused.status_code == 401


async def test_refresh_token_gives_a_new_access_token_but_is_none(browser: httpx.AsyncClient) -> None:
    first = (await browser.post("/oidc/token", data=exchange(await code_for(browser, "zomin")))).json()
    form = {"grant_type": "refresh_token", "client_id": "hamkor-portal", "refresh_token": first["refresh_token"]}
    second = (await browser.post("/oidc/token", data=form)).json()
    assert (await claims_of(browser, second["access_token"]))["org"] == "1708218"
    with pytest.raises(jwt.InvalidAudienceError):
        await claims_of(browser, first["refresh_token"])
    form["refresh_token"] = first["access_token"]
    assert (await browser.post("/oidc/token", data=form)).json()["error"] == "invalid_grant"


async def test_revoked_refresh_token_is_worth_nothing_in_any_process(
    browser: httpx.AsyncClient, environment: dict[str, str], upstream: Any
) -> None:
    token = (await browser.post("/oidc/token", data=exchange(await code_for(browser)))).json()["refresh_token"]
    form = {"grant_type": "refresh_token", "client_id": "hamkor-portal", "refresh_token": token}
    app = build(environment, httpx.MockTransport(upstream))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=PORTAL) as another:
        assert (await another.post("/oidc/token", data=form)).status_code == 200
        for _ in range(2):
            answer = await browser.post("/oidc/revoke", data={"client_id": "hamkor-portal", "token": token})
            assert answer.status_code == 200
        for each in (browser, another):
            assert (await each.post("/oidc/token", data=form)).json()["error"] == "invalid_grant"


async def test_revocation_answers_as_rfc_7009_has_it(browser: httpx.AsyncClient) -> None:
    tokens = (await browser.post("/oidc/token", data=exchange(await code_for(browser)))).json()

    async def error(**form: str) -> str | None:
        answer = await browser.post("/oidc/revoke", data=form)
        return answer.json()["error"] if answer.status_code != 200 else None

    assert await error(client_id="hamkor-portal", token="made up") is None
    assert await error(client_id="hamkor-portal") == "invalid_request"
    assert await error(client_id="hamkor-portal", token=tokens["access_token"]) == "unsupported_token_type"
    assert await error(client_id="hamkor-cli", token=tokens["refresh_token"]) == "invalid_grant"
    assert await error(client_id="somebody", token=tokens["refresh_token"]) == "invalid_client"


def test_revoked_tokens_are_remembered_over_a_restart_and_in_bounds(tmp_path: Path) -> None:
    path = tmp_path / "issuer.revoked"
    revoked = Revoked(path, most=20)
    for number in range(200):
        revoked.add(f"t{number}", 1_000 + number, now=1_000)
    after = Revoked(path, most=20)
    assert "t199" in after
    assert "t0" not in after
    assert len(path.read_text().splitlines()) <= 20
    unwritable = Revoked(tmp_path / "missing" / "issuer.revoked")
    unwritable.add("t", 2_000, now=1_000)
    assert "t" in unwritable


async def test_unreadable_token_requests_are_answered_in_oauths_words(browser: httpx.AsyncClient) -> None:
    assert (await browser.post("/oidc/token")).json()["error"] == "unsupported_grant_type"
    broken = await browser.post("/oidc/token", headers={"authorization": "Basic ###"})
    assert (broken.status_code, broken.json()["error"]) == (401, "invalid_client")


def test_every_demo_user_is_a_principal_that_the_services_take() -> None:
    for user in DEMO_USERS:
        assert principal_of(user.claims()).role is user.role
        assert find_user(user.username) == user


def test_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key.pem"
    first, second = load_or_make_key(path), load_or_make_key(path)
    assert first.id == second.id
    assert path.stat().st_mode & 0o077 == 0
    assert list(path.parent.iterdir()) == [path]


def test_wrong_key_file_is_said_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("nonsense")
    with pytest.raises(WrongSettings, match="PORTAL_ISSUER_KEY_FILE"):
        load_or_make_key(path)
