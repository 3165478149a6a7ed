"""XML of parts of a file, parsed as it is unpacked: nothing declared, nothing resolved, nothing piled up."""

from collections.abc import Iterator
from typing import IO, Final
from xml.parsers import expat

from shared.files.problems import no_table

MOST_TAG_BYTES: Final = 1_000_000
MOST_DEPTH: Final = 100
CHUNK: Final = 65_536


def a_parser() -> expat.XMLParserType:
    """A parser of UTF-8 alone that takes no declarations: there are no entities that could be resolved."""
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.buffer_size = CHUNK
    parser.StartDoctypeDeclHandler = lambda *_: no_table()
    return parser


def fed(parser: expat.XMLParserType, stream: IO[bytes]) -> Iterator[None]:
    """Parse piece by piece; between the pieces the caller takes what its handlers have found."""
    given = 0
    while chunk := stream.read(CHUNK):
        parser.Parse(chunk, False)
        given += len(chunk)
        if given - parser.CurrentByteIndex > MOST_TAG_BYTES:
            no_table()  # a tag that does not end would be kept until it does
        yield
    parser.Parse(b"", True)
    yield


def elements(stream: IO[bytes]) -> Iterator[tuple[str, dict[str, str]]]:
    """The elements of a small part as they begin: names without prefixes, and attributes."""
    parser = a_parser()
    met: list[tuple[str, dict[str, str]]] = []
    depth = 0

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        met.append((name.rpartition(":")[2], attributes))

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    for _ in fed(parser, stream):
        if depth > MOST_DEPTH:
            no_table()
        yield from met
        met.clear()
