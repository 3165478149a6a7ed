"""A workbook as lines of text by sheet, within limits that no file gets around."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from openpyxl.utils import get_column_letter

from services.surveys.xlsform.convention import CHOICES, SETTINGS, SURVEY
from shared.files.cells import Row
from shared.files.problems import UnreadableFile
from shared.files.workbooks import MEGABYTE, Limits, Workbook

MOST_BYTES: Final = 1_000_000
MOST_UNPACKED: Final = 20_000_000
MOST_ROWS: Final = 3_000
MOST_COLUMNS: Final = 200
MOST_CHARACTERS: Final = 4_000
HEADER_WITHIN: Final = 100
LIMITS: Final = Limits(MOST_UNPACKED, MOST_UNPACKED, texts=100_000, columns=MOST_COLUMNS + 1)
LARGE: Final = ("file_unpacks", "too_many_texts", "cell_too_long")
"""What a workbook is refused for that has too much of something."""


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
    if len(content) > MOST_BYTES:
        raise _too_large(MOST_BYTES)
    try:
        with Workbook(content, LIMITS) as book:
            names = {name.strip().lower(): name for name in book.names}
            if SURVEY not in names:
                raise WorkbookError(SheetFault(SURVEY, None, None, "xlsform-no-sheet", {"sheet": SURVEY}))
            sheets = {
                name: _sheet(name, book.rows(names[name], booleans=("no", "yes"), cut=True))
                if name in names
                else Sheet(name)
                for name in (SURVEY, CHOICES, SETTINGS)
            }
    except UnreadableFile as refused:
        most = int(refused.limits.get("most", 0)) * MEGABYTE if refused.rule == "file_unpacks" else MOST_UNPACKED
        raise _too_large(most) if refused.rule in LARGE else _unreadable() from None
    others = tuple(names[name][:60] for name in names if name not in sheets)
    return Book(sheets[SURVEY], sheets[CHOICES], sheets[SETTINGS], others)


def _unreadable() -> WorkbookError:
    return WorkbookError(SheetFault("", None, None, "xlsform-unreadable"))


def _too_large(most: int) -> WorkbookError:
    return WorkbookError(SheetFault("", None, None, "xlsform-too-large", {"max": most}))


def _sheet(name: str, rows: Iterator[Row]) -> Sheet:
    sheet = Sheet(name)
    headers: list[str] = []
    for number, values in rows:
        cells = [_text(value) for value in values]
        if not headers:
            if number > HEADER_WITHIN:
                break
            if any(cells):
                headers = _headers(sheet, number, cells)
            continue
        filled = {header: cell for header, cell in zip(headers, cells, strict=False) if header and cell}
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


def _text(value: str) -> str:
    # Line breaks are kept, other control characters have no place in a text.
    text = value.replace("\r\n", "\n").replace("\u00a0", " ").replace("\t", " ")
    if text.isprintable():
        return text.strip()
    return "".join(sign for sign in text if sign == "\n" or sign.isprintable()).strip()
