"""A service that listens to itself reads its own log: no Kafka needed, each event once and in order."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.messaging import consumer
from tests.integration.messaging.world import (
    KEYS,
    Recording,
    Sink,
    Source,
    World,
    gather_in_groups,
    in_shard_order,
    settled,
)

NOWHERE = "file:/nowhere/broker.address"


@asynccontextmanager
async def listening_to_itself(
    world: World, projection: Recording | None = None, *, like: Sink | None = None, kafka: str | None = None
) -> AsyncIterator[tuple[Source, Sink]]:
    """A service that tells and listens; `like` another one: its second replica."""
    name = like.name if like is not None else await world.new_name()
    database = like.test_database if like is not None else None
    async with world.sink(name, projection, name=name, database=database, kafka=kafka) as sink:
        yield Source(name, sink.app.state.database, sink.test_database, "", sink.app), sink


async def test_own_events_take_effect_once_and_in_order_in_several_replicas_without_kafka(world: World) -> None:
    async with (
        listening_to_itself(world, kafka=NOWHERE) as (source, sink),
        listening_to_itself(world, like=sink, kafka=NOWHERE),
    ):
        await gather_in_groups([source.tell(3 * i, 3 * i + 1, 3 * i + 2) for i in range(100)], size=8)
        await source.tell(*range(300, 1300), key=KEYS[0])  # more of a shard than one look takes
        await settled(source, sink)
        effects = await sink.effects()
        assert sorted(n for _, _, n in effects) == list(range(1300))
        assert in_shard_order(effects)
        assert sorted(effects) == await source.log()
        assert await sink.metric("hamkor_inbox_lag_events", source=source.name) == 0


async def test_an_own_event_is_looked_for_when_it_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "LOOK_S", 3600.0)
    async with listening_to_itself(world) as (source, sink):
        for n in range(3):
            await source.tell(n)
            await sink.has(n + 1)


async def test_poison_in_the_own_log_is_laid_down_and_a_failing_batch_comes_again(world: World) -> None:
    failures = [OSError("the database went away"), OSError("and again")]

    async def before_commit(_: Sequence[int]) -> None:
        if failures:
            raise failures.pop()

    projection = Recording(undecodable=lambda n: n == 3, unappliable=lambda n: n == 5, before_commit=before_commit)
    async with listening_to_itself(world, projection, kafka=NOWHERE) as (source, sink):
        await source.tell(*range(10), key=KEYS[0])
        await settled(source, sink)
        assert [n for _, _, n in await sink.effects()] == [n for n in range(10) if n not in (3, 5)]
        assert {letter["reason"] for letter in await sink.letters()} == {"undecodable", "apply-failed"}
        assert failures == []


@dataclass
class Choosy(Recording):
    """A projection that needs events only while somebody wants them."""

    async def needs_any(self, session: AsyncSession) -> bool:
        found = await session.execute(text("select to_regclass('wanted')"))
        return found.scalar_one() is not None


async def test_what_nobody_needs_is_passed_by_and_what_is_told_afterwards_takes_effect(world: World) -> None:
    async with listening_to_itself(world, Choosy(), kafka=NOWHERE) as (source, sink):
        await source.tell(*range(500))
        await settled(source, sink)
        assert await sink.effects() == []
        assert await sink.metric("hamkor_inbox_applied_events_total", source=source.name) == 500
        # Whoever begins to want something while events come misses none that were told after that.
        telling = asyncio.create_task(_tell(source, range(500, 800)))
        await source.sql("create table wanted ()")
        await source.tell(*range(800, 900))
        await telling
        await source.tell(*range(900, 1000))
        await settled(source, sink)
        effects = await sink.effects()
        numbers = [n for _, _, n in effects]
        assert set(range(800, 1000)) <= set(numbers)
        assert len(numbers) == len(set(numbers))
        for shard in {shard for shard, _, _ in effects}:
            positions = [position for each, position, _ in effects if each == shard]
            assert positions == list(range(positions[0], positions[-1] + 1))


async def _tell(source: Source, numbers: range) -> None:
    for n in numbers:
        await source.tell(n)
