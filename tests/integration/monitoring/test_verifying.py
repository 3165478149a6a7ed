"""`hamkor verify` over real services: sound where all is well, and whatever is wrong is found, in processes too."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from random import Random

import httpx
import pytest

from deploy.cli.verifying import run
from deploy.cli.verifying.run import Verdict, verify
from deploy.local.errors import StackError
from services.monitoring import LISTENS_TO
from shared.child import Child
from tests.integration.monitoring.support import Bench
from tests.support.engines import Postgres, a_broker
from tests.support.event_logs import fill_logs
from tests.support.issuer import Issuer
from tests.support.monitoring import a_story
from tests.support.services import Neighbourhood, environment_of

IN_PROCESSES, HERE = 0, 1_000_000


class Platform:
    """All services with a story in their logs, which monitoring has applied."""

    def __init__(self, environment: dict[str, str], bench: Bench, running: AsyncExitStack) -> None:
        self.environment = environment
        self.bench = bench
        self.running = running

    async def verify(self, apart: int) -> Verdict:
        return await verify(self.environment, apart=apart)


@pytest.fixture(scope="module")
async def platform(
    postgres: Postgres, issuer: Issuer, http: httpx.AsyncClient, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    databases = {service: await postgres.database(service) for service in LISTENS_TO}
    story = a_story(Random(12), 500, institutions=12)
    await fill_logs(databases, story.events)
    async with AsyncExitStack() as open_:
        broker = await open_.enter_async_context(a_broker(tmp_path_factory.mktemp("broker")))
        bench = await open_.enter_async_context(Bench(databases["monitoring"]))
        urls = {service: database.url for service, database in databases.items()}
        environment = environment_of(issuer.url, urls, broker.setting, True)
        environment |= {"AUTH_TOKEN_URL": f"{issuer.url}/token", "SERVICE_CLIENT_ID": "hamkor-service"}
        near = Neighbourhood(issuer, environment, http)
        services = await open_.enter_async_context(AsyncExitStack())
        for service in LISTENS_TO:
            await services.enter_async_context(near.service(service))
        platform = Platform(environment, bench, services)
        await platform.verify(HERE)  # waits until monitoring has applied everything, whichever test comes first
        yield platform


@pytest.mark.parametrize("apart", [HERE, IN_PROCESSES])
async def test_a_platform_where_all_is_well_is_sound(platform: Platform, apart: int) -> None:
    verdict = await platform.verify(apart)
    assert verdict.sound, verdict.named
    assert verdict.values > 3000
    assert verdict.applied >= verdict.events > 500


@pytest.mark.parametrize("level", [3, *(pytest.param(level, marks=pytest.mark.slow) for level in (0, 2))])
async def test_a_wrong_cell_at_any_level_is_found_and_named(platform: Platform, level: int) -> None:
    """Both that of an institution, which its shard compares, and those above, which are put together."""
    change = (
        "update cell set v0 = v0 + $2::bigint where ctid in (select c.ctid from cell c join place p on p.id = c.place "
        "where p.level = $1 and c.v0 <> 0 order by c.place, c.slot, c.period limit 3)"
    )
    await platform.bench.rows(change, level, 1_000_000)
    try:
        verdict = await platform.verify(IN_PROCESSES)
    finally:
        await platform.bench.rows(change.replace("c.v0 <> 0", "c.v0 > 500000"), level, -1_000_000)
    assert not verdict.sound
    assert (verdict.mismatches, verdict.lost, verdict.doubled) == (3, 0, 0)
    said = [re.search(r": shown (-?\d+), recomputed (-?\d+)$", finding) for finding in verdict.named]
    assert [int(each[1]) - int(each[2]) for each in said if each] == [1_000_000] * 3


async def test_what_ends_early_is_said_with_its_remedy(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Child.ask

    async def killed(child: Child, request: object) -> AsyncIterator[object]:
        async for piece in ask(child, request):
            yield piece
            child.kill()

    with monkeypatch.context() as broken:
        broken.setattr(Child, "ask", killed)
        with pytest.raises(StackError, match="ended early"):
            await platform.verify(IN_PROCESSES)
    monkeypatch.setattr(run, "POLL_S", 0.01)
    with pytest.raises(StackError, match="Is the stack up"):
        await verify(platform.environment | {"SURVEYS_URL": "http://127.0.0.1:9"})


async def test_an_event_that_nobody_told_is_found(platform: Platform) -> None:
    """The log of monitoring forgets nothing, so this test is the last."""
    await platform.bench.rows(
        "insert into event_log (source, shard, position, time, type, subject, id, data) "
        "select source, shard, position + 1000, time, type, subject, gen_random_uuid(), data from event_seen "
        "where source = 1 order by shard, position limit 1"
    )
    verdict = await platform.verify(HERE)
    assert (verdict.lost, verdict.doubled, verdict.mismatches) == (0, 1, 0)
    assert verdict.named[0].startswith("doubled 1, agreements/")
