"""Records from outside can be anything: reading one never raises, and an event comes back as it went."""

from datetime import UTC, timedelta, timezone
from typing import Any

from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.events import Event
from shared.messaging.feed import Feed, page_of
from shared.messaging.wire import Unreadable, event_of, headers_of


def a_record(headers: Any, value: bytes | None, key: bytes | None = b"k") -> Any:
    return ConsumerRecord("t", 0, 7, 0, 0, key, value, None, -1, -1, headers)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
moments = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5))]))
events = st.builds(
    Event,
    id=texts,
    type=texts,
    source=texts,
    subject=texts,
    key=texts,
    time=moments,
    shard=st.integers(0, 63),
    position=st.integers(1, (1 << 62) - 1),
    data=st.binary(max_size=200),
    traceparent=st.one_of(st.none(), texts),
)


@given(events)
def test_event_comes_back_from_its_record(event: Event) -> None:
    assert event_of(a_record(headers_of(event), event.data, event.key.encode())) == event


@given(st.lists(st.tuples(texts, st.one_of(st.none(), st.binary(max_size=30)))), st.one_of(st.none(), st.binary()))
def test_garbage_is_unreadable_and_kept(headers: list[tuple[str, bytes | None]], value: bytes | None) -> None:
    read = event_of(a_record(headers, value, None))
    assert isinstance(read, Unreadable)
    assert read.data == (value or b"")
    assert (read.origin.topic, read.origin.offset) == ("t", 7)


@given(events, st.sampled_from(["ce_shard", "ce_position", "ce_time"]), st.binary(max_size=40))
def test_garbage_in_a_header_never_raises(event: Event, name: str, value: bytes) -> None:
    headers = [(key, value if key == name else old) for key, old in headers_of(event)]
    assert isinstance(event_of(a_record(headers, event.data)), Event | Unreadable)


class Response:
    status_code = 200

    def __init__(self, content: bytes) -> None:
        self.content = content


@given(st.lists(events, max_size=5))
async def test_feed_brings_every_byte(told: list[Event]) -> None:
    class Client:
        async def get(self, *_: Any, **__: Any) -> Response:
            return Response(page_of("partners", told))

    async def token() -> str:
        return ""

    feed = Feed(Client(), "partners", "http://x", token)  # type: ignore[arg-type]  # only `get` is used
    brought = await feed.events(0, 0)
    assert [event.data for event in brought] == [event.data for event in told]
    assert [(event.id, event.position, event.time) for event in brought] == [
        (event.id, event.position, event.time) for event in told
    ]
