"""Dead letters: events that could not take effect, kept until an operator replays or discards them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.events import Event
from shared.ids import new_id
from shared.messaging.wire import Unreadable

MAX_HEADERS = 50


@dataclass(frozen=True, slots=True)
class Poison:
    """An event that cannot take effect here, and why."""

    event: Event
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A row of the dead letters."""

    id: str
    source: str
    reason: str
    detail: str
    headers: dict[str, str]
    data: bytes


_COLUMNS = (
    "id, source, shard, position, event_id, type, subject, key, time, traceparent, topic, partition, record_offset, "
    "headers, data, reason, detail, laid_down_at"
)
_INSERT = text(
    f"insert into dead_letter ({_COLUMNS}) values (:id, :source, :shard, :position, :event_id, :type, :subject, :key, "  # noqa: S608 - constants
    ":time, :traceparent, :topic, :partition, :record_offset, cast(:headers as jsonb), :data, :reason, :detail, :at) "
    "on conflict do nothing returning id"
)
_READ = (
    "select id, source, shard, position, event_id, type, subject, key, time, traceparent, topic, partition, "
    "record_offset, headers, data, reason, detail, laid_down_at, settled_at, outcome from dead_letter "
)


async def lay_down(session: AsyncSession, letter: Poison | Unreadable, source: str, at: datetime) -> bool:
    """Keep what could not be read or applied; NUL and oversized details are cut, the data is kept whole.

    False if it was there already: Kafka brought the same record again.
    """
    row: dict[str, Any] = {
        "id": new_id(),
        "source": source,
        "reason": letter.reason,
        "detail": letter.detail.replace("\x00", "")[:2000],
        "at": at,
        "headers": "{}",
    }
    if isinstance(letter, Poison):
        event = letter.event
        row |= {
            "shard": event.shard,
            "position": event.position,
            "event_id": event.id,
            "type": event.type,
            "subject": event.subject,
            "key": event.key,
            "time": event.time,
            "traceparent": event.traceparent,
            "topic": None,
            "partition": None,
            "record_offset": None,
            "data": event.data,
        }
    else:
        headers = {
            name.replace("\x00", "")[:200]: value.replace("\x00", "")[:1000]
            for name, value in list(letter.headers.items())[:MAX_HEADERS]
        }
        row |= dict.fromkeys(("shard", "position", "event_id", "type", "subject", "key", "time", "traceparent"))
        row |= {
            "topic": letter.origin.topic,
            "partition": letter.origin.partition,
            "record_offset": letter.origin.offset,
            "headers": json.dumps(headers),
            "data": letter.data,
        }
    return (await session.execute(_INSERT, row)).one_or_none() is not None


async def unpublished(session: AsyncSession, limit: int) -> list[DeadLetter]:
    """Dead letters the relay has not yet carried to the dead-letter topic."""
    result = await session.execute(
        text(f"{_READ} where published_at is null order by laid_down_at limit :limit"), {"limit": limit}
    )
    return [
        DeadLetter(str(row.id), row.source, row.reason, row.detail, _headers_of(row), bytes(row.data)) for row in result
    ]


def _headers_of(row: Any) -> dict[str, str]:
    """The headers the record had, or those its event would have."""
    if row.position is None:
        return dict(row.headers)
    return {
        "ce_specversion": "1.0",
        "ce_id": row.event_id,
        "ce_type": row.type,
        "ce_source": row.source,
        "ce_subject": row.subject,
        "ce_time": row.time.isoformat(),
        "ce_shard": str(row.shard),
        "ce_position": str(row.position),
    }


async def mark_published(session: AsyncSession, ids: Sequence[str], at: datetime) -> None:
    """Remember that these stand on the dead-letter topic."""
    if ids:
        await session.execute(
            text("update dead_letter set published_at = :at where id = any(cast(:ids as uuid[]))"),
            {"at": at, "ids": list(ids)},
        )


async def list_dead_letters(session: AsyncSession, limit: int = 100) -> list[dict[str, Any]]:
    """Open dead letters, oldest first, as an operator reads them (the data as text, cut at 4,000 characters)."""
    result = await session.execute(
        text(f"{_READ} where settled_at is null order by laid_down_at limit :limit"), {"limit": limit}
    )
    return [
        {
            "id": str(row.id),
            "source": row.source,
            "shard": row.shard,
            "position": row.position,
            "type": row.type,
            "subject": row.subject,
            "topic": row.topic,
            "partition": row.partition,
            "offset": row.record_offset,
            "reason": row.reason,
            "detail": row.detail,
            "laid_down_at": row.laid_down_at.isoformat(),
            "data": bytes(row.data)[:4000].decode("utf-8", "replace"),
        }
        for row in result
    ]


async def take_for_replay(session: AsyncSession, id_: str) -> Event | None:
    """The event of an open dead letter, locked; None where there is none or its bytes never were an event."""
    row = (
        await session.execute(
            text(f"{_READ} where id = cast(:id as uuid) and settled_at is null and position is not null for update"),
            {"id": id_},
        )
    ).one_or_none()
    if row is None:
        return None
    return Event(
        id=row.event_id,
        type=row.type,
        source=row.source,
        subject=row.subject,
        key=row.key,
        time=row.time,
        shard=row.shard,
        position=row.position,
        data=bytes(row.data),
        traceparent=row.traceparent,
    )


async def settle(session: AsyncSession, id_: str, outcome: str, at: datetime) -> bool:
    """Close a dead letter as "replayed" or "discarded"; False if it was not open."""
    result = await session.execute(
        text(
            "update dead_letter set settled_at = :at, outcome = :outcome "
            "where id = cast(:id as uuid) and settled_at is null returning id"
        ),
        {"id": id_, "outcome": outcome, "at": at},
    )
    return result.one_or_none() is not None


async def count_open(session: AsyncSession) -> int:
    """How many dead letters wait for an operator."""
    return int((await session.execute(text("select count(*) from dead_letter where settled_at is null"))).scalar_one())
