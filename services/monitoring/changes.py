"""The change stream: what the writing side has committed, told to everyone who watches that part of the territory."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
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
from services.monitoring.notices import CHANNEL, decode
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


@dataclass(slots=True)
class _Moved:
    """What moved in a part of the territory, and the time of the latest event behind it."""

    places: set[str] = field(default_factory=set)
    indicators: set[str] = field(default_factory=set)
    as_of: int = 0

    def add(self, places: Iterable[str], indicators: Iterable[str], as_of: int) -> None:
        self.places.update(places)
        self.indicators.update(indicators)
        self.as_of = max(self.as_of, as_of)


@dataclass(eq=False)
class Watcher:
    """One open stream: what has changed in its part of the territory since it was last told."""

    place: Place
    moved: _Moved = field(default_factory=_Moved)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def notice(self, places: Iterable[str], indicators: Iterable[str], as_of: int = 0) -> None:
        """Remember a change; `as_of` 0: nobody knows of when."""
        self.moved.add(places, indicators, as_of)
        self.changed.set()

    def take(self) -> str:
        """What is to be told, as JSON; forgotten afterwards."""
        moved, self.moved = self.moved, _Moved()
        as_of = datetime.fromtimestamp(moved.as_of / 1e6, UTC).isoformat() if moved.as_of else None
        # Shorter codes are higher places: of very many changes those are told that everybody sees first.
        places = sorted(moved.places, key=lambda code: (len(code), code))[:MOST_PLACES]
        message = {"places": places, "indicators": sorted(moved.indicators), "as_of": as_of}
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
                watcher.notice({watcher.place.code}, INDICATORS)
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
        notice = decode(payload)
        moved: dict[str, _Moved] = {}
        for move in notice.moves:
            indicators = {code for slot in move.slots for code in INDICATORS_OF_SLOT.get(slot, ())}
            for id_ in move.places:
                place = self._directory.by_id(id_)
                for path in paths_to(place.path) if place else ():
                    if path in self._by_path:
                        assert place is not None
                        moved.setdefault(path, _Moved()).add({place.code}, indicators, move.as_of)
        for path, part in moved.items():
            for watcher in self._by_path[path]:
                watcher.notice(part.places, part.indicators, part.as_of)
        if notice.more:  # too many institutions moved to name them: perhaps this one, in whatever
            for watcher in self._watchers:
                if watcher.place.level is Level.INSTITUTION:
                    watcher.notice({watcher.place.code}, INDICATORS)

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
