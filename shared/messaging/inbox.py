"""The inbox: every event of the other services takes effect exactly once, in the order of its shard."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, Protocol, runtime_checkable

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.events import Event
from shared.ids import SHARDS
from shared.messaging.dead_letters import Poison, lay_down, settle, take_for_replay
from shared.messaging.feed import Source
from shared.messaging.turns import Part, Turns
from shared.messaging.wire import Origin, Unreadable
from shared.persistence.engine import is_transient, raw_connection
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
# What one transaction takes at most: a backlog of any length passes through bounded memory.
CHUNK_EVENTS = 50_000
CHUNK_BYTES = 48_000_000
CONFIRM_PAGE = 50
PART_EVENTS = 5_000
"""Of a backlog so many events, whole shards, go into one transaction where several can be at work at once."""

_LOCK = """
    select source, shard, position from inbox join unnest($1::text[], $2::smallint[]) as wanted(source, shard)
    using (source, shard) order by source, shard for update of inbox
"""
_AHEAD = text(
    "select inbox.shard, inbox.position as reached, head.position, event.time "
    "from inbox join stream_head head using (shard) "
    "join event on event.shard = head.shard and event.position = head.position "
    "where inbox.source = :source and head.position > inbox.position order by inbox.shard for update of inbox"
)
_ADVANCE = """
    update inbox set position = new.position, event_time = greatest(inbox.event_time, new.time)
    from unnest($1::text[], $2::smallint[], $3::bigint[], $4::timestamptz[]) as new(source, shard, position, time)
    where inbox.source = new.source and inbox.shard = new.shard
"""


class Projection(Protocol):
    """What a service makes of the others' events."""

    def decode(self, event: Event) -> Any | None:
        """What is read of the event, or None where it concerns nothing here; ValueError means poison."""

    async def apply(self, uow: UnitOfWork, batch: Sequence[tuple[Event, Any]]) -> None:
        """Bring decoded events into effect, in order, inside the transaction that advances their positions."""


@runtime_checkable
class Selective(Projection, Protocol):
    """A projection that for some time may need no event at all."""

    async def needs_any(self, session: AsyncSession) -> bool:
        """False while no event of now, whatever it tells, would have an effect."""
        ...


class FuseBlown(Exception):
    """Too much poison in a row: rather a bad deploy than bad events, so the consumer stops instead of skipping."""


class Inbox:
    """Per (source, shard) the applied position, advanced in the same transaction as the effect.

    position = applied + 1 takes effect; at or below is a duplicate and skipped; beyond is a gap, filled from the
    source's feed or held back. The row lock on the position also fences a zombie consumer after a rebalance.

    Each source has its own turn, so that one whose feed is down delays no other. Effects take turns too, because a
    projection may keep state and need not be safe against itself: as many transactions are at work at once as there are
    projections, and what waits meanwhile, of whatever source, takes effect in one transaction (see Turns).
    """

    def __init__(
        self,
        database: Database,
        projection: Projection,
        feeds: Mapping[str, Source],
        beside: Sequence[Projection] = (),
    ) -> None:
        """`beside`: more of the same kind, each with its own state: while one waits for the database, another computes.

        What they make of different shards must not depend on which comes first.
        """
        self._database = database
        self._projection = projection
        self._lanes = 1 + len(beside)
        self._effects: Turns[Projection] = Turns((*beside, projection), self._commit, most=PART_EVENTS)
        self._feeds = feeds
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._reached: dict[str, list[int]] = {}
        self._poison_in_a_row: dict[str, int] = defaultdict(int)

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

    async def _known(self, source: str, *, healed: bool) -> Sequence[int]:
        """The applied positions as this process knows them: it may be behind, where others apply them too.

        What it brings then is found to be a duplicate, under the lock. Whoever heals looks at what is true.
        """
        if healed or source not in self._reached:
            self._reached[source] = await self.positions(source)
        return self._reached[source]

    async def positions(self, source: str) -> list[int]:
        """The applied position of every shard of `source`, indexed by shard."""
        async with self._database.reading(SYSTEM) as session:
            return await read_positions(session, source)

    async def deliver(self, source: str, records: Iterable[Event | Unreadable], *, healed: bool = False) -> int:
        """Bring records of one source into effect; returns how many events took their turn.

        Raises what is transient (database or feed down): the caller backs off and delivers again. Raises FuseBlown.
        """
        by_shard: dict[int, dict[int, Event]] = defaultdict(dict)
        unreadable: list[Unreadable] = []
        rivals: list[Event] = []
        for record in records:
            if isinstance(record, Unreadable):
                unreadable.append(record)
            elif record.source != source:
                unreadable.append(_foreign(record, "wrong-source", f"{source}'s topic carries its own events only"))
            else:
                rival = by_shard[record.shard].setdefault(record.position, record)
                if rival is not record and not _same(rival, record):
                    rivals.append(record)
        async with self._turns[source]:
            if unreadable:
                await self._lay_down(source, unreadable)
            for rival in rivals:
                await self._decide(source, by_shard[rival.shard], rival)
            return await self._deliver_shards(source, by_shard, healed) if by_shard else 0

    async def pass_by(self, source: str) -> int | None:
        """Go to the heads of the own log without reading what no effect comes of; returns how many events that were.

        None where they have to be read. The heads are read before the projection is asked: whatever makes it need
        events and was committed before one of these events is seen then.
        """
        if not isinstance(self._projection, Selective):
            return None
        async with self._turns[source], self._effects.means(), self._database.unit_of_work() as uow:
            ahead = (await uow.session.execute(_AHEAD, {"source": source})).all()
            if not ahead:
                return 0
            if await self._projection.needs_any(uow.session):
                return None
            columns = zip(*((source, row.shard, row.position, row.time) for row in ahead), strict=True)
            await (await raw_connection(uow.session)).execute(_ADVANCE, *columns)
        self._reached.pop(source, None)  # or what was passed by would be fetched as if it were missing
        passed: int = sum(row.position - row.reached for row in ahead)
        INBOX_APPLIED.labels(self.service, source).inc(passed)
        return passed

    async def _deliver_shards(self, source: str, by_shard: Mapping[int, dict[int, Event]], healed: bool) -> int:
        applied = await self._known(source, healed=healed)
        batch: list[Event] = []
        size = taken = duplicates = 0
        trouble: OSError | None = None
        for shard in sorted(by_shard):
            waiting = [event for position, event in sorted(by_shard[shard].items()) if position > applied[shard]]
            duplicates += len(by_shard[shard]) - len(waiting)
            more = sum([len(event.data) for event in waiting])
            fits = len(batch) + len(waiting) <= CHUNK_EVENTS and size + more <= CHUNK_BYTES
            if waiting and fits and _dense(waiting, applied[shard]):
                batch += waiting
                size += more
                continue
            try:
                async for event in self._contiguous(source, shard, applied[shard], waiting):
                    batch.append(event)
                    size += len(event.data)
                    if len(batch) >= CHUNK_EVENTS or size >= CHUNK_BYTES:
                        await self._take_effect(source, batch)
                        taken += len(batch)
                        batch, size = [], 0
            except OSError as problem:
                # The feed is down, and this shard has a gap: the other shards go on.
                trouble = problem
        if batch:
            await self._take_effect(source, batch)
            taken += len(batch)
        if duplicates:
            INBOX_DUPLICATES.labels(self.service, source).inc(duplicates)
        if healed and taken:
            INBOX_HEALED.labels(self.service, source).inc(taken)
        if trouble is not None:
            raise trouble
        return taken

    async def _contiguous(
        self, source: str, shard: int, applied: int, waiting: Sequence[Event]
    ) -> AsyncIterator[Event]:
        """The events that may take effect now, gaps filled from the feed as far as it reaches."""
        expected = applied + 1
        for number, event in enumerate(waiting):
            while expected < event.position:
                missing = await self._feeds[source].events(shard, expected - 1, min(1000, event.position - expected))
                if not missing:
                    # Beyond the end of the source's own log: nothing that it ever said.
                    await self._lay_down(source, [_foreign(beyond) for beyond in waiting[number:]])
                    return
                INBOX_HEALED.labels(self.service, source).inc(len(missing))
                for each in missing:
                    yield each
                expected = missing[-1].position + 1
            yield event
            expected += 1

    async def _decide(self, source: str, shard: dict[int, Event], rival: Event) -> None:
        """Two records claim one position: the source's log says which of them is true."""
        original = await self._original(source, rival, {})
        for claim in (rival, shard.get(rival.position)):
            if claim is not None and (original is None or not _same(original, claim)):
                await self._lay_down(source, [_foreign(claim)])
        if original is not None:
            shard[rival.position] = original
        else:
            shard.pop(rival.position, None)

    async def _original(self, source: str, event: Event, page: dict[tuple[int, int], Event]) -> Event | None:
        """The event at this position in the source's log; `page` keeps its neighbours, which are often asked next."""
        place = (event.shard, event.position)
        if place not in page:
            found = await self._feeds[source].events(event.shard, event.position - 1, CONFIRM_PAGE)
            page |= {(each.shard, each.position): each for each in found}
        return page.get(place)

    async def _take_effect(self, source: str, events: Sequence[Event]) -> None:
        found = _parts(events, self._effects.lane) if self._lanes > 1 else [events]
        if len(found) == 1:
            await self._take_part(source, events)
            return
        parts = iter(found)

        async def lane() -> None:
            for part in parts:
                await self._take_part(source, part)

        # One that fails stops no other: what they commit is done, and needn't be tried again.
        lanes = (lane() for _ in range(min(self._lanes, len(found))))
        failed = [each for each in await asyncio.gather(*lanes, return_exceptions=True) if each is not None]
        if failed:
            raise next((each for each in failed if isinstance(each, FuseBlown)), failed[0])

    async def _take_part(self, source: str, events: Sequence[Event]) -> None:
        batch: list[tuple[Event, Any]] = [(event, self._decode(event)) for event in events]
        if any(isinstance(read, Poison) for _, read in batch):
            batch = await self._confirm(source, batch)
        sound = self._before_fuse(source, batch)
        await self._apply(source, batch[:sound])
        if sound < len(batch):
            self._blow(source)

    async def _apply(self, source: str, batch: Sequence[tuple[Event, Any]], *, alone: bool = False) -> None:
        """Commit a batch; where an event in it cannot be applied, halve it until that event stands alone."""
        if not batch:
            return
        try:
            await self._effects.take(Part(source, batch, alone))
            return
        except Exception as problem:
            if is_transient(problem):
                raise
            cause = problem
        if len(batch) > 1:
            middle = len(batch) // 2
            await self._apply(source, batch[:middle], alone=True)
            await self._apply(source, batch[middle:], alone=True)
            return
        event = batch[0][0]
        poison = [(event, Poison(event, "apply-failed", repr(cause)))]
        if not self._before_fuse(source, poison):
            self._blow(source)
        log.error("inbox.poison", source=source, event_id=event.id, type=event.type, exc_info=cause)
        await self._effects.take(Part(source, poison, alone=True))

    def _decode(self, event: Event) -> Any:
        try:
            return self._projection.decode(event)
        except Exception as problem:
            return Poison(event, "undecodable", str(problem) or repr(problem))

    async def _confirm(self, source: str, batch: Sequence[tuple[Event, Any]]) -> list[tuple[Event, Any]]:
        """Poison is believed only of the source's own log: a damaged or forged record must not cost the real event."""
        confirmed: list[tuple[Event, Any]] = []
        page: dict[tuple[int, int], Event] = {}
        for event, read in batch:
            if not isinstance(read, Poison):
                confirmed.append((event, read))
                continue
            original = await self._original(source, event, page)
            if original is None:
                # What follows in this shard stood on a record that never was: the commit holds it back.
                await self._lay_down(source, [_foreign(event)])
                continue
            if not _same(original, event):
                await self._lay_down(source, [_foreign(event)])
            confirmed.append((original, self._decode(original)))
        return confirmed

    def _before_fuse(self, source: str, batch: Sequence[tuple[Event, Any]]) -> int:
        """How many events of the batch come before the run of poison that is too long, or all."""
        in_a_row = self._poison_in_a_row[source]
        begin = 0
        for number, (_, read) in enumerate(batch):
            if not isinstance(read, Poison):
                in_a_row, begin = 0, number + 1
                continue
            in_a_row += 1
            if in_a_row >= FUSE:
                return begin
        return len(batch)

    def _blow(self, source: str) -> NoReturn:
        FUSE_BLOWN.labels(self.service, source).set(1)
        raise FuseBlown(f"{FUSE} events of {source} in a row cannot be applied; the consumer holds them back")

    async def _commit(self, projection: Projection, parts: Sequence[Part]) -> None:
        """One transaction: the parts take effect, and the positions advance."""
        async with self._database.precedence.claimed(), self._database.unit_of_work() as uow:
            connection = await raw_connection(uow.session)
            columns = zip(*((part.source, shard) for part in parts for shard in part.shards), strict=True)
            found = await connection.fetch(_LOCK, *columns)
            reached = {(row["source"], row["shard"]): row["position"] for row in found}
            taken, concerned, last = [], [], {}
            for part in parts:
                fresh, duplicates = _fresh(part, reached)
                taken.append((part.source, fresh, duplicates))
                for event, read in fresh:
                    last[part.source, event.shard] = event
                    if isinstance(read, Poison):
                        await lay_down(uow.session, read, part.source, uow.now)
                    elif read is not None:
                        concerned.append((event, read))
            if concerned:
                await projection.apply(uow, concerned)
            if last:
                columns = zip(*((*place, event.position, event.time) for place, event in last.items()), strict=True)
                await connection.execute(_ADVANCE, *columns)
        for (source, shard), position in reached.items():
            self._reached[source][shard] = position
        for each in taken:
            self._tell(*each)

    def _tell(self, source: str, fresh: Sequence[tuple[Event, Any]], duplicates: int) -> None:
        """Count what was committed."""
        if duplicates:
            INBOX_DUPLICATES.labels(self.service, source).inc(duplicates)
        for _, read in fresh:
            self._poison_in_a_row[source] = self._poison_in_a_row[source] + 1 if isinstance(read, Poison) else 0
            if isinstance(read, Poison):
                DEAD_LETTERS.labels(self.service, source, read.reason).inc()
                log.error("inbox.dead_letter", source=source, event_id=read.event.id, reason=read.reason)
        FUSE_BLOWN.labels(self.service, source).set(0)
        INBOX_APPLIED.labels(self.service, source).inc(len(fresh))

    async def _lay_down(self, source: str, letters: Sequence[Unreadable]) -> None:
        async with self._database.unit_of_work() as uow:
            new = [letter for letter in letters if await lay_down(uow.session, letter, source, uow.now)]
        for letter in new:
            DEAD_LETTERS.labels(self.service, source, letter.reason).inc()
            log.error("inbox.dead_letter", source=source, reason=letter.reason, topic=letter.origin.topic)

    async def replay(self, id_: str) -> bool:
        """Bring an open dead letter into effect now that its cause is mended; False if there is none to replay.

        Its position passed long ago. States carry versions, so a projection ignores what is older than what it has.
        """
        async with self._effects.means() as projection, self._database.unit_of_work() as uow:
            event = await take_for_replay(uow.session, id_)
            if event is None:
                return False
            read = projection.decode(event)
            if read is not None:
                await projection.apply(uow, [(event, read)])
            await settle(uow.session, id_, "replayed", uow.now)
            return True


def _parts(events: Sequence[Event], lane: Callable[[int], int]) -> list[Sequence[Event]]:
    """Events in the order of their shards in parts of whole shards of one lane, each no larger than it must be."""
    parts: list[Sequence[Event]] = []
    begin = 0
    for number in range(1, len(events)):
        before, shard = events[number - 1].shard, events[number].shard
        if shard != before and (number - begin >= PART_EVENTS or lane(shard) != lane(before)):
            parts.append(events[begin:number])
            begin = number
    return [*parts, events[begin:]]


def _fresh(part: Part, reached: dict[tuple[str, int], int]) -> tuple[list[tuple[Event, Any]], int]:
    """The events of the part whose turn it is, one after the other, and how many had theirs; `reached` goes along.

    What comes after something that was refused comes again, or is healed.
    """
    fresh: list[tuple[Event, Any]] = []
    duplicates = 0
    for event, read in part.batch:
        place = part.source, event.shard
        if event.position == reached[place] + 1:
            fresh.append((event, read))
            reached[place] = event.position
        elif event.position <= reached[place]:
            duplicates += 1
    return fresh, duplicates


def _dense(waiting: Sequence[Event], applied: int) -> bool:
    """Whether events in the order of their positions, no position twice, follow the applied one without a gap."""
    return waiting[0].position == applied + 1 and waiting[-1].position == applied + len(waiting)


async def read_positions(session: AsyncSession, source: str) -> list[int]:
    """The applied position of every shard of `source`, indexed by shard."""
    result = await session.execute(
        text("select shard, position from inbox where source = :source order by shard"), {"source": source}
    )
    positions = [0] * SHARDS
    for row in result:
        positions[row.shard] = row.position
    return positions


def _same(one: Event, other: Event) -> bool:
    return one.data == other.data and one.type == other.type


def _foreign(event: Event, reason: str = "not-in-log", detail: str = "") -> Unreadable:
    return Unreadable(
        reason,
        detail or f"{event.source} has no such event at {event.shard}/{event.position}",
        Origin("", event.shard, event.position),
        {"ce_id": event.id[:100], "ce_type": event.type[:200], "ce_source": event.source[:100]},
        event.data,
    )
