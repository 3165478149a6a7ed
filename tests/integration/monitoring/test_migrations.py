"""Migrations that compute: what they make of old tables is what the engine makes."""

import json
from random import Random

import msgspec
from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from services.monitoring.advice.declarations import rules
from services.monitoring.advice.settings import LevelSetting, changed
from shared.contracts.monitoring import OfficeLevel
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


async def test_thresholds_of_peers_that_are_no_longer_allowed_are_narrowed(bench: Bench) -> None:
    await _down(bench, "0014")
    levels = {
        "institution": {"enabled": True, "parameters": {"peers": 5, "quantile": 0.01, "clear": 1.0, "alpha": 0.2}},
        "district": {"enabled": False, "parameters": {}},
    }
    connection = await bench.connection()
    async with connection.transaction():
        await connection.execute("select set_config('app.scope', 'all', true)")
        for rule in ("F1_PEERS", "I4_OVERDUE"):
            await connection.execute(
                "insert into rule_setting values ($1, 1, true, $2::text::jsonb, 'ministry', now())",
                rule,
                json.dumps(levels),
            )
    await migrate("monitoring", bench.database.owner_url)
    found = {row["rule"]: json.loads(row["levels"]) for row in await bench.rows("select * from rule_setting")}
    assert found["I4_OVERDUE"] == levels
    narrowed = found["F1_PEERS"]
    assert narrowed["district"] == levels["district"]
    assert narrowed["institution"]["parameters"] == {"peers": 10, "quantile": 0.05, "clear": 0.95, "alpha": 0.2}
    changed(rules()["F1_PEERS"], {OfficeLevel.INSTITUTION: LevelSetting(**narrowed["institution"])})


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
