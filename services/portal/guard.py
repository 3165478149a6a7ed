"""Guards around every request: no other site acts with our cookie, and the browser is told what to refuse."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.portal.problems import Problems

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = "x-hamkor-csrf"
WITHOUT_COOKIE = ("/oidc/token", "/oidc/revoke", "/s/", "/c/")
"""Paths that never look at a cookie: nothing to forge there."""
API = "/api/"
"""Where a request without a cookie is nobody's: there is nothing to forge, and programs send no browser's headers."""


def same_origin(headers: Headers, origin: str) -> bool:
    """True if a request that changes something comes from one of our own pages or from no browser page at all.

    `Sec-Fetch-Site` decides where the browser sends it, else `Origin`; without both the request must carry our own
    header, which no foreign page can add unless we answered yes to a CORS preflight, and we never do.
    """
    if site := headers.get("sec-fetch-site"):
        return site == "same-origin"
    if (given := headers.get("origin")) is not None:
        return given == origin or urlsplit(given).netloc == headers.get("host", "")
    return CSRF_HEADER in headers


class SameOriginMiddleware:
    """Refuses cookie-authenticated requests that change something unless they come from our own pages."""

    def __init__(self, app: ASGIApp, origin: str, problems: Problems) -> None:
        self._app = app
        self._origin = origin
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            headers = Headers(scope=scope)
            nobody = "cookie" not in headers and scope["path"].startswith(API)
            exempt = nobody or scope["path"].startswith(WITHOUT_COOKIE) or "authorization" in headers
            if not exempt and not same_origin(headers, self._origin):
                await self._problems.response(scope, 403, "cross-site")(scope, receive, send)
                return
        await self._app(scope, receive, send)


def security_headers(*, secure: bool, form_targets: tuple[str, ...] = ()) -> Mapping[str, str]:
    """The headers that every answer carries unless it sets its own."""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "manifest-src": "'self'",
        "form-action": " ".join(("'self'", *form_targets)),
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    headers = {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }
    return headers | ({"strict-transport-security": "max-age=31536000"} if secure else {})


class SecurityHeadersMiddleware:
    """Adds the security headers to every answer that does not set its own."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)
