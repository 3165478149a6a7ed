"""The reverse proxy: one door to the services' APIs and to the surveys' public form, streaming both ways.

The caller's own Authorization header goes through; otherwise the session's access token is added. `/internal` has no
door.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from urllib.parse import unquote, urlsplit

import anyio
import httpx
from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.portal.language import chosen_language, language_of
from services.portal.problems import Problems
from services.portal.sign_in import SessionEnded, SignIn

BODY_LIMIT = 50 * 1024 * 1024
FORM_LIMIT = 1024 * 1024
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

HOP_BY_HOP = frozenset(  # RFC 9110, 7.6.1
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    ]
)
NEVER_UP = HOP_BY_HOP | frozenset(
    [
        "host",
        "cookie",
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-real-ip",
        "x-client-ip",
        "expect",
        "origin",
        "referer",
    ]
)
"""Request headers that stay here: they are about this connection, this browser, or would claim a client's address."""
NEVER_DOWN = HOP_BY_HOP | frozenset(("set-cookie", "server", "date", "strict-transport-security"))
FORM_UP = frozenset(["accept", "accept-encoding", "content-type", "content-length", "idempotency-key", "if-none-match"])
"""All that the anonymous form lets through: nothing that tells one respondent from another."""


class BadPath(ValueError):
    """The path tries to leave the part of the service that is open."""


class BodyTooLarge(Exception):
    """The caller sends more than the limit."""


def upstream_path(raw_path: bytes, door: str, first: frozenset[str]) -> str:
    """The path to ask a service for: what follows `door` in the raw (still encoded) path.

    `first` names the allowed first segments, any where empty. Raises BadPath for dot segments, encoded slashes,
    backslashes, control characters and double encoding: what a service might read otherwise than this check does.
    """
    path = raw_path.decode("ascii", "replace").partition("?")[0]
    if not path.startswith(door):
        raise BadPath(path)
    rest = path[len(door) :]
    segments = [unquote(segment, errors="replace") for segment in rest.split("/")]
    for segment in segments:
        if segment in (".", "..") or any(char in "/\\%\ufffd" or ord(char) < 32 for char in segment):
            raise BadPath(path)
    if "" in segments[:-1] or "internal" in segments or (first and segments[0] not in first):
        raise BadPath(path)
    return "/" + rest


class Upstreams:
    """The services behind the portal, each with its connection pool."""

    def __init__(self, urls: Mapping[str, str], transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._urls = urls
        # uvicorn closes idle connections after 5 s: give them up before it does
        self.client = httpx.AsyncClient(
            transport=transport,
            limits=httpx.Limits(max_connections=2000, max_keepalive_connections=50, keepalive_expiry=4),
            timeout=httpx.Timeout(60, connect=3, pool=5),
            follow_redirects=False,
            trust_env=False,
        )

    def url(self, service: str) -> str:
        """The base address of a service."""
        return self._urls[service]

    async def aclose(self) -> None:
        """Close all connections."""
        await self.client.aclose()


class Streamed(Response):
    """An upstream's answer passed on chunk by chunk; the upstream is let go when the client goes."""

    def __init__(self, upstream: httpx.Response, headers: list[tuple[bytes, bytes]]) -> None:
        super().__init__(status_code=upstream.status_code)
        self.raw_headers = headers
        self._upstream = upstream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Send the answer; ends early, closing the upstream, when the client disconnects or the upstream breaks off."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._cancel_when_gone, receive, tasks.cancel_scope)
                start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
                await send(start)
                async for chunk in self._upstream.aiter_raw():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                tasks.cancel_scope.cancel()
        except* httpx.TransportError as broken:
            # the status is out already: end the connection so that the client sees that the answer is not whole
            raise ConnectionAbortedError(f"upstream broke off: {broken.exceptions[0]!r}") from None
        finally:
            with anyio.CancelScope(shield=True):
                await self._upstream.aclose()

    @staticmethod
    async def _cancel_when_gone(receive: Receive, cancel_scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        cancel_scope.cancel()


class Proxy:
    """Forwards requests to the services."""

    def __init__(self, upstreams: Upstreams, sign_in: SignIn, problems: Problems) -> None:
        self._upstreams = upstreams
        self._sign_in = sign_in
        self._problems = problems

    async def api(self, request: Request, service: str) -> Response:
        """Forward `/api/<service>/v1/…` with the caller's own token or the session's."""
        door = f"/api/{service}/"
        try:
            path = upstream_path(request.scope["raw_path"], door, frozenset({"v1", "openapi.json"}))
        except BadPath:
            return self._problems.response(request.scope, 404, "not-found")
        headers = [
            (name, value)
            for name, value in request.headers.items()
            if name not in NEVER_UP and not _named(request, name)
        ]
        if chosen := chosen_language(request.headers):
            headers = [(name, value) for name, value in headers if name != "accept-language"]
            headers.append(("accept-language", chosen))
        if "authorization" not in request.headers and request.state.session is not None:
            try:
                headers.append(("authorization", f"Bearer {await self._sign_in.access_token(request)}"))
            except SessionEnded:
                return self._problems.response(request.scope, 401, "unauthenticated")
        return await self._forward(request, service, path, headers, BODY_LIMIT, door.rstrip("/"))

    async def form(self, request: Request) -> Response:
        """Forward `/s/…` to the surveys' public form with nothing that would tell who answers."""
        try:
            path = upstream_path(request.scope["raw_path"], "/", frozenset({"s"}))
        except BadPath:
            return self._problems.response(request.scope, 404, "not-found")
        headers = [(name, value) for name, value in request.headers.items() if name in FORM_UP]
        headers += [("accept-language", language_of(request.scope)), ("user-agent", "hamkor")]
        answer = await self._forward(request, "surveys", path, headers, FORM_LIMIT, "")
        answer.headers["referrer-policy"] = "no-referrer"
        if not path.startswith("/s/x/"):  # the form's scripts are the same for everybody
            answer.headers["cache-control"] = "no-store"
        return answer

    async def _forward(
        self, request: Request, service: str, path: str, headers: list[tuple[str, str]], limit: int, prefix: str
    ) -> Response:
        too_large = {"limit": f"{limit // (1024 * 1024)} MB"}
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            return self._problems.response(request.scope, 413, "too-large", too_large)
        has_body = bool(length not in ("", "0") or request.headers.get("transfer-encoding"))
        base = self._upstreams.url(service)
        query = request.scope["query_string"].decode("ascii", "replace")
        outgoing = self._upstreams.client.build_request(
            request.method,
            f"{base}{path}" + (f"?{query}" if query else ""),
            # bytes for bytes: httpx would refuse text beyond ASCII
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
            content=_limited(request, limit) if has_body else None,
        )
        if not has_body and request.method in ("POST", "PUT", "PATCH"):
            outgoing.headers["content-length"] = "0"
        try:
            answer = await self._upstreams.client.send(outgoing, stream=True)
        except BodyTooLarge:
            return self._problems.response(request.scope, 413, "too-large", too_large)
        except ClientDisconnect:
            return Response(status_code=499)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return self._problems.response(
                request.scope, 503, "unavailable", {"service": service}, headers={"retry-after": "5"}
            )
        except httpx.TimeoutException:
            return self._problems.response(request.scope, 504, "gateway-timeout", {"service": service})
        except httpx.TransportError:
            return self._problems.response(request.scope, 502, "bad-gateway", {"service": service})
        return Streamed(answer, _headers_down(answer.headers.raw, base, prefix))


def _named(request: Request, name: str) -> bool:
    """True if the Connection header declares `name` as meant for this hop only."""
    return name in {item.strip().lower() for item in request.headers.get("connection", "").split(",")}


def _headers_down(raw: Iterable[tuple[bytes, bytes]], base: str, prefix: str) -> list[tuple[bytes, bytes]]:
    """The answer's headers for the client; a Location inside the service leads through this proxy again."""
    headers: list[tuple[bytes, bytes]] = []
    for name, value in raw:
        lower = name.lower()
        if lower.decode("latin-1") in NEVER_DOWN:
            continue
        if lower == b"location":
            target = value.decode("latin-1").removeprefix(base)
            value = (
                f"{prefix}{target}".encode("latin-1") if urlsplit(target).path == target.partition("?")[0] else value
            )
        headers.append((lower, value))
    if all(name != b"cache-control" for name, _ in headers):
        headers.append((b"cache-control", b"no-store"))  # what is behind the door is for this caller alone
    return headers


async def _limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The request's body as it comes; raises BodyTooLarge past `limit` bytes."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge
        yield chunk


def proxy_routes(proxy: Proxy, problems: Problems, services: Iterable[str]) -> APIRouter:
    """The routes of the proxy; only the named services have a door."""
    router = APIRouter(include_in_schema=False)
    known = frozenset(services)

    @router.api_route("/api/{service}/{path:path}", methods=METHODS)
    async def api(request: Request, service: str) -> Response:
        if service not in known:
            return problems.response(request.scope, 404, "not-found")
        return await proxy.api(request, service)

    @router.api_route("/s/{path:path}", methods=["GET", "HEAD", "POST"])
    async def form(request: Request) -> Response:
        return await proxy.form(request)

    return router
