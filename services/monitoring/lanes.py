"""Where the shards of a rebuild are worked on: in processes of their own, or beside it where little is to do."""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Protocol, Self

from services.monitoring.replay import Spans, Worker, connected, transaction
from shared.child import Child, answer_parent

ADDRESS = "HAMKOR_REBUILD_DATABASE_URL"


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
        self.child = Child("services.monitoring.lanes", str(batch), environment={ADDRESS: dsn})

    async def __aenter__(self) -> Self:
        await self.child.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.child.__aexit__(kind, problem, trace)

    async def bring(self, shard: int, spans: Spans) -> AsyncIterator[int]:
        """See Lane. Raises ChildEnded."""
        async for taken in self.child.ask([shard, [[source, *span] for source, span in spans.items()]]):
            yield taken


async def _serve(dsn: str, batch: int) -> None:
    async with Local(dsn, batch) as lane:

        def answer(asked: Any) -> AsyncIterator[int]:
            shard, spans = asked
            return lane.bring(shard, {source: (after, until) for source, after, until in spans})

        await answer_parent(answer)


def main(arguments: list[str]) -> None:
    """`python -m services.monitoring.lanes BATCH`, started by a rebuild alone."""
    # A batch makes very many small objects that live as long as it does: looking for garbage there costs a quarter.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    asyncio.run(_serve(os.environ.pop(ADDRESS), int(arguments[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
