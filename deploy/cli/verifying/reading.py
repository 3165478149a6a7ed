"""What `verify` asks the services: the logs of all, and how far monitoring is and what it counts."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from deploy.cli.token import fetch
from services.monitoring import LISTENS_TO
from shared.messaging.feed import Feed
from shared.scope import Role

TOKEN_S = 300.0

Heads = dict[str, list[int]]
"""Positions by source, indexed by shard."""


@dataclass
class Snapshot:
    """Monitoring at one moment: how far it had applied each log, and how many events it had logged."""

    applied: Heads = field(default_factory=dict)
    logged: dict[str, dict[str, int]] = field(default_factory=dict)


class Monitoring:
    """Monitoring's internal routes."""

    def __init__(self, client: httpx.AsyncClient, base: str, token: Callable[[], Awaitable[str]]) -> None:
        self._client = client
        self._base = base
        self._token = token

    async def applied(self) -> Heads:
        """Applied positions by source."""
        answer = await self._client.get(self._base + "/internal/inbox", headers=await self._headers())
        answer.raise_for_status()
        found: Heads = answer.json()["applied"]
        return found

    async def cells(self, keep: Callable[[bytes], None]) -> Snapshot:
        """One consistent snapshot; every place's line is given to `keep`."""
        snapshot: Snapshot | None = None
        url = self._base + "/internal/cells"
        async with self._client.stream("GET", url, headers=await self._headers(), timeout=600) as answer:
            answer.raise_for_status()
            rest = b""
            async for piece in answer.aiter_bytes():
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if snapshot is None:
                        snapshot = Snapshot(**json.loads(line))
                    else:
                        keep(line)
        if snapshot is None or rest:
            raise httpx.RemoteProtocolError("monitoring's cells ended in the middle")
        return snapshot

    async def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self._token()}"}


@asynccontextmanager
async def services(environment: dict[str, str]) -> AsyncIterator[tuple[dict[str, Feed], Monitoring]]:
    """The logs by source, and monitoring, of the platform that runs in this environment."""
    fetched: tuple[float, str] = (-TOKEN_S, "")

    async def token() -> str:
        nonlocal fetched
        if time.monotonic() - fetched[0] > TOKEN_S:
            fetched = time.monotonic(), await asyncio.to_thread(fetch, environment, Role.SERVICE)
        return fetched[1]

    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        feeds = {source: Feed(client, source, environment[f"{source.upper()}_URL"], token) for source in LISTENS_TO}
        yield feeds, Monitoring(client, environment["MONITORING_URL"], token)


async def heads_of(feeds: dict[str, Feed]) -> Heads:
    """How long each log is."""
    return {source: await feed.heads() for source, feed in feeds.items()}
