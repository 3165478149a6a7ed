"""The filled content of a document: what is printed, and what its hash is taken of."""

import hashlib
import json
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.final_stage import DocumentKind
from shared.i18n import Lang


class Block(BaseModel):
    """Base of what stands on the page, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Paragraph(Block):
    """Running text."""

    type: Literal["paragraph"] = "paragraph"
    text: str


class Heading(Block):
    """A numbered heading."""

    type: Literal["heading"] = "heading"
    number: str
    text: str


class NumberedClause(Block):
    """A numbered clause."""

    type: Literal["clause"] = "clause"
    number: str
    text: str


class FilledTable(Block):
    """A table; `widths` are shares of the page's width."""

    type: Literal["table"] = "table"
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]


class SignedSide(Block):
    """Who signs, and whether an organisation's stamp belongs beside it."""

    title: str
    lines: tuple[str, ...]
    stamp: bool


class Signatures(Block):
    """The signature blocks, two beside each other."""

    type: Literal["signatures"] = "signatures"
    sides: tuple[SignedSide, ...]
    signature: str
    stamp: str


Blocks = Annotated[Paragraph | Heading | NumberedClause | FilledTable | Signatures, Field(discriminator="type")]


class Content(Block):
    """Everything that is printed, but the hash of it."""

    kind: DocumentKind
    template_version: int
    language: Lang
    number: str
    number_line: str
    issued_on: date
    place: str
    day: str
    title: str
    blocks: tuple[Blocks, ...]
    footer: str
    page: str

    def canonical(self) -> bytes:
        """The one way to write it: JSON in UTF-8, keys in order, no spaces."""
        return json.dumps(
            self.model_dump(mode="json"), ensure_ascii=False, sort_keys=True, separators=(",", ":")
        ).encode()

    def sha256(self) -> str:
        """The hash of the canonical content: the same document has it, however often and by whatever it is printed."""
        return sha256(self.canonical())


def sha256(content: bytes) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
