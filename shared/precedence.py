"""Who goes first in a process: what somebody waits for, before what can wait.

On one event loop every step of live work comes after a step of whatever else is at work: a batch of events with twenty
round trips takes twenty times as long beside an evaluation of the whole country, though that needs it least.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from shared.waiting import until_set

Halt = Callable[[], Awaitable[None]]
MOST_S = 0.25
"""So long, and no longer, work that can wait stands still at each of its halts, unless it says otherwise."""


async def no_halt() -> None:
    """Only the others of this loop get their turn."""
    await asyncio.sleep(0)


class Precedence:
    """One process's order: live work claims it, other work gives way at its halts."""

    def __init__(self) -> None:
        self._claims = 0
        self._free = asyncio.Event()
        self._free.set()

    @asynccontextmanager
    async def claimed(self) -> AsyncIterator[None]:
        """Within the block live work is under way."""
        self._claims += 1
        self._free.clear()
        try:
            yield
        finally:
            self._claims -= 1
            if not self._claims:
                self._free.set()

    @property
    def under_way(self) -> bool:
        """Whether live work is."""
        return bool(self._claims)

    async def give_way(self, most_s: float = MOST_S) -> None:
        """A halt of work that can wait: others get their turn, and live work that is under way is let pass.

        For `most_s` seconds at most: who has many halts comes to an end all the same.
        """
        await asyncio.sleep(0)
        if self._claims:
            await until_set(self._free, most_s)
