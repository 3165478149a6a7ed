"""Monitoring's database, and workers that apply events to it as the service's role."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.monitoring.support import Bench, Live
from tests.support.engines import Postgres


@pytest.fixture
async def bench(postgres: Postgres) -> AsyncIterator[Bench]:
    """A fresh database."""
    async with Bench(await postgres.database("monitoring")) as bench:
        yield bench


@pytest.fixture
async def live(bench: Bench) -> AsyncIterator[Live]:
    """A live generation that is fed through its inbox."""
    found = Live(bench)
    await found.inbox.prepare()
    yield found
    await found.database.engine.dispose()
