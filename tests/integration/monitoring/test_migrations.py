"""Migrations that compute: what they make of old tables is what the engine makes."""

from random import Random

from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.persistence.migrate import config_of, migrate
from tests.integration.monitoring.support import Bench, compared
from tests.support.monitoring import a_story, differing


async def test_years_of_stocks_are_summed_up_from_their_months(bench: Bench) -> None:
    story = a_story(Random(4), 400)
    await (await bench.worker()).take(story.events)
    before, proof = compared(await bench.cells(), story.country)
    assert before == proof

    def down(connection: Connection) -> None:
        config = config_of("monitoring")
        config.attributes["connection"] = connection
        command.downgrade(config, "0009")

    engine = create_async_engine(bench.database.owner_url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(down)
    await engine.dispose()
    without, _ = compared(await bench.cells(), story.country)
    assert len(without) < len(before)
    await migrate("monitoring", bench.database.owner_url)
    after, _ = compared(await bench.cells(), story.country)
    assert not differing(after, before)
