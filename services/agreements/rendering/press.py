"""The press of documents: a few at a time, each in a process of its own."""

import json
import struct
from collections import OrderedDict
from dataclasses import dataclass

from services.agreements.domain.documents.content import Content
from shared.printing.press import LIMIT_S, Press
from shared.scope import Principal

INSIDE_AT_MOST = 6
FOR_ISSUING = 2
"""Places on the way that readers leave to those who issue documents."""
PRESS = Press("documents", places=2, inside_at_most=INSIDE_AT_MOST)
KEPT_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Files:
    """A document as files."""

    docx: bytes
    pdf: bytes


class Kept:
    """What was printed last, by its content's hash: of the same content it would be the same bytes."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._most = most_bytes
        self._files: OrderedDict[str, Files] = OrderedDict()
        self.bytes = 0

    def get(self, digest: str) -> Files | None:
        """The files, if they are kept still."""
        if digest in self._files:
            self._files.move_to_end(digest)
        return self._files.get(digest)

    def put(self, digest: str, files: Files) -> None:
        """Keep them; what was asked for longest ago makes room."""
        if digest not in self._files:
            self._files[digest] = files
            self.bytes += _size(files)
        while self.bytes > self._most:
            self.bytes -= _size(self._files.popitem(last=False)[1])


def _size(files: Files) -> int:
    return len(files.docx) + len(files.pdf)


KEPT = Kept()


async def printed(content: Content, reader: Principal) -> Files:
    """The files of a document for a reader, if not too many wait for theirs; raises Unavailable, Unprintable."""
    digest = content.sha256()
    files = KEPT.get(digest)
    if files is None:
        with PRESS.admitted(reader.identity, FOR_ISSUING):
            files = await render(content)
        KEPT.put(digest, files)
    return files


async def render(content: Content, limit_s: float = LIMIT_S) -> Files:
    """The files of a document: of the same content, the same bytes, as long as the libraries are the same.

    Raises Unprintable, and Unavailable where it takes longer than `limit_s`.
    """
    job = json.dumps({"content": content.model_dump(mode="json"), "sha256": content.sha256()}).encode()
    out = await PRESS.run("services.agreements.rendering", job, content.number, limit_s)
    (size,) = struct.unpack_from(">I", out)
    return Files(docx=out[4 : 4 + size], pdf=out[4 + size :])
