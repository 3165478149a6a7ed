"""The press of documents: a few at a time, each in a process of its own."""

import json
import struct
from dataclasses import dataclass

from services.agreements.domain.documents.content import Content
from shared.printing.press import LIMIT_S, Press

INSIDE_AT_MOST = 6
PRESS = Press("documents", places=2, inside_at_most=INSIDE_AT_MOST)


@dataclass(frozen=True, slots=True)
class Files:
    """A document as files."""

    docx: bytes
    pdf: bytes


async def printed(content: Content) -> Files:
    """The files of a document, if not too many wait for theirs; raises Unavailable, Unprintable."""
    with PRESS.admitted():
        return await render(content)


async def render(content: Content, limit_s: float = LIMIT_S) -> Files:
    """The files of a document: of the same content, the same bytes, as long as the libraries are the same.

    Raises Unprintable, and Unavailable where it takes longer than `limit_s`.
    """
    job = json.dumps({"content": content.model_dump(mode="json"), "sha256": content.sha256()}).encode()
    out = await PRESS.run("services.agreements.rendering", job, content.number, limit_s)
    (size,) = struct.unpack_from(">I", out)
    return Files(docx=out[4 : 4 + size], pdf=out[4 + size :])
