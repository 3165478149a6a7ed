"""The services as the working pages use them: with the reader's token and language, answers told apart by kind."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from services.portal.proxy import Upstreams
from services.portal.sign_in import SessionEnded
from services.portal.work.declaration import Declaration, Declared
from services.portal.work.schema import Description, Reader, Step
from shared.errors import Forbidden, NotFound, Unavailable
from shared.i18n import Lang

DESCRIBED_SECONDS = 60
NAMES_SECONDS = 60
NAMES_KEPT = 5_000
AT_ONCE = 8
"""Look-ups of one page at a time."""
TIMEOUT = httpx.Timeout(15, connect=3)
IMPORT_TIMEOUT = httpx.Timeout(600, connect=3)
"""Thousands of rows are judged, or a large spreadsheet is unpacked, before the answer begins."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service said to a command: its status, and the entry or the problem."""

    status: int
    body: Mapping[str, Any]

    @property
    def done(self) -> bool:
        """True if the command was carried out."""
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The problem's code: "wrong-state" of urn:hamkor:problem:wrong-state."""
        return str(self.body.get("type", "")).rsplit(":", 1)[-1]


@dataclass(slots=True)
class Descriptions:
    """What the services say of themselves, kept for a minute; what was read last stands in while a service is away."""

    upstreams: Upstreams
    declared: Declaration
    _known: dict[str, tuple[float, dict[str, Description]]] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def of(self, register: Declared) -> Description:
        """What its service says of a register; raises Unavailable where that was never heard."""
        return (await self._service(register.service)).get(register.name, Description())

    async def _service(self, service: str) -> dict[str, Description]:
        async with self._locks.setdefault(service, asyncio.Lock()):
            read_at, known = self._known.get(service, (-DESCRIBED_SECONDS, {}))
            if time.monotonic() - read_at < DESCRIBED_SECONDS:
                return known
            try:
                answer = await self.upstreams.client.get(
                    self.upstreams.url(service) + "/v1/openapi.json", timeout=TIMEOUT
                )
                answer.raise_for_status()
                document = answer.json()
            except (httpx.HTTPError, ValueError) as problem:
                if known:
                    return known
                raise Unavailable(service=service) from problem
            reader = Reader(document, self.declared)
            described = {
                each.name: reader.describe(each.name) for each in self.declared.registers if each.service == service
            }
            self._known[service] = (time.monotonic(), described)
            return described


@dataclass(slots=True)
class Names:
    """Names of entries seen lately, by reader: an id alone says nothing to people."""

    _known: dict[tuple[str, ...], tuple[float, Mapping[str, Any] | None]] = field(default_factory=dict)

    def get(self, key: tuple[str, ...]) -> tuple[bool, Mapping[str, Any] | None]:
        """Whether the entry was looked up lately, and what was found."""
        at, entry = self._known.get(key, (-NAMES_SECONDS * 2.0, None))
        return time.monotonic() - at < NAMES_SECONDS, entry

    def put(self, key: tuple[str, ...], entry: Mapping[str, Any] | None) -> None:
        """Remember an entry, or that there is none."""
        while len(self._known) >= NAMES_KEPT:
            self._known.pop(next(iter(self._known)))
        self._known[key] = (time.monotonic(), entry)

    def forget(self, key: tuple[str, ...]) -> None:
        """The entry changed."""
        self._known.pop(key, None)


class Services:
    """One reader's way to the services; raises Unavailable, NotFound, Forbidden or SessionEnded."""

    def __init__(self, upstreams: Upstreams, names: Names, token: str, reader: str, lang: Lang) -> None:
        self._upstreams = upstreams
        self._names = names
        self._reader = reader
        self._headers = {"authorization": f"Bearer {token}", "accept-language": str(lang)}

    async def page(self, service: str, path: str, params: Mapping[str, str]) -> tuple[list[dict[str, Any]], str | None]:
        """A page of a list and the cursor of the next."""
        body = await self.get(service, path, params)
        items = body.get("items") if isinstance(body, Mapping) else body
        if not isinstance(items, list):
            raise Unavailable(service=service)
        return items, body.get("next") if isinstance(body, Mapping) else None

    async def get(self, service: str, path: str, params: Mapping[str, str] | None = None) -> Any:
        """The JSON at a path."""
        try:
            answer = await self._upstreams.client.get(
                self._upstreams.url(service) + path, params=dict(params or {}), headers=self._headers, timeout=TIMEOUT
            )
            body = answer.json() if answer.status_code == 200 else None
        except (httpx.HTTPError, ValueError) as problem:
            raise Unavailable(service=service) from problem
        match answer.status_code:
            case 200:
                return body
            case 401:
                raise SessionEnded
            case 403:
                raise Forbidden
            case 404 | 422 | 400:
                raise NotFound
        raise Unavailable(service=service)

    async def send(
        self, service: str, step: Step, places: Sequence[str], body: Any, key: str, version: str = ""
    ) -> Answer:
        """Carry out a step on the entry that `places` begin with; `key` makes a second sending count once.

        An answer that did not come is Answer(503) with an empty body: whether it was carried out is not known, the
        same key may be sent again.
        """
        headers = self._headers | {"idempotency-key": key} | ({"if-match": f'"{version}"'} if version else {})
        url = self._upstreams.url(service) + _filled(step.path, places)
        sent: dict[str, Any] = {} if step.body is None else {"json": body}
        try:
            answer = await self._upstreams.client.request(step.method, url, headers=headers, timeout=TIMEOUT, **sent)
            content = answer.json() if answer.content else {}
        except (httpx.HTTPError, ValueError):
            return Answer(503, {})
        if answer.status_code == 401:
            raise SessionEnded
        return Answer(answer.status_code, content if isinstance(content, Mapping) else {"items": content})

    async def bring_in(
        self, service: str, path: str, content: bytes | AsyncIterator[bytes], kind: str, key: str, *, commit: bool
    ) -> Answer:
        """Send a file of entries, as it is or as it comes; without `commit` it is only tried.

        An answer that did not come is Answer(503), as in `send`. What reading the content raises is raised here.
        """
        headers = self._headers | {"idempotency-key": key, "content-type": kind}
        url = f"{self._upstreams.url(service)}{path}?commit={str(commit).lower()}"
        try:
            answer = await self._upstreams.client.post(url, headers=headers, content=content, timeout=IMPORT_TIMEOUT)
            said = answer.json() if answer.content else {}
        except (httpx.HTTPError, ValueError):
            return Answer(503, {})
        if answer.status_code == 401:
            raise SessionEnded
        return Answer(answer.status_code, said if isinstance(said, Mapping) else {})

    async def named(
        self, wanted: Mapping[str, set[str]], services: Mapping[str, str], parts: Mapping[str, str]
    ) -> dict[tuple[str, str], Any]:
        """The entries with these ids by (register, id); None for what the reader may not see. Never raises for one.

        `parts` says, by register, where the reader finds an entry's name alone.
        """
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(register: str, id_: str) -> Mapping[str, Any] | None:
            key = (self._reader, register, id_)
            known, entry = self._names.get(key)
            if known:
                return entry
            async with limit:
                try:
                    path = f"/v1/{register}/{segment(id_)}"
                    part = parts.get(register)
                    entry = await self.get(services[register], f"{path}/{part}" if part else path)
                except (NotFound, Forbidden):
                    entry = None
                except Unavailable:
                    return None
            self._names.put(key, entry)
            return entry

        pairs = [(register, id_) for register, ids in wanted.items() for id_ in sorted(ids) if register in services]
        found = await asyncio.gather(*(one(*pair) for pair in pairs))
        return dict(zip(pairs, found, strict=True))

    def forget(self, register: str, id_: str) -> None:
        """An entry changed: look it up anew."""
        self._names.forget((self._reader, register, id_))


def segment(text: str) -> str:
    """`text` as one segment of a path; raises NotFound for what no address has."""
    if not text or len(text) > 200 or text in (".", "..") or any(ord(char) < 33 or char in "/\\?#%" for char in text):
        raise NotFound
    return quote(text, safe="")


def _filled(path: str, places: Sequence[str]) -> str:
    given = iter(places)
    return "/".join(segment(next(given)) if part.startswith("{") else part for part in path.split("/"))
