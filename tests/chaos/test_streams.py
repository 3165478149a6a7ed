"""Everything between two services is killed, frozen and cut in a random order, again and again: lost = doubled = 0."""

import os
import random
import signal
from pathlib import Path

import httpx
import pytest

from tests.integration.messaging.conftest import Embedded
from tests.integration.messaging.groups import Flow, a_group
from tests.integration.messaging.world import World
from tests.support.engines import Postgres, a_broker, a_postgres
from tests.support.issuer import Issuer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("seed", [1])
async def test_nothing_is_lost_or_doubled_whatever_dies(
    seed: int, postgres: Postgres, issuer: Issuer, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    dice = random.Random(seed)
    async with a_broker(tmp_path / "broker") as broker, a_postgres(tmp_path / "postgres") as fragile:
        world = World(Embedded(broker), postgres, issuer, http)
        async with (
            world.source() as source,
            a_group(world, source, tmp_path, await world.new_database(sink=True, postgres=fragile)) as group,
        ):
            flow = Flow(source)
            await group.join()

            async def kill_consumer() -> None:
                group.send(-1, signal.SIGKILL)
                await group.join()

            async def freeze_consumer() -> None:
                group.send(-1, signal.SIGSTOP)
                await flow.goes_on(50)
                group.send(-1, signal.SIGCONT)

            async def kill_broker() -> None:
                broker.process.kill()

            async def freeze_broker() -> None:
                pid = broker.process.pid
                if pid is not None:
                    os.kill(pid, signal.SIGSTOP)
                    await flow.goes_on(50)
                    os.kill(pid, signal.SIGCONT)

            async def kill_database() -> None:
                fragile.process.kill()

            async def cut_relay() -> None:
                await postgres._execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    f"where datname = '{source.test_database.name}' and application_name <> 'hamkor-{source.name}'"
                )

            accidents = [kill_consumer, freeze_consumer, kill_broker, freeze_broker, kill_database, cut_relay]
            async with flow.running():
                for accident in dice.sample(accidents, len(accidents)):
                    await accident()
                    await flow.goes_on(dice.randint(20, 80))
            await group.assert_exactly_once(flow.told)
