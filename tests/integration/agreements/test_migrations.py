"""Migrations that compute: what they make of rows that were there before."""

import json
from datetime import date
from typing import Any

import asyncpg
from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.persistence.engine import dsn_of
from shared.persistence.migrate import config_of, migrate
from tests.support.engines import Postgres

BEFORE_ENTERPRISES = (
    "alter table document drop column enterprise_id cascade",
    "create policy document_read on document using (app_sees(org_path))",
    "create policy document_update on document for update using (app_sees(org_path))",
    "create policy document_delete on document for delete using (app_sees(org_path))",
    "update alembic_version set version_num = '0006'",
)


async def test_documents_of_agreements_with_one_enterprise_are_its_own_others_the_institutions_alone(
    postgres: Postgres,
) -> None:
    former = await postgres.database("agreements")
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn_of(former.owner_url))
    try:
        await connection.execute("select set_config('app.scope', 'all', false)")
        for statement in BEFORE_ENTERPRISES:
            await connection.execute(statement)
        for id_, enterprises in (("one", ["e1"]), ("two", ["e1", "e2"]), ("none", [])):
            await connection.execute(
                "insert into agreement (id, version, org_path, state, institution_id, form, status, valid_from, "
                "valid_until, enterprise_ids) values ($1, 1, '/17/i/', '{}', 'i', 'AF1', 'active', '2026-01-01', "
                "'2027-01-01', $2)",
                id_,
                enterprises,
            )
        for id_ in ("one", "two", "none", "board"):
            await connection.execute(
                "insert into document (id, version, org_path, state, institution_id, kind, number, status, subject) "
                "values ($1, 1, '/17/i/', '{\"version\": 1}', 'i', 'employment_contract', $1, 'issued', $1)",
                id_,
            )
        await migrate("agreements", former.owner_url)
        rows = await connection.fetch("select id, enterprise_id, state from document order by id")
        assert [(row["id"], row["enterprise_id"]) for row in rows] == [
            ("board", None),
            ("none", None),
            ("one", "e1"),
            ("two", None),
        ]
        assert [json.loads(row["state"]).get("enterprise_id") for row in rows] == [None, None, "e1", None]
        for scope, seen in (("enterprise:e1", 1), ("enterprise:e2", 0), ("institution:i", 4), ("path:/17/", 0)):
            await connection.execute("select set_config('app.scope', $1, false)", scope)
            assert len(await connection.fetch("select from document")) == seen, scope
    finally:
        await connection.close()


async def test_boards_in_which_a_term_ends_are_looked_at_by_the_calendar(postgres: Postgres) -> None:
    former = await postgres.database("agreements")
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn_of(former.owner_url))
    boards: tuple[tuple[str, list[str | None], date | None], ...] = (
        ("ended", ["2026-03-01", None, "2026-02-01"], None),
        ("due", ["2027-03-01", None], date(2026, 12, 1)),
        ("endless", [None], None),
        ("nobody", [], None),
    )
    try:
        await connection.execute("select set_config('app.scope', 'all', false)")
        await connection.execute("update alembic_version set version_num = '0007'")
        for id_, ends, due in boards:
            await connection.execute(
                "insert into board (id, version, org_path, state, institution_id, status, enterprise_ids, next_due_on) "
                "values ($1, 1, '/17/i/', $2::text::jsonb, $1, 'established', '{e1}', $3)",
                id_,
                json.dumps({"members": [{"until": until} for until in ends]}),
                due,
            )
        await migrate("agreements", former.owner_url)
        rows = await connection.fetch("select id, next_due_on from board order by id")
        assert [tuple(row) for row in rows] == [
            ("due", date(2026, 12, 1)),
            ("ended", date(2026, 1, 31)),
            ("endless", None),
            ("nobody", None),
        ]
    finally:
        await connection.close()


async def test_indexes_of_lists_by_status_come_and_go(postgres: Postgres) -> None:
    made = await postgres.database("agreements")

    def down(connection: Connection) -> None:
        config = config_of("agreements")
        config.attributes["connection"] = connection
        command.downgrade(config, "0009")

    async def indexes() -> int:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn_of(made.owner_url))
        try:
            return int(
                await connection.fetchval("select count(*) from pg_indexes where indexdef like '%(status, id, %'")
            )
        finally:
            await connection.close()

    before = await indexes()
    engine = create_async_engine(made.owner_url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(down)
    await engine.dispose()
    assert await indexes() == 0
    await migrate("agreements", made.owner_url)
    assert await indexes() == before > 0
