"""Whose turn it is: parts of batches take effect several at a time, and what waits meanwhile is done together."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from shared.contracts.events import Event
from shared.ids import SHARDS
from shared.persistence.engine import is_transient

Means = TypeVar("Means")
"""What a turn is done with, by one at a time: a projection."""


@dataclass(eq=False, slots=True)
class Part:
    """Decoded events of one source that are to take effect in one transaction, in the order of their shards."""

    source: str
    batch: Sequence[tuple[Event, Any]]
    alone: bool = False
    """Not in one transaction with others: one of its events may be the reason that these failed."""
    shards: list[int] = field(init=False)
    done: bool = False
    problem: Exception | None = None

    def __post_init__(self) -> None:
        self.shards = sorted({event.shard for event, _ in self.batch})


class Turns(Generic[Means]):
    """As many transactions are at work at once as there are means, no two of them on the same shards.

    A transaction costs more than a few events in it, so that whoever begins takes along what waits, of whatever source:
    the more there is to do, the less each costs. Who comes first begins first.
    """

    def __init__(
        self, means: Sequence[Means], commit: Callable[[Means, Sequence[Part]], Awaitable[None]], *, most: int
    ) -> None:
        """`commit` brings parts into effect, at most `most` events where it is more than one part."""
        self._free = list(means)
        self._commit = commit
        self._most = most
        self._lanes = len(means)
        self._waiting: list[Part] = []
        self._busy: set[int] = set()
        self._ended = asyncio.Event()

    def lane(self, shard: int) -> int:
        """Which shards go together: so many kinds of them as there are means, or one would take along everything."""
        return shard * self._lanes // SHARDS

    async def take(self, part: Part) -> None:
        """Wait until the part took effect; raises what `commit` raised for it.

        Where several fail together each is tried alone. What is transient would only be met again: all raise it.
        """
        self._waiting.append(part)
        try:
            while not part.done:
                if self._may_begin(part):
                    await self._lead(self._company(part))
                else:
                    await self._ended.wait()
        finally:
            if part in self._waiting:
                self._waiting.remove(part)
        if part.problem is not None:
            raise part.problem

    def _may_begin(self, part: Part) -> bool:
        return bool(self._free) and part in self._waiting and self._busy.isdisjoint(part.shards)

    def _company(self, first: Part) -> list[Part]:
        """The part that begins, and those that it takes along."""
        lane = {self.lane(shard) for shard in first.shards}
        parts, events = [first], len(first.batch)
        for part in [] if first.alone else self._waiting:
            fits = events + len(part.batch) <= self._most and lane.issuperset(map(self.lane, part.shards))
            if part is not first and not part.alone and fits and self._busy.isdisjoint(part.shards):
                parts.append(part)
                events += len(part.batch)
        return parts

    async def _lead(self, parts: Sequence[Part]) -> None:
        means = self._free.pop()
        shards = {shard for part in parts for shard in part.shards}
        self._busy |= shards
        self._waiting = [part for part in self._waiting if part not in parts]
        try:
            await self._commit(means, parts)
        except Exception as problem:
            again = len(parts) > 1 and not is_transient(problem)
            for part in parts:
                part.alone, part.done = again, not again
                part.problem = None if again else problem
        else:
            for part in parts:
                part.done = True
        finally:
            # What is undecided goes on waiting, also where the one who led was cancelled.
            self._waiting = [part for part in parts if not part.done] + self._waiting
            self._busy -= shards
            self._give_back(means)

    @asynccontextmanager
    async def means(self) -> AsyncIterator[Means]:
        """Whatever means are free next, for work on no shard."""
        while not self._free:
            await self._ended.wait()
        means = self._free.pop()
        try:
            yield means
        finally:
            self._give_back(means)

    def _give_back(self, means: Means) -> None:
        self._free.append(means)
        self._ended.set()
        self._ended = asyncio.Event()
