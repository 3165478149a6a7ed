"""Tables kept a while: a whole level takes long to read and rank, and is asked for by many at once.

A table serves as long as making it took, twenty times over: whoever looks at one spends at most a twentieth of a
processor on it, and what is made in a moment is always new. A table that took long is served a while longer, while the
next is being made. Tables are kept by scope: nobody is served what was read for somebody who sees more.
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from services.monitoring.comparison.peers import Group, groups
from services.monitoring.comparison.reading import CHUNK, Asked, Table, places_of, read
from services.monitoring.directory import Directory
from services.monitoring.domain.periods import month_of
from services.monitoring.domain.territory import Level, Place
from shared.clock import local_day
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM, Principal
from shared.telemetry.progress import Progress

log = structlog.get_logger(__name__)

WORTH: Final = 20.0
SLOW_S: Final = 0.25
LONGEST_S: Final = 600.0
MOST_ROWS: Final = 300_000
GROUPS_S: Final = 3600.0
BEAT_S: Final = 20.0

Key = tuple[Any, ...]


@dataclass(slots=True)
class Kept:
    """A table, when it was made, and how long that took."""

    table: Table
    at: float
    cost_s: float

    def fresh(self, now: float) -> bool:
        """Whether it may be served as new."""
        return now - self.at <= WORTH * self.cost_s

    def usable(self, now: float) -> bool:
        """Whether it may be served while the next is made."""
        return self.cost_s > SLOW_S and now - self.at <= LONGEST_S


@dataclass
class Tables:
    """One process's tables."""

    database: Database
    directory: Directory
    k: int
    progress: Progress
    _kept: "OrderedDict[Key, Kept]" = field(default_factory=OrderedDict)
    _making: dict[Key, asyncio.Lock] = field(default_factory=dict)
    _wanted: "asyncio.Queue[tuple[Asked, Principal]]" = field(default_factory=lambda: asyncio.Queue(64))
    _waiting: set[Key] = field(default_factory=set)
    _groups: dict[Key, tuple[float, dict[int, Group]]] = field(default_factory=dict)

    async def table(self, connection: Any, asked: Asked, principal: Principal) -> Table:
        """The table of what is asked, read on a connection of the caller's scope."""
        key = self._key(asked, principal)
        if (found := self._serve(key, asked, principal)) is not None:
            return found
        lock = self._making.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                if (found := self._serve(key, asked, principal)) is not None:
                    return found
                return await self._make(connection, key, asked, principal)
        finally:
            if not lock.locked():
                self._making.pop(key, None)

    def _key(self, asked: Asked, principal: Principal) -> Key:
        return principal.scope.setting, self._this_month, self.directory.image.revision, *asked.key

    @property
    def _this_month(self) -> int:
        return month_of(local_day(self.database.clock()))

    def _serve(self, key: Key, asked: Asked, principal: Principal) -> Table | None:
        kept, now = self._kept.get(key), time.monotonic()
        if kept is None:
            return None
        self._kept.move_to_end(key)
        if kept.fresh(now):
            return kept.table
        if not kept.usable(now):
            return None
        if key not in self._waiting and not self._wanted.full():
            self._waiting.add(key)
            self._wanted.put_nowait((asked, principal))
        return kept.table

    async def _make(self, connection: Any, key: Key, asked: Asked, principal: Principal) -> Table:
        began = time.monotonic()
        now = self.database.clock()
        table = await read(connection, self.directory, asked, principal, now, self._this_month, self.k)
        done = time.monotonic()
        self._kept[key] = Kept(table, done, done - began)
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and sum(len(kept.table.shown) for kept in self._kept.values()) > MOST_ROWS:
            self._kept.popitem(last=False)
        return table

    async def run(self) -> None:
        """Make tables anew that are asked for and have grown old, until cancelled."""
        while True:
            self.progress.beat("comparison", 10 * BEAT_S)
            try:
                async with asyncio.timeout(BEAT_S):
                    asked, principal = await self._wanted.get()
            except TimeoutError:
                continue
            key = self._key(asked, principal)
            self._waiting.clear()  # whatever its key is by now: what is asked for again is made again
            try:
                async with self.database.reading(principal) as session:
                    connection = await raw_connection(session)
                    await self.directory.look(connection)
                    await self._make(connection, key, asked, principal)
            except Exception as problem:
                log.warning("comparison.failed", error=repr(problem)[:300])

    async def groups_of(self, level: Level, root: Place) -> dict[int, Group]:
        """Kind and size of every place of a level below one: looked at once an hour, whoever asks.

        It is read beyond the caller's scope: nothing of it reaches anybody but with whom a place is compared.
        """
        key = (int(level), root.code, self._this_month)
        known = self._groups.get(key)
        if known is not None and time.monotonic() - known[0] < GROUPS_S:
            return known[1]
        async with self.database.reading(SYSTEM) as session:
            connection = await raw_connection(session)
            places = places_of(self.directory, root, level, self._this_month, SYSTEM)
            found: dict[int, Group] = {}
            for begin in range(0, len(places), CHUNK):
                found |= await groups(connection, places[begin : begin + CHUNK], self._this_month, self.k)
                await asyncio.sleep(0)
        self._groups = {each: kept for each, kept in self._groups.items() if each[2] == self._this_month}
        self._groups[key] = (time.monotonic(), found)
        return found

    async def beyond(self, asked: Asked) -> Table:
        """The table of places the caller may not see one by one: for what is told of a group as a whole."""
        async with self.database.reading(SYSTEM) as session:
            return await self.table(await raw_connection(session), asked, SYSTEM)
