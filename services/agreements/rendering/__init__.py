"""Printing a document's content as DOCX and PDF, each time in a process of its own.

The typesetter keeps what it has set in memory for ever, and nothing in Python ends a thread that takes too long: a
process that ends with its document has neither problem, and the service itself carries none of the libraries.
"""

import asyncio
import json
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from services.agreements.domain.documents.content import Content
from shared.errors import Unavailable

log = structlog.get_logger(__name__)

LIMIT_S = 30.0
AT_ONCE = 2
WAITING_AT_MOST = 4
NO_GLYPH = 3
"""How the process ends where a letter cannot be printed."""
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Files:
    """A document as files."""

    docx: bytes
    pdf: bytes


class Unprintable(ValueError):
    """The text that has letters the document's font lacks."""


class Press:
    """The places at which documents are printed, and how many may wait for one."""

    def __init__(self, at_once: int, waiting_at_most: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._waiting_at_most = waiting_at_most
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """One of the places, waited for.

        Raises Unavailable where too many wait: whoever issues a document holds a database connection meanwhile.
        """
        if self._waiting >= self._waiting_at_most:
            raise Unavailable(service="documents")
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()


PRESS = Press(AT_ONCE, WAITING_AT_MOST)


async def printed(content: Content) -> Files:
    """The files of a document, once there is a place to print it; raises as both do."""
    async with PRESS.place():
        return await render(content)


async def render(content: Content, limit_s: float = LIMIT_S) -> Files:
    """The files of a document: of the same content, the same bytes, as long as the libraries are the same.

    Raises Unprintable, and Unavailable where it takes longer than `limit_s`.
    """
    job = json.dumps({"content": content.model_dump(mode="json"), "sha256": content.sha256()}).encode()
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
