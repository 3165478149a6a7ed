"""CSV text as rows: UTF-8 or Excel's UTF-16, divided by comma, semicolon or tab."""

import codecs
import csv
import io
from collections.abc import Iterator
from typing import IO, Final

from shared.files.problems import UnreadableFile, no_table

MOST_COLUMNS: Final = 200
MOST_ROW_CHARACTERS: Final = 1_000_000
HEAD_CHARACTERS: Final = 20_000
CHUNK: Final = 65_536
csv.field_size_limit(MOST_ROW_CHARACTERS)


def csv_rows(file: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
    """Numbered rows (from 1) that are not empty, without what only looks empty in their cells.

    Raises UnreadableFile, also while iterating.
    """
    encoding = "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, newline="")
    try:
        yield from _rows(text)
    except UnicodeDecodeError:
        raise UnreadableFile("not_utf8", row=_undecodable(file, encoding)) from None
    finally:
        text.detach()


def _rows(text: io.TextIOWrapper) -> Iterator[tuple[int, list[str]]]:
    header = next((line for line in text.read(HEAD_CHARACTERS).splitlines() if line.strip()), "")
    outside = "".join(header.split('"')[::2])
    text.seek(0)
    number = taken = 0

    def lines() -> Iterator[str]:
        # A row in quotation marks may have any number of lines: the module would gather them all.
        nonlocal taken
        while line := text.readline(MOST_ROW_CHARACTERS + 1):
            taken += len(line)
            if taken > MOST_ROW_CHARACTERS:
                raise UnreadableFile("row_too_long", row=number + 1, most=MOST_ROW_CHARACTERS)
            if "\0" in line:
                no_table(number + 1)
            yield line.replace("\u00a0", " ").replace("\u200b", "")

    try:
        for number, cells in enumerate(
            csv.reader(lines(), delimiter=max(",;\t", key=outside.count), strict=True), start=1
        ):
            taken = 0
            row = [cell.strip() for cell in cells]
            if len(row) > MOST_COLUMNS and any(row[MOST_COLUMNS:]):
                raise UnreadableFile("too_many_columns", row=number, most=MOST_COLUMNS)
            if any(row):
                yield number, row[:MOST_COLUMNS]
    except csv.Error:
        no_table(number + 1)


def _undecodable(file: IO[bytes], encoding: str) -> int:
    """The line in which the first byte stands that is not of this encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, chunk = 1, b" "
    file.seek(0)
    try:
        while chunk:
            chunk = file.read(CHUNK)
            line += decoder.decode(chunk, final=not chunk).count("\n")
    except UnicodeDecodeError as error:
        line += error.object.count(b"\n", 0, error.start)
    return line
