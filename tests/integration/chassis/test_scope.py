"""Three walls that must agree - Scope.sees, Scope.condition and PostgreSQL's app_sees - and the second one alone."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any, cast

import asyncpg
import pytest
from sqlalchemy import column, literal, select, text
from sqlalchemy.dialects import postgresql

from shared.contracts.events import SERVICES
from shared.errors import NotFound
from shared.ids import new_id
from shared.persistence.chassis import APP_ROLE
from shared.persistence.engine import dsn_of, make_engine, make_session, showing
from shared.persistence.migrate import ROOT
from shared.persistence.unit_of_work import Database
from shared.scope import ALL, NONE, Principal, Role, Scope, path_of
from tests.support.engines import Postgres, TestDatabase

MIGRATED = [service for service in SERVICES if any((ROOT / "services" / service / "migrations").glob("0*.py"))]
DIALECT = cast(Any, postgresql.dialect)()
PIECES = ("17", "1708", "1708201", "a", "A", "_", "%", "\\", "a_b", "a%b", "'", ":", "path:/17/", "", "é")


def random_path(dice: random.Random) -> str:
    return "/" + "".join(dice.choice(PIECES) + "/" for _ in range(dice.randint(0, 4)))


def random_scope(dice: random.Random) -> Scope:
    kind = dice.choice(("all", "none", "path", "institution", "enterprise", "other"))
    match kind:
        case "path":
            return Scope(kind, random_path(dice))
        case "institution" | "enterprise":
            return Scope(kind, dice.choice([piece for piece in PIECES if piece]))
    return Scope(kind)


async def test_code_sql_and_row_level_security_agree_on_any_path(chassis_database: TestDatabase) -> None:
    dice = random.Random(1)
    engine = make_engine(chassis_database.url, application="test")
    try:
        for _ in range(150):
            scope = random_scope(dice)
            rows = [(random_path(dice), [dice.choice(PIECES) for _ in range(dice.randint(0, 2))]) for _ in range(12)]
            if scope.value and scope.kind == "institution":
                rows += [(f"/17/{scope.value}/", []), (f"/17/x{scope.value}/", []), (f"/17/{scope.value}x/", [])]
            values = {f"p{i}": path for i, (path, _) in enumerate(rows)} | {f"e{i}": e for i, (_, e) in enumerate(rows)}
            listed = ", ".join(f"({i}, cast(:p{i} as text), cast(:e{i} as text[]))" for i in range(len(rows)))
            condition = scope.condition(column("org_path"), column("enterprises"))
            where = condition.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True})
            async with make_session(engine, scope) as session:
                # Only percent signs are doubled when a statement is compiled without its driver.
                sql = str(where).replace("%%", "%").replace(":", "\\:")
                found = await session.execute(
                    text(
                        f"select app_sees(org_path, enterprises) as rls, ({sql}) as condition "
                        f"from (values {listed}) rows(i, org_path, enterprises) order by i"
                    ),
                    values,
                )
                for (path, enterprises), row in zip(rows, found, strict=True):
                    seen = scope.sees(path, enterprises)
                    assert (bool(row.rls), bool(row.condition)) == (seen, seen), (scope, path, enterprises)
    finally:
        await engine.dispose()


async def test_scope_setting_ends_with_its_transaction(chassis_database: TestDatabase) -> None:
    engine = make_engine(chassis_database.url, application="test", pool_size=2)
    try:
        async with make_session(engine, ALL) as session:
            await session.execute(select(literal(1)))
            await session.commit()
        async with make_session(engine) as session:
            assert (await session.execute(text("select current_setting('app.scope')"))).scalar_one() == NONE.setting
        async with engine.connect() as connection:
            setting = (await connection.execute(text("select current_setting('app.scope', true)"))).scalar_one()
            assert setting in (None, "")
    finally:
        await engine.dispose()


async def test_raw_transaction_shows_exactly_its_scope(chassis_database: TestDatabase) -> None:
    dice = random.Random(2)
    engine = make_engine(chassis_database.url, application="test", pool_size=1)
    try:
        for scope in [*(random_scope(dice) for _ in range(60)), Scope("institution", "x'; set app.scope = 'all")]:
            async with showing(engine, scope) as connection:
                assert await connection.fetchval("select current_setting('app.scope')") == scope.setting
        async with make_session(engine) as session:  # the same connection, given back rolled back
            assert (await session.execute(text("select current_setting('app.scope')"))).scalar_one() == NONE.setting
    finally:
        await engine.dispose()


async def test_raw_transaction_leaves_nothing_behind_however_it_ends(chassis_database: TestDatabase) -> None:
    engine = make_engine(chassis_database.url, application="test", pool_size=1)
    server = "select pg_backend_pid()"
    try:
        async with showing(engine, ALL) as connection:
            first = await connection.fetchval(server)
        with pytest.raises(NotFound):
            async with showing(engine, ALL) as connection:
                raise NotFound(what="place", id="x")
        with pytest.raises(asyncpg.PostgresError):
            async with showing(engine, ALL) as connection:
                await connection.fetchval("select 1 / 0")
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            async with showing(engine, ALL) as connection:
                await connection.execute("create table x (a integer)")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), showing(engine, ALL) as connection:
                await connection.execute("select pg_sleep(60)")
        async with showing(engine, NONE) as connection:
            assert await connection.fetchval("select current_setting('app.scope')") == NONE.setting
            assert await connection.fetchval(server) == first
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            async with showing(engine, ALL) as connection:
                await connection.execute("select pg_terminate_backend(pg_backend_pid())")
        async with showing(engine, NONE) as connection:
            assert await connection.fetchval(server) != first
    finally:
        await engine.dispose()


async def test_transaction_that_somebody_left_open_is_nobody_elses(chassis_database: TestDatabase) -> None:
    engine = make_engine(chassis_database.url, application="test", pool_size=1)
    try:
        async with engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            await driver.execute("begin; set local app.scope = 'all'")
        async with engine.connect() as connection:
            setting = (await connection.execute(text("select current_setting('app.scope', true)"))).scalar_one()
            assert setting in (None, "")
    finally:
        await engine.dispose()


@pytest.fixture(scope="module")
async def rows(postgres: Postgres) -> AsyncIterator[tuple[Database, dict[str, str]]]:
    """Two institutions in two regions, written as the owner's superior would: past every wall."""
    database = await postgres.database("partners")
    ids = {"1708201": new_id(), "1703202": new_id()}
    owner = await asyncpg.connect(dsn_of(database.owner_url))
    await owner.execute("select set_config('app.scope', 'all', false)")
    for soato, id_ in ids.items():
        await owner.execute(
            "insert into institution (id, version, org_path, state, code, name, kind, status) "
            "values ($1, 1, $2, '{}', $1, 'n', 'school', 'active')",
            id_,
            f"{path_of(soato)}{id_}/",
        )
    await owner.execute(
        "insert into event (shard, position, id, type, key, subject, time, data) "
        "values (0, 1, gen_random_uuid(), 't', 'k', 's', now(), '{}')"
    )
    await owner.close()
    engine = make_engine(database.url, application="test")
    yield Database("partners", engine), ids
    await engine.dispose()


@pytest.mark.parametrize(
    ("role", "org", "districts"),
    [
        (Role.SERVICE, "", {"1708201", "1703202"}),
        (Role.MINISTRY, "17", {"1708201", "1703202"}),
        (Role.REGION, "1708", {"1708201"}),
        (Role.REGION, "1709", set()),
        (Role.DISTRICT, "1703202", {"1703202"}),
        (Role.DISTRICT, "1703203", set()),
        (Role.INSTITUTION, "1708201", {"1708201"}),
        (Role.INSTITUTION, "%", set()),
        (Role.INSTITUTION, "_" * 36, set()),
        (Role.ENTERPRISE, "1708201", set()),
        (Role.OPERATOR, "", set()),
    ],
)
async def test_row_level_security_alone_keeps_to_the_scope(
    rows: tuple[Database, dict[str, str]], role: Role, org: str, districts: set[str]
) -> None:
    database, ids = rows
    principal = Principal("x", role, ids[org] if role is Role.INSTITUTION and org in ids else org)
    async with database.reading(principal) as session:
        seen = {row.id for row in await session.execute(text("select id from institution"))}
        events = (await session.execute(text("select count(*) from event"))).scalar_one()
    async with database.querying(principal) as connection:
        assert {row["id"] for row in await connection.fetch("select id from institution")} == seen
    assert seen == {ids[district] for district in districts}
    assert events == (1 if role is Role.SERVICE else 0)


async def test_row_level_security_alone_refuses_to_write_elsewhere(rows: tuple[Database, dict[str, str]]) -> None:
    database, ids = rows
    insert = text(
        "insert into institution (id, version, org_path, state, code, name, kind, status) "
        "values (:id, 1, :path, '{}', :id, 'n', 'school', 'active')"
    )
    async with database.reading(Principal("x", Role.REGION, "1708")) as session:
        changed: Any = await session.execute(
            text("update institution set name = 'x' where id = :id"), {"id": ids["1703202"]}
        )
        assert changed.rowcount == 0
        with pytest.raises(Exception, match="row-level security"):
            await session.execute(insert, {"id": new_id(), "path": "/17/1703/1703202/x/"})


@pytest.mark.parametrize("service", MIGRATED)
async def test_services_role_is_bound_by_row_level_security(service: str, postgres: Postgres) -> None:
    database = await postgres.database(service)
    connection = await asyncpg.connect(dsn_of(database.url))
    try:
        role = await connection.fetchrow(
            "select rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles "
            "where rolname = current_user"
        )
        assert tuple(role) == (APP_ROLE, False, False, False, False)
        owned = await connection.fetch("select relname from pg_class where relowner = current_user::regrole")
        assert owned == []
        assert await connection.fetchval("select count(*) from event") == 0
        unforced = await connection.fetch(
            "select relname from pg_class where relrowsecurity and not relforcerowsecurity"
        )
        assert unforced == []
        for statement in (
            "alter table event disable row level security",
            "drop table event",
            "delete from event",
            "update event set data = ''",
            "create table public.mine (id int)",
            "set role hamkor_owner",
            "truncate dead_letter",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()
