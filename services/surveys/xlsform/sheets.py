"""A workbook as lines of text by sheet, within limits that no file gets around."""

import copy
import io
import lzma
import sys
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from services.surveys.xlsform.convention import CHOICES, SETTINGS, SURVEY

MOST_BYTES: Final = 1_000_000
MOST_UNPACKED: Final = 20_000_000
MOST_MEMBERS: Final = 500
MOST_ROWS: Final = 3_000
MOST_COLUMNS: Final = 200
MOST_CHARACTERS: Final = 4_000
CHUNK: Final = 65_536
HEADER_WITHIN: Final = 100

BROKEN: Final = (
    InvalidFileException,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    SyntaxError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    EOFError,
    OSError,
    RuntimeError,
)
"""What openpyxl and zipfile raise on files that only look like workbooks: parts that are missing or are no XML (both
parsers' errors are SyntaxErrors), damaged or encrypted members, references that lead nowhere or too deep."""


@dataclass(frozen=True, slots=True)
class SheetFault:
    """What is wrong, or was left out: `row` and `column` as the spreadsheet shows them, where there are such."""

    sheet: str
    row: int | None
    column: str | None
    rule: str
    params: dict[str, str | int | float] = field(default_factory=dict)


class WorkbookError(ValueError):
    """A file that can't be read at all."""

    def __init__(self, fault: SheetFault) -> None:
        super().__init__(fault.rule)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a sheet: its number and its filled cells by header."""

    number: int
    cells: Mapping[str, str]


@dataclass(slots=True)
class Sheet:
    """One sheet: its headers with their letters, and its lines that are not empty."""

    name: str
    headers: dict[str, str] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    faults: list[SheetFault] = field(default_factory=list)

    def fault(self, line: Line | None, header: str | None, rule: str, **params: str | float) -> SheetFault:
        """A fault in a cell of this sheet."""
        return SheetFault(self.name, line.number if line else None, header, rule, dict(params))


@dataclass(frozen=True, slots=True)
class Book:
    """The sheets that matter, and the names of the others."""

    survey: Sheet
    choices: Sheet
    settings: Sheet
    others: tuple[str, ...]


def read_book(content: bytes) -> Book:
    """The workbook in a file; raises WorkbookError."""
    _measure(content)
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        try:
            names = {name.strip().lower(): name for name in book.sheetnames}
            if SURVEY not in names:
                raise WorkbookError(SheetFault(SURVEY, None, None, "xlsform-no-sheet", {"sheet": SURVEY}))
            sheets = {
                name: _sheet(name, book[names[name]]) if name in names else Sheet(name)
                for name in (SURVEY, CHOICES, SETTINGS)
            }
            others = tuple(names[name][:60] for name in names if name not in sheets)
        finally:
            book.close()
    except WorkbookError:
        raise
    except BROKEN:
        raise _unreadable() from None
    return Book(sheets[SURVEY], sheets[CHOICES], sheets[SETTINGS], others)


def _unreadable() -> WorkbookError:
    return WorkbookError(SheetFault("", None, None, "xlsform-unreadable"))


def _measure(content: bytes) -> None:
    most = MOST_BYTES
    if len(content) <= MOST_BYTES:
        most = MOST_UNPACKED
        try:
            if _unpacks_within(content, MOST_UNPACKED):
                return
        except BROKEN:
            raise _unreadable() from None
    raise WorkbookError(SheetFault("", None, None, "xlsform-too-large", {"max": most}))


def _unpacks_within(content: bytes, most: int) -> bool:
    """Unpack once, throwing away, and stop where it grows too large: what the file says of its size proves nothing."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        members = packed.infolist()
        if len(members) > MOST_MEMBERS:
            return False
        for member in members:
            unbounded = copy.copy(member)
            unbounded.file_size = sys.maxsize
            with packed.open(unbounded) as stream:
                while chunk := stream.read(CHUNK):
                    most -= len(chunk)
                    if most < 0:
                        return False
    return True


def _sheet(name: str, source: Any) -> Sheet:
    source.reset_dimensions()
    sheet = Sheet(name)
    top = 0
    headers: list[str] = []
    for top, values in enumerate(
        source.iter_rows(max_row=HEADER_WITHIN, max_col=MOST_COLUMNS + 1, values_only=True), 1
    ):
        cells = [_text(value) for value in values]
        if any(cells):
            headers = _headers(sheet, top, cells)
            break
    if not headers:
        return sheet
    # Rows that only a far cell makes are gone through, so only as far and as wide as need be.
    below = source.iter_rows(min_row=top + 1, max_row=2 * MOST_ROWS, max_col=len(headers), values_only=True)
    for number, values in enumerate(below, top + 1):
        filled = {
            header: cell for header, value in zip(headers, values, strict=False) if header and (cell := _text(value))
        }
        if not filled:
            continue
        if number > MOST_ROWS:
            sheet.faults.append(SheetFault(name, number, None, "xlsform-too-many-rows", {"max": MOST_ROWS}))
            break
        for header, cell in filled.items():
            if len(cell) > MOST_CHARACTERS:
                limits: dict[str, str | int | float] = {"max": MOST_CHARACTERS, "given": len(cell)}
                sheet.faults.append(SheetFault(name, number, header, "xlsform-cell-too-long", limits))
                filled[header] = cell[:MOST_CHARACTERS]
        sheet.lines.append(Line(number, filled))
    return sheet


def _headers(sheet: Sheet, number: int, cells: list[str]) -> list[str]:
    if len(cells) > MOST_COLUMNS and cells[MOST_COLUMNS]:
        sheet.faults.append(SheetFault(sheet.name, number, None, "xlsform-too-many-columns", {"max": MOST_COLUMNS}))
    headers = cells[:MOST_COLUMNS]
    while headers and not headers[-1]:
        headers.pop()
    for place, header in enumerate(headers, 1):
        if header and header in sheet.headers:
            letter = get_column_letter(place)
            sheet.faults.append(SheetFault(sheet.name, number, letter, "xlsform-column-twice", {"value": header[:80]}))
        elif header:
            sheet.headers[header] = get_column_letter(place)
    return headers


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer():
            return str(int(value))
    # Line breaks are kept, other control characters have no place in a text.
    text = str(value).replace("\r\n", "\n").replace("\u00a0", " ").replace("\t", " ")
    return "".join(sign for sign in text if sign == "\n" or sign.isprintable()).strip()
