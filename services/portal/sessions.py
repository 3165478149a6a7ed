"""A person's session: an encrypted cookie, so that a restarted portal still knows who is signed in."""

import base64
import json
import time
import zlib
from collections import OrderedDict
from dataclasses import asdict, dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Self

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.scope import Role

SESSION_COOKIE = "hamkor_session"
SESSION_SECONDS = 12 * 3600


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in; `refresh_token` obtains access tokens, `org` is the root of what they see.

    `began`, in seconds since the epoch: it lasts SESSION_SECONDS from then, however often its tokens are renewed.
    """

    id: str
    subject: str
    role: Role
    org: str
    name: str
    refresh_token: str
    began: float = 0.0


class Box:
    """Encrypts and signs small values for one purpose with a key derived from the portal's secret."""

    def __init__(self, secret: str, purpose: str) -> None:
        key = HKDF(algorithm=SHA256(), length=32, salt=b"hamkor-portal", info=purpose.encode()).derive(secret.encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def seal(self, value: dict[str, Any]) -> str:
        """`value` as an opaque text that only this box opens."""
        return self._fernet.encrypt(zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 9)).decode()

    def open(self, sealed: str, max_age_s: int) -> dict[str, Any] | None:
        """What was sealed, or None where it is forged, broken or older than `max_age_s` seconds."""
        try:
            packed = self._fernet.decrypt(sealed.encode(), ttl=max_age_s)
            value: dict[str, Any] = json.loads(zlib.decompress(packed))
        except (InvalidToken, ValueError, zlib.error):
            return None
        return value


class SessionCookies:
    """Writes and reads the session cookie."""

    def __init__(self, secret: str, *, secure: bool) -> None:
        self._box = Box(secret, "session")
        self._secure = secure
        self._ended: OrderedDict[str, float] = OrderedDict()

    def read(self, headers: Headers) -> Session | None:
        """The session that the request's cookies carry, or None."""
        sealed = read_cookie(headers, SESSION_COOKIE)
        value = self._box.open(sealed, SESSION_SECONDS) if sealed else None
        if value is None:
            return None
        try:
            session = Session(**{**value, "role": Role(value["role"])})
        except (KeyError, TypeError, ValueError):
            return None
        over = time.time() - session.began > SESSION_SECONDS
        return None if over or session.id in self._ended else session

    def end(self, session: Session) -> None:
        """Take no cookie of this session any more, also not a copy: known to this process, as long as cookies live.

        To others its refresh token is worth nothing, which the provider was asked to revoke.
        """
        self._ended[session.id] = time.monotonic()
        while time.monotonic() - next(iter(self._ended.values())) > SESSION_SECONDS:
            self._ended.popitem(last=False)

    def header(self, session: Session | None) -> str:
        """A Set-Cookie value that keeps `session`, or ends it where None."""
        if session is None:
            return cookie_header(SESSION_COOKIE, "", max_age_s=0, secure=self._secure)
        value = self._box.seal(asdict(session))
        return cookie_header(SESSION_COOKIE, value, max_age_s=SESSION_SECONDS, secure=self._secure)


def read_cookie(headers: Headers, name: str) -> str | None:
    """The value of one cookie of a request; None where it is absent or the header cannot be read."""
    for header in headers.getlist("cookie"):
        for part in header.split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                return value.strip('"')
    return None


def cookie_header(name: str, value: str, *, max_age_s: int, secure: bool, path: str = "/") -> str:
    """A Set-Cookie value: not readable by scripts, not sent along with other sites' forms."""
    try:
        cookie: SimpleCookie = SimpleCookie({name: value})
    except CookieError as problem:
        raise ValueError(f"{name} is no cookie name") from problem
    morsel = cookie[name]
    morsel["path"], morsel["max-age"], morsel["httponly"], morsel["samesite"] = path, max_age_s, True, "Lax"
    if secure:
        morsel["secure"] = True
    return morsel.OutputString()


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the provider gave a session last; `expires` is in seconds since the epoch."""

    access: str
    expires: float
    refresh: str


class TokenMemory:
    """Tokens of the sessions seen lately; what is lost is obtained again with the refresh token in the cookie."""

    def __init__(self, limit: int = 10_000) -> None:
        self._tokens: OrderedDict[str, Tokens] = OrderedDict()
        self._limit = limit

    def get(self, session_id: str) -> Tokens | None:
        """What is known of the session."""
        return self._tokens.get(session_id)

    def put(self, session_id: str, tokens: Tokens) -> None:
        """Remember a session's tokens."""
        self._tokens[session_id] = tokens
        self._tokens.move_to_end(session_id)
        while len(self._tokens) > self._limit:
            self._tokens.popitem(last=False)

    def forget(self, session_id: str) -> None:
        """Drop a session's tokens."""
        self._tokens.pop(session_id, None)


class SessionMiddleware:
    """Puts `session` into the request's state, and writes the cookie when a handler put `new_session` there."""

    def __init__(self, app: ASGIApp, cookies: SessionCookies) -> None:
        self._app = app
        self._cookies = cookies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["session"] = self._cookies.read(Headers(scope=scope))

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and "new_session" in state:
                if state["new_session"] is None and state["session"] is not None:
                    self._cookies.end(state["session"])
                MutableHeaders(scope=message).append("set-cookie", self._cookies.header(state["new_session"]))
            await send(message)

        await self._app(scope, receive, with_cookie)


@dataclass(frozen=True, slots=True)
class Bearer:
    """What a token says of its bearer, as far as the portal needs it."""

    subject: str
    role: Role
    org: str
    name: str

    @classmethod
    def of_claims(cls, claims: dict[str, Any]) -> Self:
        """The bearer of verified claims; raises ValueError where the role is not one of ours."""
        name = claims.get("name") or claims.get("preferred_username") or claims["sub"]
        return cls(str(claims["sub"]), Role(claims.get("role", "")), str(claims.get("org") or ""), str(name))
