"""Alembic's schema is the one that the rows in tables.py expect."""

import importlib
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from shared.persistence.migrate import migrate
from tests.integration.chassis.test_scope import MIGRATED
from tests.support.engines import Postgres


def metadata_of(service: str) -> MetaData:
    """The tables that a service's tables.py declares."""
    module = importlib.import_module(f"services.{service}.tables")
    metadata = MetaData()
    for value in vars(module).values():
        table = getattr(value, "__table__", None)
        if isinstance(value, type) and issubclass(value, SQLModel) and table is not None:
            table.to_metadata(metadata)
    return metadata


def differences(connection: Connection, metadata: MetaData) -> list[Any]:
    """Missing and superfluous columns, other types, other nullability - of the declared tables."""

    def declared(_: Any, name: str | None, kind: str, __: bool, ___: Any) -> bool:
        return kind != "table" or name in metadata.tables

    def other_kind(_: Any, __: Any, ___: Any, there: Any, wanted: Any) -> bool:
        # Kinds, not widths: text and varchar read alike.
        return bool(there._type_affinity is not wanted._type_affinity)

    context = MigrationContext.configure(connection, opts={"compare_type": other_kind, "include_object": declared})
    return [
        difference
        for difference in compare_metadata(context, metadata)
        # Indexes and constraints are written by hand, with what SQLModel cannot say.
        if isinstance(difference, list) or difference[0] in ("add_table", "add_column", "remove_column")
    ]


@pytest.mark.parametrize("service", MIGRATED)
async def test_migrated_schema_is_what_the_rows_declare(service: str, postgres: Postgres) -> None:
    metadata = metadata_of(service)
    database = await postgres.database(service)
    engine = create_async_engine(database.owner_url)
    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(differences, metadata) == []
    finally:
        await engine.dispose()


@pytest.mark.parametrize("service", MIGRATED)
async def test_migrating_again_changes_nothing(service: str, postgres: Postgres) -> None:
    database = await postgres.database(service)
    await migrate(service, database.owner_url)
