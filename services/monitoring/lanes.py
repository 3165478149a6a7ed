"""Where the shards of a rebuild are worked on: in processes of their own, or beside it where little is to do."""

import asyncio
import gc
import json
import os
import sys
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from services.monitoring.replay import Spans, Worker, connected, transaction
from shared.child import standard_input, until_one_ends

ADDRESS = "HAMKOR_REBUILD_DATABASE_URL"


class LaneFailed(Exception):
    """A process of a rebuild ended before its work was done; its own words stand in the log."""


class Lane(Protocol):
    """Works on one shard at a time; the rebuild goes on from what is committed, whatever becomes of a lane."""

    def __init__(self, dsn: str, batch: int) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def bring(self, shard: int, spans: Spans) -> AsyncIterator[int]:
        """Bring a shard to the end of its spans; yields how many events each transaction took."""
        ...


class Local:
    """In this process."""

    def __init__(self, dsn: str, batch: int) -> None:
        self._connecting = connected(dsn)
        self._batch = batch

    async def __aenter__(self) -> Self:
        self._connection: Any = await self._connecting.__aenter__()
        self._worker = Worker(self._connection)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connecting.__aexit__(kind, problem, trace)

    async def bring(self, shard: int, spans: Spans) -> AsyncIterator[int]:
        """See Lane."""
        while any(after < until for after, until in spans.values()):
            async with transaction(self._connection):
                taken = await self._worker.step(shard, spans, self._batch)
            self._worker.committed()
            yield taken


class Process:
    """In a process that ends with this one, however that ends: a transaction that is under way then is undone."""

    def __init__(self, dsn: str, batch: int) -> None:
        self._environment = {**os.environ, ADDRESS: dsn}
        self._batch = batch

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.monitoring.lanes", str(self._batch)),
            stdin=asyncio.subprocess.PIPE,  # closes when this process dies, even by kill -9
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def bring(self, shard: int, spans: Spans) -> AsyncIterator[int]:
        """See Lane."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = json.dumps([shard, [[source, *span] for source, span in spans.items()]])
        try:
            self._process.stdin.write(asked.encode() + b"\n")
            await self._process.stdin.drain()
        except ConnectionError as gone:
            raise LaneFailed(f"the process has ended before shard {shard}") from gone
        while line := await self._process.stdout.readline():
            if (taken := int(line)) < 0:
                return
            yield taken
        raise LaneFailed(f"the process ended in the middle of shard {shard}")


ENDED = -1


async def _serve(dsn: str, batch: int, out: TextIO) -> None:
    """Shards as they are asked for on standard input, until it closes – then at once, in the middle of whatever."""

    def say(number: int) -> None:
        out.write(f"{number}\n")
        out.flush()

    asked: asyncio.Queue[bytes] = asyncio.Queue()
    reader = await standard_input()

    async def hear() -> None:
        while line := await reader.readline():
            asked.put_nowait(line)

    async def work() -> None:
        async with Local(dsn, batch) as lane:
            while True:
                shard, spans = json.loads(await asked.get())
                async for taken in lane.bring(shard, {source: (after, until) for source, after, until in spans}):
                    say(taken)
                say(ENDED)

    await until_one_ends(hear(), work())


def main(arguments: list[str]) -> None:
    """`python -m services.monitoring.lanes BATCH`, started by a rebuild alone."""
    # A batch makes very many small objects that live as long as it does: looking for garbage there costs a quarter.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    # What is answered goes this way alone: whatever else is printed joins the messages.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    asyncio.run(_serve(os.environ.pop(ADDRESS), int(arguments[0]), out))


if __name__ == "__main__":
    main(sys.argv[1:])
