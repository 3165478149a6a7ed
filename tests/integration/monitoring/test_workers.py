"""Workers share the partitions of a real Kafka: they join, are killed and take over, with the same hot upper cells."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from shared.contracts.events import Event, topic_of
from shared.messaging.wire import headers_of
from tests.integration.monitoring.support import Bench, compared
from tests.integration.monitoring.worker import heads_of, keep
from tests.support.kafka import RealKafka
from tests.support.monitoring import a_story, differing
from tests.support.services import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]

PARTITIONS = 12
PATIENCE_S = 240


def publish(kafka: str, events: list[Event]) -> None:
    """As the relays do: shard by shard, in order."""
    producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True})
    for event in events:
        headers: Any = headers_of(event)
        producer.produce(topic_of(event.source), event.data, event.key, event.shard % PARTITIONS, headers=headers)
    producer.flush()


@asynccontextmanager
async def workers(bench: Bench, kafka: str, file: Path) -> AsyncIterator[Any]:
    """Starts workers, and ends those that are left."""
    started: list[asyncio.subprocess.Process] = []

    async def start() -> asyncio.subprocess.Process:
        command = ("-m", "tests.integration.monitoring.worker", bench.database.url, kafka, str(file))
        with file.with_name(f"worker-{len(started)}.log").open("w") as log:
            started.append(
                await asyncio.create_subprocess_exec(
                    sys.executable, *command, cwd=Path(__file__).parents[3], stdout=log, stderr=log
                )
            )
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def applied(connection: Any) -> dict[tuple[str, int], int]:
    """The inbox positions that are not zero."""
    rows = await connection.fetch("select source, shard, position from inbox where position > 0")
    return {(source, shard): position for source, shard, position in rows}


async def until(connection: Any, events: list[Event], share: float) -> None:
    """Wait until this share of the events is applied."""
    wanted = sum(heads_of(events).values()) * share
    async with asyncio.timeout(PATIENCE_S):
        while sum((await applied(connection)).values()) < wanted:  # noqa: ASYNC110 - the events take effect elsewhere
            await asyncio.sleep(0.1)


def shares_by_source(kafka: str, sources: Iterable[str]) -> list[dict[str, list[int]]]:
    """How the members share out each source's partitions: by a member's name."""
    admin = AdminClient({"bootstrap.servers": kafka})
    groups = [f"hamkor.monitoring.{source}" for source in sources]
    described = [future.result() for future in admin.describe_consumer_groups(groups).values()]
    return [
        {
            member.client_id: sorted(place.partition for place in member.assignment.topic_partitions)
            for member in group.members
            if member.assignment is not None
        }
        for group in described
    ]


async def test_workers_that_join_die_and_take_over_count_every_event_once(bench: Bench, tmp_path: Path) -> None:
    story = a_story(Random(77), 2500, institutions=40)
    sources = sorted({event.source for event in story.events})
    third = len(story.events) // 3
    parts = [story.events[:third], story.events[third : 2 * third], story.events[2 * third :]]
    file = tmp_path / "events"
    keep(file, story.events)
    watch = await bench.connection()
    async with RealKafka(tmp_path / "kafka", 1) as kafka, workers(bench, kafka.bootstrap_servers, file) as start:
        await asyncio.to_thread(publish, kafka.bootstrap_servers, parts[0])
        first = await start()
        await until(watch, story.events, 0.05)
        second = await start()

        async def shared() -> bool:
            shares = await asyncio.to_thread(shares_by_source, kafka.bootstrap_servers, sources)
            # Whoever reads an institution's agreements reads what else there is of it: nobody waits for the other.
            return len(shares[0]) == 2 and all(each == shares[0] and all(each.values()) for each in shares)

        await eventually(shared, "both have the same partitions of every source", PATIENCE_S)
        await asyncio.to_thread(publish, kafka.bootstrap_servers, parts[1])
        await until(watch, story.events, 0.4)
        first.kill()
        await start()
        await asyncio.to_thread(publish, kafka.bootstrap_servers, parts[2])
        await until(watch, story.events, 0.8)
        assert second.returncode is None
        await until(watch, story.events, 1)
    assert await applied(watch) == heads_of(story.events)
    values, proof = compared(await bench.cells(), story.country)
    assert not differing(values, proof)
    logged = await bench.rows("select count(*), count(distinct (source, shard, position)) from event_seen")
    assert tuple(logged[0]) == (len(story.events), len(story.events))
