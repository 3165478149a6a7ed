"""`python -m shared.persistence.migrate SERVICE…`: bring databases to the newest schema (Alembic), safely repeated."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.contracts.events import SERVICES
from shared.settings import WrongSettings, read_environment

ROOT = Path(__file__).parents[2]
LOCK = 0x6D696772


def config_of(service: str) -> Config:
    """Alembic's configuration for one service: the shared environment, the service's own versions."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    config.set_main_option("version_locations", str(ROOT / "services" / service / "migrations"))
    config.set_main_option("path_separator", "newline")
    return config


async def migrate(service: str, url: str) -> None:
    """Upgrade the database at `url` to the newest version; several at once wait for each other."""
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": LOCK})
            await connection.run_sync(_upgrade, service)
            await connection.commit()
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, service: str) -> None:
    config = config_of(service)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def main(arguments: list[str], environment: Mapping[str, str] = os.environ) -> None:
    """Migrate the named services, or all; stops with one sentence on wrong settings."""
    values = read_environment(environment)
    for service in arguments or SERVICES:
        variable = f"{service.upper()}_MIGRATION_URL"
        if variable not in values:
            raise WrongSettings(f"{variable} is not set: expected postgresql+asyncpg://owner:password@host/database.")
        asyncio.run(migrate(service, values[variable]))


if __name__ == "__main__":
    main(sys.argv[1:])
