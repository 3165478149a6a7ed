"""The event feed: a service's log over HTTP, from which consumers fill what Kafka lost, and `verify` recomputes."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

import httpx
import msgspec

from shared.contracts.events import Event

PAGE = 1000
TokenProvider = Callable[[], Awaitable[str]]


class FeedEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event on the feed; `data` is its JSON as text, or `raw` its bytes where they are no text."""

    id: str
    type: str
    subject: str
    key: str
    time: datetime
    shard: int
    position: int
    data: str
    traceparent: str | None = None
    raw: bytes | None = None


class FeedPage(msgspec.Struct, frozen=True):
    """Events of one shard behind `after`, in order: fewer than asked for where they are large, none at the end."""

    source: str
    events: list[FeedEvent]


class FeedHeads(msgspec.Struct, frozen=True):
    """The last position of every shard."""

    source: str
    heads: list[int]


def page_of(source: str, events: list[Event]) -> bytes:
    """The feed's JSON for these events."""
    return msgspec.json.encode(
        FeedPage(
            source,
            [
                FeedEvent(e.id, e.type, e.subject, e.key, e.time, e.shard, e.position, *_text(e.data, e.traceparent))
                for e in events
            ],
        )
    )


def _text(data: bytes, traceparent: str | None) -> tuple[str, str | None, bytes | None]:
    try:
        return data.decode(), traceparent, None
    except UnicodeDecodeError:
        # Damaged in the log: consumers must still get past it, into their dead letters.
        return "", traceparent, data


class Source(Protocol):
    """The log of a service that is listened to."""

    async def heads(self) -> list[int]:
        """The last position of every shard, indexed by shard; raises OSError while the log cannot be reached."""

    async def events(self, shard: int, after: int, limit: int = PAGE) -> list[Event]:
        """Up to `limit` events of `shard` behind `after`, in order; raises OSError while the log cannot be reached."""


class Feed:
    """Reads another service's feed; raises OSError while that service cannot be reached or refuses."""

    def __init__(self, client: httpx.AsyncClient, source: str, base_url: str, token: TokenProvider) -> None:
        self.source = source
        self._client = client
        self._base = base_url
        self._token = token

    async def heads(self) -> list[int]:
        """The last position of every shard, indexed by shard."""
        return msgspec.json.decode(await self._get("/internal/heads", {}), type=FeedHeads).heads

    async def events(self, shard: int, after: int, limit: int = PAGE) -> list[Event]:
        """Up to `limit` events of `shard` behind `after`, in order."""
        parameters = {"shard": shard, "after": after, "limit": limit}
        page = msgspec.json.decode(await self._get("/internal/events", parameters), type=FeedPage)
        return [
            Event(
                id=e.id,
                type=e.type,
                source=self.source,
                subject=e.subject,
                key=e.key,
                time=e.time,
                shard=e.shard,
                position=e.position,
                data=e.data.encode() if e.raw is None else e.raw,
                traceparent=e.traceparent,
            )
            for e in page.events
        ]

    async def _get(self, path: str, parameters: dict[str, int]) -> bytes:
        try:
            response = await self._client.get(
                self._base + path,
                params=parameters,
                headers={"Authorization": f"Bearer {await self._token()}"},
                timeout=httpx.Timeout(10, connect=2),
            )
        except httpx.HTTPError as problem:
            raise OSError(f"{self.source}'s feed: {problem!r}") from problem
        if response.status_code != 200:
            raise OSError(f"{self.source}'s feed answers {response.status_code}")
        return response.content
