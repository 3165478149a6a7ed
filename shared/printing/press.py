"""The press: where files are printed, a few at a time, each in a process of its own."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from shared.errors import Unavailable
from shared.printing.typesetting import NO_GLYPH

log = structlog.get_logger(__name__)

LIMIT_S: Final = 30.0
MOST_OF_ONE: Final = 2
"""Of one sender on their way at once: nobody keeps all others from printing."""
ROOT = Path(__file__).parents[2]


class Unprintable(ValueError):
    """The text that has letters the font lacks."""


class Press:
    """The places at which is printed, and how many may be on their way to one.

    A place is held for printing alone, never while something else is waited for: so nobody waits in a ring.
    """

    def __init__(self, service: str, places: int, inside_at_most: int) -> None:
        self.places = asyncio.Semaphore(places)
        self._service = service
        self._inside_at_most = inside_at_most
        self._inside = 0
        self._senders: Counter[str] = Counter()

    @contextmanager
    def admitted(self, sender: str = "", spare: int = 0) -> Iterator[None]:
        """On the way to a place; so many others are kept `spare` for what matters more.

        Raises Unavailable where too many are: whoever has something printed holds memory, or a connection, meanwhile;
        and where a `sender` has as many there as one may.
        """
        if self._inside >= self._inside_at_most - spare or (sender and self._senders[sender] >= MOST_OF_ONE):
            raise Unavailable(service=self._service)
        self._inside += 1
        self._senders[sender] += 1
        try:
            yield
        finally:
            self._inside -= 1
            self._senders[sender] -= 1
            self._senders += Counter()  # drops those who have none there

    async def run(self, module: str, job: bytes, name: str, limit_s: float = LIMIT_S) -> bytes:
        """What the module, run as a process, answers to a job on its standard input; `name` says in logs what it was.

        Raises Unprintable, and Unavailable where it takes longer than `limit_s`.
        """
        async with self.places:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                async with asyncio.timeout(limit_s):
                    out, err = await process.communicate(job)
            except TimeoutError:
                log.warning("printing.too_long", name=name, limit_s=limit_s)
                raise Unavailable(service=self._service) from None
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if process.returncode == NO_GLYPH:
            raise Unprintable(out.decode())
        if process.returncode != 0:
            raise RuntimeError(f"printing {name} failed: {err.decode(errors='replace')[-2000:]}")
        return out
