"""What the demo's proof asks behind the public door: heads, applied positions, event logs, the freshness histogram."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from shared.contracts.events import SERVICES, Event
from shared.ids import SHARDS
from shared.messaging.feed import Feed

HISTOGRAM = "hamkor_indicator_freshness_seconds_bucket"


@dataclass
class Machinery:
    """The services' internal routes, as a service; raises OSError while one of them can't be reached."""

    http: httpx.AsyncClient
    environment: Mapping[str, str]
    feeds: dict[str, Feed]

    async def heads(self) -> dict[str, list[int]]:
        """The last position of every shard of every service's stream."""
        found = await asyncio.gather(*(feed.heads() for feed in self.feeds.values()))
        return dict(zip(self.feeds, found, strict=True))

    async def applied(self) -> dict[tuple[str, str], list[int]]:
        """(consumer, source) → the applied position of every shard."""
        positions: dict[tuple[str, str], list[int]] = {}
        for consumer in self.feeds:
            body = await self._get(consumer, "/internal/inbox")
            for source, by_shard in body["applied"].items():
                positions[consumer, source] = by_shard
        return positions

    async def dead_letters(self) -> int:
        """Open dead letters of all services."""
        bodies = [await self._get(consumer, "/internal/inbox") for consumer in self.feeds]
        return sum(int(body["dead_letters"]) for body in bodies)

    async def answers(self) -> tuple[int, int]:
        """Answers that are stored and wait for company, and those that became responses."""
        body = await self._get("surveys", "/internal/answers")
        return int(body["staged"]), int(body["responses"])

    async def log(self, service: str) -> AsyncIterator[Event]:
        """Every event of a service's log, shard by shard in order."""
        for shard in range(SHARDS):
            after = 0
            while page := await self.feeds[service].events(shard, after):
                for event in page:
                    yield event
                after = page[-1].position

    async def freshness(self) -> "Buckets":
        """Monitoring's histogram of the time from an event to its being visible."""
        answer = await self.http.get(self.environment["MONITORING_URL"] + "/metrics")
        return Buckets(dict(_buckets(answer.text)))

    async def _get(self, service: str, path: str) -> dict[str, Any]:
        try:
            answer = await self.http.get(
                self.environment[f"{service.upper()}_URL"] + path,
                headers={"Authorization": f"Bearer {await self.token()}"},
            )
        except httpx.HTTPError as problem:
            raise OSError(f"{service}{path}: {problem!r}") from problem
        if answer.status_code != 200:
            raise OSError(f"{service}{path} answers {answer.status_code}")
        body: dict[str, Any] = answer.json()
        return body

    async def token(self) -> str:
        """A token of role service, a new one every time it is near its end."""
        return await _service_token(self.http, self.environment)


@dataclass(frozen=True)
class Buckets:
    """A cumulative histogram: upper bound in seconds → how many were at or below it."""

    counts: Mapping[float, float]

    def since(self, before: "Buckets") -> "Buckets":
        """What came after `before`; a restarted process begins at zero."""
        if any(self.counts.get(bound, 0) < count for bound, count in before.counts.items()):
            return self
        return Buckets({bound: count - before.counts.get(bound, 0) for bound, count in self.counts.items()})

    def plus(self, other: "Buckets") -> "Buckets":
        """Both together."""
        bounds = sorted({*self.counts, *other.counts})
        return Buckets({bound: self.counts.get(bound, 0) + other.counts.get(bound, 0) for bound in bounds})

    def quantile_s(self, share: float) -> float | None:
        """The quantile in seconds, evenly spread inside its bucket; None where nothing was measured."""
        bounds = sorted(self.counts)
        total = self.counts[bounds[-1]] if bounds else 0
        if not total:
            return None
        low, below = 0.0, 0.0
        for bound in bounds:
            count = self.counts[bound]
            if count >= share * total:
                if bound == float("inf"):
                    return low
                return low + (bound - low) * (share * total - below) / max(count - below, 1e-9)
            low, below = bound, count
        return None


def _buckets(text: str) -> Iterator[tuple[float, float]]:
    for line in text.splitlines():
        if line.startswith(HISTOGRAM):
            labels, _, value = line.rpartition(" ")
            bound = labels.partition('le="')[2].partition('"')[0]
            yield float(bound), float(value)


_TOKENS: dict[str, tuple[str, float]] = {}


async def _service_token(http: httpx.AsyncClient, environment: Mapping[str, str]) -> str:
    now = asyncio.get_running_loop().time()
    url = environment["AUTH_TOKEN_URL"]
    kept = _TOKENS.get(url)
    if kept is None or kept[1] < now:
        secret = environment.get("SERVICE_CLIENT_SECRET")
        if secret is None:
            secret = Path(environment["SERVICE_CLIENT_SECRET_FILE"]).read_text().strip()
        form = {
            "grant_type": "client_credentials",
            "client_id": environment["SERVICE_CLIENT_ID"],
            "client_secret": secret,
        }
        try:
            answer = await http.post(url, data=form)
            body = answer.json()
            kept = str(body["access_token"]), now + float(body["expires_in"]) - 60
        except (httpx.HTTPError, ValueError, KeyError) as problem:
            raise OSError(f"no service token: {problem!r}") from problem
        _TOKENS[url] = kept
    return kept[0]


@asynccontextmanager
async def machinery(environment: Mapping[str, str]) -> AsyncIterator[Machinery]:
    """The internal routes of the stack with this environment."""
    async with httpx.AsyncClient(timeout=httpx.Timeout(30, connect=3), trust_env=False) as http:

        async def token() -> str:
            return await _service_token(http, environment)

        feeds = {name: Feed(http, name, environment[f"{name.upper()}_URL"], token) for name in SERVICES}
        yield Machinery(http, environment, feeds)


async def collect_freshness(machines: Machinery, every_s: float, total: list[Buckets]) -> None:
    """Keep adding what is measured to `total[0]`, also over restarts of monitoring; until cancelled."""
    last = Buckets({})
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            with contextlib.suppress(httpx.HTTPError, OSError):
                now = await machines.freshness()
                total[0] = total[0].plus(now.since(last))
                last = now
            await asyncio.sleep(every_s)
