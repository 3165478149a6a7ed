"""Monitoring's database, and workers that apply events to it as the service's role."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.monitoring.support import Bench
from tests.support.engines import Postgres


@pytest.fixture
async def bench(postgres: Postgres) -> AsyncIterator[Bench]:
    """A fresh database."""
    async with Bench(await postgres.database("monitoring")) as bench:
        yield bench
