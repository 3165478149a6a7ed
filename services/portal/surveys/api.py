"""The surveys service as its pages use it: with the reader's token and language."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from services.portal.proxy import Upstreams
from services.portal.sessions import Session
from services.portal.sign_in import SessionEnded
from services.portal.work.api import Answer, segment
from shared.errors import Forbidden, NotFound, Unavailable
from shared.i18n import Lang
from shared.scope import TERRITORIAL, Role

TIMEOUT = httpx.Timeout(30, connect=3)
LISTED = 100


@dataclass(frozen=True, slots=True)
class Surveyor:
    """Who reads the pages, and their way to the surveys service."""

    session: Session
    lang: Lang
    token: str
    upstreams: Upstreams

    @property
    def office(self) -> bool:
        """An office of the ministry, a region or a district; otherwise an institution."""
        return self.session.role in TERRITORIAL

    @property
    def ministry(self) -> bool:
        """The ministry."""
        return self.session.role is Role.MINISTRY

    async def get(self, path: str, **params: Any) -> Any:
        """The JSON at a path; raises NotFound, Forbidden, SessionEnded or Unavailable."""
        answer = await self.ask(path, **params)
        match answer.status:
            case 200:
                return answer.body
            case 403:
                raise Forbidden
            case 400 | 404 | 422:
                raise NotFound
        raise Unavailable(service="surveys")

    async def ask(self, path: str, **params: Any) -> Answer:
        """What stands at a path, or the problem that is in the way; raises SessionEnded or Unavailable."""
        given = {name: str(value) for name, value in params.items() if value not in (None, "")}
        answer = await self._request("GET", path, params=given)
        try:
            return Answer(answer.status_code, answer.json())
        except ValueError as problem:
            raise Unavailable(service="surveys") from problem

    async def items(self, path: str, **params: Any) -> tuple[list[dict[str, Any]], str | None]:
        """A page of a list and the cursor of the next."""
        body = await self.get(path, **params)
        return list(body.get("items", [])), body.get("next")

    async def send(
        self,
        path: str,
        key: str,
        body: Mapping[str, Any] | None = None,
        *,
        version: str = "",
        method: str = "POST",
        content: bytes | None = None,
        kind: str = "",
    ) -> Answer:
        """Carry out a command once, however often it is sent with the same key; Answer(503) where none came."""
        headers = {"idempotency-key": key, **({"if-match": f'"{version}"'} if version else {})}
        sent: dict[str, Any] = {"json": body if body is not None else {}}
        if content is not None:
            sent = {"content": content}
            headers["content-type"] = kind
        try:
            answer = await self._request(method, path, headers=headers, **sent)
        except Unavailable:
            return Answer(503, {})
        try:
            found = answer.json() if answer.content else {}
        except ValueError:
            found = {}
        return Answer(answer.status_code, found if isinstance(found, Mapping) else {"items": found})

    async def _request(self, method: str, path: str, headers: Mapping[str, str] | None = None, **sent: Any) -> Any:
        own = {"authorization": f"Bearer {self.token}", "accept-language": str(self.lang)}
        try:
            answer = await self.upstreams.client.request(
                method,
                self.upstreams.url("surveys") + path,
                headers={**own, **(headers or {})},
                timeout=TIMEOUT,
                **sent,
            )
        except httpx.HTTPError as problem:
            raise Unavailable(service="surveys") from problem
        if answer.status_code == 401:
            raise SessionEnded
        return answer


__all__ = ["LISTED", "Surveyor", "segment"]
