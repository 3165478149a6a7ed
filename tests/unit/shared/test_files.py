"""Files from outside: what is hostile is refused within little memory, what programs really write is read."""

import io
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.files.delimited import csv_rows
from shared.files.problems import UnreadableFile
from shared.files.workbooks import Limits, Workbook
from shared.i18n import SHARED_MESSAGES, Catalogue, Lang
from shared.importing import reading
from shared.importing.reading import rows_of
from shared.web import tabular
from tests.support.hostile import MAIN, SHEETS, TEXTS, a_book, a_sheet

MEMORY_BYTES = 700_000_000
"""Of addresses, of which an interpreter with its libraries has several hundred million."""
LIMITS = Limits(sheet_bytes=60_000_000, text_bytes=20_000_000, texts=200_000)
CATALOGUE = Catalogue.load(SHARED_MESSAGES)


def judged(kind: str) -> dict[str, Any]:
    """What became of each hostile file, told by a process that has little memory; run as a program by the test."""
    cases, read = {"xlsx": (SHEETS, tabular.xlsx_rows), "csv": (TEXTS, tabular.csv_rows)}[kind]
    found: dict[str, Any] = {}
    for name, (content, _) in cases.items():
        made = content()
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, before[1]))
        try:
            found[name] = sum(1 for _ in read(made))
        except UnreadableFile as refused:
            found[name] = refused.rule
        except BaseException as broken:
            found[name] = repr(broken)
        resource.setrlimit(resource.RLIMIT_AS, before)
    return found


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_hostile_files_are_refused_by_rule_within_little_memory(kind: str) -> None:
    program = f"import json; from tests.unit.shared.test_files import judged; print(json.dumps(judged({kind!r})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    cases = SHEETS if kind == "xlsx" else TEXTS
    assert json.loads(done.stdout) == {name: rule for name, (_, rule) in cases.items()}


@pytest.mark.parametrize("name", ["far column", "farthest cell", "sheet that says it is small", "entities", "nothing"])
def test_a_large_import_names_what_its_process_refused(name: str, tmp_path: Path) -> None:
    content, rule = SHEETS[name]
    path = tmp_path / "file.xlsx"
    path.write_bytes(content())
    with pytest.raises(UnreadableFile) as refused:
        list(rows_of(path, spreadsheet=True))
    assert refused.value.rule == rule
    assert [each.name for each in tmp_path.iterdir()] == ["file.xlsx"]


@pytest.mark.parametrize("letter", ["a", '"', "😀"])
def test_no_more_of_a_cell_is_written_than_is_read_and_no_more_of_a_file_than_it_may_hold(
    letter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, plain = tmp_path / "file.xlsx", tmp_path / "file.csv"
    row = "<row>" + '<c t="s"><v>0</v></c>' * 100 + "</row>"
    path.write_bytes(a_book(row * 4, texts=f"<si><t>{letter * 20_000}</t></si>"))
    reading._unpack(path, plain)
    assert plain.stat().st_size < 4 * 100 * (4 * reading.MOST_CELL_CHARACTERS + 3) + 10
    monkeypatch.setattr(reading, "MOST_PLAIN_BYTES", 250_000)
    with pytest.raises(UnreadableFile) as refused:
        reading._unpack(path, plain)
    assert refused.value.rule == "file_unpacks"
    assert plain.stat().st_size <= 250_000


def test_a_large_import_whose_process_dies_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.xlsx"
    path.write_bytes(a_book("<row><c><v>1</v></c></row>"))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UnreadableFile) as refused:
        list(rows_of(path, spreadsheet=True))
    assert refused.value.rule == "not_a_table"


@pytest.mark.parametrize("lang", Lang)
@pytest.mark.parametrize(
    "rule", sorted({rule for cases in (SHEETS, TEXTS) for _, rule in cases.values()} | {"too_many_texts"})
)
def test_every_refusal_says_the_limit_and_what_to_do(rule: str, lang: Lang) -> None:
    for part in ("message", "remedy"):
        said = CATALOGUE.text(f"rule.{rule}.{part}", lang, row=7, most=4321)
        assert said
        assert "{" not in said
    if rule not in ("not_a_table", "not_utf8"):
        assert "4321" in CATALOGUE.text(f"rule.{rule}.message", lang, row=7, most=4321)


# -- what programs really write


def rows(content: bytes, **options: Any) -> list[tuple[int, list[str]]]:
    with Workbook(content, LIMITS) as book:
        return list(book.rows(**options))


def test_formatted_columns_and_rows_without_values_cost_nothing_and_are_read() -> None:
    formatted = "".join(f'<row r="{row}"><c r="XFD{row}" s="1"/></row>' for row in range(2, 1000))
    content = a_book(
        sheet=a_sheet(
            '<row r="1" spans="1:16384"><c r="A1"><v>1</v></c><c r="XFD1" s="1"/><c r="XFC1" s="1"></c></row>'
            + formatted
            + '<row r="1048576"><c r="B1048576"><v>2</v></c></row>',
            before='<dimension ref="A1:XFD1048576"/><cols><col min="1" max="16384" width="9"/></cols>',
            after='<mergeCells count="1"><mergeCell ref="A1:XFD1048576"/></mergeCells>',
        )
    )
    assert rows(content) == [(1, ["1"]), (1_048_576, ["", "2"])]


def test_rows_and_cells_without_places_stand_behind_the_one_before() -> None:
    content = a_book(
        "<row><c><v>1</v></c><c/><c><v>3</v></c></row>"
        '<row r="4"><c r="C4"><v>1</v></c><c><v>2</v></c><c r="A4"><v>0</v></c></row>'
        '<row><c r="A9"><v>9</v></c></row><row><c><v>10</v></c></row>'
    )
    assert rows(content) == [(1, ["1", "", "3"]), (4, ["0", "", "1", "2"]), (9, ["9"]), (10, ["10"])]


def test_texts_of_every_kind_are_read_as_they_look() -> None:
    texts = (
        "<si><t>plain</t></si><si/>"
        '<si><r><t>ri</t></r>\n  <r><rPr/><t xml:space="preserve">ch </t></r><rPh sb="0" eb="1"><t>no</t></rPh></si>'
    )
    cells = (
        '<c t="s"><v>0</v></c><c t="s"><v>2</v></c><c t="s"><v>1</v></c>'
        '<c t="inlineStr"><is>\n <r><t>in</t></r>\n <r><t>line</t></r><rPh><t>no</t></rPh></is></c>'
        '<c t="str"><f>CONCAT("a", "b")</f><v>x &amp; y_x000A_z_xD800_</v></c>'
        '<c t="b"><v>1</v></c><c t="b"><v>0</v></c><c t="e"><v>#N/A</v></c><c t="str"><v><![CDATA[<c>]]></v></c>'
    )
    wanted = ["plain", "rich ", "", "inline", "x & y\nz_xD800_", "yes", "no", "", "<c>"]
    assert rows(a_book(f"<row>\n {cells}</row>", texts=texts), booleans=("no", "yes")) == [(1, wanted)]


def test_numbers_and_days_are_read_as_they_look() -> None:
    styles = (
        '<numFmts><numFmt numFmtId="170" formatCode="[h]:mm"/><numFmt numFmtId="171" formatCode="dd/mm/yyyy"/>'
        '<numFmt numFmtId="172" formatCode="&quot;day&quot; 0"/></numFmts><cellStyleXfs><xf numFmtId="14"/>'
        '</cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="20"/><xf numFmtId="22"/>'
        '<xf numFmtId="170"/><xf numFmtId="171"/><xf numFmtId="172"/></cellXfs>'
    )
    cells = (
        "<c><v>301234567</v></c><c><v>007</v></c><c><v>5.0</v></c><c><v>1.5E-3</v></c><c><v>-2</v></c><c><v>x</v></c>"
        '<c s="1"><v>46056</v></c><c s="2"><v>0.5</v></c><c s="3"><v>46056.25</v></c><c s="4"><v>1.5</v></c>'
        '<c s="5"><v>46056</v></c><c s="6"><v>46056</v></c><c s="1"><v>99999999999</v></c><c s="1"><v>x</v></c>'
        '<c t="d"><v>2026-02-03T00:00:00</v></c>'
    )
    wanted = ["301234567", "7", "5", "0.0015", "-2", "x", "2026-02-03", "12:00:00", "2026-02-03T06:00:00"]
    wanted += ["1 day, 12:00:00", "2026-02-03", "46056", "99999999999", "x", "2026-02-03"]
    assert rows(a_book(f"<row>{cells}</row>", styles=styles)) == [(1, wanted)]
    since = a_book('<row><c s="1"><v>44594</v></c></row>', styles=styles, since_1904=True)
    assert rows(since) == [(1, ["2026-02-03"])]


def test_prefixes_capitals_backslashes_and_encodings_are_what_some_programs_write() -> None:
    sheet = (
        f'<x:worksheet xmlns:x="{MAIN}"><x:sheetData><x:row r="2"><x:c r="B2" t="inlineStr"><x:is><x:t>a</x:t></x:is>'
    )
    content = a_book(sheet=sheet + "</x:c></x:row></x:sheetData></x:worksheet>")
    assert rows(content) == [(2, ["", "a"])]
    moved = content.replace(b"xl/worksheets/sheet1.xml", b"xl\\Worksheets\\Sheet1.xml")
    assert rows(moved) == [(2, ["", "a"])]
    assert rows(a_book(sheet=a_sheet("<row><c><v>1</v></c></row>").encode("utf-16"))) == [(1, ["1"])]


def test_rows_of_a_large_spreadsheet_keep_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "file.xlsx"
    path.write_bytes(
        a_book('<row r="3"><c t="str"><v>a\nb</v></c></row><row r="7"><c r="B7" t="str"><v>"c",;</v></c></row>')
    )
    assert [cells for _, cells in rows_of(path, spreadsheet=True)] == [["a\nb"], ["", '"c",;']]
    path.write_bytes(a_book('<row r="3"><c><v>1</v></c></row><row r="700"><c r="B700"><v>2</v></c></row>'))
    assert list(rows_of(path, spreadsheet=True)) == [(3, ["1"]), (700, ["", "2"])]


def test_wrong_bytes_are_named_by_their_line() -> None:
    for content, line in ((b"a\nb\n\xff", 3), (b"a\n" * 50_000 + b"\xc3", 50_001), (b"\xff\xfea\x00\n\x00\x00", 2)):
        with pytest.raises(UnreadableFile) as refused:
            list(csv_rows(io.BytesIO(content)))
        assert (refused.value.rule, refused.value.limits) == ("not_utf8", {"row": line})
