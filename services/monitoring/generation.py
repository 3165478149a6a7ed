"""A new generation of everything computed, built from the event log beside the live one, which it then replaces.

The log is read shard by shard, of all sources together: what belongs together is applied at once, in large batches.
Each batch commits with the positions it reaches, so that a rebuild goes on where it was killed. Events that come
meanwhile take effect in the live generation and stand in the log, where the new one finds them; for the last of them
everyone waits a moment, then the tables change places in one transaction.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import structlog

from services.monitoring import LISTENS_TO
from services.monitoring.lanes import Lane, Local, Process
from services.monitoring.notices import CHANNEL, Told, everything
from services.monitoring.replay import BATCH, Worker, connected, transaction
from services.monitoring.suppression.tables import NOTE_EVERYTHING
from services.monitoring.tables import SHARDS_LOCK, SOURCES, TERRITORY_LOCK
from shared.child import ChildEnded
from shared.ids import SHARDS
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM
from shared.telemetry.metrics import REBUILD
from shared.telemetry.progress import Progress as Beats

log = structlog.get_logger(__name__)

NEAR = 2_000
"""With fewer events than these to go the swap is tried: the live generation waits while they are applied."""
PATIENCE_MS = 2_000
"""How long the swap waits for readers before it lets those behind it go first, and tries again."""
LOOK_S = 5.0
LANES = 2
"""Shards at a time, each in a process of its own: while one waits for PostgreSQL, another computes."""
FAILURES = 3
"""Lanes that end before their work is done, until the rebuild gives up; what is committed stays."""
APART = 20_000
"""With fewer events than these to go no process is worth its start."""

_REACHED = "select source, shard, position from rebuild_position"
_APPLIED = "select source, shard, position from inbox where source = any($1::text[])"
_TAKE_SHARDS = "select pg_advisory_xact_lock($1::integer, shard) from generate_series(0, $2::integer) shard"

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
    batch: int = BATCH
    apart: int = APART
    _done: int = 0
    _total: int = 0
    _reached: dict[Place, int] = field(default_factory=dict)

    async def run(self) -> None:
        """Begin, or go on where it was left; returns when the new generation is the live one."""
        async with connected(self.dsn) as watch:
            if not await watch.fetchval("select pg_try_advisory_lock($1)", _LOCK):
                raise Busy
            await self._begin(watch)
            while not await self._swap(watch):
                await self._catch_up(watch)

    async def _begin(self, connection: Any) -> None:
        async with transaction(connection):
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

        failures = 0

        async def lane(kind: type[Lane]) -> None:
            async with kind(self.dsn, self.batch) as lane:
                while not queue.empty():
                    shard, told = queue.get_nowait(), 0
                    spans = {source: span for (source, at), span in pending.items() if at == shard}
                    try:
                        async for taken in lane.bring(shard, spans):
                            told += taken
                            self._done += taken
                            self.progress(self._done, self._total)
                    except ChildEnded:
                        # What it has committed is told again by whoever goes on with the shard.
                        self._done -= told
                        queue.put_nowait(shard)
                        raise

        async def lanes(kind: type[Lane]) -> None:
            nonlocal failures
            while not queue.empty():
                try:
                    await lane(kind)
                except ChildEnded as problem:
                    failures += 1
                    if failures >= FAILURES:
                        raise
                    log.warning("rebuild.lane_ended", problem=str(problem), failures=failures)

        kind = Process if self._total - self._done >= self.apart else Local
        async with asyncio.TaskGroup() as group:
            for _ in range(min(LANES, queue.qsize())):
                group.create_task(lanes(kind))

    async def _pending(self, connection: Any) -> dict[Place, tuple[int, int]]:
        """(reached, to reach) by source and shard."""
        async with transaction(connection):
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
        worker = Worker(connection)
        try:
            async with transaction(connection):
                await connection.execute(f"set local lock_timeout = {PATIENCE_MS}")
                await connection.execute(_TAKE_SHARDS, SHARDS_LOCK, SHARDS - 1)
                for (source, shard), span in (await self._now(connection)).items():
                    if span[0] < span[1]:
                        await worker.step(shard, {source: span}, most=None)
                await worker.late()
                await connection.execute("select rebuild_swap()")
                await connection.execute(NOTE_EVERYTHING)
                for payload in await _everything(connection):
                    await connection.execute("select pg_notify($1, $2)", CHANNEL, payload)
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


class Busy(Exception):
    """Another rebuild is at work."""


async def _everything(connection: Any) -> list[str]:
    """What watchers are told: everything may have changed, at every upper place."""
    rows = await connection.fetch(_UPPER_ROWS)
    return everything(Told.of({(place, slot): as_of for place, slot, as_of in rows}))


_UPPER_ROWS = """
    select place, slot, max(as_of) from cell where place in (select id from place where level < 3) group by 1, 2
"""


_LOCK = 0x72656275696C64  # one rebuild at a time
