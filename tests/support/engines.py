"""Real engines for tests: one PostgreSQL server and one broker a run, a fresh database for every test that asks."""

import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from deploy.local.broker import ask_api_versions
from deploy.local.environment import ROOT
from deploy.local.folder import Folder
from deploy.local.postgres import EmbeddedPostgres
from deploy.local.process import Patience, Process, Program
from deploy.postgres.provision import APP, OWNER
from shared.contracts.topics import TOPICS
from shared.persistence.migrate import migrate

PATIENCE = Patience(probe_every_s=0.5, frozen_after_s=60.0, start_timeout_s=90.0, backoff_first_s=0.1)


@dataclass(frozen=True)
class TestDatabase:
    """A migrated database: `url` as the service's role, `owner_url` as its owner, whom row-level security binds too."""

    __test__ = False

    name: str
    url: str
    owner_url: str


@dataclass
class Postgres:
    """The server and its template databases."""

    server: EmbeddedPostgres
    process: Process
    _templates: dict[str, str] = field(default_factory=dict)

    async def database(self, service: str) -> TestDatabase:
        """A fresh database with the service's schema, copied from a template that is migrated once a run."""
        if service not in self._templates:
            template = f"template_{service}"
            await self._execute(f"create database {template} owner {OWNER}")
            await migrate(service, self.server.url(template, OWNER))
            self._templates[service] = template
        name = f"{service}_{secrets.token_hex(4)}"
        await self._execute(f"create database {name} template {self._templates[service]} owner {OWNER}")
        return TestDatabase(name, self.server.url(name, APP), self.server.url(name, OWNER))

    async def _execute(self, statement: str) -> None:
        connection: asyncpg.Connection[asyncpg.Record] = await self.server._connect()
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def a_postgres(path: Path, tcp_port: int | None = None) -> AsyncIterator[Postgres]:
    """A PostgreSQL server in a folder of its own, reached by a socket in it or by TCP."""
    folder = Folder(path)
    folder.make()
    server = EmbeddedPostgres(folder, tcp_port)
    process = Process(server.program(), folder.logs / "postgres.log", lambda _: None, PATIENCE)
    process.start()
    try:
        await process.until_ready()
        await server.provision()
        yield Postgres(server, process)
    finally:
        await process.stop()


@dataclass
class EmbeddedBroker:
    """The embedded broker: its address may change when it is killed and comes back."""

    address_file: Path
    process: Process

    @property
    def setting(self) -> str:
        """The value of KAFKA_BOOTSTRAP_SERVERS."""
        return f"file:{self.address_file}"


@asynccontextmanager
async def a_broker(path: Path) -> AsyncIterator[EmbeddedBroker]:
    """An embedded broker as a process of its own."""
    path.mkdir(parents=True, exist_ok=True)
    address = path / "broker.address"

    async def forget() -> None:
        address.unlink(missing_ok=True)

    async def answers() -> None:
        host, _, port = address.read_text().rpartition(":")
        await ask_api_versions(host, int(port))

    topics = [part for topic in TOPICS for part in ("--topic", topic)]
    program = Program(
        name="broker",
        command=(sys.executable, "-m", "deploy.local.broker", "--address-file", str(address), *topics),
        environment={},
        folder=ROOT,
        prepare=forget,
        ready=answers,
        live=answers,
        grace_s=1.0,
    )
    process = Process(program, path / "broker.log", lambda _: None, PATIENCE)
    process.start()
    try:
        await process.until_ready()
        yield EmbeddedBroker(address, process)
    finally:
        await process.stop()
