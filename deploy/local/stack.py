"""The whole of Hamkor on this machine: engines, migrations, services and portal, supervised as separate processes."""

import asyncio
import contextlib
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from deploy.local import environment
from deploy.local.broker import ask_api_versions
from deploy.local.environment import PROCESSES, ROOT, SERVICES
from deploy.local.errors import StackError
from deploy.local.folder import Folder, write_whole
from deploy.local.ports import HOST, Ports, choose, free
from deploy.local.postgres import EmbeddedPostgres
from deploy.local.process import Patience, Probe, Process, Program, State, kill_tree
from shared.contracts.topics import TOPICS


class Engines(StrEnum):
    """EMBEDDED: all from Python packages. REAL: PostgreSQL over TCP and three brokers of Apache Kafka."""

    EMBEDDED = "embedded"
    REAL = "real"


def _ignore(_: Process) -> None:
    """Nobody listens to changes of state."""


@dataclass(frozen=True)
class Modules:
    """The Python modules that are run; tests put stand-ins here."""

    serve: str = "shared.web.serve"
    migrate: str = "shared.persistence.migrate"


class Stack:
    """One stack in one folder.

    `start` brings everything up in order and raises StackError, with all ended again, when something can't; then dead
    and frozen processes are restarted until `stop`. Engines named in the environment (`KAFKA_BOOTSTRAP_SERVERS`,
    `PARTNERS_DATABASE_URL`, …) are used as they are, and not started here.
    """

    def __init__(
        self,
        folder: Path,
        *,
        engines: Engines = Engines.EMBEDDED,
        ports: Ports = Ports.PREFERRED,
        outer: Mapping[str, str] | None = None,
        on_change: Callable[[Process], None] = _ignore,
        patience: Patience | None = None,
        modules: Modules | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder = Folder(folder)
        self.engines = engines
        self.ports: dict[str, int] = {}
        self.environment: dict[str, str] = {}
        self.processes: dict[str, Process] = {}
        self._wish = ports
        self._outer = dict(os.environ if outer is None else outer)
        self._on_change = on_change
        self._patience = patience or Patience()
        self._say = say
        self._modules = modules or Modules()
        self._postgres: EmbeddedPostgres | None = None
        self._state = State.STARTING
        self._started_at = time.time()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # -- what callers ask

    def url(self, name: str = "portal") -> str:
        """Where a service, or the portal, is reached."""
        return self.environment[f"{name.upper()}_URL"]

    def process(self, name: str) -> Process:
        """The supervised process of that name ("postgres", "broker", "partners", …)."""
        return self.processes[name]

    async def run(self, name: str, *arguments: str, ends_by_itself: bool = False) -> Process:
        """Supervise one more Python module's process (the demo's activity); it ends first when the stack stops."""
        program = Program(
            name=name,
            command=(sys.executable, "-m", *arguments),
            environment=self.environment,
            folder=ROOT,
            ends_by_itself=ends_by_itself,
            grace_s=1.5,
        )
        return self._supervise(program)

    # -- start

    async def start(self) -> None:
        """Bring everything up; returns when every process is ready."""
        self.folder.hold()
        try:
            self._end_leftovers()
            self.ports = choose(PROCESSES, self._wish, self._outer)
            self.environment = environment.compose(self.folder, self.ports, self._outer)
            await asyncio.gather(self._start_databases(), self._start_kafka())
            told = json.dumps(environment.ours(self.environment), indent=1, sort_keys=True)
            write_whole(self.folder.environment, told, mode=0o600)
            await self._migrate()
            await self._start_all(self._service(name) for name in PROCESSES)
        except BaseException:
            await self.stop()
            raise
        self._state = State.READY
        self._write_state()

    async def _start_databases(self) -> None:
        given = [name for name in SERVICES if self._outer.get(f"{name.upper()}_DATABASE_URL")]
        if len(given) == len(SERVICES):
            return
        if given:
            missing = ", ".join(f"{name.upper()}_DATABASE_URL" for name in SERVICES if name not in given)
            raise StackError(
                f"Some services have a database of their own, others not: set {missing} too, or none of them."
            )
        self._postgres = EmbeddedPostgres(self.folder, tcp_port=free(1)[0] if self.engines is Engines.REAL else None)
        await self._start_all([self._postgres.program()])
        await self._postgres.provision()
        self.environment |= self._postgres.environment(SERVICES)

    async def _start_kafka(self) -> None:
        if self._outer.get("KAFKA_BOOTSTRAP_SERVERS"):
            self.environment.setdefault("KAFKA_EMBEDDED", "false")
            return
        if self.engines is Engines.REAL:
            await self._start_real_kafka()
            return
        address = self.folder.broker_address
        topics = [part for topic in TOPICS for part in ("--topic", topic)]
        await self._start_all([
            Program(
                name="broker",
                command=(sys.executable, "-m", "deploy.local.broker", "--address-file", str(address), *topics),
                environment=self.environment,
                folder=ROOT,
                prepare=_forget(address),
                ready=_broker_answers(address),
                live=_broker_answers(address),
                grace_s=1.0,
            )
        ])  # fmt: skip
        self.environment |= {"KAFKA_BOOTSTRAP_SERVERS": f"file:{address}", "KAFKA_EMBEDDED": "true"}

    async def _start_real_kafka(self) -> None:
        from deploy.kafka.cluster import KafkaCluster

        cluster = KafkaCluster(self.folder.kafka)
        await asyncio.to_thread(cluster.prepare, self._say)
        await self._start_all(cluster.programs())
        await cluster.create_topics()
        self.environment |= {"KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers, "KAFKA_EMBEDDED": "false"}

    async def _migrate(self) -> None:
        """Bring the databases' schemas up to date; skipped when no migration of the embedded server's changed."""
        fingerprint = _migrations_fingerprint()
        own = self._postgres is not None
        if own and self.folder.migrated.exists() and self.folder.migrated.read_text() == fingerprint:
            return
        migration = await self.run("migrations", self._modules.migrate, *SERVICES, ends_by_itself=True)
        await migration.ended()
        await migration.until_ready()
        if own:
            write_whole(self.folder.migrated, fingerprint)

    def _service(self, name: str) -> Program:
        return Program(
            name=name,
            command=(sys.executable, "-m", self._modules.serve, name),
            environment=self.environment,
            folder=ROOT,
            port=self.ports[name],
            ready=_http(self.ports[name], "/ready"),
            live=_http(self.ports[name], "/live"),
            grace_s=1.5 if name == "portal" else 3.5,
        )

    async def _start_all(self, programs: Iterable[Program]) -> None:
        started = [self._supervise(program) for program in programs]
        await asyncio.gather(*(process.until_ready() for process in started))

    def _supervise(self, program: Program) -> Process:
        process = Process(program, self.folder.logs / f"{program.name}.log", self._changed, self._patience)
        self.processes[program.name] = process
        process.start()
        return process

    # -- stop

    async def stop(self) -> None:
        """End everything within ten seconds, the ones that write before the ones they write to, and free the folder.

        The graces of the four groups add up to eight seconds; whoever needs longer is killed, which loses nothing.
        """
        self._state = State.STOPPED
        engines = [name for name in self.processes if name == "broker" or name.startswith("kafka")]
        others = [name for name in self.processes if name not in (*PROCESSES, *engines, "postgres")]
        for group in ([*others, "portal"], list(SERVICES), engines, ["postgres"]):
            await asyncio.gather(*(self.processes[name].stop() for name in group if name in self.processes))
        self._write_state()
        self.folder.release()

    def kill(self) -> None:
        """End everything at once (a second Ctrl-C). Nothing is lost: every engine recovers at the next start."""
        for process in self.processes.values():
            process.kill()

    def _end_leftovers(self) -> None:
        """End what a supervisor that was killed has left, where the kernel didn't."""
        for name, left in self.folder.read_state().get("processes", {}).items():
            if not left.get("pid"):
                continue
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(left["pid"])
                if name != "postgres" and abs(process.create_time() - left["since"]) < 5:
                    kill_tree(process.pid)

    # -- what others see

    def _changed(self, process: Process) -> None:
        self._write_state()
        self._on_change(process)

    def _write_state(self) -> None:
        self.folder.write_state({
            "pid": os.getpid(),
            "state": self._state,
            "engines": self.engines,
            "started_at": self._started_at,
            "folder": str(self.folder.path),
            "urls": {name: environment.url(port) for name, port in self.ports.items()},
            "kafka": self.environment.get("KAFKA_BOOTSTRAP_SERVERS"),
            "postgres": {"host": self._postgres.host, "port": self._postgres.port} if self._postgres else None,
            "processes": {
                name: {
                    "pid": process.pid,
                    "state": process.state,
                    "detail": process.detail,
                    "since": process.since,
                    "restarts": process.restarts,
                    "port": process.program.port,
                    "log": str(process.log),
                }
                for name, process in self.processes.items()
            },
        })  # fmt: skip


def _http(port: int, path: str) -> Probe:
    """Ask a process of ours for a page, and want a 2xx. By hand: a client library costs more than the question."""

    async def answers() -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            status = (await reader.readline()).split()
            if len(status) < 2 or not status[1].startswith(b"2"):
                raise ConnectionError(f"{path} answered {status!r}")
        finally:
            writer.close()

    return answers


def _broker_answers(address: Path) -> Probe:
    async def answers() -> None:
        host, _, port = address.read_text().rpartition(":")
        await ask_api_versions(host or HOST, int(port))

    return answers


def _forget(file: Path) -> Probe:
    async def forget() -> None:
        file.unlink(missing_ok=True)

    return forget


def _migrations_fingerprint() -> str:
    digest = hashlib.sha256()
    places = [
        *sorted((ROOT / "services").glob("*/migrations/**/*.py")),
        *sorted((ROOT / "shared/persistence").glob("**/*.py")),
    ]
    for file in places:
        digest.update(f"{file.relative_to(ROOT)}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
