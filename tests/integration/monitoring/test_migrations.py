"""Migrations that compute: what they make of old tables is what the engine makes."""

from random import Random

import msgspec
from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.persistence.migrate import config_of, migrate
from tests.integration.monitoring.support import Bench, compared
from tests.support.monitoring import a_story, differing

References = dict[tuple[int, int, int], int]


async def test_years_of_stocks_are_summed_up_from_their_months(bench: Bench) -> None:
    story = a_story(Random(4), 400)
    await (await bench.worker()).take(story.events)
    before, proof = compared(await bench.cells(), story.country)
    assert before == proof
    await _down(bench, "0009")
    without, _ = compared(await bench.cells(), story.country)
    assert len(without) < len(before)
    await migrate("monitoring", bench.database.owner_url)
    after, _ = compared(await bench.cells(), story.country)
    assert not differing(after, before)


async def test_references_to_shared_members_are_divided_by_places_and_united_again(bench: Bench) -> None:
    story = a_story(Random(5), 600)
    half = len(story.events) // 2
    await (await bench.worker()).take(story.events[:half])
    divided = await _references(bench)
    await _down(bench, "0011")
    united = await _references(bench)
    assert 0 < len(united) < len(divided)
    await migrate("monitoring", bench.database.owner_url)
    assert await _references(bench) == divided
    await (await bench.worker()).take(story.events[half:])
    cells, proof = compared(await bench.cells(), story.country)
    assert not differing(cells, proof)


async def _references(bench: Bench) -> dict[tuple[int, bytes], References]:
    rows = await bench.rows("select family, member, refs from member")
    found = {(row["family"], row["member"]): msgspec.msgpack.decode(row["refs"], type=References) for row in rows}
    return {key: refs for key, refs in found.items() if refs}


async def _down(bench: Bench, to: str) -> None:
    def down(connection: Connection) -> None:
        config = config_of("monitoring")
        config.attributes["connection"] = connection
        command.downgrade(config, to)

    engine = create_async_engine(bench.database.owner_url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(down)
    await engine.dispose()
