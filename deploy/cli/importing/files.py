"""CSV and XLSX files as rows of text: what a person sees in a cell is what is checked."""

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

DELIMITERS = ";,\t"
SPREADSHEETS = (".xlsx", ".xlsm")
MOST_CELL_CHARACTERS = 10_000


class FileProblem(Exception):
    """The file as a whole can't be read; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as a spreadsheet numbers it (the header is row 1); `cells` in the header's order."""

    number: int
    cells: tuple[str, ...]


@contextmanager
def open_rows(path: Path) -> Iterator[Iterator[Row]]:
    """The rows of a CSV or XLSX file that are not empty, the header first. Raises FileProblem, also while iterating."""
    if not path.is_file():
        raise FileProblem(f"{path} is not a file. Check the name.")
    if path.suffix.lower() == ".xls":
        raise FileProblem(f"{path.name} is in Excel's old format. Save it as .xlsx or as CSV UTF-8.")
    if path.suffix.lower() in SPREADSHEETS:
        with _sheet(path) as rows:
            yield _without_empty(rows)
    else:
        yield _without_empty(_csv_rows(_text_of(path), path.name))


def _without_empty(rows: Iterable[Row]) -> Iterator[Row]:
    return (row for row in rows if any(row.cells))


def _text_of(path: Path) -> str:
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):  # Excel's "Unicode text"
        encoding = "utf-16"
    elif content.startswith(b"PK\x03\x04"):
        raise FileProblem(f"{path.name} is a spreadsheet with another ending. Name it {path.stem}.xlsx.")
    else:
        encoding = "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileProblem(
            f"{path.name} is not UTF-8 (line {line}). In Excel choose “Save as … CSV UTF-8”, or save it as .xlsx."
        ) from None


def _csv_rows(text: str, name: str) -> Iterator[Row]:
    if "\0" in text:
        raise FileProblem(f"{name} is not a text file. Save it as CSV UTF-8 or as .xlsx.")
    skipped = 0
    if text[:4].lower() == "sep=":  # Excel's own hint
        delimiter, skipped = text[4:5], 1
        text = text.partition("\n")[2]
    else:
        delimiter = delimiter_of(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or ",", strict=True)
    number = skipped
    try:
        for cells in reader:
            number += 1
            yield Row(number, tuple(_clean(cell) for cell in cells))
    except csv.Error as error:
        raise FileProblem(
            f"{name} can't be read at row {number + 1}: {error}. Look for a quotation mark that isn't closed."
        ) from None


def delimiter_of(text: str) -> str:
    """The delimiter of the header line: the one of ; , and tab that stands there most often outside quotation marks."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    outside = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=outside.count)


@contextmanager
def _sheet(path: Path) -> Iterator[Iterator[Row]]:
    import openpyxl  # takes a while; only spreadsheets need it

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises whatever zipfile, XML and its own checks raise
        raise FileProblem(f"{path.name} can't be read as a spreadsheet ({error}). Save it again as .xlsx.") from error
    try:
        sheet = book.worksheets[0] if book.worksheets else None
        if sheet is None:
            raise FileProblem(f"{path.name} has no sheet. Put the rows on its first sheet.")
        # A sheet may claim a million empty rows and columns.
        sheet.reset_dimensions()
        yield (
            Row(number, _without_tail(cell_text(value) for value in values))
            for number, values in enumerate(sheet.iter_rows(values_only=True), start=1)
        )
    finally:
        book.close()


def _without_tail(cells: Iterable[str]) -> tuple[str, ...]:
    found = list(cells)
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def cell_text(value: Any) -> str:
    """A spreadsheet's value as a person reads it: whole numbers without a point, days as YYYY-MM-DD."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case datetime():
            return value.date().isoformat() if value.time() == datetime.min.time() else value.isoformat()
        case date():
            return value.isoformat()
    return _clean(str(value))


def _clean(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u200b", "").strip()[:MOST_CELL_CHARACTERS]
