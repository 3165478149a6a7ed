"""A service that listens to itself reads its own log: no Kafka needed, each event once and in order."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

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
