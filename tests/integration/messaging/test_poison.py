"""Poison goes to the dead letters with its reason and delays nobody; what is true in the source's log is never lost."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from aiokafka.record import default_records
from msgspec.structs import replace
from sqlalchemy.exc import DBAPIError

from shared.contracts.events import MAX_DATA_BYTES, Event, dead_letter_topic_of, topic_of
from shared.errors import TooLarge
from shared.ids import shard_of
from shared.messaging.inbox import FUSE
from shared.messaging.wire import headers_of
from tests.integration.messaging.world import (
    KEYS,
    Recording,
    Sink,
    Source,
    World,
    an_event,
    eventually,
    in_shard_order,
    put_on_topic,
    records_of,
    settled,
)

KEY = KEYS[0]
SHARD = shard_of(KEY)


class BadName(str):
    """A header name that is encoded as bytes which are not UTF-8."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\xfe"


async def head_of(source: Source) -> int:
    return int((await source.sql("select position from stream_head where shard = $1", SHARD))[0]["position"])


async def test_forged_and_damaged_records_are_laid_down_at_once_and_cost_no_event(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.source() as source, world.sink(source.name) as sink:
        await source.tell(0, key=KEY)
        await settled(source, sink)
        await sink.connected()
        name = source.name
        intruders: dict[str, Callable[[Event], Awaitable[None]]] = {
            "no-cloudevent": lambda event: put_on_topic(world, name, event, headers=[]),
            "no-cloudevent ": lambda event: put_on_topic(world, name, event, headers=[("ce_id", b"\xff\xfe\x00")]),
            "bad-header": lambda event: put_on_topic(
                world, name, event, headers=[*headers_of(event)[:-2], ("ce_position", b"\xff\xfe")]
            ),
            "bad-header ": lambda event: put_on_topic(world, name, replace(event, position=1 << 63)),
            "bad-header  ": lambda event: put_on_topic(world, name, replace(event, shard=64)),
            "unknown-specversion": lambda event: put_on_topic(
                world, name, event, headers=[("ce_specversion", b"0.3"), *headers_of(event)[1:]]
            ),
            "not-in-log": lambda event: put_on_topic(world, name, replace(event, position=event.position + 1000)),
            "not-in-log ": lambda event: put_on_topic(world, name, replace(event, data=b"\xff\x00garbage")),
            "not-in-log  ": lambda event: put_on_topic(
                world, name, replace(event, data=b"[]", type="hamkor.nul\x00.v1", subject="\x00")
            ),
            "wrong-source": lambda event: put_on_topic(world, name, replace(event, source="partners")),
        }
        told = 0
        for number, (reason, intrude) in enumerate(intruders.items(), start=1):
            began = time.monotonic()
            await intrude(an_event(name, await head_of(source) + 1))
            letters = await sink.has_letters(number)
            assert letters[-1]["reason"] == reason.strip(), letters[-1]
            assert time.monotonic() - began < 5, f"{reason} took too long"
            told += 1
            await source.tell(told, key=KEY)
            await settled(source, sink)
        assert [n for _, _, n in await sink.effects()] == list(range(told + 1))
        assert len(await sink.letters()) == len(intruders)

        listed = (await sink.operator.get("/internal/dead-letters")).json()["items"]
        assert [letter["reason"] for letter in listed] == [reason.strip() for reason in intruders]
        assert listed[0]["topic"] == topic_of(name)


async def test_record_with_a_header_name_that_is_no_text_is_read_past(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.source() as source, world.sink(source.name) as sink:
        await source.tell(*range(10))
        await settled(source, sink)
        await sink.connected()
        plain = default_records._DefaultRecordBatchBuilderPy
        with monkeypatch.context() as patched:
            patched.setattr("aiokafka.producer.message_accumulator.DefaultRecordBatchBuilder", plain)
            patched.setattr("aiokafka.producer.producer.DefaultRecordBatchBuilder", plain)
            event = an_event(source.name, 1, data=b"{}")
            await put_on_topic(world, source.name, event, headers=[(BadName("x"), b"y")])
        letters = await sink.has_letters(1)
        assert letters[0]["reason"] == "no-cloudevent"
        await source.tell(*range(10, 40))
        await settled(source, sink)
        assert sorted((await sink.numbers()).items()) == [(n, 1) for n in range(40)]
        assert len(await sink.letters()) == 1


async def test_service_publishes_nothing_where_a_record_asks_for_a_reply(world: World) -> None:
    async with world.source(relay=False) as source, world.sink(source.name) as sink:
        await source.tell(1, key=KEY)
        event = (await sink.inbox._feeds[source.name].events(SHARD, 0))[0]
        letters = dead_letter_topic_of(topic_of(source.name))
        headers = [*headers_of(event), ("reply_to", letters.encode()), ("correlation_id", b"\xff")]
        await put_on_topic(world, source.name, event, headers=headers)
        await put_on_topic(world, source.name, event, headers=[])
        await sink.has_letters(1)
        # The sink's relay carries the dead letter to the same topic: a reply would stand before it.
        records = await records_of(world, letters, 1)
        assert [dict(record.headers)["dlq_reason"] for record in records] == [b"no-cloudevent"]
        assert [n for _, _, n in await sink.effects()] == [1]


async def test_undecodable_event_waits_in_the_dead_letters_until_it_is_replayed_once(world: World) -> None:
    projection = Recording(undecodable=lambda n: n == 13)
    async with world.source() as source, world.sink(source.name, projection) as sink:
        await source.tell(*range(10, 16), key=KEY)
        await settled(source, sink)
        (letter,) = await sink.letters()
        assert (letter["reason"], letter["detail"]) == ("undecodable", "13 is not understood")
        assert (letter["shard"], letter["position"], letter["source"]) == (SHARD, 4, source.name)
        assert [n for _, _, n in await sink.effects()] == [10, 11, 12, 14, 15]

        (record,) = await records_of(world, dead_letter_topic_of(topic_of(source.name)), 1)
        headers = dict(record.headers)
        assert headers["dlq_reason"] == b"undecodable"
        assert headers["ce_position"] == b"4"
        assert record.value == letter["data"]

        path = f"/internal/dead-letters/{letter['id']}/replay"
        assert (await sink.operator.post(path)).status_code == 422
        projection.undecodable = lambda _: False
        answers = await asyncio.gather(*(sink.operator.post(path) for _ in range(5)))
        assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404, 404]
        assert (await sink.numbers())[13] == 1
        assert (await sink.operator.get("/internal/dead-letters")).json()["items"] == []


async def test_event_damaged_in_the_log_itself_is_passed(world: World) -> None:
    async with world.source(relay=False) as source, world.sink(source.name) as sink:
        await source.tell(0, 1, 2, key=KEY)
        await source.sql("alter table event disable row level security")
        await source.sql("update event set data = '\\xfffe00' where position = 2")
        await source.let_relay_begin()
        await settled(source, sink)
        (letter,) = await sink.letters()
        assert (letter["reason"], letter["data"]) == ("undecodable", b"\xff\xfe\x00")
        assert [n for _, _, n in await sink.effects()] == [0, 2]


async def test_event_that_cannot_be_applied_poisons_only_itself(world: World) -> None:
    projection = Recording(unappliable=lambda n: n == 30)
    async with world.source(relay=False) as source, world.sink(source.name, projection) as sink:
        await source.tell(*range(60))
        await source.let_relay_begin()
        await settled(source, sink)
        (letter,) = await sink.letters()
        assert (letter["reason"], "30 fits nowhere" in letter["detail"]) == ("apply-failed", True)
        assert sorted((await sink.numbers()).items()) == [(n, 1) for n in range(60) if n != 30]
        answer = await sink.operator.post(f"/internal/dead-letters/{letter['id']}/replay")
        assert (answer.status_code, "30 fits nowhere" in answer.json()["reason"]) == (422, True)


@pytest.mark.parametrize("way", ["undecodable", "unappliable"])
async def test_fuse_stops_at_too_much_poison_and_nothing_is_skipped(world: World, way: str) -> None:
    projection = Recording()
    setattr(projection, way, lambda n: n >= 100)
    async with world.source() as source, world.sink(source.name, projection) as sink:
        await source.tell(*range(10), key=KEY)
        await settled(source, sink)
        await source.tell(*range(100, 150), key=KEY)

        await eventually(lambda: metric_is(sink, source, 1), "the fuse is blown")
        assert len(await sink.letters()) < FUSE
        setattr(projection, way, lambda _: False)
        await settled(source, sink)
        await eventually(lambda: metric_is(sink, source, 0), "the fuse is mended")
        for letter in await sink.letters():
            assert (await sink.operator.post(f"/internal/dead-letters/{letter['id']}/replay")).status_code == 200
        effects = await sink.effects()
        assert sorted(n for _, _, n in effects) == [*range(10), *range(100, 150)]


async def metric_is(sink: Sink, source: Source, value: int) -> bool:
    return await sink.metric("hamkor_inbox_fuse_blown", source=source.name) == value


async def test_oversized_event_is_refused_before_it_is_in_the_log(world: World) -> None:
    async with world.source() as source:
        with pytest.raises(TooLarge):
            await source.tell(1, ballast="x" * MAX_DATA_BYTES)
        with pytest.raises((DBAPIError, asyncpg.CheckViolationError)):
            await source.sql(
                "insert into event (shard, position, id, type, key, subject, time, data) values "
                "(0, 1, gen_random_uuid(), 't', 'k', 's', now(), $1)",
                b"x" * MAX_DATA_BYTES,
            )
        assert await source.log() == []


async def test_order_holds_around_poison(world: World) -> None:
    projection = Recording(undecodable=lambda n: n % 10 == 3, unappliable=lambda n: n % 10 == 7)
    async with world.source() as source, world.sink(source.name, projection) as sink:
        for start in range(0, 60, 6):
            await source.tell(*range(start, start + 6))
        await settled(source, sink)
        good = [n for n in range(60) if n % 10 not in (3, 7)]
        assert sorted((await sink.numbers()).items()) == [(n, 1) for n in good]
        positions = {shard: [p for s, p, _ in await sink.effects() if s == shard] for shard in range(64)}
        assert all(found == sorted(found) for found in positions.values())
        assert len(await sink.letters()) == 60 - len(good)
        assert not in_shard_order(await sink.effects())
