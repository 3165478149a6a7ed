"""Groups of several members on a real Kafka: members and brokers come, go, die and freeze while events flow."""

import asyncio
import signal
from pathlib import Path

import httpx
import pytest

from tests.integration.messaging.conftest import Real
from tests.integration.messaging.groups import Flow, a_group
from tests.integration.messaging.world import World, eventually, sql
from tests.support.engines import Postgres
from tests.support.issuer import Issuer
from tests.support.kafka import RealKafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def kafka_world(real_kafka: RealKafka, postgres: Postgres, issuer: Issuer, http: httpx.AsyncClient) -> World:
    """Services around the real cluster."""
    return World(Real(real_kafka), postgres, issuer, http)


async def test_members_share_the_partitions_and_take_over_from_one_that_leaves(
    kafka_world: World, tmp_path: Path
) -> None:
    async with kafka_world.source() as source, a_group(kafka_world, source, tmp_path) as group:
        async with Flow(source).running() as flow:
            await group.join()
            await flow.goes_on()
            await group.join()

            async def both() -> bool:
                applied = [await group.metric(n, "hamkor_inbox_applied_events_total") for n in (0, 1)]
                return all(applied)

            await eventually(both, "both members apply events")
            group.send(0, signal.SIGTERM)
            async with asyncio.timeout(15):
                assert await group.members[0].wait() in (0, -signal.SIGTERM)
            await flow.goes_on()
            await group.join()
            await flow.goes_on()
        await group.assert_exactly_once(flow.told)


async def test_member_killed_or_frozen_in_mid_batch(kafka_world: World, tmp_path: Path) -> None:
    async with kafka_world.source() as source, a_group(kafka_world, source, tmp_path) as group:
        async with Flow(source).running() as flow:
            for _ in range(3):
                await group.join()
            await flow.goes_on()
            group.send(0, signal.SIGKILL)
            group.send(1, signal.SIGSTOP)
            await flow.goes_on()
            reached = len(await group.effects())

            async def taken_over() -> bool:
                left = await sql(
                    source.test_database,
                    "select 1 from pg_stat_activity where state = 'idle in transaction' and datname = $1",
                    group.database.name,
                )
                return len(await group.effects()) > reached + 400 and not left

            await eventually(taken_over, "the third member has taken over everything")
            group.send(1, signal.SIGCONT)  # a zombie: it goes on with what it had in hand
            await flow.goes_on()
        await group.assert_exactly_once(flow.told)


async def test_brokers_killed_and_frozen(kafka_world: World, real_kafka: RealKafka, tmp_path: Path) -> None:
    async with kafka_world.source() as source, a_group(kafka_world, source, tmp_path) as group:
        async with Flow(source).running() as flow:
            await group.join()
            await group.join()
            await flow.goes_on()
            real_kafka.kill(1)
            await flow.goes_on(300)
            await real_kafka.start(1)
            real_kafka.freeze(2)
            try:
                await flow.goes_on(600)
            finally:
                real_kafka.thaw(2)
            await flow.goes_on()
        await group.assert_exactly_once(flow.told)
