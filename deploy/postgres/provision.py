"""Makes the two roles and one database per service on a PostgreSQL server; again, it changes nothing but passwords.

`hamkor_owner` owns the databases and runs the migrations. `hamkor_app` is what the services connect as: neither owner
nor superuser, so that row-level security binds it; what it may do with each table is granted by the migrations.

As a program (docker-compose's first step), from the environment: POSTGRES_ADMIN_URL, and HAMKOR_OWNER_PASSWORD,
HAMKOR_APP_PASSWORD and POSTGRES_ADMIN_PASSWORD, each of which may come as a file named by …_FILE.
"""

import asyncio
import os
import sys
from pathlib import Path

import asyncpg

from shared.persistence.arrays import text_literal

OWNER = "hamkor_owner"
APP = "hamkor_app"
DATABASES: tuple[str, ...] = ("partners", "agreements", "surveys", "monitoring")


async def provision(admin: asyncpg.Connection, owner_password: str, app_password: str) -> None:
    """Bring roles and databases to the state described above, over a superuser's connection."""
    for role, password in ((OWNER, owner_password), (APP, app_password)):
        exists = await admin.fetchval("select 1 from pg_roles where rolname = $1", role)
        verb = "alter" if exists else "create"
        rights = "login nosuperuser nocreatedb nocreaterole nobypassrls"
        await admin.execute(f"{verb} role {role} with {rights} password {text_literal(password)}")
    for database in DATABASES:
        if not await admin.fetchval("select 1 from pg_database where datname = $1", database):
            await admin.execute(f"create database {database} owner {OWNER}")
        await admin.execute(f"revoke all on database {database} from public")
        await admin.execute(f"grant connect, temporary on database {database} to {APP}")
        await admin.execute(f"alter database {database} set timezone to 'UTC'")


def _secret(name: str) -> str:
    file = os.environ.get(f"{name}_FILE")
    value = Path(file).read_text().strip() if file else os.environ.get(name, "")
    if not value:
        sys.exit(f"{name} (or {name}_FILE with a file's path) must be set.")
    return value


async def main() -> None:
    """Provision the server that the environment names."""
    url = os.environ.get("POSTGRES_ADMIN_URL")
    if not url:
        sys.exit("POSTGRES_ADMIN_URL must be set: postgresql://postgres@host:5432/postgres.")
    admin = await asyncpg.connect(url, password=_secret("POSTGRES_ADMIN_PASSWORD"))
    try:
        await provision(admin, _secret("HAMKOR_OWNER_PASSWORD"), _secret("HAMKOR_APP_PASSWORD"))
    finally:
        await admin.close()


if __name__ == "__main__":
    asyncio.run(main())
