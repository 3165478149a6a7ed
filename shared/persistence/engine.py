"""The engine and sessions of a service's database; every transaction carries the caller's scope."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.pool import ConnectionPoolEntry

from shared.persistence.arrays import text_literal
from shared.scope import ALL, NONE, Scope


def make_engine(url: str, *, application: str, pool_size: int = 10, planned_once: bool = False) -> AsyncEngine:
    """An asyncpg engine; connections are checked before use, so that a restarted PostgreSQL is noticed and healed.

    `planned_once`: statements keep their plan whatever their parameters are, for a service whose statements all go by
    keys and where planning them anew each time would cost more than carrying them out.
    """
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_recycle=1800,
        hide_parameters=True,  # an error's text goes to the logs: never with what people wrote
        connect_args={
            "timeout": 5,
            "command_timeout": 60,
            "server_settings": {
                "application_name": application,
                "statement_timeout": "60000",
                # A process that freezes in the middle of a transaction must not hold its row locks for ever.
                "idle_in_transaction_session_timeout": "60000",
                "jit": "off",
                "standard_conforming_strings": "on",  # that a quote is all there is to escape in a literal
                "plan_cache_mode": "force_generic_plan" if planned_once else "auto",
            },
        },
    )
    _check_idle(engine)
    return engine


IDLE_S = 1.0


def _check_idle(engine: AsyncEngine) -> None:
    """Ask a connection that lay idle whether it lives, and drop the pool's others with it where it does not.

    One that was used a moment ago is only looked at: asyncpg has noticed if the server hung up. SQLAlchemy's own check
    is three round trips before every transaction.
    """

    @event.listens_for(engine.sync_engine, "checkin")
    def note(_: Any, record: ConnectionPoolEntry) -> None:
        record.info["used_at"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def check(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
        if connection.driver_connection.is_closed() or connection.driver_connection.is_in_transaction():
            raise InvalidatePoolError("the server hung up, or somebody left a transaction open")
        if time.monotonic() - record.info.get("used_at", time.monotonic()) > IDLE_S:
            try:
                engine.dialect.do_ping(connection)
            except Exception as problem:
                raise InvalidatePoolError("the connection is dead") from problem


def make_session(engine: AsyncEngine, scope: Scope = NONE) -> AsyncSession:
    """A session whose every transaction sees only `scope` (row-level security, second wall)."""
    session = AsyncSession(engine, expire_on_commit=False, autoflush=False)
    session.sync_session.info["scope"] = scope.setting
    return session


@event.listens_for(Session, "after_begin")
def _enter_scope(session: Session, _: SessionTransaction, connection: Connection) -> None:
    # Transaction-local: a session-level setting would leak through the pool to the next caller.
    setting = session.info.get("scope", NONE.setting)
    connection.exec_driver_sql(_SHOW, (setting,))


@asynccontextmanager
async def showing(engine: AsyncEngine, scope: Scope) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A raw connection whose transaction reads what `scope` shows: a third less work than a session.

    It is given back rolled back or not at all: nobody is to find another's transaction in it.
    """
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        if driver is None:
            raise ConnectionError("the pool gave no live connection")
        try:
            await driver.execute(f"begin read only; set local app.scope = {text_literal(scope.setting)}")
            yield driver
        finally:
            try:
                await driver.execute("rollback")
            except BaseException:
                driver.terminate()
                raise


@asynccontextmanager
async def widened(connection: Any) -> AsyncIterator[None]:
    """Within the block the transaction of a raw connection sees all rows, and after it what it saw before.

    What is read so never reaches the caller as it is; whoever goes this way chooses what is shown. Raises RuntimeError
    outside a transaction, where every statement would see nothing, as if there were nothing.
    """
    if not connection.is_in_transaction():
        raise RuntimeError("a connection sees all rows within a transaction only; begin one first")
    before = await connection.fetchval("select coalesce(current_setting('app.scope', true), '')")
    await connection.execute(_SHOW, ALL.setting)
    try:
        yield
    finally:
        await connection.execute(_SHOW, before)


_SHOW = "select set_config('app.scope', $1, true)"
TRANSIENT_SQLSTATES = ("08", "53", "57", "58", "40", "55", "25006", "25P03")
"""Classes, and two codes: a server that became a replica, and a transaction ended because its process was frozen."""


def is_transient(problem: BaseException) -> bool:
    """True for what heals by trying again: connection, restart, resources, deadlock, serialisation – never poison.

    A refused connect comes as a raw OSError; classes of SQLSTATE are those of the PostgreSQL manual, appendix A.
    """
    if isinstance(problem, (OSError, TimeoutError, PoolTimeout, PendingRollbackError, asyncpg.InterfaceError)):
        return True
    if isinstance(problem, DBAPIError):
        if problem.connection_invalidated or isinstance(problem, (InterfaceError, OperationalError)):
            return True
        return problem.orig is not None and (
            is_transient(problem.orig)
            or (problem.orig.__cause__ is not None and is_transient(problem.orig.__cause__))
            or _sqlstate(problem.orig).startswith(TRANSIENT_SQLSTATES)
        )
    if isinstance(problem, asyncpg.PostgresError):
        return _sqlstate(problem).startswith(TRANSIENT_SQLSTATES)
    return isinstance(problem, asyncpg.InternalClientError)


def sqlstate_of(problem: BaseException) -> str:
    """The five characters of PostgreSQL's error code, or "" where it is no database error."""
    return _sqlstate(problem.orig) if isinstance(problem, DBAPIError) and problem.orig else _sqlstate(problem)


def _sqlstate(problem: BaseException) -> str:
    return str(getattr(problem, "sqlstate", "") or "")


async def raw_connection(session: AsyncSession) -> "asyncpg.Connection[Any]":
    """The asyncpg connection under the session's transaction, for COPY and unnest."""
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    if driver is None:
        raise ConnectionError("the session has no live connection")
    return driver


def dsn_of(url: str) -> str:
    """The same database for plain asyncpg: direct connections for locks and LISTEN."""
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)
