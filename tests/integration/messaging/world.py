"""A world of services around one broker: a source that tells numbers, sinks that write down each effect they have."""

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from shared.contracts.events import Event, EventType, Recorded, State, topic_of
from shared.ids import SHARDS, new_id, shard_of
from shared.messaging.consumer import ConsumerSettings
from shared.messaging.inbox import Inbox
from shared.messaging.kafka import KafkaAddress, make_producer
from shared.messaging.relay import LOCK
from shared.messaging.stream import Position
from shared.messaging.wire import headers_of
from shared.persistence.engine import dsn_of, raw_connection
from shared.persistence.unit_of_work import Database, UnitOfWork
from shared.settings import Settings
from shared.web.app import create_app, make_chassis
from tests.support import services
from tests.support.engines import Postgres, TestDatabase
from tests.support.issuer import Issuer
from tests.support.services import Client, free_port, serving

KEYS = tuple(f"institution-{number}" for number in range(12))
SECRET = "only-for-the-tests-of-hamkor"


async def eventually(condition: Any, what: str, timeout_s: float = 120.0) -> Any:
    """Await a condition, with patience for a machine that has more to do than these tests."""
    return await services.eventually(condition, what, timeout_s)


class Number(State):
    """What the source tells: a number, and ballast for large events."""

    n: int
    ballast: str = ""


@dataclass
class Recording:
    """A projection that inserts one row per effect into a table without any unique constraint: doubles would show.

    `undecodable` and `unappliable` hold the numbers it refuses, `before_commit` is awaited after the rows are written.
    """

    undecodable: Callable[[int], bool] = lambda _: False
    unappliable: Callable[[int], bool] = lambda _: False
    before_commit: Callable[[Sequence[int]], Awaitable[None]] | None = None
    batches: list[int] = field(default_factory=list)

    def decode(self, event: Event) -> Any | None:
        """The number; ValueError for anything else and for what is refused."""
        n = int(json.loads(event.data)["n"])
        if self.undecodable(n):
            raise ValueError(f"{n} is not understood")
        return n

    async def apply(self, uow: UnitOfWork, batch: Sequence[tuple[Event, Any]]) -> None:
        """One row per event."""
        for _, n in batch:
            if self.unappliable(n):
                raise LookupError(f"{n} fits nowhere")
        connection = await raw_connection(uow.session)
        await connection.executemany(
            "insert into effect (source, shard, position, n, told_at) values ($1, $2, $3, $4, $5)",
            [(event.source, event.shard, event.position, n, event.time) for event, n in batch],
        )
        if self.before_commit is not None:
            await self.before_commit([n for _, n in batch])
        self.batches.append(len(batch))


class Engine(Protocol):
    """A broker, embedded or real, as the tests use it."""

    @property
    def setting(self) -> str:
        """KAFKA_BOOTSTRAP_SERVERS."""

    @property
    def embedded(self) -> bool:
        """KAFKA_EMBEDDED."""

    async def make_topics(self, service: str) -> None:
        """Topics of a service."""


@dataclass
class Source:
    """A running service that tells numbers."""

    name: str
    database: Database
    test_database: TestDatabase
    base: str
    app: FastAPI
    lock_holder: Any = None

    async def let_relay_begin(self) -> None:
        """Give the relay its lock, where the source was started without."""
        await self.lock_holder.close()

    async def tell(self, *numbers: int, key: str | None = None, ballast: str = "") -> list[Position]:
        """Record numbers in one unit of work; their keys take turns unless one is given."""
        async with self.database.unit_of_work() as uow:
            self.record(uow, *numbers, key=key, ballast=ballast)
        return uow.appended

    def record(self, uow: UnitOfWork, *numbers: int, key: str | None = None, ballast: str = "") -> None:
        """Record numbers in a unit of work of the caller's."""
        told = EventType(f"hamkor.{self.name}.number.told.v1", self.name, "number", Number)
        uow.recorded.extend(
            Recorded(told, key or KEYS[n % len(KEYS)], Number(id=new_id(), version=1, n=n, ballast=ballast))
            for n in numbers
        )

    async def sql(self, statement: str, *arguments: Any) -> list[Any]:
        """Run SQL as the owner, with the scope of the system."""
        return await sql(self.test_database, statement, *arguments)

    async def log(self) -> list[tuple[int, int, Any]]:
        """(shard, position, n) of the whole log in order; None for what holds no number."""
        rows = await self.sql("select shard, position, data from event order by shard, position")
        return [(row["shard"], row["position"], _number(row["data"])) for row in rows]


@dataclass
class Sink:
    """A running service that listens."""

    name: str
    source: str
    inbox: Inbox
    projection: Recording
    test_database: TestDatabase
    operator: Client
    app: FastAPI

    async def effects(self) -> list[tuple[int, int, int]]:
        """(shard, position, n) in the order in which they took effect."""
        rows = await self.sql("select shard, position, n from effect order by id")
        return [(row["shard"], row["position"], row["n"]) for row in rows]

    async def numbers(self) -> Counter[int]:
        """How often each number took effect."""
        return Counter(n for _, _, n in await self.effects())

    async def has(self, count: int, timeout_s: float = 120.0) -> None:
        """Wait until `count` effects are there."""

        async def enough() -> bool:
            return int((await self.sql("select count(*) as n from effect"))[0]["n"]) >= count

        await eventually(enough, f"{count} effects in {self.name}", timeout_s)

    async def letters(self) -> list[Any]:
        """All dead letters, oldest first."""
        return await self.sql("select * from dead_letter order by laid_down_at, id")

    async def has_letters(self, count: int, timeout_s: float = 120.0) -> list[Any]:
        """Wait until `count` dead letters are there."""

        async def enough() -> list[Any]:
            letters = await self.letters()
            return letters if len(letters) >= count else []

        found: list[Any] = await eventually(enough, f"{count} dead letters in {self.name}", timeout_s)
        return found

    async def metric(self, name: str, **labels: str) -> float:
        """The value of one of this process's metrics."""
        wanted = {"service": self.name, **labels}
        text = (await self.operator.http.get(self.operator.base + "/metrics")).text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and wanted.items() <= sample.labels.items():
                    return float(sample.value)
        return 0.0

    async def connected(self) -> None:
        """Wait until Kafka brings the events: before, the feed does."""

        async def assigned() -> bool:
            return await self.metric("hamkor_consumer_connected") == 1

        await eventually(assigned, f"{self.name} is connected to Kafka")

    async def sql(self, statement: str, *arguments: Any) -> list[Any]:
        """Run SQL as the owner, with the scope of the system."""
        return await sql(self.test_database, statement, *arguments)


async def sql(database: TestDatabase, statement: str, *arguments: Any) -> list[Any]:
    """Run SQL on a database as its owner, with the scope of the system."""
    connection = await asyncpg.connect(dsn_of(database.owner_url), timeout=10)
    try:
        await connection.execute("select set_config('app.scope', 'all', false)")
        rows: list[Any] = await connection.fetch(statement, *arguments)
        return rows
    finally:
        await connection.close()


@dataclass
class World:
    """Makes sources and sinks around one engine."""

    engine: Engine
    postgres: Postgres
    issuer: Issuer
    http: httpx.AsyncClient
    urls: dict[str, str] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    """Settings of all processes beyond those that every world has."""

    async def new_database(self, sink: bool = False, postgres: Postgres | None = None) -> TestDatabase:
        """A database with the chassis' tables; for sinks also with the table of effects."""
        database = await (postgres or self.postgres).database("partners")
        if sink:
            await sql(
                database,
                "create table effect (id bigint generated always as identity, source text not null, "
                "shard int not null, position bigint not null, n bigint not null, told_at timestamptz not null, "
                "done_at timestamptz not null default clock_timestamp())",
            )
            await sql(database, "grant select, insert on effect to hamkor_app")
        return database

    def settings(self, service: str, database: TestDatabase, port: int, kafka: str | None = None) -> Settings:
        """Settings of one process."""
        return Settings.model_validate(
            {
                "service": service,
                "port": port,
                "database_url": database.url,
                "kafka_bootstrap_servers": kafka or self.engine.setting,
                "kafka_embedded": self.engine.embedded,
                "auth_issuer": self.issuer.url,
                "auth_jwks_url": self.issuer.url + "/jwks",
                "auth_token_url": self.issuer.url + "/token",
                "service_client_secret": SECRET,
                "urls": self.urls,
                **self.more,
            }
        )

    async def new_name(self) -> str:
        """The name of a source nobody has used before: its topics are empty."""
        name = f"source{secrets.token_hex(4)}"
        self.urls[name] = f"http://127.0.0.1:{free_port()}"
        await self.engine.make_topics(name)
        return name

    @asynccontextmanager
    async def source(
        self, name: str | None = None, database: TestDatabase | None = None, relay: bool = True
    ) -> AsyncIterator[Source]:
        """A running source; without `relay` its events stay in the log."""
        name = name or await self.new_name()
        database = database or await self.new_database()
        port = int(self.urls[name].rpartition(":")[2])
        chassis = make_chassis(self.settings(name, database, port), Path("nowhere"))
        app = create_app(chassis, routers=[], permissions={})
        async with AsyncExitStack() as stack:
            holder = None
            if not relay:
                # Somebody else holds the relay's lock, as with a second replica of the service.
                holder = await hold_relay_lock(database)
                stack.push_async_callback(holder.close)
            base = await stack.enter_async_context(serving(app, port))
            yield Source(name, chassis.database, database, base, app, holder)

    @asynccontextmanager
    async def sink(
        self,
        source: str,
        projection: Recording | None = None,
        *,
        name: str = "sink",
        database: TestDatabase | None = None,
        kafka: str | None = None,
        settings: ConsumerSettings | None = None,
    ) -> AsyncIterator[Sink]:
        """A running sink that listens to `source`."""
        database = database or await self.new_database(sink=True)
        port = free_port()
        chassis = make_chassis(self.settings(name, database, port, kafka), Path("nowhere"))
        projection = projection or Recording()
        app = create_app(
            chassis,
            routers=[],
            permissions={},
            projection=projection,
            listens_to=[source],
            consumer_settings=settings,
        )
        async with serving(app, port) as base:
            operator = Client(self.http, base, self.issuer.token("operator"))
            yield Sink(name, source, app.state.inbox, projection, database, operator, app)


async def hold_relay_lock(database: TestDatabase) -> Any:
    """A connection that holds the lock by which only one relay works; close it to let a relay begin."""
    connection = await asyncpg.connect(dsn_of(database.owner_url), timeout=10)
    await connection.fetchval("select pg_advisory_lock($1)", LOCK)
    return connection


def in_shard_order(effects: Sequence[tuple[int, int, int]]) -> bool:
    """True if in every shard the positions took effect as 1, 2, 3 …"""
    reached = [0] * SHARDS
    for shard, position, _ in effects:
        if position != reached[shard] + 1:
            return False
        reached[shard] = position
    return True


def an_event(source: str, position: int, *, key: str = KEYS[0], data: bytes | None = None, **changes: Any) -> Event:
    """An event that claims to be `source`'s."""
    values: dict[str, Any] = {
        "id": new_id(),
        "type": f"hamkor.{source}.number.told.v1",
        "source": source,
        "subject": "number/1",
        "key": key,
        "time": datetime.fromisoformat("2026-09-01T10:00:00+05:00"),
        "shard": shard_of(key),
        "position": position,
        "data": data if data is not None else json.dumps({"id": "1", "version": 1, "n": -position}).encode(),
    }
    return Event(**(values | changes))


async def put_on_topic(
    world: World, source: str, *events: Event, headers: list[tuple[Any, bytes]] | None = None
) -> None:
    """Write records to a source's topic past its relay; `headers` replace the event's own."""
    producer = make_producer(KafkaAddress(world.engine.setting, world.engine.embedded), "intruder")
    await producer.start()
    try:
        for event in events:
            partitions = len(await producer.partitions_for(topic_of(source)))
            await producer.send_and_wait(
                topic_of(source),
                value=event.data,
                key=event.key.encode(),
                partition=event.shard % partitions,
                headers=headers if headers is not None else headers_of(event),
            )
    finally:
        await producer.stop()


def _number(data: bytes) -> int | None:
    try:
        return int(json.loads(data)["n"])
    except (ValueError, KeyError):
        return None


async def settled(source: Source, *sinks: Sink, timeout_s: float = 120.0) -> None:
    """Wait until every sink has passed the source's heads."""
    rows = await source.sql("select position from stream_head order by shard")
    heads = [int(row["position"]) for row in rows]
    for sink in sinks:

        async def passed(sink: Sink = sink) -> bool:
            try:
                applied = await sink.sql("select position from inbox where source = $1 order by shard", source.name)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return False  # the database is down or on its way back
            return len(applied) == SHARDS and all(
                row["position"] >= head for row, head in zip(applied, heads, strict=True)
            )

        await eventually(passed, f"{sink.name} at the heads of {source.name}", timeout_s)


async def records_of(world: World, topic: str, count: int) -> list[Any]:
    """The first `count` records of a topic (more, if more are there), of all partitions."""
    servers = KafkaAddress(world.engine.setting).resolve()
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        found: list[Any] = []
        async with asyncio.timeout(30):
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found.extend(records)
        for records in (await consumer.getmany(timeout_ms=500)).values():
            found.extend(records)
        return found
    finally:
        await consumer.stop()


async def committed_and_ends(world: World, topic: str, group: str) -> tuple[int, int]:
    """Of a topic's partitions together: the offsets that a group has committed, and the ends."""
    servers = KafkaAddress(world.engine.setting).resolve()
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in await consumer._client._wait_on_metadata(topic)]
        ends = await consumer.end_offsets(places)
        return sum([await consumer.committed(place) or 0 for place in places]), sum(ends.values())
    finally:
        await consumer.stop()


async def gather_in_groups(jobs: Sequence[Awaitable[Any]], size: int) -> None:
    """Await all, `size` at a time."""
    gate = asyncio.Semaphore(size)

    async def one(job: Awaitable[Any]) -> None:
        async with gate:
            await job

    await asyncio.gather(*(one(job) for job in jobs))
