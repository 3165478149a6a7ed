"""Printing a document's content as DOCX and PDF, each time in a process of its own.

The typesetter keeps what it has set in memory for ever, and nothing in Python ends a thread that takes too long: a
process that ends with its document has neither problem, and the service itself carries none of the libraries.
"""

import asyncio
import json
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

import structlog

from services.agreements.domain.documents.content import Content
from shared.errors import Unavailable

log = structlog.get_logger(__name__)

LIMIT_S = 30.0
AT_ONCE = 2
NO_GLYPH = 3
"""How the process ends where a letter cannot be printed."""
ROOT = Path(__file__).parents[3]
_SLOTS = asyncio.Semaphore(AT_ONCE)


@dataclass(frozen=True, slots=True)
class Files:
    """A document as files."""

    docx: bytes
    pdf: bytes


class Unprintable(ValueError):
    """The text that has letters the document's font lacks."""


async def render(content: Content, limit_s: float = LIMIT_S) -> Files:
    """The files of a document: of the same content, the same bytes, as long as the libraries are the same.

    Raises Unprintable, and Unavailable where it takes longer than `limit_s`.
    """
    job = json.dumps({"content": content.model_dump(mode="json"), "sha256": content.sha256()}).encode()
    async with _SLOTS:
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
