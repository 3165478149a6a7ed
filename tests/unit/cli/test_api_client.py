"""The API client: sent until answered, under one key; refusals are raised with their remedy."""

from collections.abc import Callable

import httpx
import pytest

from deploy.api_client import Api, PasswordTokens, Patience, Problem, Unreachable, fixed_token, portal_door

QUICK = Patience(total_s=5.0, first_pause_s=0.001, most_pause_s=0.002)
Handler = Callable[[httpx.Request], httpx.Response]


def an_api(handler: Handler, patience: Patience = QUICK) -> Api:
    http = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    return Api(http, portal_door("http://portal"), fixed_token("t"), patience=patience)


async def test_command_is_repeated_under_the_same_key_until_answered() -> None:
    keys: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            raise httpx.ReadError("cut")
        if len(keys) < 4:
            return httpx.Response(503 if len(keys) == 2 else 502)
        return httpx.Response(
            201, json={"id": "a", "version": 1}, headers={"Hamkor-Position": "partners/1/2, partners/1/3"}
        )

    done = await an_api(handler).command("ministry", "POST", "partners", "/v1/x", {"a": 1})
    assert (len(keys), len(set(keys)), done.attempts) == (4, 1, 4)
    assert (done.id, done.version, done.positions) == ("a", 1, ("partners/1/2", "partners/1/3"))


async def test_refusal_is_raised_at_once_with_fields_and_remedy() -> None:
    calls = 0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        error = {"field": "stir", "rule": "stir", "message": "no", "remedy": "mend"}
        body = {"type": "urn:hamkor:problem:invalid-input", "title": "Wrong", "errors": [error], "id": "x"}
        return httpx.Response(422, json=body)

    with pytest.raises(Problem) as raised:
        await an_api(handler).command("ministry", "POST", "partners", "/v1/x")
    assert calls == 1
    assert (raised.value.code, raised.value.errors[0].field, raised.value.more) == (
        "invalid-input",
        "stir",
        {"id": "x"},
    )
    assert "mend" in str(raised.value)


async def test_silence_ends_in_unreachable_after_the_patience() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(Unreachable, match="refused"):
        await an_api(handler, Patience(total_s=0.05, first_pause_s=0.01)).get("ministry", "partners", "/v1/x")


async def test_fault_that_stays_is_not_repeated_for_ever() -> None:
    calls = 0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return httpx.Response(500)

    with pytest.raises(Problem):
        await an_api(handler).get("ministry", "partners", "/v1/x")
    assert calls == 6


async def test_token_is_fetched_once_a_user_and_again_when_refused() -> None:
    fetched: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oidc/token":
            fetched.append(request.content.decode().partition("username=")[2].partition("&")[0])
            return httpx.Response(200, json={"access_token": f"t{len(fetched)}", "expires_in": 900})
        if request.headers["authorization"] == "Bearer t1":
            return httpx.Response(401, json={"title": "no"})
        return httpx.Response(200, json={})

    http = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    tokens = PasswordTokens(http, "http://portal/oidc/token", "hamkor")
    api = Api(http, portal_door("http://portal"), tokens, patience=QUICK)
    await api.get("ministry", "partners", "/v1/x")
    await api.get("ministry", "partners", "/v1/x")
    await api.get("region:1708", "partners", "/v1/x")
    assert fetched == ["ministry", "ministry", "region%3A1708"]


async def test_wrong_password_is_a_refusal_that_says_what_to_check() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json={"error": "invalid_grant", "error_description": "wrong password"})

    http = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    with pytest.raises(Problem, match="HAMKOR_PASSWORD"):
        await PasswordTokens(http, "http://portal/oidc/token", "x")("ministry")


async def test_query_in_the_path_is_kept() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json={})

    api = an_api(handler)
    await api.get("ministry", "agreements", "/v1/agreements?status=active")
    await api.get("ministry", "agreements", "/v1/agreements", status="active")
    assert asked == ["http://portal/api/agreements/v1/agreements?status=active"] * 2
