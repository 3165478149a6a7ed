"""The press: where files are printed, a few at a time, each in a process of its own."""

import asyncio
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import structlog

from shared.admission import Admission
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
        self._admission = Admission(inside_at_most, MOST_OF_ONE, lambda: Unavailable(service=service))

    def admitted(self, sender: str = "", spare: int = 0) -> AbstractContextManager[None]:
        """On the way to a place, as Admission has it: whoever has something printed holds memory, or a connection,
        meanwhile. Raises Unavailable."""
        return self._admission.admitted(sender, spare)

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
