"""Databases and relays that die at the worst moment: nothing is lost, nothing happens twice."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.events import Event, topic_of
from shared.messaging.feed import Feed
from shared.messaging.inbox import Inbox
from shared.messaging.kafka import KafkaAddress
from shared.messaging.relay import Relay
from shared.telemetry.metrics import RELAY_LAG
from shared.telemetry.progress import Progress
from tests.integration.messaging.world import (
    KEYS,
    Recording,
    Source,
    World,
    an_event,
    eventually,
    in_shard_order,
    put_on_topic,
    records_of,
    settled,
)
from tests.support.engines import Postgres, a_postgres


async def published(source: Source) -> bool:
    """True when the relay has nothing left."""
    behind = "select 1 from relay_cursor join stream_head using (shard) where published < position"
    return await source.sql(behind) == []


async def cut(postgres: Postgres, database: str, what: str = "true") -> None:
    """End the server's sessions with a database, as a network or an administrator would."""
    await postgres._execute(
        f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database}' and {what}"
    )


async def test_postgresql_killed_in_mid_batch(world: World, tmp_path: Path) -> None:
    async with a_postgres(tmp_path) as fragile:
        database = await world.new_database(sink=True, postgres=fragile)
        kills = 0

        async def kill(_: Sequence[int]) -> None:
            nonlocal kills
            if kills < 2:
                kills += 1
                fragile.process.kill()

        projection = Recording(before_commit=kill)
        async with world.source() as source, world.sink(source.name, projection, database=database) as sink:
            for start in range(0, 60, 6):
                await source.tell(*range(start, start + 6))

            async def answers() -> bool:
                with suppress(OSError, asyncio.IncompleteReadError):
                    await sink.sql("select 1")
                    return kills == 2
                return False

            await eventually(lambda: tolerant(answers), "PostgreSQL is back after two kills")
            await settled(source, sink)
            assert sorted((await sink.numbers()).items()) == [(n, 1) for n in range(60)]
            assert in_shard_order(await sink.effects())
            assert await sink.letters() == []


async def tolerant(condition: Any) -> bool:
    try:
        return bool(await condition())
    except Exception:
        return False


async def test_connection_cut_in_mid_batch(world: World) -> None:
    database = await world.new_database(sink=True)
    cuts = 0

    async def cut_once_in_a_while(_: Sequence[int]) -> None:
        nonlocal cuts
        if cuts < 3:
            cuts += 1
            await cut(world.postgres, database.name, "application_name = 'hamkor-sink'")

    projection = Recording(before_commit=cut_once_in_a_while)
    async with world.source() as source, world.sink(source.name, projection, database=database) as sink:
        for start in range(0, 60, 6):
            await source.tell(*range(start, start + 6))
        await settled(source, sink)
        assert cuts == 3
        assert sorted((await sink.numbers()).items()) == [(n, 1) for n in range(60)]
        assert in_shard_order(await sink.effects())
        assert await sink.letters() == []


async def test_full_connection_pool_is_waited_for_and_poisons_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.source() as source, world.sink(source.name) as sink:
        pool: Any = sink.inbox._database.engine.pool
        monkeypatch.setattr(pool, "_timeout", 0.2)
        async with asyncio.timeout(60):
            held = [await sink.inbox._database.engine.connect() for _ in range(pool.size())]
            await source.tell(*range(12))
            await eventually(lambda: failures(sink, source), "a batch failed for want of a connection")
            for connection in held:
                await connection.close()
        await settled(source, sink)
        assert sorted((await sink.numbers()).items()) == [(n, 1) for n in range(12)]
        assert await sink.letters() == []


async def failures(sink: Any, source: Source) -> bool:
    return bool(await sink.metric("hamkor_inbox_failures_total", source=source.name))


async def test_event_with_a_value_that_the_database_refuses_is_poison_and_blocks_nothing(world: World) -> None:
    async with world.source(relay=False) as source, world.sink(source.name) as sink:
        await source.tell(1, 2, 3, key=KEYS[0])
        await source.sql("alter table event disable row level security")
        huge = json.dumps({"id": "1", "version": 1, "n": 1 << 70}).encode()
        await source.sql("update event set data = $1 where position = 2", huge)
        await source.let_relay_begin()
        await settled(source, sink)
        (letter,) = await sink.letters()
        assert (letter["reason"], letter["position"]) == ("apply-failed", 2)
        assert [n for _, _, n in await sink.effects()] == [1, 3]


async def test_one_relay_works_and_another_takes_over(world: World) -> None:
    async with world.source() as source, world.sink(source.name) as sink:
        kafka = KafkaAddress(world.engine.setting, world.engine.embedded)
        relays = [Relay(source.database, source.test_database.url, kafka, Progress()) for _ in range(2)]
        tasks = [asyncio.create_task(relay.run()) for relay in relays]
        try:
            await asyncio.gather(*(source.tell(*range(start, start + 5)) for start in range(0, 100, 5)))
            await eventually(lambda: published(source), "all is published")
            places = [
                (int(headers["ce_shard"]), int(headers["ce_position"]))
                for record in await records_of(world, topic_of(source.name), 100)
                if (headers := dict(record.headers))
            ]
            assert sorted(places) == sorted((shard, position) for shard, position, _ in await source.log())

            holders = "pid in (select pid from pg_locks where locktype = 'advisory' and granted)"
            await cut(world.postgres, source.test_database.name, holders)
            await source.tell(*range(100, 110))
            await eventually(lambda: published(source), "another relay publishes")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await settled(source, sink)
        assert sorted((await sink.numbers()).items()) == [(n, 1) for n in range(110)]


async def test_a_relay_that_waits_for_its_turn_tells_no_lag(world: World) -> None:
    async with world.source(relay=False) as source:
        lag = RELAY_LAG.labels(source.name)
        lag.set(7)
        await eventually(lambda: asyncio.sleep(0, lag._value.get() == 0), "what it knew before is forgotten")


async def test_relay_that_dies_between_sending_and_advancing_repeats_without_harm(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Relay._send
    deaths = 0

    async def send_and_die(self: Relay, producer: Any, rows: Any) -> None:
        nonlocal deaths
        await send(self, producer, rows)
        if deaths < 3:
            deaths += 1
            raise ConnectionError("killed")

    async with world.source() as source, world.sink(source.name) as sink:
        monkeypatch.setattr(Relay, "_send", send_and_die)
        await source.tell(*range(30))
        await eventually(lambda: published(source), "the relay got through")
        assert deaths == 3
        await settled(source, sink)
        assert len(await records_of(world, topic_of(source.name), 30)) >= 60
        assert sorted((await sink.numbers()).items()) == [(n, 1) for n in range(30)]
        assert in_shard_order(await sink.effects())


async def test_dead_letter_too_large_for_kafka_holds_no_event_up(world: World) -> None:
    async with world.source() as source, world.sink(source.name) as sink:
        await put_on_topic(
            world, source.name, an_event(source.name, 1, data=b"x" * 1_040_000), headers=[("no", b"event")]
        )
        (letter,) = await sink.has_letters(1)
        assert len(letter["data"]) == 1_040_000

        async def told() -> bool:
            return (await sink.letters())[0]["published_at"] is not None

        await eventually(told, "the dead letter is on its topic")
        await source.tell(1)
        await settled(source, sink)


async def test_backlog_of_large_events_passes_in_pages(world: World) -> None:
    async with world.source(relay=False) as source, world.sink(source.name) as sink:
        for n in range(12):
            await source.tell(n, key=KEYS[0], ballast="x" * 800_000)
        feed: Any = sink.inbox._feeds[source.name]
        shard = (await source.log())[0][0]
        page = await feed.events(shard, 0)
        assert 1 <= len(page) < 12
        assert [event.position for event in page] == list(range(1, len(page) + 1))
        await settled(source, sink)
        assert [n for _, _, n in await sink.effects()] == list(range(12))


async def test_work_cancelled_in_the_middle_of_a_commit_leaves_no_trace_or_all(world: World) -> None:
    async with world.source(relay=False) as source, world.sink(source.name) as sink:
        await source.tell(*range(30), key=KEYS[0])
        feed: Any = sink.inbox._feeds[source.name]
        events = await feed.events((await source.log())[0][0], 0)
        for step in range(12):
            delivery = asyncio.create_task(sink.inbox.deliver(source.name, events))
            for _ in range(step * 4):
                await asyncio.sleep(0)
            delivery.cancel()
            await asyncio.gather(delivery, return_exceptions=True)
        await settled(source, sink)
        assert [n for _, _, n in await sink.effects()] == list(range(30))


async def test_source_whose_feed_hangs_delays_no_other(world: World) -> None:
    async with world.source(relay=False) as source, world.sink(source.name) as sink:
        await source.tell(0, 1, 2, key=KEYS[0])
        feed: Any = sink.inbox._feeds[source.name]
        asked = asyncio.Event()

        class Hanging(Feed):
            async def events(self, shard: int, after: int, limit: int = 1) -> list[Event]:
                asked.set()
                await asyncio.Event().wait()
                return []

        hanging = Hanging(feed._client, "other", "", feed._token)
        inbox = Inbox(sink.inbox._database, sink.projection, {source.name: feed, "other": hanging})
        await inbox.prepare()
        gap = asyncio.create_task(inbox.deliver("other", [an_event("other", 5)]))
        try:
            await asked.wait()
            await inbox.deliver(source.name, await feed.events((await source.log())[0][0], 0))
            assert [n for _, _, n in await sink.effects()] == [0, 1, 2]
        finally:
            gap.cancel()
            await asyncio.gather(gap, return_exceptions=True)


async def test_what_waits_for_its_shard_takes_no_turn_from_others(world: World) -> None:
    async with world.source(relay=False) as source, world.sink(source.name) as sink:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def holds(numbers: Sequence[int]) -> None:
            if numbers == [-1]:
                begun.set()
                async with asyncio.timeout(60):
                    await go_on.wait()

        feeds: Any = dict.fromkeys(("one", "two", "three"))
        projections = [Recording(before_commit=holds) for _ in range(2)]
        inbox = Inbox(sink.inbox._database, projections[0], feeds, projections[1:])
        await inbox.prepare()
        first = asyncio.create_task(inbox.deliver("one", [an_event("one", 1, key=KEYS[0])]))
        await begun.wait()
        same_shard = asyncio.create_task(
            inbox.deliver("two", [an_event("two", position, key=KEYS[0]) for position in (1, 2)])
        )
        await inbox.deliver("three", [an_event("three", position, key=KEYS[1]) for position in (1, 2, 3)])
        assert [await sum_of(inbox, each) for each in feeds] == [0, 0, 3]
        go_on.set()
        await asyncio.gather(first, same_shard)
        assert [await sum_of(inbox, each) for each in feeds] == [1, 2, 3]


async def test_event_that_fits_nowhere_costs_those_in_its_company_nothing(world: World) -> None:
    async with world.source(relay=False) as source, world.sink(source.name) as sink:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def holds(numbers: Sequence[int]) -> None:
            if not begun.is_set():
                begun.set()
                async with asyncio.timeout(60):
                    await go_on.wait()

        feeds: Any = dict.fromkeys(("one", "two", "three"))
        projection = Recording(unappliable=lambda n: n == -3, before_commit=holds)
        inbox = Inbox(sink.inbox._database, projection, feeds)
        await inbox.prepare()
        first = asyncio.create_task(inbox.deliver("one", [an_event("one", 1, key=KEYS[0])]))
        await begun.wait()
        rest = [
            asyncio.create_task(
                inbox.deliver(name, [an_event(name, each, key=KEYS[key]) for each in range(1, last + 1)])
            )
            for name, key, last in (("two", 0, 4), ("three", 1, 2))
        ]

        async def both_wait() -> bool:
            return len(inbox._effects._waiting) == len(rest)

        await eventually(both_wait, "two and three wait for one")
        go_on.set()
        await asyncio.gather(first, *rest)
        effects = [(row["source"], row["n"]) for row in await sink.sql("select source, n from effect order by id")]
        assert [n for name, n in effects if name == "two"] == [-1, -2, -4]
        assert sorted(each for each in effects if each[0] != "two") == [("one", -1), ("three", -2), ("three", -1)]
        assert [(letter["source"], letter["position"], letter["reason"]) for letter in await sink.letters()] == [
            ("two", 3, "apply-failed")
        ]
        assert [await sum_of(inbox, each) for each in feeds] == [1, 4, 2]
        assert projection.batches[0] == 1
        assert 2 in projection.batches, "three was done without two"


async def sum_of(inbox: Inbox, source: str) -> int:
    return sum(await inbox.positions(source))


async def test_gap_in_one_shard_holds_back_no_other_while_the_feed_is_down(world: World) -> None:
    async with world.source(relay=False) as source, world.sink(source.name) as sink:

        class Down(Feed):
            async def events(self, shard: int, after: int, limit: int = 1) -> list[Event]:
                raise OSError("refused")

        feed: Any = sink.inbox._feeds[source.name]
        inbox = Inbox(sink.inbox._database, sink.projection, {"other": Down(feed._client, "other", "", feed._token)})
        await inbox.prepare()
        sound = [an_event("other", position, key=KEYS[1]) for position in (1, 2)]
        with pytest.raises(OSError, match="refused"):
            await inbox.deliver("other", [*sound, an_event("other", 7, key=KEYS[0])])
        assert [n for _, _, n in await sink.effects()] == [-1, -2]
        assert sum(await inbox.positions("other")) == 2
