"""CloudEvents 1.0 in Kafka's binary mode: an event as a record, and a record as an event, trusting nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aiokafka import ConsumerRecord

from shared.contracts.events import Event
from shared.ids import SHARDS

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a Kafka record stood."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is no event: why, where it stood, and its bytes for the dead letters."""

    reason: str
    detail: str
    origin: Origin
    headers: dict[str, str]
    data: bytes


def headers_of(event: Event) -> Headers:
    """The record headers of an event."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event.id.encode()),
        ("ce_type", event.type.encode()),
        ("ce_source", event.source.encode()),
        ("ce_subject", event.subject.encode()),
        ("ce_time", event.time.isoformat().encode()),
        ("ce_shard", b"%d" % event.shard),
        ("ce_position", b"%d" % event.position),
        ("content-type", b"application/json"),
    ]
    if event.traceparent is not None:
        headers.append(("traceparent", event.traceparent.encode()))
    return headers


def event_of(record: "ConsumerRecord[bytes, bytes]") -> Event | Unreadable:
    """The event a record carries; never raises: bytes from outside can be anything."""
    headers = _text_headers(record.headers)
    try:
        specversion, id_, type_, source = (
            headers["ce_specversion"],
            headers["ce_id"],
            headers["ce_type"],
            headers["ce_source"],
        )
        subject, time_text = headers["ce_subject"], headers["ce_time"]
        shard_text, position_text = headers["ce_shard"], headers["ce_position"]
    except KeyError:
        missing = sorted(_REQUIRED - headers.keys())
        return _unreadable(record, headers, "no-cloudevent", f"headers missing: {', '.join(missing)}")
    if specversion != "1.0":
        return _unreadable(record, headers, "unknown-specversion", specversion)
    try:
        shard, position = int(shard_text), int(position_text)
        time = datetime.fromisoformat(time_text)
    except ValueError as problem:
        return _unreadable(record, headers, "bad-header", str(problem))
    if not 0 <= shard < SHARDS or position < 1 or position >= 1 << 62 or time.tzinfo is None:
        return _unreadable(record, headers, "bad-header", "ce_shard, ce_position or ce_time is out of range")
    key = (record.key or b"").decode("utf-8", "replace")
    traceparent = headers.get("traceparent")
    return Event(id_, type_, source, subject, key, time, shard, position, record.value or b"", traceparent)


_REQUIRED = frozenset(
    ("ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "ce_shard", "ce_position")
)


def _unreadable(
    record: "ConsumerRecord[bytes, bytes]", headers: dict[str, str], reason: str, detail: str
) -> Unreadable:
    origin = Origin(record.topic, record.partition, record.offset)
    kept = {name: value[:1000] for name, value in headers.items()}
    return Unreadable(reason, detail, origin, kept, record.value or b"")


def _text_headers(headers: Sequence[tuple[str, bytes]]) -> dict[str, str]:
    return {name: (value or b"").decode("utf-8", "replace") for name, value in headers}
