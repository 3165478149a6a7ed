"""Back-off with jitter: try again soon at first, then ever more rarely, never in step with the others."""

import asyncio
import random
from dataclasses import dataclass


@dataclass
class Backoff:
    """Delays that double from `first_s` to `most_s` seconds, each between half and the whole of it."""

    first_s: float
    most_s: float
    failures: int = 0

    def next_s(self) -> float:
        """The next delay in seconds."""
        delay = min(self.most_s, self.first_s * 2.0 ** min(self.failures, 32))
        self.failures += 1
        return delay * random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret

    async def wait(self) -> None:
        """Sleep for the next delay."""
        await asyncio.sleep(self.next_s())

    def reset(self) -> None:
        """It worked: begin with the first delay again."""
        self.failures = 0
