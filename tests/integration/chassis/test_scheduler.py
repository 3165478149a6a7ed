"""The scheduler's look: what it costs to find that nothing is due."""

from datetime import UTC, datetime
from typing import ClassVar, NoReturn

import asyncpg
from sqlalchemy import text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel, col

from shared.persistence.engine import dsn_of, make_engine
from shared.persistence.scheduler import FOUND, Passage
from shared.persistence.unit_of_work import Database, UnitOfWork
from shared.scope import SYSTEM
from tests.support.engines import Postgres

ROWS = 5_000
NOW = datetime(2026, 9, 1, tzinfo=UTC)


class Base(SQLModel, registry=registry()):
    """Apart from the services' tables."""


class Clock(Base, table=True):
    """What is due at a time."""

    __tablename__: ClassVar[str] = "clock"

    id: str = Field(primary_key=True)
    at: datetime


async def never(_: UnitOfWork, id_: str) -> NoReturn:
    raise AssertionError(f"{id_} is not due")


async def test_to_find_that_nothing_is_due_reads_next_to_nothing(postgres: Postgres) -> None:
    database = await postgres.database("partners")
    connection = await asyncpg.connect(dsn_of(database.owner_url))
    engine = make_engine(database.url, application="scheduler", pool_size=1, planned_once=True)
    try:
        await connection.execute("create table clock (id text primary key, at timestamptz)")
        await connection.execute("grant select on clock to public")
        await connection.execute("create index clock_due on clock (at)")
        await connection.execute(
            "insert into clock select n::text, $1::timestamptz + n * interval '1 day' from generate_series(1, $2) n",
            NOW,
            ROWS,
        )
        await connection.execute("analyze clock")
        passage = Passage(Clock, lambda now: col(Clock.at) < now, never)
        living = Database("partners", engine, lambda: NOW)
        for _ in range(10):  # PostgreSQL may change its plan after five
            async with living.unit_of_work(SYSTEM) as uow:
                assert await passage.find_due(uow, FOUND) == []
        async with living.unit_of_work(SYSTEM) as uow:
            await uow.session.execute(text("select pg_stat_force_next_flush()"))
        read = await connection.fetchval(
            "select coalesce(sum(idx_tup_read), 0) + (select seq_tup_read from pg_stat_user_tables "
            "where relname = 'clock') from pg_stat_user_indexes where relname = 'clock'"
        )
        assert read < ROWS
    finally:
        await engine.dispose()
        await connection.close()
