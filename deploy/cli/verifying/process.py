"""Who works on the shards: processes of their own that end with this one, or this one where little is to do."""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from deploy.cli.verifying.reading import services
from deploy.cli.verifying.shards import Found, prove, unite
from shared.child import Child, answer_parent
from shared.messaging.feed import Feed


class Worker(Protocol):
    """Works on one part at a time."""

    def prove(self, shard: int, until: Mapping[str, int]) -> AsyncIterator[Found]:
        """See shards.prove."""
        ...

    async def unite(self, partition: int) -> None:
        """See shards.unite."""


class Local:
    """In this process."""

    def __init__(self, folder: Path, feeds: Mapping[str, Feed]) -> None:
        self._folder = folder
        self._feeds = feeds

    def prove(self, shard: int, until: Mapping[str, int]) -> AsyncIterator[Found]:
        """See shards.prove."""
        return prove(self._folder, self._feeds, shard, until)

    async def unite(self, partition: int) -> None:
        """See shards.unite."""
        await asyncio.to_thread(unite, self._folder, partition)


class Process:
    """In a process of its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._child = Child("deploy.cli.verifying.process", str(folder), environment=environment)

    async def __aenter__(self) -> Self:
        await self._child.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._child.__aexit__(kind, problem, trace)

    async def prove(self, shard: int, until: Mapping[str, int]) -> AsyncIterator[Found]:
        """See shards.prove. Raises ChildEnded."""
        async for found in self._child.ask(["prove", shard, dict(until)]):
            if "unread" in found:
                raise OSError(found["unread"])
            yield Found(**found)

    async def unite(self, partition: int) -> None:
        """See shards.unite. Raises ChildEnded."""
        async for _ in self._child.ask(["unite", partition]):
            continue


async def _serve(folder: Path) -> None:
    async with services(dict(os.environ)) as (feeds, _):
        here = Local(folder, feeds)

        async def answer(asked: Any) -> AsyncIterator[Any]:
            what, number, *rest = asked
            if what == "prove":
                try:
                    async for found in here.prove(number, *rest):
                        yield asdict(found)
                except OSError as problem:
                    yield {"unread": str(problem)}
            else:
                await here.unite(number)
            gc.collect()

        await answer_parent(answer)


def main(arguments: list[str]) -> None:
    """`python -m deploy.cli.verifying.process FOLDER`, started by `verify` alone."""
    # A shard makes very many objects that live as long as it does: looked through once behind it, not meanwhile.
    gc.freeze()
    gc.disable()
    asyncio.run(_serve(Path(arguments[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
