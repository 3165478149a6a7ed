"""The event log of a service: appended in the command's transaction, read by the relay and by the event feed."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.events import MAX_DATA_BYTES, Event, Recorded
from shared.errors import TooLarge
from shared.ids import new_ids
from shared.persistence.arrays import array_of, as_arrays
from shared.persistence.engine import raw_connection
from shared.telemetry.trace import current_traceparent

CHANNEL = "hamkor_stream"

# One round trip: the head's row is locked, its events take the next positions, the relay is woken at commit.
_APPEND = (
    "with head as (update stream_head set position = position + $2 where shard = $1 returning position), "
    "added as (insert into event (shard, position, id, type, key, subject, time, data, traceparent) "
    "select $1, head.position - $2 + e.nr, e.id, e.type, e.key, e.subject, $3, e.data, $4 "
    "from head, unnest($6::uuid[], $7::text[], $8::text[], $9::text[], $10::bytea[]) "
    "with ordinality as e(id, type, key, subject, data, nr)), "
    "told as (select pg_notify($5, '')) "
    "select head.position from head, told"
)
# Many shards at once, as imports have them: two round trips, the heads locked in the order of shards.
_LOCK_HEADS = text("select shard, position from stream_head where shard = any(:shards) order by shard for update")
_APPEND_MANY = text(
    "with added as (insert into event (shard, position, id, type, key, subject, time, data, traceparent) "  # noqa: S608
    "select e.shard, e.position, e.id, e.type, e.key, e.subject, :time, convert_to(e.data, 'UTF8'), :traceparent from "
    f"unnest({array_of('shards', 'smallint')}, {array_of('positions', 'bigint')}, {array_of('ids', 'uuid')}, "
    f"{array_of('types', 'text')}, {array_of('keys', 'text')}, {array_of('subjects', 'text')}, "
    f"{array_of('data', 'text')}) "
    "as e(shard, position, id, type, key, subject, data)), "
    "moved as (update stream_head set position = new.position "
    f"from unnest({array_of('moved', 'smallint')}, {array_of('heads', 'bigint')}) as new(shard, position) "
    "where stream_head.shard = new.shard) "
    "select pg_notify(:channel, '')"
)
FEW = 3
"""Shards up to which each is appended to by itself."""
PAGE_BYTES = 4_000_000
# A page ends by size too: a thousand events of the largest kind would be 900 MB. The first one always fits.
_READ = text(
    "select shard, position, id, type, key, subject, time, data, traceparent from ("
    "select event.*, sum(octet_length(data)) over (order by position) as size from event "
    "where shard = :shard and position > :after order by position limit :limit"
    ") as page where size <= :bytes or position = :after + 1 order by position"
)


def behind(cursor: str) -> str:
    """The SQL of what stands behind a cursor, shard by shard in order, with the cursor and the shard's head.

    `cursor` is a query of (shard, reached). Of each shard come up to $1 events that together have up to $2 bytes, but
    one at least.
    """
    return (
        "select e.shard, e.position, e.id, e.type, e.key, e.subject, e.time, e.data, e.traceparent, c.reached, "  # noqa: S608
        f"h.position as head from ({cursor}) c join stream_head h using (shard) cross join lateral ("
        "select * from (select event.*, sum(octet_length(data)) over (order by position) as size from event "
        "where shard = c.shard and position > c.reached order by position limit $1) page "
        "where size <= $2 or position = c.reached + 1) e "
        "where h.position > c.reached order by e.shard, e.position"
    )


class Position(msgspec.Struct, frozen=True, gc=False):
    """Where an event stands: dense per (service, shard), in commit order."""

    service: str
    shard: int
    position: int

    def __str__(self) -> str:
        return f"{self.service}/{self.shard}/{self.position}"


async def append(session: AsyncSession, service: str, recorded: Sequence[Recorded], at: datetime) -> list[Position]:
    """Append events to the stream; the caller commits at once, because the shards' heads stay locked until then.

    Heads are locked in the order of shards, so that two units of work never wait for each other in a ring.
    Raises TooLarge when an event's data would not fit into a Kafka message.
    """
    by_shard: dict[int, list[Recorded]] = defaultdict(list)
    for each in recorded:
        by_shard[each.shard].append(each)
    if len(by_shard) > FEW:
        return await _append_to_many(session, service, by_shard, at)
    if not by_shard:
        return []
    # Straight to the driver: every command passes here.
    connection = await raw_connection(session)
    positions: list[Position] = []
    for shard in sorted(by_shard):
        events = by_shard[shard]
        columns = _columns(events, at)
        columns["data"] = [json.encode() for json in columns["data"]]
        head: int = await connection.fetchval(_APPEND, shard, len(events), *columns.values())
        positions += [Position(service, shard, position) for position in range(head - len(events) + 1, head + 1)]
    return positions


async def _append_to_many(
    session: AsyncSession, service: str, by_shard: dict[int, list[Recorded]], at: datetime
) -> list[Position]:
    shards = sorted(by_shard)
    events = [each for shard in shards for each in by_shard[shard]]
    columns = _columns(events, at)  # before the heads are locked
    locked = await session.execute(_LOCK_HEADS, {"shards": shards})
    heads = {row.shard: row.position for row in locked}
    positions = [
        Position(service, shard, position)
        for shard in shards
        for position in range(heads[shard] + 1, heads[shard] + len(by_shard[shard]) + 1)
    ]
    values = {
        **{name: columns.pop(name) for name in ("time", "traceparent", "channel")},
        **as_arrays(columns),
        **as_arrays(
            {
                "shards": [each.shard for each in positions],
                "positions": [each.position for each in positions],
                "moved": shards,
                "heads": [heads[shard] + len(by_shard[shard]) for shard in shards],
            }
        ),
    }
    await session.execute(_APPEND_MANY, values)
    return positions


def _columns(events: Sequence[Recorded], at: datetime) -> dict[str, Any]:
    """What both statements take, in the order of their parameters."""
    payloads = [each.json or each.state.model_dump_json() for each in events]
    for payload in payloads:
        if len(payload) * 4 >= MAX_DATA_BYTES and len(payload.encode()) >= MAX_DATA_BYTES:
            raise TooLarge(limit=MAX_DATA_BYTES)
    return {
        "time": at,
        "traceparent": current_traceparent(),
        "channel": CHANNEL,
        "ids": new_ids(len(events)),
        "types": [each.type.name for each in events],
        "keys": [each.key for each in events],
        "subjects": [each.subject for each in events],
        "data": payloads,
    }


async def read_events(session: AsyncSession, service: str, shard: int, after: int, limit: int) -> list[Event]:
    """Up to `limit` events of a shard behind position `after`, in order; fewer where large, none only at the end."""
    result = await session.execute(_READ, {"shard": shard, "after": after, "limit": limit, "bytes": PAGE_BYTES})
    return [event_of_row(service, row) for row in result]


def event_of_row(service: str, row: Iterable[Any]) -> Event:
    """The event of a row of the log: its columns in their order, and whatever comes behind them."""
    shard, position, id_, type_, key, subject, time, data, traceparent, *_ = row
    return Event(str(id_), type_, service, subject, key, time, shard, position, data, traceparent)


async def read_heads(session: AsyncSession) -> list[int]:
    """The last position of every shard, indexed by shard."""
    result = await session.execute(text("select position from stream_head order by shard"))
    return [int(row.position) for row in result]
