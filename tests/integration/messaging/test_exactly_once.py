"""Every event takes effect exactly once and in the order of its shard, whatever comes twice or at the same time."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from shared.contracts.events import MAX_DATA_BYTES, Event, topic_of
from shared.errors import TooLarge
from shared.messaging import inbox
from shared.messaging.inbox import Inbox
from shared.messaging.stream import read_events
from shared.scope import SYSTEM
from tests.integration.messaging.world import (
    KEYS,
    Recording,
    Source,
    World,
    committed_and_ends,
    eventually,
    gather_in_groups,
    in_shard_order,
    put_on_topic,
    settled,
)


async def everything(source: Source) -> list[Event]:
    async with source.database.reading(SYSTEM) as session:
        return [event for shard in range(64) for event in await read_events(session, source.name, shard, 0, 10_000)]


async def test_concurrent_commands_take_effect_once_and_in_order(world: World) -> None:
    async with world.source() as source, world.sink(source.name) as sink:
        await gather_in_groups([source.tell(3 * i, 3 * i + 1, 3 * i + 2) for i in range(100)], size=8)
        await settled(source, sink)
        effects = await sink.effects()
        assert sorted(n for _, _, n in effects) == list(range(300))
        assert in_shard_order(effects)
        assert sorted(effects) == await source.log()


async def test_offsets_follow_though_not_with_every_batch(world: World) -> None:
    async with world.source() as source, world.sink(source.name) as sink:
        for start in range(0, 40, 4):  # several batches within a second
            await source.tell(*range(start, start + 4))
        await settled(source, sink)
        topic, group = topic_of(source.name), f"hamkor.{sink.inbox.service}.{source.name}"

        async def no_lag() -> bool:
            committed, end = await committed_and_ends(world, topic, group)
            assert end >= 40
            return committed == end

        await eventually(no_lag, "whoever looks at the group sees no lag, though nothing comes any more")


async def test_positions_are_dense_and_in_commit_order(world: World) -> None:
    async with world.source(relay=False) as source:
        first, second = asyncio.Event(), asyncio.Event()

        async def early_but_slow() -> None:
            async with source.database.unit_of_work() as uow:
                source.record(uow, 1, key=KEYS[0])
                first.set()
                await second.wait()

        slow = asyncio.create_task(early_but_slow())
        await first.wait()
        await source.tell(2, key=KEYS[0])
        second.set()
        await slow
        with pytest.raises(TooLarge):
            await position_and_roll_back(source)
        await source.tell(4, key=KEYS[0])
        log = await source.log()
        assert [(position, n) for _, position, n in log] == [(1, 2), (2, 1), (3, 4)]


async def position_and_roll_back(source: Source) -> None:
    async with source.database.unit_of_work() as uow:
        source.record(uow, 3, key=KEYS[0])
        await uow.stage()
        source.record(uow, 9, key=KEYS[0], ballast="x" * MAX_DATA_BYTES)


async def test_records_that_come_again_change_nothing(world: World) -> None:
    async with world.source() as source, world.sink(source.name) as sink:
        await source.tell(*range(60))
        await settled(source, sink)
        log = await everything(source)
        await put_on_topic(world, source.name, *log, *log[::-1])
        await source.tell(60)
        await settled(source, sink)
        assert sorted((await sink.numbers()).items()) == [(n, 1) for n in range(61)]
        assert await sink.letters() == []


async def test_zombie_that_delivers_the_same_records_at_the_same_time_is_fenced(world: World) -> None:
    async with world.source(relay=False) as source, world.sink(source.name) as sink:
        await gather_in_groups([source.tell(5 * i, 5 * i + 1, 5 * i + 2, 5 * i + 3, 5 * i + 4) for i in range(40)], 4)
        log = await everything(source)
        slow = Recording(before_commit=lambda _: asyncio.sleep(0.01))
        members = [Inbox(sink.inbox._database, slow, sink.inbox._feeds) for _ in range(3)]

        async def deliver_all(member: Inbox, step: int) -> None:
            for start in range(0, len(log), step):
                await member.deliver(source.name, log[start : start + step])

        await asyncio.gather(*(deliver_all(member, 30 + 7 * i) for i, member in enumerate(members)))
        await settled(source, sink)
        effects = await sink.effects()
        assert sorted(effects) == log_numbers(log)
        assert in_shard_order(effects)


async def test_parts_of_a_backlog_are_at_work_at_once_and_one_that_fails_stops_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PART_EVENTS", 20)
    async with world.source(relay=False) as source, world.sink(source.name) as sink:
        await gather_in_groups([source.tell(*range(30 * i, 30 * i + 30)) for i in range(8)], 4)
        log = await everything(source)
        both = asyncio.Barrier(2)
        began, failed = 0, list[int]()

        async def meets(_: Sequence[int]) -> None:
            nonlocal began
            began += 1
            if began <= both.parties:
                async with asyncio.timeout(30):
                    await both.wait()  # one after the other they would never get there

        async def breaks(numbers: Sequence[int]) -> None:
            await meets(numbers)
            if not failed:
                failed.extend(numbers)
                raise ConnectionResetError

        steady, frail = Recording(before_commit=meets), Recording(before_commit=breaks)
        member = Inbox(sink.inbox._database, steady, sink.inbox._feeds, [frail])
        with pytest.raises(ConnectionResetError):
            await member.deliver(source.name, log)
        effects = await sink.effects()
        assert len(effects) == len(log) - len(failed), "all the other parts were committed"
        assert not {n for _, _, n in effects} & {*failed}
        await member.deliver(source.name, log)
        effects = await sink.effects()
        assert sorted(effects) == log_numbers(log)
        assert in_shard_order(effects)


def log_numbers(log: list[Event]) -> list[tuple[int, int, int]]:
    return [(event.shard, event.position, json.loads(event.data)["n"]) for event in log]
