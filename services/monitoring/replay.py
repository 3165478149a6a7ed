"""The work of a rebuild: events of the log applied to the new generation over one connection, shard by shard."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from operator import attrgetter
from typing import Any
from uuid import UUID

import asyncpg

from services.monitoring import archive
from services.monitoring.domain.readings import decode
from services.monitoring.domain.territory import Image
from services.monitoring.engine import NotNew, Read, apply
from services.monitoring.tables import NEXT, SOURCES, Tables
from shared.contracts.events import Event

BATCH = 60_000
"""Events a transaction takes at most: their states fit into some hundred megabytes."""
SHARD_LOCK = 0x726570  # advisory locks (SHARD_LOCK, shard): one worker at a time on a shard of the new generation

Spans = dict[int, tuple[int, int]]
"""(reached, to reach) by source's number, of one shard."""

_REACHED_HERE = "select source, position from rebuild_position where shard = $1"
_REACH = """
    insert into rebuild_position (source, shard, position)
    select * from unnest($1::smallint[], $2::smallint[], $3::bigint[])
    on conflict (source, shard) do update set position = excluded.position
"""
_READ = """
    select e.shard, e.position, e.time, t.name, e.subject, e.id::text, e.data
    from event_seen e join event_type t on t.id = e.type
    where e.source = $1 and e.shard = $2 and e.position > $3 and e.position <= $4 order by e.position limit $5
"""
_LATE = "select position from rebuild_late where source = $1 and shard = $2"
_IN_TIME = "delete from rebuild_late where source = $1 and shard = $2 and position = any($3::bigint[])"
_READ_LATE = "delete from rebuild_late returning source, shard, position"


class Worker:
    """Applies events of the log to the new generation over one connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._image = Image()
        self._trusted = True

    def committed(self) -> None:
        """The last step's transaction was committed."""
        self._trusted = True

    async def step(self, shard: int, spans: Spans, most: int | None = BATCH) -> int:
        """Apply the next events of a shard and note how far it is; moves the spans, says how many events that were.

        What another worker had done of the shard by then – one that was thought dead – is not done again.
        """
        await self._connection.execute("select pg_advisory_xact_lock($1::integer, $2::integer)", SHARD_LOCK, shard)
        already = 0
        for source, position in await self._connection.fetch(_REACHED_HERE, shard):
            if source in spans and position > spans[source][0]:
                after, until = spans[source]
                already += min(position, until) - after
                spans[source] = position, until
        left = most
        events: list[Event] = []
        reached = []
        for source, (after, until) in sorted(spans.items()):
            if after >= until or left == 0:
                continue
            read = await self._read(source, shard, after, until, left)
            events += read
            # What came out of its turn, but in time to be read here, is no longer late.
            late = {row["position"] for row in await self._connection.fetch(_LATE, source, shard)}
            if late:
                in_time = [event.position for event in read if event.position in late]
                await self._connection.execute(_IN_TIME, source, shard, in_time)
            # Positions whose events are no business of monitoring's, or lie with the dead letters, are not in the log.
            after = read[-1].position if left is not None and len(read) == left else until
            spans[source] = after, until
            left = None if left is None else left - len(read)
            reached.append((source, shard, after))
        if reached:
            await self._apply(events)
            await self._connection.execute(_REACH, *map(list, zip(*reached, strict=True)))
        return len(events) + already

    async def _read(self, source: int, shard: int, after: int, until: int, most: int | None) -> list[Event]:
        """The next events of a shard, `most` at most, those that lie in files too."""
        rows = await self._connection.fetch(_READ, source, shard, after, until, most)
        events = [_event(source, row) for row in rows]
        old = [_old(row) for row, _ in await archive.read(self._connection, [(source, shard, after, until)], most)]
        return sorted(old + events, key=_position)[:most] if old else events

    async def late(self) -> None:
        """Apply what came out of its turn, after the new generation had passed it."""
        events = []
        for source, shard, position in await self._connection.fetch(_READ_LATE):
            events += await self._read(source, shard, position - 1, position, 1)
        await self._apply(events, careful=True)

    async def _apply(self, events: Sequence[Event], *, careful: bool = False) -> None:
        batch: list[Read] = [(event, decode(event)) for event in events]
        if not self._trusted:
            self._image = Image()
        self._trusted = False
        try:
            async with self._connection.transaction():
                await apply(self._tables(), batch, careful=careful)
        except NotNew:
            self._image = Image()
            await apply(self._tables(), batch, careful=True)

    def _tables(self) -> Tables:
        return Tables(self._connection, self._image, {}, NEXT)


def _event(source: int, row: Any) -> Event:
    shard, position, time, type_, subject, id_, data = row
    return Event(id_, type_, _SERVICES[source], subject, "", time, shard, position, data)


def _old(row: archive.Logged) -> Event:
    id_ = str(UUID(bytes=row.id))
    return Event(id_, row.type, _SERVICES[row.source], row.subject, "", row.time, row.shard, row.position, row.data)


_position = attrgetter("position")


_SERVICES = {number: service for service, number in SOURCES.items()}


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Any]:
    """A connection for a rebuild."""
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "hamkor-rebuild", "jit": "off"})
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def transaction(connection: Any) -> AsyncIterator[None]:
    """A transaction of scope "all"."""
    async with connection.transaction():
        await connection.execute("select set_config('app.scope', 'all', true)")
        yield
