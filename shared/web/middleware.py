"""Pure ASGI middleware: trace and log context, request durations, and a limit on bodies."""

import time
from collections.abc import Mapping
from types import MappingProxyType

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.telemetry.metrics import REQUEST_SECONDS
from shared.telemetry.trace import enter_trace

log = structlog.get_logger(__name__)

MANY = ("/bulk", "/import")
"""How addresses end that take many entries at once, and therefore larger bodies."""
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
        began_streaming: float | None = None

        async def watch(message: Message) -> None:
            nonlocal status, began_streaming
            if message["type"] == "http.response.start":
                status = message["status"]
                if dict(message.get("headers", ())).get(b"content-type", b"").startswith(b"text/event-stream"):
                    began_streaming = time.perf_counter()
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            # A change stream lasts as long as somebody listens: what counts is how soon it began.
            elapsed_s = (began_streaming or time.perf_counter()) - started
            REQUEST_SECONDS.labels(self._service, scope["method"], route, str(status)).observe(elapsed_s)
            if path not in QUIET and (status >= 500 or elapsed_s > 1.0):
                log.info(
                    "request.slow_or_failed",
                    method=scope["method"],
                    route=route,
                    status=status,
                    ms=round(elapsed_s * 1000),
                )


class BodyTooLarge(HTTPException):
    """More bytes came than are allowed."""

    def __init__(self, limit: int) -> None:
        super().__init__(413)
        self.limit = limit


class LimitBody:
    """Lets whoever reads too large a body fail with 413: by its declared length or, where none is declared, by count.

    The failure is an HTTPException, so that the answer is a problem in the caller's language like any other.
    """

    def __init__(
        self,
        app: ASGIApp,
        limit_bytes: int,
        many_bytes: int | None = None,
        spooled: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._app = app
        self._limit = limit_bytes
        self._many = many_bytes or limit_bytes
        self._spooled = spooled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        usual = self._many if scope["path"].endswith(MANY) else self._limit
        limit = self._spooled.get(scope["path"], usual)
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        seen = int(declared) if declared.isdigit() else 0

        async def count() -> Message:
            nonlocal seen
            if seen > limit:
                raise BodyTooLarge(limit)
            message = await receive()
            if not declared.isdigit() or declared == b"0":
                seen += len(message.get("body", b""))
                if seen > limit:
                    raise BodyTooLarge(limit)
            return message

        await self._app(scope, count, send)
