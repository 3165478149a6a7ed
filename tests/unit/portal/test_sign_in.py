"""Signing in and out, the session over a restart, and what other sites cannot do with it."""

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from services.portal.app import build
from services.portal.sessions import Box
from services.portal.sign_in import local_path
from tests.unit.portal.conftest import PORTAL, SAME_ORIGIN, SECRET, Upstream, sign_in


async def test_page_without_a_session_leads_to_the_sign_in_and_back(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/places/1708?indicator=F1", headers={"accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Fplaces%2F1708%3Findicator%3DF1"
    back = await sign_in(browser, target="/places/1708?indicator=F1")
    assert back.headers["location"] == "/places/1708?indicator=F1"


async def test_session_cookie_is_closed_to_scripts_and_other_sites(browser: httpx.AsyncClient) -> None:
    answer = await sign_in(browser)
    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith("hamkor_session"))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "ministry" not in cookie


async def test_restarted_portal_keeps_people_signed_in(
    environment: dict[str, str], upstream: Upstream, browser: httpx.AsyncClient
) -> None:
    await sign_in(browser, "jizzakh")
    restarted = build(environment, httpx.MockTransport(upstream))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=restarted), base_url=PORTAL, cookies=browser.cookies
    ) as again:
        assert (await again.get("/api/monitoring/v1/scope")).status_code == 200
    assert upstream.last.headers["authorization"].startswith("Bearer ")


async def test_callback_needs_the_state_of_this_browser(browser: httpx.AsyncClient) -> None:
    started = await browser.get("/sign-in")
    query = parse_qs(urlsplit(started.headers["location"]).query)
    for state in ("of somebody else", "birovniki emas é"):
        answer = await browser.get("/sign-in/callback", params={"code": "x", "state": state})
        assert answer.status_code == 403
    browser.cookies.clear()
    answer = await browser.get("/sign-in/callback", params={"code": "x", "state": query["state"][0]})
    assert answer.status_code == 403


async def test_sign_out_ends_the_session(browser: httpx.AsyncClient) -> None:
    await sign_in(browser)
    answer = await browser.post("/sign-out", headers=SAME_ORIGIN)
    assert answer.headers["location"] == f"{PORTAL}/signed-out"
    assert (await browser.get("/", headers={"accept": "text/html"})).headers["location"] == "/sign-in"


async def test_copied_cookie_is_worth_nothing_in_another_process_after_signing_out(
    browser: httpx.AsyncClient, environment: dict[str, str], upstream: Upstream
) -> None:
    await sign_in(browser)
    copied = browser.cookies["hamkor_session"]
    await browser.post("/sign-out", headers=SAME_ORIGIN)
    app = build(environment, httpx.MockTransport(upstream))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=PORTAL) as thief:
        thief.cookies.set("hamkor_session", copied)
        assert (await thief.get("/api/monitoring/v1/scope")).status_code == 401


async def test_copied_cookie_is_worth_nothing_after_signing_out(browser: httpx.AsyncClient, upstream: Upstream) -> None:
    await sign_in(browser)
    copied = browser.cookies["hamkor_session"]
    await browser.post("/sign-out", headers=SAME_ORIGIN)
    browser.cookies.set("hamkor_session", copied)
    assert (await browser.get("/", headers={"accept": "text/html"})).headers["location"] == "/sign-in"
    await browser.get("/api/monitoring/v1/scope")
    assert "authorization" not in upstream.last.headers
    await sign_in(browser)
    await browser.get("/api/monitoring/v1/scope")
    assert "authorization" in upstream.last.headers


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": PORTAL}, 303),
        ({"origin": "http://evil.test"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
        ({"x-hamkor-csrf": "1"}, 303),
    ],
)
async def test_only_our_own_pages_change_anything(
    browser: httpx.AsyncClient, headers: dict[str, str], expected: int
) -> None:
    await sign_in(browser)
    assert (await browser.post("/sign-out", headers=headers)).status_code == expected


async def test_foreign_page_cannot_use_the_session_on_the_api(browser: httpx.AsyncClient, upstream: Upstream) -> None:
    await sign_in(browser)
    before = len(upstream.requests)
    refused = await browser.post("/api/partners/v1/institutions", json={}, headers={"origin": "http://evil.test"})
    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/problem+json"
    assert len(upstream.requests) == before
    own = await browser.post("/api/partners/v1/institutions", json={}, headers=SAME_ORIGIN)
    assert own.status_code == 200


async def test_program_without_a_cookie_reaches_what_needs_no_sign_in(
    browser: httpx.AsyncClient, upstream: Upstream
) -> None:
    assert (await browser.post("/api/agreements/v1/confirmations/secret", json={"agreed": True})).status_code == 200
    assert {"authorization", "cookie"} & upstream.last.headers.keys() == set()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/places/17?x=1", "/places/17?x=1"),
        ("http://evil.test/", "/"),
        ("//evil.test/", "/"),
        ("/\\evil.test", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
        ("/a\r\nset-cookie: x", "/"),
    ],
)
def test_nobody_is_sent_elsewhere_after_signing_in(target: str, expected: str) -> None:
    assert local_path(target) == expected


def test_box_opens_only_what_it_sealed_for_the_same_purpose() -> None:
    sealed = Box(SECRET, "session").seal({"a": 1})
    assert Box(SECRET, "session").open(sealed, 60) == {"a": 1}
    assert Box(SECRET, "sign-in").open(sealed, 60) is None
    assert Box(SECRET[::-1], "session").open(sealed, 60) is None
    assert Box(SECRET, "session").open(sealed[:-4] + "AAAA", 60) is None
    assert Box(SECRET, "session").open("nonsense", 60) is None


async def test_forged_session_cookie_is_nobody(browser: httpx.AsyncClient, upstream: Upstream) -> None:
    browser.cookies.set("hamkor_session", "forged", domain="portal.test")
    await browser.get("/api/monitoring/v1/scope")
    assert "authorization" not in upstream.last.headers


async def test_every_answer_carries_the_security_headers(browser: httpx.AsyncClient) -> None:
    for path in ("/about", "/nowhere", "/oidc/jwks", "/api/monitoring/v1/scope"):
        headers = (await browser.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"


async def test_language_is_chosen_by_button_and_remembered(browser: httpx.AsyncClient) -> None:
    await browser.post("/language", data={"lang": "ru", "next": "/about"}, headers=SAME_ORIGIN)
    page = await browser.get("/about", headers={"accept-language": "en"})
    assert page.headers["content-language"] == "ru"
    assert "О проекте" in page.text


@pytest.mark.parametrize("lang", ["uz", "uz-Cyrl", "ru", "en"])
@pytest.mark.parametrize("path", ["/nowhere", "/about", "/signed-out"])
async def test_pages_speak_every_language(browser: httpx.AsyncClient, lang: str, path: str) -> None:
    page = await browser.get(path, headers={"accept": "text/html", "accept-language": lang})
    assert f'<html lang="{lang}">' in page.text
    assert page.headers["content-language"] == lang
