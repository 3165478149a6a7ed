"""A new generation of everything computed, built from the event log beside the live one, which it then replaces.

The log is read shard by shard, of all sources together: what belongs together is applied at once, in large batches.
Each batch commits with the positions it reaches, so that a rebuild goes on where it was killed. Events that come
meanwhile take effect in the live generation and stand in the log, where the new one finds them; for the last of them
everyone waits a moment, then the tables change places in one transaction.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from services.monitoring import LISTENS_TO, archive
from services.monitoring.domain.readings import decode
from services.monitoring.domain.territory import Image
from services.monitoring.engine import NotNew, Read, apply
from services.monitoring.notices import CHANNEL
from services.monitoring.suppression.tables import NOTE_EVERYTHING
from services.monitoring.tables import NEXT, SHARDS_LOCK, SOURCES, TERRITORY_LOCK, Tables
from shared.contracts.events import Event
from shared.ids import SHARDS
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM
from shared.telemetry.metrics import REBUILD
from shared.telemetry.progress import Progress as Beats

log = structlog.get_logger(__name__)

BATCH = 60_000
"""Events a transaction takes at most: their states fit into some hundred megabytes."""
NEAR = 2_000
"""With fewer events than these to go the swap is tried: the live generation waits while they are applied."""
PATIENCE_MS = 2_000
"""How long the swap waits for readers before it lets those behind it go first, and tries again."""
LOOK_S = 5.0
LANES = 2
"""Shards at a time: while one waits for PostgreSQL, another computes."""

_APPLIED = "select source, shard, position from inbox where source = any($1::text[])"
_REACHED = "select source, shard, position from rebuild_position"
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
_TAKE_SHARDS = "select pg_advisory_xact_lock($1::integer, shard) from generate_series(0, $2::integer) shard"
_LATE = "select position from rebuild_late where source = $1 and shard = $2"
_IN_TIME = "delete from rebuild_late where source = $1 and shard = $2 and position = any($3::bigint[])"
_READ_LATE = "delete from rebuild_late returning source, shard, position"

Place = tuple[int, int]
"""(source's number, shard)."""
Progress = Callable[[int, int], None]
"""Told how many events are done, and of how many."""


@dataclass(frozen=True, slots=True)
class State:
    """How far a rebuild is."""

    done: int
    total: int


async def state(connection: Any) -> State | None:
    """How far the rebuild is that is under way; None where there is none."""
    if await connection.fetchval("select 1 from rebuild") is None:
        return None
    total = await connection.fetchval(
        "select coalesce(sum(position), 0)::bigint from inbox where source = any($1::text[])", list(LISTENS_TO)
    )
    done = await connection.fetchval("select coalesce(sum(position), 0)::bigint from rebuild_position")
    return State(done, total)


class Watch:
    """Tells the metrics how far a rebuild is, wherever it runs."""

    def __init__(self, database: Database, progress: Beats) -> None:
        self._database = database
        self._progress = progress

    async def run(self) -> None:
        """Look every few seconds until cancelled."""
        while True:
            self._progress.beat("rebuild")
            try:
                async with self._database.reading(SYSTEM) as session:
                    found = await state(await raw_connection(session))
                REBUILD.set(-1 if found is None else found.done / max(1, found.total))
            except Exception as problem:
                log.warning("rebuild.unknown", error=repr(problem)[:300])
            await asyncio.sleep(LOOK_S)


@dataclass
class Rebuild:
    """Builds the new generation over connections to `dsn`, as the service's role; only one at a time.

    Raises Busy where another rebuild is at work.
    """

    dsn: str
    progress: Progress = lambda _done, _total: None
    _done: int = 0
    _total: int = 0
    _reached: dict[Place, int] = field(default_factory=dict)

    async def run(self) -> None:
        """Begin, or go on where it was left; returns when the new generation is the live one."""
        async with self._connection() as watch:
            if not await watch.fetchval("select pg_try_advisory_lock($1)", _LOCK):
                raise Busy
            await self._begin(watch)
            while not await self._swap(watch):
                await self._catch_up(watch)

    async def _begin(self, connection: Any) -> None:
        async with _transaction(connection):
            if await connection.fetchval("select 1 from rebuild") is None:
                # Whoever comes later knows that a rebuild has begun; nobody changes the territory while it is copied.
                await connection.execute(_TAKE_SHARDS, SHARDS_LOCK, SHARDS - 1)
                await connection.execute("select pg_advisory_xact_lock($1)", TERRITORY_LOCK)
                await connection.execute("select rebuild_drop()")
                await connection.execute("select rebuild_begin()")
                await connection.execute("insert into rebuild default values")
                log.info("rebuild.begun")

    async def _catch_up(self, watch: Any) -> None:
        """Bring every shard to where the live generation is now."""
        pending = await self._pending(watch)
        queue: asyncio.Queue[int] = asyncio.Queue()
        for shard in sorted({shard for (_, shard), (after, until) in pending.items() if after < until}):
            queue.put_nowait(shard)

        async def lane() -> None:
            async with self._connection() as connection:
                worker = _Worker(connection)
                while not queue.empty():
                    shard = queue.get_nowait()
                    spans = {source: span for (source, at), span in pending.items() if at == shard}
                    while any(after < until for after, until in spans.values()):
                        async with _transaction(connection):
                            taken = await worker.step(shard, spans)
                        worker.committed()
                        self._done += taken
                        self.progress(self._done, self._total)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(LANES, queue.qsize())):
                group.create_task(lane())

    async def _pending(self, connection: Any) -> dict[Place, tuple[int, int]]:
        """(reached, to reach) by source and shard."""
        async with _transaction(connection):
            applied = await connection.fetch(_APPLIED, list(LISTENS_TO))
            reached = {(source, shard): position for source, shard, position in await connection.fetch(_REACHED)}
        found = {}
        for source, shard, position in applied:
            place = SOURCES[source], shard
            found[place] = reached.get(place, 0), position
        self._done = sum(after for after, _ in found.values())
        self._total = sum(until for _, until in found.values())
        return found

    async def _swap(self, connection: Any) -> bool:
        """Let the generations change places; False where there is too much to do still, or readers are in the way."""
        pending = await self._pending(connection)
        if sum(until - after for after, until in pending.values()) > NEAR:
            return False
        worker = _Worker(connection)
        try:
            async with _transaction(connection):
                await connection.execute(f"set local lock_timeout = {PATIENCE_MS}")
                await connection.execute(_TAKE_SHARDS, SHARDS_LOCK, SHARDS - 1)
                for (source, shard), span in (await self._now(connection)).items():
                    if span[0] < span[1]:
                        await worker.step(shard, {source: span}, most=None)
                await worker.late()
                await connection.execute("select rebuild_swap()")
                await connection.execute(NOTE_EVERYTHING)
                await connection.execute("select pg_notify($1, $2)", CHANNEL, await _everything(connection))
        except asyncpg.LockNotAvailableError:
            log.info("rebuild.waits_for_readers")
            return False
        log.info("rebuild.swapped", events=self._total)
        return True

    async def _now(self, connection: Any) -> dict[Place, tuple[int, int]]:
        reached = {(source, shard): position for source, shard, position in await connection.fetch(_REACHED)}
        return {
            (SOURCES[source], shard): (reached.get((SOURCES[source], shard), 0), position)
            for source, shard, position in await connection.fetch(_APPLIED, list(LISTENS_TO))
        }

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        connection = await asyncpg.connect(
            self.dsn, server_settings={"application_name": "hamkor-rebuild", "jit": "off"}
        )
        try:
            yield connection
        finally:
            await connection.close()


class Busy(Exception):
    """Another rebuild is at work."""


class _Worker:
    """Applies events of the log to the new generation over one connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._image = Image()
        self._trusted = True

    def committed(self) -> None:
        """The last step's transaction was committed."""
        self._trusted = True

    async def step(self, shard: int, spans: dict[int, tuple[int, int]], most: int | None = BATCH) -> int:
        """Apply the next events of a shard and note how far it is; moves the spans, says how many events it took."""
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
        await self._apply(events)
        await self._connection.execute(_REACH, *map(list, zip(*reached, strict=True)))
        return len(events)

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


@asynccontextmanager
async def _transaction(connection: Any) -> AsyncIterator[None]:
    async with connection.transaction():
        await connection.execute("select set_config('app.scope', 'all', true)")
        yield


async def _everything(connection: Any) -> str:
    """What watchers are told: everything may have changed, at every upper place."""
    places = [row["id"] for row in await connection.fetch("select id from place where level < 3 order by level, id")]
    slots = [row["slot"] for row in await connection.fetch("select distinct slot from cell order by slot")]
    as_of = await connection.fetchval("select coalesce(max(as_of), 0) from cell where place = any($1)", places[:1])
    return json.dumps({"places": places, "slots": slots, "as_of": as_of, "more": True}, separators=(",", ":"))


_SERVICES = {number: service for service, number in SOURCES.items()}
_LOCK = 0x72656275696C64  # one rebuild at a time
