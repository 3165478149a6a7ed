"""Entries as tables: a model's fields as columns, cells that no spreadsheet takes for a formula, CSV and XLSX.

    columns_of(VisitState)          # id, version, period.start, forms …
    cell_of(["F1", "F3"], column)   # "F1; F3"
    entry_of({"forms": "F1; F3"}, columns)

A column's name is the path of its field; a list stands in one cell, its items divided by "; ", anything deeper as JSON.
"""

import csv
import io
import json
import re
import types
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, Union, get_args, get_origin

import anyio
from openpyxl import Workbook as NewWorkbook
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from shared.files import delimited
from shared.files.cells import Row, clean
from shared.files.workbooks import Limits, Workbook

BOM = "\ufeff"
MOST_SHEET_ROWS = 1_048_576
MOST_CELL_CHARACTERS = 32_767
SPOOLED_BYTES = 1_000_000
CHUNK_BYTES = 65_536
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_INSIDE = re.compile(r"(?<![\s\u200b;])([\s\u200b;]++)((?:['\"]['\"\u200b]*+)?)(?=[=+\-@])")
"""Where a spreadsheet that divides a file's columns by something else than commas may begin a cell that it calculates.

Each stretch of blanks is looked at once, however long it is.
"""
_DIVIDES = re.compile(r"[;\t\r\n]")
_SEPARATOR = re.compile(r"\s*;\s*")


class Kind(StrEnum):
    """How a field stands in its cell."""

    TEXT = "text"
    PLAIN = "plain"
    LIST = "list"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Column:
    """One field of an entry, by its path; `required` where an entry cannot do without."""

    path: tuple[str, ...]
    kind: Kind
    required: bool

    @property
    def name(self) -> str:
        """The header."""
        return ".".join(self.path)


def columns_of(model: type[BaseModel], *above: str, required: bool = True) -> list[Column]:
    """The columns of a model, in the order of its fields; models within it are flattened, lists are not."""
    found: list[Column] = []
    for name, field in model.model_fields.items():
        kind = _bare(field.annotation)
        needed = required and field.is_required()
        if isinstance(kind, type) and issubclass(kind, BaseModel) and name not in above:
            found += columns_of(kind, *above, name, required=needed)
        else:
            found.append(Column((*above, name), _kind_of(kind), needed))
    return found


def _bare(annotation: Any) -> Any:
    """The type without Annotated and without `| None`; a union of several stays what it is."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType):
            left = [each for each in get_args(annotation) if each is not type(None)]
            if len(left) != 1:
                return annotation
            annotation = left[0]
        else:
            return annotation


def _kind_of(bare: Any) -> Kind:
    origin = get_origin(bare) or bare
    if origin in (list, tuple, set, frozenset):
        items = [_bare(each) for each in get_args(bare) if each is not Ellipsis]
        return Kind.LIST if items and all(_is_scalar(each) for each in items) else Kind.JSON
    if not _is_scalar(bare):
        return Kind.JSON
    return Kind.TEXT if isinstance(bare, type) and issubclass(bare, str) else Kind.PLAIN


def _is_scalar(bare: Any) -> bool:
    return isinstance(bare, type) and get_origin(bare) is None and not issubclass(bare, (BaseModel, dict, list, tuple))


# -- out

Cell = str | int | float | bool | None


def cell_of(value: Any, column: Column) -> Cell:
    """What stands in the cell of a value of JSON; text that a spreadsheet would calculate gets an apostrophe before.

    Excel divides a file's columns by semicolons in half of the world, whatever stands in quotation marks.
    """
    if column.kind is Kind.LIST and isinstance(value, list) and not any(_divides(item) for item in value):
        value = "; ".join(_text(item) for item in value)
    elif isinstance(value, (list, dict)):
        value = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        plain: Cell = value
        return plain
    text = _inside(value, lambda kept: f"'{kept}")
    return f"'{text}" if _calculates(text) else text


def _inside(text: str, change: Callable[[str], str]) -> str:
    """The text with the apostrophes changed that stand before what would be calculated within it."""

    def changed(found: re.Match[str]) -> str:
        return found[1] + (change(found[2]) if _DIVIDES.search(found[1]) else found[2])

    return _INSIDE.sub(changed, text) if _DIVIDES.search(text) else text


def _calculates(text: str) -> bool:
    """Whether a spreadsheet would calculate it, or it looks as if it was kept from that."""
    return text.lstrip("'").startswith(_FORMULA)


def _divides(item: Any) -> bool:
    return isinstance(item, str) and (";" in item or item != item.strip() or item.startswith("["))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def row_of(entry: Mapping[str, Any], columns: Sequence[Column]) -> list[Cell]:
    """An entry's cells."""
    return [cell_of(_at(entry, column.path), column) for column in columns]


def _at(entry: Mapping[str, Any], path: Sequence[str]) -> Any:
    value: Any = entry
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def csv_text(rows: Iterable[Sequence[Cell]]) -> str:
    """Rows as CSV (RFC 4180); true and false as JSON writes them."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows([_csv_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def _csv_cell(cell: Cell) -> str | int | float:
    if cell is None:
        return ""
    return json.dumps(cell) if isinstance(cell, bool) else cell


async def csv_file(
    columns: Sequence[Column], pages: AsyncIterator[Sequence[Mapping[str, Any]]]
) -> AsyncIterator[bytes]:
    """A CSV file in UTF-8, a page at a time; the mark at its beginning tells Excel so."""
    yield (BOM + csv_text([[column.name for column in columns]])).encode()
    async for page in pages:
        yield csv_text(row_of(entry, columns) for entry in page).encode()


async def xlsx_file(
    columns: Sequence[Column], pages: AsyncIterator[Sequence[Mapping[str, Any]]]
) -> AsyncIterator[bytes]:
    """A spreadsheet of one sheet, written row by row to a temporary file, then read from it."""
    book = NewWorkbook(write_only=True)
    sheet = book.create_sheet("data")
    sheet.append([column.name for column in columns])

    def write(page: Sequence[Mapping[str, Any]]) -> None:
        for entry in page:
            sheet.append([_sheet_cell(cell) for cell in row_of(entry, columns)])

    with SpooledTemporaryFile(max_size=SPOOLED_BYTES) as file:
        try:
            async for page in pages:
                await run_in_threadpool(write, page)
        finally:
            # Saving also removes the sheet's own temporary file: after a download that was broken off too.
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(book.save, file)
        file.seek(0)
        while chunk := await run_in_threadpool(file.read, CHUNK_BYTES):
            yield chunk


_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no document may hold (XML 1.0, 2.2): one such character in one name would end the download of all."""


def _sheet_cell(cell: Cell) -> Cell:
    if not isinstance(cell, str):
        return cell
    cell = _NO_XML.sub("", cell)
    return cell if len(cell) <= MOST_CELL_CHARACTERS else cell[: MOST_CELL_CHARACTERS - 1] + "…"


# -- in


class NotReadable(ValueError):
    """A cell does not hold what its column needs; the text is the rule's code."""


def entry_of(cells: Mapping[str, str], columns: Mapping[str, Column]) -> dict[str, Any]:
    """An entry as JSON from the text of its cells; empty cells are left out. Raises NotReadable with (rule, column)."""
    entry: dict[str, Any] = {}
    for name, text in cells.items():
        if not text:
            continue
        *above, last = columns[name].path
        place = entry
        for part in above:
            place = place.setdefault(part, {})
        place[last] = _value_of(text, columns[name])
    return entry


def _value_of(text: str, column: Column) -> Any:
    if text[:1] == "'" and _calculates(text):
        text = text[1:]  # as an export wrote it
    text = _inside(text, lambda kept: kept.removeprefix("'"))
    if column.kind is Kind.JSON or (column.kind is Kind.LIST and text.startswith("[")):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise NotReadable("cell_json", column.name) from None
    if column.kind is Kind.LIST:
        return [part for part in _SEPARATOR.split(text) if part]
    return text


def csv_rows(content: bytes) -> Iterator[Row]:
    """Numbered rows (from 1) of CSV text that are not empty. Raises UnreadableFile, also while iterating."""
    return delimited.csv_rows(io.BytesIO(content))


SHEET_LIMITS = Limits(sheet_bytes=60_000_000, text_bytes=20_000_000, texts=200_000)


def xlsx_rows(content: bytes) -> Iterator[Row]:
    """Numbered rows of a spreadsheet's first sheet that are not empty. Raises UnreadableFile, also while iterating."""
    with Workbook(content, SHEET_LIMITS) as book:
        for number, cells in book.rows():
            row = [clean(cell) for cell in cells]
            if any(row):
                yield number, row
