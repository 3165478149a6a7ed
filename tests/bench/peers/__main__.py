"""`make bench-peers`: the reference job through every candidate, on one Kafka and PostgreSQL, checked to the digit.

One JSON line a candidate, and a last one with `ratio_to_best_peer`. A candidate has a process for each core, as members
of its group or in the way of its own that it has; Bytewax, which may do better with one, has a line for either. Each
peer lives in a virtual environment of its own
below .hamkor/peers, made from requirements/<name>.txt. The clock runs from a candidate's first event until PostgreSQL
holds the last sum. Hamkor alone keeps the events and takes none twice; with --kill one of its processes is killed in
the middle, three times, and it must still be right.
"""

import argparse
import asyncio
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import psutil
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.local.environment import ROOT
from services.monitoring.domain.measures import COLUMNS
from shared.contracts.events import Event, topic_of
from shared.ids import new_id, shard_of
from shared.messaging.inbox import Inbox
from shared.messaging.wire import headers_of
from shared.persistence.engine import dsn_of, make_engine
from shared.persistence.unit_of_work import Database
from tests.bench.peers import engine_job, job
from tests.bench.report import cpu_of
from tests.support.engines import Postgres, TestDatabase, a_postgres
from tests.support.kafka import RealKafka

HERE = Path(__file__).parent
ENVIRONMENTS = ROOT / ".hamkor" / "peers"
PARTITIONS = 12
POLL_S = 0.1
TIME = datetime(2026, 11, 1, tzinfo=UTC)

Expected = dict[job.Key, tuple[int, int, int]]


@dataclass(frozen=True)
class Peer:
    """A candidate that is not ours: `environment` names its requirements, `most` is what it is given at most.

    `group`: several processes of it share the partitions.
    """

    name: str
    environment: str
    command: tuple[str, ...]
    most: int = 10**9
    group: bool = False


CORES = len(os.sched_getaffinity(0))
PEERS = (
    Peer("bytewax", "bytewax", (str(HERE / "bytewax_job.py"),)),
    Peer("bytewax, processes", "bytewax", ("-m", "bytewax.testing", "bytewax_job:flow", "-p", str(CORES))),
    Peer("pathway", "pathway", (str(HERE / "pathway_job.py"),)),
    Peer("quix streams", "quix", (str(HERE / "quix_job.py"),), group=True),
    # Fewer events where all of them would take minutes, or an hour, and say the same.
    Peer("faust", "faust", (str(HERE / "faust_job.py"),), most=100_000, group=True),
    Peer("faststream, batches", "faststream", (str(HERE / "faststream_job.py"), "batch"), group=True),
    Peer("faststream, naive", "faststream", (str(HERE / "faststream_job.py"), "naive"), most=2_000, group=True),
)


@dataclass
class Load:
    """Events as they lie in a topic, and what must come out of them."""

    topic: str
    count: int
    expected: Expected = field(default_factory=dict)

    @property
    def nation(self) -> int:
        """The sum of all a's, by which one sees that everything has arrived."""
        return sum(a for (place, _, _), (a, _, _) in self.expected.items() if place == 0)


def produce(kafka: str, topic: str, count: int) -> Load:
    """Fill the topic as a relay would, shard by shard into partitions."""
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
        future.result()
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 20, "queue.buffering.max.messages": 500_000})
    load, positions, sums = Load(topic, count), [0] * 64, job.Sums()
    for number, (institution, type_, month, (a, b, c), value) in enumerate(job.events(count)):
        sums.add(institution, type_, month, a, b, c)
        key = job.institution_id(institution)
        shard = shard_of(key)
        positions[shard] += 1
        event = Event(
            id=new_id(),
            type=engine_job.NAMES[type_],
            source=engine_job.SOURCE,
            subject=f"job{type_}/{number}",
            key=key,
            time=TIME + timedelta(milliseconds=number),
            shard=shard,
            position=positions[shard],
            data=value,
        )
        headers: Any = headers_of(event)
        producer.produce(topic, value, key, partition=shard % PARTITIONS, headers=headers)
        if number % 10_000 == 0:
            producer.poll(0)
    producer.flush()
    load.expected = {(place, type_, month): (a, b, c) for place, type_, month, a, b, c in sums.take()}
    return load


def environment(name: str) -> Path:
    """The Python of a peer's environment, which is made where it is missing or its requirements have changed."""
    folder, requirements = ENVIRONMENTS / name, HERE / "requirements" / f"{name}.txt"
    stamp, wanted = folder / ".stamp", hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    python = folder / "bin" / "python"
    if not stamp.exists() or stamp.read_text().strip() != wanted:
        sys.stderr.write(f"· environment of {name}\n")
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, capture_output=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(requirements)]
        subprocess.run(install, check=True, capture_output=True, text=True)
        stamp.write_text(wanted)
    return python


class Run:
    """One candidate at work."""

    def __init__(self, postgres: Postgres, kafka: str, load: Load) -> None:
        self._postgres = postgres
        self._kafka = kafka
        self._load = load

    async def peer(self, peer: Peer, patience_s: float) -> dict[str, Any]:
        """Figures of a peer."""
        database = f"job_{peer.name.replace(' ', '_').replace(',', '')}_{os.getpid()}"
        await self._postgres._execute(f"create database {database}")
        url = self._postgres.server.url(database, "hamkor_owner")
        await self._postgres._execute(f"grant all on database {database} to hamkor_owner")
        await self._postgres._execute(f"alter database {database} owner to hamkor_owner")
        connection = await asyncpg.connect(dsn_of(url))
        await connection.execute(job.TABLE)
        python = await asyncio.to_thread(environment, peer.environment)
        command = (str(python), *peer.command)
        asked = {**self._asked(peer.name), "JOB_DSN": libpq(url), "JOB_URL": dsn_of(url), "PYTHONPATH": str(HERE)}
        asked["PATHWAY_THREADS"] = str(CORES)

        async def reached() -> int:
            found: int = await connection.fetchval("select coalesce(sum(a), 0)::bigint from sums where place = 0")
            return found

        figures = await self._timed(Started(command, asked, CORES if peer.group else 1), reached, patience_s)
        rows = await connection.fetch("select place, type, month, a, b, c from sums")
        await connection.close()
        found = {(place, type_, month): (a, b, c) for place, type_, month, a, b, c in rows}
        return {**figures, "exact": found == self._load.expected}

    async def engine(self, patience_s: float, kills: int) -> dict[str, Any]:
        """Figures of Hamkor's engine."""
        database = await self._postgres.database("monitoring")
        await asyncio.to_thread(_forget_group, self._kafka, f"hamkor.monitoring.{engine_job.SOURCE}")
        await _places(database)
        connection = await asyncpg.connect(dsn_of(database.url))
        await connection.execute("select set_config('app.scope', 'all', false)")
        asked = {
            **self._asked("hamkor"),
            "JOB_DSN": "",
            "JOB_URL": "",
            "JOB_DATABASE_URL": database.url,
            "PYTHONPATH": str(ROOT),
            "LOG_LEVEL": "error",
        }

        async def reached() -> int:
            found: int = await connection.fetchval(
                "select coalesce(sum(v0), 0)::bigint from cell where place = (select id from place where code = '17') "
                "and slot >= $1",
                engine_job.FIRST_SLOT,
            )
            return found

        command = (sys.executable, "-m", "tests.bench.peers.engine_job")
        figures = await self._timed(Started(command, asked, CORES), reached, patience_s, kills)
        rows = await connection.fetch(
            "select p.code, c.slot, c.period, c.v0, c.v1, c.v2 from cell c join place p on p.id = c.place "
            "where slot >= $1",
            engine_job.FIRST_SLOT,
        )
        logged = await connection.fetchval("select count(*) from event_seen where place is not null and type > 2")
        await connection.close()
        numbers = {code: number for number, code in _codes()}
        found = {
            (numbers[code], slot - engine_job.FIRST_SLOT, month): sums for code, slot, month, *sums in map(tuple, rows)
        }
        exact = {key: tuple(sums) for key, sums in found.items()} == self._load.expected
        return {**figures, "exact": exact and logged == self._load.count, "logged": logged, "killed": kills}

    def _asked(self, name: str) -> dict[str, str]:
        group = f"{name.split(',')[0].replace(' ', '-')}-{time.time_ns()}"
        inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
        return {**inherited, "JOB_KAFKA": self._kafka, "JOB_TOPIC": self._load.topic, "JOB_GROUP": group}

    async def _timed(self, started: "Started", reached: Any, patience_s: float, kills: int = 0) -> dict[str, Any]:
        wanted = self._load.nation
        left = kills
        problem = ""
        async with started:
            try:
                async with asyncio.timeout(patience_s):
                    begun = await started.begun()
            except TimeoutError:
                return {"problem": f"no event after {patience_s:.0f} s"}
            if not begun:
                return {"problem": await started.last_words()}
            began, server = time.monotonic(), cpu_of(self._postgres.process.pid)
            while (sum_now := await reached()) < wanted:
                if started.ended and not left:
                    break
                if time.monotonic() > began + patience_s:
                    problem = f"not done after {patience_s:.0f} s"
                    break
                started.look()
                if left and sum_now > wanted * (kills - left + 1) / (kills + 1):
                    await started.replace_one()
                    left -= 1
                await asyncio.sleep(POLL_S)
            elapsed_s = time.monotonic() - began
            server_s = cpu_of(self._postgres.process.pid) - server
        rate = round(self._load.count / elapsed_s)
        figures: dict[str, Any] = {"events_per_s": rate, "seconds": round(elapsed_s, 2)}
        figures |= {"processes": started.count, "peak_mib_of_one": started.most >> 20}
        figures["cpu_us_per_event"] = round(started.cpu_s / self._load.count * 1e6, 1)
        figures["postgres_cpu_us_per_event"] = round(server_s / self._load.count * 1e6, 1)
        return figures | ({"problem": problem} if problem else {})


class Started:
    """The processes of a candidate, `count` of the same command, and what they used as far as one has looked."""

    def __init__(self, command: tuple[str, ...], asked: dict[str, str], count: int) -> None:
        self.count = count
        self.most = 0
        """Bytes that one of them held at most."""
        self._command, self._asked = command, asked
        # Quix Streams and Faust keep something in the folder in which they are started.
        self._folder = tempfile.TemporaryDirectory(prefix="hamkor-bench-")
        self._processes: list[asyncio.subprocess.Process] = []
        self._cpu_s: dict[int, float] = {}

    async def __aenter__(self) -> Self:
        for _ in range(self.count):
            self._processes.append(await self._one())
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self._processes:
            if process.returncode is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.kill()
            await process.wait()
        self._folder.cleanup()

    async def _one(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *self._command, env=self._asked, cwd=self._folder.name, stdout=pipe, stderr=pipe, limit=1 << 24
        )

    async def begun(self) -> bool:
        """Wait until one of them has its first event; False where the first of them to end had none."""
        waiting = [asyncio.create_task(_begun(process)) for process in self._processes]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return any(task.result() for task in done)
        finally:
            for task in waiting:
                task.cancel()

    @property
    def ended(self) -> bool:
        """Whether none is left."""
        return all(process.returncode is not None for process in self._processes)

    @property
    def cpu_s(self) -> float:
        """Seconds of processor, those that they started included."""
        return sum(self._cpu_s.values())

    def look(self) -> None:
        """See what they use."""
        for process in self._processes:
            try:
                this = psutil.Process(process.pid)
                for each in (this, *this.children(recursive=True)):
                    times = each.cpu_times()
                    self._cpu_s[each.pid] = times.user + times.system
                    self.most = max(self.most, each.memory_info().rss)
            except psutil.Error:
                continue

    async def replace_one(self) -> None:
        """Kill the one that has been there longest, and start another."""
        process = self._processes.pop(0)
        process.kill()
        await process.wait()
        self._processes.append(await self._one())

    async def last_words(self) -> str:
        """What one that has ended said."""
        process = next(each for each in self._processes if each.returncode is not None)
        assert process.stderr is not None
        said = (await process.stderr.read()).decode("utf-8", "replace").strip().splitlines()
        return said[-1][:300] if said else "it ended without a word"


async def _begun(process: asyncio.subprocess.Process) -> bool:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if line.endswith(b"begun\n"):  # Faust's signs of life before it have no line of their own
            return True
    await process.wait()
    return False


def libpq(url: str) -> str:
    """A SQLAlchemy URL as libpq's key=value."""
    parts = urlsplit(url)
    host = parts.hostname or parse_qs(parts.query)["host"][0]
    port = f" port={parts.port}" if parts.port else ""
    return f"host={host}{port} user={parts.username} password={unquote(parts.password or '')} dbname={parts.path[1:]}"


def _codes() -> list[tuple[int, str]]:
    """(the job's number, monitoring's code) of every place."""
    units = [(0, "17"), *((1 + region, f"17{region:02d}") for region in range(job.REGIONS))]
    per_region = job.DISTRICTS // job.REGIONS
    units += [(100 + each, f"17{each // per_region:02d}{each % per_region:03d}") for each in range(job.DISTRICTS)]
    return units + [(1000 + number, job.institution_id(number)) for number in range(job.INSTITUTIONS)]


async def _places(database: TestDatabase) -> None:
    """The territory and its institutions, told as events before the clock runs."""
    told: list[Event] = []
    positions: dict[int, int] = {}

    def tell(aggregate: str, fact: str, data: dict[str, Any]) -> None:
        key = str(data["id"])
        shard = shard_of(key)
        position = positions[shard] = positions.get(shard, 0) + 1
        text = json.dumps(data).encode()
        name = f"hamkor.partners.{aggregate}.{fact}.v1"
        told.append(Event(new_id(), name, "partners", f"{aggregate}/{key}", key, TIME, shard, position, text))

    codes = dict(_codes())
    for number, code in codes.items():
        if number < 1000:
            level = {2: "nation", 4: "region"}.get(len(code), "district")
            parent = {2: None, 4: "17"}.get(len(code), code[:4])
            path = {2: "/17/", 4: f"/17/{code}/"}.get(len(code), f"/17/{code[:4]}/{code}/")
            names = {"uz": code, "uz-Cyrl": code, "ru": code, "en": code}
            tell(
                "territory",
                "recorded",
                {"id": code, "version": 1, "level": level, "parent": parent, "path": path, "names": names},
            )
            continue
        district = codes[100 + job.district_of(number - 1000)]
        tell(
            "institution",
            "registered",
            {
                "id": code,
                "version": 1,
                "code": f"{number:06d}",
                "kind": "college",
                "name": f"Kollej {number}",
                "status": "active",
                "path": f"/17/{district[:4]}/{district}/{code}/",
                "membership": [{"district": district, "since": "2015-09-01"}],
                "sector": None,
                "programmes": [],
                "opened_on": None,
                "closed_on": None,
            },
        )
    opened = Database("monitoring", make_engine(database.url, application="job"))
    feeds: Any = {"partners": None, engine_job.SOURCE: None}
    inbox = Inbox(opened, engine_job.projection(), feeds)
    await inbox.prepare()
    await inbox.deliver("partners", told)
    await opened.engine.dispose()


async def run(options: argparse.Namespace) -> bool:
    """Everything asked for, in turn; False where Hamkor was not exact."""
    assert COLUMNS >= 3
    lines: list[dict[str, Any]] = []

    def tell(line: dict[str, Any]) -> None:
        lines.append(line)
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="hamkor-peers-") as folder:
        async with a_postgres(Path(folder) / "postgres") as postgres, RealKafka(Path(folder) / "kafka", 1) as real:
            kafka = real.bootstrap_servers
            await asyncio.to_thread(_forget, kafka, topic_of(engine_job.SOURCE))
            full = await asyncio.to_thread(produce, kafka, topic_of(engine_job.SOURCE), options.events)
            for kills in (0, *((3,) if options.kill else ())):
                if "hamkor" in options.only:
                    figures = await Run(postgres, kafka, full).engine(options.patience, kills)
                    name = "hamkor" + (", killed" if kills else "")
                    tell({"candidate": name, "events": full.count, **figures, "log": True, "exactly_once": True})
            for peer in PEERS:
                if peer.name not in options.only:
                    continue
                load = full
                if peer.most < options.events:
                    load = await asyncio.to_thread(produce, kafka, f"job-{peer.most}", peer.most)
                try:
                    figures = await Run(postgres, kafka, load).peer(peer, options.patience)
                except subprocess.CalledProcessError as problem:
                    figures = {"problem": f"cannot be installed: {str(problem.stderr).strip()[-300:]}"}
                tell({"candidate": peer.name, "events": load.count, **figures, "log": False, "exactly_once": False})
    ours = next((line for line in lines if line["candidate"] == "hamkor"), {})
    peers = [line for line in lines if not line["log"] and line.get("exact")]
    best = max(peers, key=lambda line: line["events_per_s"], default=None)
    tell(
        {
            "events": options.events,
            "hamkor": ours.get("events_per_s"),
            "best_peer": best and best["candidate"],
            "best_peer_events_per_s": best and best["events_per_s"],
            "ratio_to_best_peer": round(ours["events_per_s"] / best["events_per_s"], 2)
            if best and "events_per_s" in ours
            else None,
            "target": 4.0,
            "without": [line["candidate"] for line in lines if "problem" in line],
            "cores": len(os.sched_getaffinity(0)),
            "load": round(os.getloadavg()[1], 1),
        }
    )
    return all(line.get("exact") for line in lines if line.get("log"))


def _forget_group(kafka: str, group: str) -> None:
    """Let the group begin anew: an earlier run, whose last member has to be missed first, has read to the end."""
    admin = AdminClient({"bootstrap.servers": kafka})
    until = time.monotonic() + 60
    while True:
        try:
            for future in admin.delete_consumer_groups([group]).values():
                future.result()
            return
        except KafkaException as problem:
            if problem.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return
            if time.monotonic() > until:
                raise
        time.sleep(0.5)  # Kafka tells nobody when a member is missed


def _forget(kafka: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.delete_topics([topic]).values():
        future.result()
    while topic in admin.list_topics(timeout=10).topics:
        time.sleep(0.2)


def main() -> None:
    """Read the options and run."""
    names = ["hamkor", *(peer.name for peer in PEERS)]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--only", action="append", choices=names, help="a candidate; may be said several times")
    parser.add_argument("--kill", action="store_true", help="Hamkor once more, killed three times in the middle")
    parser.add_argument("--patience", type=float, default=600.0, help="seconds a candidate is given")
    options = parser.parse_args()
    options.only = options.only or names
    raise SystemExit(not asyncio.run(run(options)))


if __name__ == "__main__":
    main()
