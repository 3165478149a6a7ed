"""The advice API as the pages ask it: the caller's token, the reader's language, commands with their keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
from starlette.requests import Request

from services.portal.language import language_of
from services.portal.proxy import Upstreams
from services.portal.sessions import Session
from services.portal.sign_in import SessionEnded, SignIn
from shared.errors import Forbidden, NotFound, Unavailable
from shared.i18n import Lang
from shared.scope import EDUCATION, Role

SERVICE = "monitoring"
TIMEOUT = httpx.Timeout(15, connect=3)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said to a command; a status of 503 and no body where no answer came: the same key may be sent again."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether it was carried out."""
        return 200 <= self.status < 300


class Asking:
    """One reader's way to the advice API; raises Unavailable, NotFound, Forbidden or SessionEnded."""

    def __init__(self, upstreams: Upstreams, token: str, lang: Lang) -> None:
        self._upstreams = upstreams
        self._headers = {"authorization": f"Bearer {token}", "accept-language": str(lang)}

    async def get(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object at a path."""
        answer = await self._call("GET", path, params=dict(params or {}))
        if not answer.done:
            raise Unavailable(service=SERVICE)
        return dict(answer.body)

    async def try_get(self, path: str, params: Mapping[str, Any] | None = None) -> Answer:
        """The answer at a path, a refusal too: its problem says what to do."""
        return await self._call("GET", path, params=dict(params or {}), telling=True)

    async def send(
        self, method: str, path: str, body: Any, key: str, version: str = "", params: Mapping[str, str] | None = None
    ) -> Answer:
        """Carry out a command; `key` makes a second sending count once."""
        headers = {"idempotency-key": key} | ({"if-match": f'"{version}"'} if version else {})
        try:
            return await self._call(method, path, json=body, headers=headers, params=params, telling=True)
        except Unavailable:
            return Answer(503)

    async def _call(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, telling: bool = False, **more: Any
    ) -> Answer:
        try:
            answer = await self._upstreams.client.request(
                method,
                self._upstreams.url(SERVICE) + path,
                headers={**self._headers, **(headers or {})},
                timeout=TIMEOUT,
                **more,
            )
            body = answer.json()
        except (httpx.HTTPError, ValueError) as problem:
            raise Unavailable(service=SERVICE) from problem
        if answer.status_code == 401:
            raise SessionEnded
        if not telling:
            match answer.status_code:
                case 403:
                    raise Forbidden
                case 400 | 404 | 422:
                    raise NotFound
        return Answer(answer.status_code, body if isinstance(body, Mapping) else {"items": body})


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a page, in which language, and the way to what is read."""

    session: Session
    asking: Asking
    lang: Lang


async def reader_of(
    request: Request, upstreams: Upstreams, sign_in: SignIn, roles: frozenset[Role] = EDUCATION
) -> Reader:
    """The signed-in reader; raises SessionEnded without one, Forbidden for another role."""
    session: Session | None = request.state.session
    if session is None:
        raise SessionEnded
    if session.role not in roles:
        raise Forbidden
    lang = language_of(request.scope)
    return Reader(session, Asking(upstreams, await sign_in.access_token(request), lang), lang)


def segment(text: str) -> str:
    """A part of a path."""
    if not text or len(text) > 64:
        raise NotFound
    return quote(text, safe="")
