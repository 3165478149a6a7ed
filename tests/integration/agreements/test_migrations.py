"""Migrations that compute: what they make of rows that were there before."""

import json
from typing import Any

import asyncpg

from shared.persistence.engine import dsn_of
from shared.persistence.migrate import migrate
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
