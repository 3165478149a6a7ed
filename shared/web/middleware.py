"""Pure ASGI middleware: trace and log context, request durations, and a limit on bodies."""

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.telemetry.metrics import REQUEST_SECONDS
from shared.telemetry.trace import enter_trace

log = structlog.get_logger(__name__)

QUIET = ("/live", "/ready", "/metrics")


class Observe:
    """Continues the caller's trace, measures the request by route template, and logs what took long or failed."""

    def __init__(self, app: ASGIApp, service: str, untraced: tuple[str, ...] = ()) -> None:
        self._app = app
        self._service = service
        self._untraced = untraced

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if not path.startswith(self._untraced or ("\0",)):
            incoming = dict(scope["headers"]).get(b"traceparent", b"").decode("ascii", "replace")
            enter_trace(incoming)
        started = time.perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            elapsed_s = time.perf_counter() - started
            REQUEST_SECONDS.labels(self._service, scope["method"], route, str(status)).observe(elapsed_s)
            if path not in QUIET and (status >= 500 or elapsed_s > 1.0):
                log.info(
                    "request.slow_or_failed",
                    method=scope["method"],
                    route=route,
                    status=status,
                    ms=round(elapsed_s * 1000),
                )


class BodyTooLarge(Exception):
    """More bytes came than are allowed."""


class LimitBody:
    """Answers 413 to bodies over the limit, by their declared length or, where none is declared, by counting."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._limit:
            await _refuse(send, self._limit)
            return
        seen = 0
        started = False

        async def count() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise BodyTooLarge
            return message

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, count, watch)
        except BodyTooLarge:
            if not started:
                await _refuse(send, self._limit)


async def _refuse(send: Send, limit: int) -> None:
    body = (
        b'{"type":"urn:hamkor:problem:too-large","title":"The request is too large","status":413,'
        b'"detail":"At most %d bytes are accepted.","remedy":"Send it in parts."}' % limit
    )
    headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
