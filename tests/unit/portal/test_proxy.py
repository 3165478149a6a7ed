"""The reverse proxy: what goes through, what stays here, and what people read when a service is down."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.portal.app import build
from services.portal.proxy import BadPath, upstream_path
from tests.unit.portal.conftest import PORTAL, SAME_ORIGIN, Upstream, sign_in

FIRST = frozenset({"v1"})


@pytest.mark.parametrize(
    "path",
    [
        "/api/partners/internal/events",
        "/api/partners/v1/../internal/events",
        "/api/partners/v1/%2e%2e/internal/events",
        "/api/partners/v1/%2E%2E/internal/events",
        "/api/partners/v1/..%2finternal/events",
        "/api/partners/v1/%252e%252e/internal/events",
        "/api/partners/v1\\..\\internal",
        "/api/partners/v1/%5c..%5cinternal",
        "/api/partners//internal/events",
        "/api/partners/v1//internal/events",
        "/api/partners/./internal/events",
        "/api/partners/v1/internal/events",
        "/api/partners/v1/x%00y",
        "/api/partners/v1/x%0d%0ay",
        "/api/partners/metrics",
        "/api/partners/live",
        "/api/partners/",
        "/api/partners/v2/institutions",
    ],
)
def test_no_path_leaves_the_open_part_of_a_service(path: str) -> None:
    with pytest.raises(BadPath):
        upstream_path(path.encode(), "/api/partners/", FIRST)


@given(st.text(alphabet="v1/.%2eEfF5cC\\internal;?", max_size=40))
def test_whatever_passes_starts_with_the_version_and_holds_no_dots(rest: str) -> None:
    try:
        path = upstream_path(f"/api/partners/{rest}".encode(), "/api/partners/", FIRST)
    except BadPath:
        return
    segments = httpx.URL(f"http://x{path}").path.split("/")
    assert segments[1] == "v1"
    assert not {"..", ".", "internal"} & set(segments)


@pytest.mark.parametrize(
    "path", ["/api/partners/internal/events", "/api/partners/v1/%2e%2e/internal/events", "/api/nobody/v1/x", "/api/"]
)
async def test_closed_doors_answer_404_and_ask_nobody(
    browser: httpx.AsyncClient, upstream: Upstream, path: str
) -> None:
    answer = await browser.get(path)
    assert answer.status_code == 404
    assert upstream.requests == []


async def test_callers_own_token_goes_through_with_query_and_body(
    browser: httpx.AsyncClient, upstream: Upstream
) -> None:
    upstream.answer = lambda _: httpx.Response(
        201, json={"id": "1"}, headers={"etag": '"1"', "hamkor-position": "p/1/2"}
    )
    answer = await browser.post(
        "/api/partners/v1/institutions?a=1&b=%20x",
        json={"name": "maktab"},
        headers={"authorization": "Bearer mine", "idempotency-key": "k", "traceparent": "00-a-b-01"},
    )
    assert (answer.status_code, answer.headers["etag"], answer.headers["hamkor-position"]) == (201, '"1"', "p/1/2")
    sent = upstream.last
    assert str(sent.url) == "http://partners.test/v1/institutions?a=1&b=%20x"
    assert sent.headers["authorization"] == "Bearer mine"
    assert sent.headers["idempotency-key"] == "k"
    assert sent.headers["traceparent"] == "00-a-b-01"
    assert upstream.bodies[-1] == b'{"name":"maktab"}'


async def test_session_becomes_a_token_and_cookies_stay_here(browser: httpx.AsyncClient, upstream: Upstream) -> None:
    await sign_in(browser)
    upstream.answer = lambda _: httpx.Response(200, json={}, headers={"set-cookie": "evil=1"})
    answer = await browser.get("/api/monitoring/v1/scope")
    assert upstream.last.headers["authorization"].count(".") == 2
    assert "cookie" not in upstream.last.headers
    assert "set-cookie" not in answer.headers


async def test_headers_beyond_ascii_go_through_as_they_came(browser: httpx.AsyncClient, upstream: Upstream) -> None:
    key = "kalit-ё".encode()
    headers = [(b"idempotency-key", key), (b"accept-language", b"\xfc"), (b"authorization", b"Bearer \xe9")]
    answer = await browser.post("/api/partners/v1/institutions", json={}, headers=headers)
    assert answer.status_code == 200
    assert dict(upstream.last.headers.raw)[b"idempotency-key"] == key


async def test_answers_are_for_the_caller_alone(browser: httpx.AsyncClient, upstream: Upstream) -> None:
    assert (await browser.get("/api/partners/v1/institutions")).headers["cache-control"] == "no-store"
    upstream.answer = lambda _: httpx.Response(200, json={}, headers={"cache-control": "max-age=60"})
    answer = await browser.get("/api/surveys/v1/instruments")
    assert answer.headers.get_list("cache-control") == ["max-age=60"]


async def test_crash_at_the_public_form_logs_no_access_code(
    environment: dict[str, str], upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash(_: httpx.Request) -> httpx.Response:
        raise RuntimeError("broken")

    upstream.answer = crash
    transport = httpx.ASGITransport(build(environment, httpx.MockTransport(upstream)), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=PORTAL) as client:
        assert (await client.get("/s/ABCD-EFGH-JKMN")).status_code == 500
    logged = "".join(capsys.readouterr())
    assert "request.crashed" in logged
    assert "ABCD" not in logged


async def test_nobody_claims_an_address(browser: httpx.AsyncClient, upstream: Upstream) -> None:
    headers = {
        "x-forwarded-for": "1.2.3.4",
        "forwarded": "for=1.2.3.4",
        "x-real-ip": "1.2.3.4",
        "connection": "x-a",
        "x-a": "b",
    }
    await browser.get("/api/monitoring/v1/scope", headers=headers)
    assert not {"x-forwarded-for", "forwarded", "x-real-ip", "x-a"} & set(upstream.last.headers)


async def test_services_hear_the_chosen_language(browser: httpx.AsyncClient, upstream: Upstream) -> None:
    await browser.get("/api/monitoring/v1/indicators", headers={"accept-language": "en"})
    assert upstream.last.headers["accept-language"] == "en"
    await browser.post("/language", data={"lang": "uz-Cyrl"}, headers=SAME_ORIGIN)
    await browser.get("/api/monitoring/v1/indicators", headers={"accept-language": "en"})
    assert upstream.last.headers.get_list("accept-language") == ["uz-Cyrl"]


async def test_public_form_says_nothing_of_who_answers(browser: httpx.AsyncClient, upstream: Upstream) -> None:
    await sign_in(browser)
    upstream.answer = lambda _: httpx.Response(200, html="<p>form</p>", headers={"set-cookie": "who=1"})
    answer = await browser.post(
        "/s/ABCD-1234",
        data={"q1": "5"},
        headers={
            "user-agent": "Phone 7",
            "traceparent": "00-a-b-01",
            "x-forwarded-for": "1.2.3.4",
            "referer": "http://x.test/",
            "authorization": "Bearer mine",
            "idempotency-key": "once",
            "sec-ch-ua": "x",
        },
    )
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    sent = set(upstream.last.headers)
    assert sent <= {
        "host", "accept", "accept-encoding", "accept-language", "content-type", "content-length", "idempotency-key",
        "user-agent", "connection",
    }  # fmt: skip
    assert upstream.last.headers["user-agent"] == "hamkor"
    assert str(upstream.last.url) == "http://surveys.test/s/ABCD-1234"


def failing(error: type[httpx.TransportError]) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error("x", request=request)

    return answer


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (httpx.ConnectError, 503),
        (httpx.ConnectTimeout, 503),
        (httpx.ReadTimeout, 504),
        (httpx.RemoteProtocolError, 502),
        (httpx.ReadError, 502),
    ],
)
async def test_failing_service_is_named_with_what_to_do(
    browser: httpx.AsyncClient, upstream: Upstream, error: type[httpx.TransportError], status: int
) -> None:
    upstream.answer = failing(error)
    answer = await browser.get("/api/agreements/v1/agreements", headers={"accept-language": "en"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert "agreements" in problem["detail"]
    assert problem["remedy"]
    assert problem["instance"] == "/api/agreements/v1/agreements"


async def test_body_over_the_limit_is_refused_before_it_is_read(browser: httpx.AsyncClient, upstream: Upstream) -> None:
    headers = {"authorization": "Bearer x", "content-length": str(51 * 1024 * 1024)}
    answer = await browser.post("/api/partners/v1/imports", content=b"", headers=headers)
    assert answer.status_code == 413
    assert upstream.requests == []


async def test_undeclared_body_over_the_limit_is_cut(
    browser: httpx.AsyncClient, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.portal.proxy.BODY_LIMIT", 1000)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    headers = {"authorization": "Bearer x"}
    answer = await browser.post("/api/partners/v1/imports", content=chunks(), headers=headers)
    assert answer.status_code == 413


async def test_location_leads_through_the_portal_again(browser: httpx.AsyncClient, upstream: Upstream) -> None:
    upstream.answer = lambda _: httpx.Response(201, headers={"location": "/v1/institutions/1"})
    answer = await browser.post("/api/partners/v1/institutions", headers={"authorization": "Bearer x"})
    assert answer.headers["location"] == "/api/partners/v1/institutions/1"


async def test_stream_is_passed_on_as_it_comes_and_let_go_with_the_client(environment: dict[str, str]) -> None:
    closed = asyncio.Event()

    class Events(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"event: changed\n\n"
            await asyncio.sleep(60)

        async def aclose(self) -> None:
            closed.set()

    async def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Events())

    app = build(environment, httpx.MockTransport(answer))
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    gone = asyncio.Event()
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    path = "/api/monitoring/v1/changes"
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"place=17", "root_path": "",
        "headers": [(b"host", b"portal.test"), (b"authorization", b"Bearer x")],
        "client": ("127.0.0.1", 1), "server": ("portal.test", 80),
    }  # fmt: skip
    serving = asyncio.create_task(app(scope, receive, received.put))  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        start = await received.get()
        assert (b"content-type", b"text/event-stream") in start["headers"]
        chunk = await received.get()
        assert chunk["body"] == b"event: changed\n\n"
        assert not closed.is_set()
        gone.set()
        await serving
    assert closed.is_set()


async def test_portal_url_of_another_host_is_where_people_sign_in(environment: dict[str, str]) -> None:
    app = build(environment, httpx.MockTransport(lambda _: httpx.Response(200)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1:8100") as client:
        answer = await client.get("/sign-in?next=/about")
    assert answer.headers["location"] == f"{PORTAL}/sign-in?next=%2Fabout&moved=1"
