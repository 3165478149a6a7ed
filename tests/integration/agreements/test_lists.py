"""What a list costs: who sees little of a large register reads little of it, under row-level security, too."""

import asyncpg
import pytest
from pydantic import BaseModel
from sqlalchemy import text
from sqlmodel import col

import services.agreements.api
import services.partners.api
from services.agreements.api.agreements import AGREEMENTS
from services.agreements.tables.agreements import AgreementRow
from shared.persistence.engine import dsn_of, make_engine
from shared.persistence.pages import page_of_states
from shared.persistence.unit_of_work import Database
from shared.scope import Principal, Role
from tests.support.engines import Postgres

ROWS, INSTITUTIONS = 6_000, 300
OWN = ROWS // INSTITUTIONS
SCHOOL, MERGED = "s-7", "s-8"
FILL = (
    "insert into institution_ref (id, version, path, code, status) "
    "select 's-' || n, 1, '/17/1708/' || 1708200 + n % 30 || '/s-' || n || '/', 'P-' || n, 'active' "
    f"from generate_series(0, {INSTITUTIONS - 1}) n",
    f"update institution_ref merged set status = 'closed', path = successor.path || '{MERGED}/' "
    f"from institution_ref successor where successor.id = '{SCHOOL}' and merged.id = '{MERGED}'",
    "insert into agreement (id, version, org_path, state, institution_id, form, status, valid_from, valid_until, "
    "enterprise_ids) "
    "select 'a-' || n, 1, i.path, json_build_object('id', 'a-' || n, 'of', i.id), i.id, 'AF1', 'active', '2026-01-01', "
    f"'2027-01-01', '{{}}' from generate_series(1, {ROWS}) n "
    f"join institution_ref i on i.id = 's-' || n % {INSTITUTIONS}",
    "analyze agreement",
    "analyze institution_ref",
)

SOME_DRAFTS = ("update agreement set status = 'draft' where substr(id, 3)::int % 200 = 0", "vacuum analyze agreement")
DRAFTS = ROWS // 200

READ = (
    "select (select coalesce(sum(idx_tup_read), 0) from pg_stat_user_indexes where relname = 'agreement') "
    "+ (select seq_tup_read from pg_stat_user_tables where relname = 'agreement')"
)


@pytest.mark.parametrize(
    ("role", "org", "seen"),
    [
        (Role.INSTITUTION, SCHOOL, 2 * OWN),
        (Role.INSTITUTION, MERGED, OWN),
        (Role.INSTITUTION, "s-9", OWN),
        (Role.INSTITUTION, "nobody", 0),
        (Role.DISTRICT, "1708207", 11 * OWN),
        (Role.DISTRICT, "1708208", 9 * OWN),
        (Role.REGION, "1703", 0),
    ],
)
async def test_who_sees_little_reads_little(postgres: Postgres, role: Role, org: str, seen: int) -> None:
    assert await read(postgres, Principal("p", role, org), AGREEMENTS.filters(), seen) <= seen


@pytest.mark.parametrize(
    ("role", "org", "seen"),
    [
        (Role.MINISTRY, "17", DRAFTS),
        (Role.REGION, "1708", DRAFTS),
        (Role.REGION, "1703", 0),
        (Role.DISTRICT, "1708210", DRAFTS // 3),
        (Role.DISTRICT, "1708211", 0),
    ],
)
async def test_what_is_narrowed_by_a_rare_status_reads_no_other(
    postgres: Postgres, role: Role, org: str, seen: int
) -> None:
    drafts = AGREEMENTS.filters.model_validate({"status": "draft"})
    assert await read(postgres, Principal("p", role, org), drafts, seen, *SOME_DRAFTS) <= DRAFTS


async def test_every_register_that_offices_list_by_status_has_its_index(postgres: Postgres) -> None:
    for service, package in (("agreements", services.agreements.api), ("partners", services.partners.api)):
        made = await postgres.database(service)
        connection = await asyncpg.connect(dsn_of(made.owner_url))
        try:
            found = await connection.fetch("select tablename from pg_indexes where indexdef like '%(status, id, %'")
        finally:
            await connection.close()
        registers = [each for room in package.ROOMS for each in getattr(room, "REGISTERS", ())]
        tables = {
            each.row.__tablename__
            for each in registers
            if "status" in each.filters.model_fields and Role.MINISTRY in package.PERMISSIONS[each.read]
        }
        assert tables <= {each["tablename"] for each in found}


async def read(postgres: Postgres, principal: Principal, asked: BaseModel, seen: int, *statements: str) -> float:
    """How many rows a page of agreements reads in which so many are seen, after those statements."""
    made = await postgres.database("agreements")
    connection = await asyncpg.connect(dsn_of(made.owner_url))
    engine = make_engine(made.url, application="lists", pool_size=1)
    database = Database("agreements", engine)
    try:
        await connection.execute("select set_config('app.scope', 'all', false)")
        for statement in (*FILL, *statements):
            await connection.execute(statement)
        await connection.execute("select pg_stat_force_next_flush()")
        before = await connection.fetchval(READ)
        query, by = AGREEMENTS.query(principal.scope, asked), (col(AgreementRow.id),)
        rounds = 10  # PostgreSQL may change its plan after five
        for _ in range(rounds):
            async with database.reading(principal) as session:
                found, _after = await page_of_states(
                    session, query, by=by, names=("id",), after=None, limit=500, scope=principal.scope
                )
                assert len(found) == seen
                await session.execute(text("select pg_stat_force_next_flush()"))
        return float(await connection.fetchval(READ) - before) / rounds
    finally:
        await engine.dispose()
        await connection.close()
