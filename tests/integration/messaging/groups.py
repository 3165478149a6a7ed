"""A consumer group whose members are processes, to be killed and frozen, and a flow of numbers for it."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.messaging.world import Sink, Source, World, eventually, in_shard_order, settled, sql
from tests.support.engines import TestDatabase
from tests.support.services import free_port


@dataclass
class Group:
    """Members of one group: processes on one database."""

    world: World
    source: Source
    database: TestDatabase
    folder: Path
    members: list[asyncio.subprocess.Process] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)

    async def join(self) -> int:
        """Start a member and wait until it is connected; answers its number."""
        port = free_port()
        settings = self.folder / f"{port}.json"
        settings.write_text(self.world.settings("group", self.database, port).model_dump_json())
        with (self.folder / f"{port}.log").open("w") as log:
            member = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.integration.messaging.member", str(settings), self.source.name,
                stdout=log,
                stderr=log,
            )  # fmt: skip
        self.members.append(member)
        self.ports.append(port)
        number = len(self.members) - 1

        async def connected() -> bool:
            return await self.metric(number, "hamkor_consumer_connected") == 1

        await eventually(connected, f"member {number} is connected")
        return number

    def send(self, number: int, what: signal.Signals) -> None:
        """A signal to a member."""
        self.members[number].send_signal(what)

    async def metric(self, number: int, name: str) -> float:
        """The sum of a member's metric; 0 while it does not answer."""
        try:
            text = (await self.world.http.get(f"http://127.0.0.1:{self.ports[number]}/metrics")).text
        except httpx.HTTPError:
            return 0.0
        samples = [s for family in text_string_to_metric_families(text) for s in family.samples if s.name == name]
        return sum(sample.value for sample in samples)

    async def effects(self) -> list[tuple[int, int, int]]:
        """(shard, position, n) in the order in which they took effect."""
        rows = await sql(self.database, "select shard, position, n from effect order by id")
        return [(row["shard"], row["position"], row["n"]) for row in rows]

    async def assert_exactly_once(self, numbers: int) -> None:
        """Every number once, in the order of its shard, nothing in the dead letters."""
        await settled(self.source, self.as_sink(), timeout_s=120)
        effects = await self.effects()
        assert sorted(n for _, _, n in effects) == list(range(numbers))
        assert in_shard_order(effects)
        assert await sql(self.database, "select * from dead_letter") == []

    def as_sink(self) -> Sink:
        """What `settled` asks for its database."""
        sink = object.__new__(Sink)
        sink.name, sink.test_database = "group", self.database
        return sink


@asynccontextmanager
async def a_group(
    world: World, source: Source, folder: Path, database: TestDatabase | None = None
) -> AsyncIterator[Group]:
    """A group without members yet; all are killed at the end."""
    group = Group(world, source, database or await world.new_database(sink=True), folder)
    try:
        yield group
    finally:
        for member in group.members:
            if member.returncode is None:
                member.kill()
            await member.wait()


@dataclass
class Flow:
    """Numbers told one after the other in the background, some 100 a second."""

    source: Source
    told: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Flow"]:
        """Tell until the block ends."""
        stop = asyncio.Event()

        async def tell() -> None:
            while not stop.is_set():
                await self.source.tell(*range(self.told, self.told + 5))
                self.told += 5
                await asyncio.sleep(0.05)

        task = asyncio.create_task(tell())
        try:
            yield self
        finally:
            stop.set()
            await task

    async def goes_on(self, count: int = 100) -> None:
        """Wait until `count` more numbers were told."""
        target = self.told + count

        async def enough() -> bool:
            return self.told >= target

        await eventually(enough, f"{count} more numbers")
