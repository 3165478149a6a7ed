"""Tables: columns from models, cells that calculate nothing, files that come back as they went."""

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from pydantic import BaseModel

from shared.files.cells import clean
from shared.files.problems import UnreadableFile
from shared.web import tabular
from shared.web.tabular import NotReadable, cell_of, columns_of, csv_rows, entry_of, xlsx_rows


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Period(BaseModel):
    start: date
    end: date | None = None


class Part(BaseModel):
    size: int


class Thing(BaseModel):
    code: str
    count: int | None = None
    colours: tuple[Colour, ...] = ()
    names: list[str] = []
    period: Period
    spare: Period | None = None
    parts: list[Part] = []


COLUMNS = {column.name: column for column in columns_of(Thing)}
THINGS = st.builds(
    Thing,
    code=st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1),
    names=st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)),
    count=st.none() | st.integers(-(10**9), 10**9),
    colours=st.lists(st.sampled_from(Colour)).map(tuple),
    period=st.builds(Period, start=st.dates(), end=st.none() | st.dates()),
    spare=st.none(),
    parts=st.lists(st.builds(Part, size=st.integers(-9, 9)), max_size=3),
)


async def pages_of(*pages: Sequence[Mapping[str, Any]]) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
    for page in pages:
        yield page


async def file_of(kind: str, *pages: Sequence[Mapping[str, Any]]) -> bytes:
    write = {"csv": tabular.csv_file, "xlsx": tabular.xlsx_file}[kind]
    return b"".join([chunk async for chunk in write(list(COLUMNS.values()), pages_of(*pages))])


def test_columns_are_the_paths_of_fields_in_their_order() -> None:
    names = ["code", "count", "colours", "names", "period.start", "period.end", "spare.start", "spare.end", "parts"]
    assert list(COLUMNS) == names
    assert [name for name, column in COLUMNS.items() if column.required] == ["code", "period.start"]


@pytest.mark.parametrize("text", ["=1+1", "+998", "-x", "@sum", "\tx", "\rx", '=HYPERLINK("http://x")'])
def test_text_that_would_be_calculated_is_kept_from_it(text: str) -> None:
    assert cell_of(text, COLUMNS["code"]) == "'" + text
    assert cell_of([text], COLUMNS["names"]) in ("'" + text, json.dumps([text], ensure_ascii=False))


@pytest.mark.parametrize(
    "text", ["Zavod;=cmd|' /c calc'!A0;x", "a; +998", "a\n=1+1", "a;\u00a0@sum", "a;''-1", 'Zavod;"=1+1']
)
async def test_what_excel_would_make_a_cell_of_its_own_is_kept_from_being_calculated(text: str) -> None:
    row = (await file_of("csv", [{"code": text}])).decode("utf-8-sig").partition("\r\n")[2]
    for place in [each for line in row.splitlines() for each in line.split(";")]:
        assert not place.strip(' "\u00a0').startswith(("=", "+", "-", "@")), place
    assert entry_of({"code": str(cell_of(text, COLUMNS["code"]))}, COLUMNS) == {"code": text}


@pytest.mark.parametrize("sign", ["\x00", "\x0b", "\ufffe", "\uffff", "\ud800"])
async def test_a_character_that_no_document_may_hold_ends_no_download(sign: str) -> None:
    content = await file_of("xlsx", [{"code": f"Kollej{sign} 7"}, {"code": "next"}])
    assert [cells[0] for _, cells in xlsx_rows(content)][1:] == ["Kollej 7", "next"]


def test_numbers_stay_numbers() -> None:
    assert cell_of(-5, COLUMNS["count"]) == -5
    assert cell_of(None, COLUMNS["count"]) is None


@example(things=[Thing(code="a;\u200b'=1", names=["a; -1", "b\n'+1"], period=Period(start=date(2026, 1, 1)))])
@example(things=[Thing(code="a; \"'=1", names=['a;"-1', "'"], period=Period(start=date(2026, 1, 1)))])
@example(things=[Thing(code="'@", names=["''=1"], period=Period(start=date(2026, 1, 1)))])
@given(things=st.lists(THINGS, max_size=4))
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_what_is_exported_can_be_imported_again(kind: str, things: list[Thing]) -> None:
    content = await file_of(kind, [thing.model_dump(mode="json") for thing in things])
    read = {"csv": csv_rows, "xlsx": xlsx_rows}[kind]
    header, *rows = [cells for _, cells in read(content)]
    assert header == list(COLUMNS)
    back = [Thing.model_validate(entry_of(dict(zip(header, row, strict=False)), COLUMNS)) for row in rows]
    plain = [thing.model_copy(update={"code": clean(thing.code)}) for thing in things]
    assert back == plain


async def test_csv_tells_excel_its_encoding_once() -> None:
    content = await file_of("csv", [{"code": "oʻ"}], [{"code": "b,c"}])
    assert content.count(b"\xef\xbb\xbf") == 1
    assert [row[0] for row in csv.reader(io.StringIO(content.decode("utf-8-sig")))] == ["code", "oʻ", "b,c"]


async def test_spreadsheet_holds_text_not_formulas_and_survives_what_it_cannot_hold() -> None:
    content = await file_of("xlsx", [{"code": "=1+1"}, {"code": "a\x01b"}, {"code": "x" * 40_000}])
    sheet = load_workbook(io.BytesIO(content)).active
    assert sheet is not None
    cells = [sheet.cell(row, 1) for row in (2, 3, 4)]
    assert [cell.data_type for cell in cells] == ["s", "s", "s"]
    assert [str(cell.value)[:3] for cell in cells] == ["'=1", "ab", "xxx"]
    assert len(str(cells[2].value)) == 32_767


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"code\n\xff\xff", "not_utf8"),
        (b"a\0b", "not_a_table"),
        (b'code\n"open', "not_a_table"),
    ],
)
def test_what_is_no_table_says_where(content: bytes, rule: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        list(csv_rows(content))
    assert refused.value.rule == rule


def test_delimiters_and_encodings_of_spreadsheet_programs_are_understood() -> None:
    wanted = [(1, ["code", "count"]), (3, ["oʻ,x", "5"])]
    assert list(csv_rows("\ufeffcode;count\r\n\r\noʻ,x;5\r\n".encode())) == wanted
    assert next(csv_rows("code\tcount\r\n;\r\noʻ,x\t5\r\n".encode("utf-16"))) == wanted[0]


def test_numbers_and_days_of_a_spreadsheet_are_read_as_they_look() -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["code", "period.start", "count"])
    sheet.append([7212, date(2026, 2, 3), 5.0])
    file = io.BytesIO()
    book.save(file)
    assert list(xlsx_rows(file.getvalue()))[1] == (2, ["7212", "2026-02-03", "5"])


@pytest.mark.parametrize("text", ["{", "[" * 5000, "[1, 2"])
def test_a_cell_that_is_no_json_names_its_column(text: str) -> None:
    with pytest.raises(NotReadable) as refused:
        entry_of({"parts": text}, COLUMNS)
    assert refused.value.args == ("cell_json", "parts")
