"""The inbox: every event of the other services takes effect exactly once, in the order of its shard."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.events import Event
from shared.ids import SHARDS
from shared.messaging.dead_letters import Poison, lay_down, settle, take_for_replay
from shared.messaging.feed import Feed
from shared.messaging.wire import Origin, Unreadable
from shared.persistence.engine import is_transient
from shared.persistence.unit_of_work import Database, UnitOfWork
from shared.scope import SYSTEM
from shared.telemetry.metrics import (
    DEAD_LETTERS,
    FUSE_BLOWN,
    INBOX_APPLIED,
    INBOX_DUPLICATES,
    INBOX_HEALED,
)

log = structlog.get_logger(__name__)

FUSE = 25
CHUNK = 20_000

_LOCK = text(
    "select shard, position from inbox where source = :source and shard = any(:shards) order by shard for update"
)
_ADVANCE = text(
    "update inbox set position = new.position, event_time = greatest(inbox.event_time, new.time) "
    "from unnest(cast(:shards as smallint[]), cast(:positions as bigint[]), cast(:times as timestamptz[])) "
    "as new(shard, position, time) where inbox.source = :source and inbox.shard = new.shard"
)


class Projection(Protocol):
    """What a service makes of the others' events."""

    def decode(self, event: Event) -> Any | None:
        """What is read of the event, or None where it concerns nothing here; ValueError means poison."""

    async def apply(self, uow: UnitOfWork, batch: Sequence[tuple[Event, Any]]) -> None:
        """Bring decoded events into effect, in order, inside the transaction that advances their positions."""


class FuseBlown(Exception):
    """Too much poison in a row: rather a bad deploy than bad events, so the consumer stops instead of skipping."""


class Inbox:
    """Per (source, shard) the applied position, advanced in the same transaction as the effect.

    position = applied + 1 takes effect; at or below is a duplicate and skipped; beyond is a gap, filled from the
    source's feed or held back. The row lock on the position also fences a zombie consumer after a rebalance.
    """

    def __init__(self, database: Database, projection: Projection, feeds: Mapping[str, Feed]) -> None:
        self._database = database
        self._projection = projection
        self._feeds = feeds
        self._lock = asyncio.Lock()
        self._poison_in_a_row = 0

    @property
    def service(self) -> str:
        """The consuming service."""
        return self._database.service

    @property
    def sources(self) -> list[str]:
        """The services listened to."""
        return list(self._feeds)

    async def prepare(self) -> None:
        """Create the rows of positions; needed once before anything is delivered."""
        async with self._database.unit_of_work() as uow:
            await uow.session.execute(
                text(
                    "insert into inbox (source, shard) select source, shard from "
                    "unnest(cast(:sources as text[])) source, generate_series(0, :last) shard on conflict do nothing"
                ),
                {"sources": list(self._feeds), "last": SHARDS - 1},
            )
        for source in self._feeds:
            FUSE_BLOWN.labels(self.service, source).set(0)

    async def positions(self, source: str) -> list[int]:
        """The applied position of every shard of `source`, indexed by shard."""
        async with self._database.reading(SYSTEM) as session:
            return await read_positions(session, source)

    async def deliver(self, source: str, records: Iterable[Event | Unreadable], *, healed: bool = False) -> int:
        """Bring records of one source into effect; returns how many events were applied.

        Raises what is transient (database or feed down): the caller backs off and delivers again. Raises FuseBlown.
        """
        by_shard: dict[int, dict[int, Event]] = defaultdict(dict)
        unreadable: list[Unreadable] = []
        for record in records:
            if isinstance(record, Unreadable):
                unreadable.append(record)
            elif record.source != source:
                unreadable.append(_foreign(record))
            else:
                by_shard[record.shard][record.position] = record
        async with self._lock:
            if unreadable:
                await self._lay_down(source, unreadable)
            if not by_shard:
                return 0
            applied = await self.positions(source)
            ready: list[Event] = []
            duplicates = 0
            for shard in sorted(by_shard):
                waiting = [event for position, event in sorted(by_shard[shard].items()) if position > applied[shard]]
                duplicates += len(by_shard[shard]) - len(waiting)
                ready.extend(await self._contiguous(source, shard, applied[shard], waiting))
            if duplicates:
                INBOX_DUPLICATES.labels(self.service, source).inc(duplicates)
            if healed and ready:
                INBOX_HEALED.labels(self.service, source).inc(len(ready))
            for start in range(0, len(ready), CHUNK):
                await self._take_effect(source, ready[start : start + CHUNK])
            return len(ready)

    async def _contiguous(self, source: str, shard: int, applied: int, waiting: list[Event]) -> list[Event]:
        """The events that may take effect now, gaps filled from the feed as far as it reaches."""
        ready: list[Event] = []
        expected = applied + 1
        for event in waiting:
            while expected < event.position:
                missing = await self._feeds[source].events(shard, expected - 1, min(1000, event.position - expected))
                if not missing:
                    # Beyond the end of the source's own log: nothing that it ever said.
                    await self._lay_down(source, [_foreign(event)])
                    return ready
                INBOX_HEALED.labels(self.service, source).inc(len(missing))
                ready.extend(missing)
                expected = missing[-1].position + 1
            if event.position == expected:
                ready.append(event)
                expected += 1
        return ready

    async def _take_effect(self, source: str, events: Sequence[Event]) -> None:
        batch: list[tuple[Event, Any]] = [(event, self._decode(event)) for event in events]
        poisoned = [read for _, read in batch if isinstance(read, Poison)]
        if poisoned:
            batch = await self._confirm(source, batch)
            self._check_fuse(source, batch)
        try:
            await self._commit(source, batch)
        except Exception as problem:
            if is_transient(problem):
                raise
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._take_effect(source, [event for event, _ in batch[:middle]])
                await self._take_effect(source, [event for event, _ in batch[middle:]])
                return
            event = batch[0][0]
            log.exception("inbox.poison", source=source, event_id=event.id, type=event.type)
            poison = [(event, Poison(event, "apply-failed", repr(problem)))]
            self._check_fuse(source, poison)
            await self._commit(source, poison)

    def _decode(self, event: Event) -> Any:
        try:
            return self._projection.decode(event)
        except Exception as problem:
            return Poison(event, "undecodable", str(problem))

    async def _confirm(self, source: str, batch: list[tuple[Event, Any]]) -> list[tuple[Event, Any]]:
        """Poison is believed only of the source's own log: a damaged or forged record must not cost the real event."""
        confirmed: list[tuple[Event, Any]] = []
        for event, read in batch:
            if not isinstance(read, Poison):
                confirmed.append((event, read))
                continue
            original = await self._feeds[source].events(event.shard, event.position - 1, 1)
            if not original or original[0].position != event.position:
                await self._lay_down(source, [_foreign(event)])
                # What follows in this shard stood on a record that never was; it comes again or is healed.
                blocked = event.shard
                return confirmed + [
                    pair
                    for pair in batch[len(confirmed) + 1 :]
                    if pair[0].shard != blocked and not isinstance(pair[1], Poison)
                ]
            if original[0].data != event.data or original[0].type != event.type:
                await self._lay_down(source, [_foreign(event)])
            confirmed.append((original[0], self._decode(original[0])))
        return confirmed

    def _check_fuse(self, source: str, batch: Sequence[tuple[Event, Any]]) -> None:
        in_a_row = self._poison_in_a_row
        for _, read in batch:
            in_a_row = in_a_row + 1 if isinstance(read, Poison) else 0
            if in_a_row >= FUSE:
                FUSE_BLOWN.labels(self.service, source).set(1)
                raise FuseBlown(f"{FUSE} events of {source} in a row cannot be applied; the consumer holds them back")

    async def _commit(self, source: str, batch: Sequence[tuple[Event, Any]]) -> None:
        if not batch:
            return
        async with self._database.unit_of_work() as uow:
            shards = sorted({event.shard for event, _ in batch})
            rows = await uow.session.execute(_LOCK, {"source": source, "shards": shards})
            locked = {row.shard: row.position for row in rows}
            fresh = [(event, read) for event, read in batch if event.position > locked[event.shard]]
            if len(fresh) < len(batch):
                INBOX_DUPLICATES.labels(self.service, source).inc(len(batch) - len(fresh))
            poison = [read for _, read in fresh if isinstance(read, Poison)]
            for letter in poison:
                await lay_down(uow.session, letter, source, uow.now)
            concerned = [(event, read) for event, read in fresh if read is not None and not isinstance(read, Poison)]
            if concerned:
                await self._projection.apply(uow, concerned)
            await self._advance(uow.session, source, fresh)
        for _, read in fresh:
            self._poison_in_a_row = self._poison_in_a_row + 1 if isinstance(read, Poison) else 0
        for letter in poison:
            DEAD_LETTERS.labels(self.service, source, letter.reason).inc()
            log.error("inbox.dead_letter", source=source, event_id=letter.event.id, reason=letter.reason)
        FUSE_BLOWN.labels(self.service, source).set(0)
        INBOX_APPLIED.labels(self.service, source).inc(len(fresh))

    async def _advance(self, session: AsyncSession, source: str, fresh: Sequence[tuple[Event, Any]]) -> None:
        last: dict[int, Event] = {}
        for event, _ in fresh:
            last[event.shard] = event
        if not last:
            return
        await session.execute(
            _ADVANCE,
            {
                "source": source,
                "shards": list(last),
                "positions": [event.position for event in last.values()],
                "times": [event.time for event in last.values()],
            },
        )

    async def _lay_down(self, source: str, letters: Sequence[Unreadable]) -> None:
        async with self._database.unit_of_work() as uow:
            for letter in letters:
                await lay_down(uow.session, letter, source, uow.now)
        for letter in letters:
            DEAD_LETTERS.labels(self.service, source, letter.reason).inc()
            log.error("inbox.dead_letter", source=source, reason=letter.reason, topic=letter.origin.topic)

    async def replay(self, id_: str) -> bool:
        """Bring an open dead letter into effect now that its cause is mended; False if there is none to replay.

        Its position passed long ago. States carry versions, so a projection ignores what is older than what it has.
        """
        async with self._lock, self._database.unit_of_work() as uow:
            event = await take_for_replay(uow.session, id_)
            if event is None:
                return False
            read = self._projection.decode(event)
            if read is not None:
                await self._projection.apply(uow, [(event, read)])
            await settle(uow.session, id_, "replayed", uow.now)
            return True


async def read_positions(session: AsyncSession, source: str) -> list[int]:
    """The applied position of every shard of `source`, indexed by shard."""
    result = await session.execute(
        text("select shard, position from inbox where source = :source order by shard"), {"source": source}
    )
    positions = [0] * SHARDS
    for row in result:
        positions[row.shard] = row.position
    return positions


def _foreign(event: Event) -> Unreadable:
    return Unreadable(
        "not-in-log",
        f"{event.source} has no such event at {event.shard}/{event.position}",
        Origin("", event.shard, event.position),
        {"ce_id": event.id[:100], "ce_type": event.type[:200], "ce_source": event.source[:100]},
        event.data,
    )
