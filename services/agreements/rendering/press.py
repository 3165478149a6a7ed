"""The press: where documents are printed, a few at a time, each in a process of its own."""

import asyncio
import json
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from services.agreements.domain.documents.content import Content
from services.agreements.rendering import NO_GLYPH
from shared.errors import Unavailable

log = structlog.get_logger(__name__)

LIMIT_S = 30.0
PLACES = 2
INSIDE_AT_MOST = 6
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Files:
    """A document as files."""

    docx: bytes
    pdf: bytes


class Unprintable(ValueError):
    """The text that has letters the document's font lacks."""


class Press:
    """The places at which documents are printed, and how many may be on their way to one.

    A place is held for printing alone, never while something else is waited for: so nobody waits in a ring.
    """

    def __init__(self, places: int, inside_at_most: int) -> None:
        self.places = asyncio.Semaphore(places)
        self._inside_at_most = inside_at_most
        self._inside = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """On the way to a place.

        Raises Unavailable where too many are: whoever issues a document holds a database connection meanwhile.
        """
        if self._inside >= self._inside_at_most:
            raise Unavailable(service="documents")
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1


PRESS = Press(PLACES, INSIDE_AT_MOST)


async def printed(content: Content) -> Files:
    """The files of a document, if not too many wait for theirs; raises Unavailable, Unprintable."""
    with PRESS.admitted():
        return await render(content)


async def render(content: Content, limit_s: float = LIMIT_S) -> Files:
    """The files of a document: of the same content, the same bytes, as long as the libraries are the same.

    Raises Unprintable, and Unavailable where it takes longer than `limit_s`.
    """
    job = json.dumps({"content": content.model_dump(mode="json"), "sha256": content.sha256()}).encode()
    async with PRESS.places:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.agreements.rendering",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(limit_s):
                out, err = await process.communicate(job)
        except TimeoutError:
            log.warning("rendering.too_long", number=content.number, limit_s=limit_s)
            raise Unavailable(service="documents") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode == NO_GLYPH:
        raise Unprintable(out.decode())
    if process.returncode != 0:
        raise RuntimeError(f"rendering {content.number} failed: {err.decode(errors='replace')[-2000:]}")
    (size,) = struct.unpack_from(">I", out)
    return Files(docx=out[4 : 4 + size], pdf=out[4 + size :])
