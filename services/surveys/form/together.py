"""What many ask at the same moment is done in one go: the more there is to do, the less each costs."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shared.persistence.engine import is_transient

Item = TypeVar("Item")
Result = TypeVar("Result")


class Overloaded(OSError):
    """More wait already than can be served in time; trying again later helps."""


@dataclass
class Together(Generic[Item, Result]):
    """Gathers the items that come while `work` is busy, and gives it up to `most` of them at once.

    Each caller waits for its own result. An item that `work` can't do fails alone: its neighbours are done without it.
    Nobody waits longer for company than the round before takes and `company_s`; after a silence not at all.
    """

    work: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]
    most: int = 200
    waiting_most: int = 2000
    company_s: float = 0.0
    _waiting: list[tuple[Item, asyncio.Future[Result]]] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    async def ask(self, item: Item) -> Result:
        """The result for one item; raises what `work` raised for it, or Overloaded."""
        if len(self._waiting) >= self.waiting_most:
            raise Overloaded
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                now, self._waiting = self._waiting[: self.most], self._waiting[self.most :]
                await self._do(now)
                if self.company_s and 0 < len(self._waiting) < self.most:
                    await asyncio.sleep(self.company_s)
        finally:
            self._task = None

    async def _do(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self.work([item for item, _ in batch])
        except BaseException as problem:
            if len(batch) > 1 and isinstance(problem, Exception) and not is_transient(problem):
                middle = len(batch) // 2
                await self._do(batch[:middle])
                await self._do(batch[middle:])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(problem if isinstance(problem, Exception) else Overloaded())
            if not isinstance(problem, Exception):
                raise
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
