"""The change stream: what the writing side has committed, told to everyone who watches that part of the territory."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import structlog
from sse_starlette import ServerSentEvent

from services.monitoring.directory import Directory
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.measures import COLUMNS
from services.monitoring.domain.territory import Level, Place, paths_to
from services.monitoring.notices import CHANNEL
from shared.persistence.engine import dsn_of
from shared.persistence.unit_of_work import Database
from shared.retry import Backoff
from shared.telemetry.progress import Progress
from shared.waiting import close

log = structlog.get_logger(__name__)

COALESCE_S = 0.25
MESSAGES_PER_S = 500
"""What a worker sends at most, all watchers together: with more of them each is told less often."""
HEARTBEAT_S = 15
LONGEST_S = 1800.0
"""A stream ends after this long, so that whoever may no longer see it has to sign in again."""
MOST_PLACES = 500
LOOK_S = 5.0

INDICATORS_OF_SLOT: dict[int, set[str]] = {}
for _indicator in INDICATORS.values():
    for _measure in _indicator.measures:
        INDICATORS_OF_SLOT.setdefault(_measure // COLUMNS, set()).add(_indicator.code)


@dataclass(eq=False)
class Watcher:
    """One open stream: what has changed in its part of the territory since it was last told."""

    place: Place
    places: set[str] = field(default_factory=set)
    indicators: set[str] = field(default_factory=set)
    as_of: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def notice(self, codes: set[str], indicators: set[str], as_of: int) -> None:
        """Remember a change."""
        if codes:
            self.places |= codes
            self.indicators |= indicators
            self.as_of = max(self.as_of, as_of)
            self.changed.set()

    def take(self) -> str:
        """What is to be told, as JSON; forgotten afterwards."""
        as_of = datetime.fromtimestamp(self.as_of / 1e6, UTC).isoformat()
        # Shorter codes are higher places: of very many changes those are told that everybody sees first.
        places = sorted(self.places, key=lambda code: (len(code), code))[:MOST_PLACES]
        message = {"places": places, "indicators": sorted(self.indicators), "as_of": as_of}
        self.places, self.indicators, self.as_of = set(), set(), 0
        self.changed.clear()
        return json.dumps(message)


class Changes:
    """Hears what was committed (LISTEN on a connection of its own) and passes it on within each watcher's part."""

    def __init__(self, database: Database, database_url: str, directory: Directory, progress: Progress) -> None:
        self._database = database
        self._dsn = dsn_of(database_url)
        self._directory = directory
        self._progress = progress
        self._watchers: set[Watcher] = set()
        self._by_path: dict[str, set[Watcher]] = {}

    async def run(self) -> None:
        """Listen until cancelled; a lost connection is made anew, and everybody is told to look again."""
        backoff = Backoff(first_s=0.1, most_s=5.0)
        while True:
            self._progress.beat("changes")
            try:
                await self._listen(backoff)
            except Exception as problem:
                log.warning("changes.lost", error=repr(problem)[:300])
            await backoff.wait()

    async def _listen(self, backoff: Backoff) -> None:
        connection: Any = await asyncpg.connect(self._dsn, timeout=5)
        heard: asyncio.Queue[str] = asyncio.Queue()
        try:
            await connection.add_listener(CHANNEL, lambda *message: heard.put_nowait(message[3]))
            for watcher in self._watchers:
                watcher.notice({watcher.place.code}, set(INDICATORS), 0)
            while True:
                self._progress.beat("changes")
                payload = None
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        payload = await heard.get()
                if payload is not None and self._watchers:
                    async with connection.transaction():
                        await self._directory.look(connection)
                    self._tell(payload)
                if connection.is_closed():
                    raise ConnectionError("the connection that listens is gone")
                backoff.reset()
        finally:
            await close(connection.close(), 2)

    def _tell(self, payload: str) -> None:
        message = json.loads(payload)
        slots: list[int] = message["slots"]
        indicators = {code for slot in slots for code in INDICATORS_OF_SLOT.get(slot, ())}
        changed: dict[str, set[str]] = {path: set() for path in self._by_path}
        for id_ in message["places"]:
            place = self._directory.by_id(id_)
            for path in paths_to(place.path) if place else ():
                if path in changed:
                    assert place is not None
                    changed[path].add(place.code)
        for path, codes in changed.items():
            for watcher in self._by_path[path]:
                own = codes
                if message.get("more") and watcher.place.level is Level.INSTITUTION:
                    own = {*codes, watcher.place.code}  # too many institutions moved to name them: perhaps this one
                watcher.notice(own, indicators, message["as_of"])

    async def stream(self, place: Place) -> AsyncIterator[ServerSentEvent]:
        """The changes at a place and below, never faster than they can be looked at."""
        watcher = Watcher(place)
        self._watchers.add(watcher)
        self._by_path.setdefault(place.path, set()).add(watcher)
        try:
            async with asyncio.timeout(LONGEST_S):
                yield ServerSentEvent(comment="welcome", retry=2000)
                while True:
                    await watcher.changed.wait()
                    await asyncio.sleep(max(COALESCE_S, len(self._watchers) / MESSAGES_PER_S))
                    yield ServerSentEvent(event="changed", data=watcher.take())
        except TimeoutError:
            return
        finally:
            self._watchers.discard(watcher)
            here = self._by_path[place.path]
            here.discard(watcher)
            if not here:
                del self._by_path[place.path]
