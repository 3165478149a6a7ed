"""Workbooks and texts that nobody means well with, and such as programs really write: made part by part."""

import io
import struct
import zipfile
from collections.abc import Callable, Mapping

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_PLAN = "".join(
    f'<Relationship Id="{id_}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
    for id_, kind, target in (
        ("r1", "worksheet", "worksheets/sheet1.xml"),
        ("r2", "sharedStrings", "sharedStrings.xml"),
        ("r3", "styles", "/xl/styles.xml"),
    )
)


def a_sheet(rows: str, before: str = "", after: str = "") -> str:
    """A sheet's part with these rows."""
    return f'<worksheet xmlns="{MAIN}">{before}<sheetData>{rows}</sheetData>{after}</worksheet>'


def a_book(
    rows: str | None = None,
    *,
    sheet: str | bytes | None = None,
    texts: str | None = None,
    styles: str | None = None,
    since_1904: bool = False,
    more: Mapping[str, str | bytes] | None = None,
) -> bytes:
    """An XLSX file of one sheet, the parts as given."""
    parts: dict[str, str | bytes] = {
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r0" Type="{_OFFICE}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{_OFFICE}"><workbookPr date1904="{int(since_1904)}"/>'
        '<sheets><sheet name="survey" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}">{_PLAN}</Relationships>',
        "xl/worksheets/sheet1.xml": a_sheet(rows or "") if sheet is None else sheet,
    }
    if texts is not None:
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{MAIN}">{texts}</sst>'
    if styles is not None:
        parts["xl/styles.xml"] = f'<styleSheet xmlns="{MAIN}">{styles}</styleSheet>'
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in (parts | dict(more or {})).items():
            packed.writestr(name, content)
    return file.getvalue()


def lying(content: bytes, size: int, told: int) -> bytes:
    """The same archive, whose headers say another size of a part than it has."""
    return content.replace(struct.pack("<L", size), struct.pack("<L", told))


def _cell(place: str, row: int) -> bytes:
    return a_book(f'<row r="1"><c r="A1" t="str"><v>code</v></c></row><row r="{row}"><c r="{place}"><v>1</v></c></row>')


_NOISE = "".join(f"<!--{number * 7919 % 1_000_003}-->" for number in range(400_000))
"""Several megabytes that pack badly: with it a part may be dense."""
_TALL = a_sheet("<row><c><v>1</v></c></row>" * 2_500_000)
_LONG = a_sheet(f'<row><c t="str"><v>{"x" * 30_000_000}</v></c></row>')
_DEEP = a_sheet("<row>" + "<c>" * 6_000_000)

SHEETS: dict[str, tuple[Callable[[], bytes], str]] = {
    "far column": (lambda: _cell("ZZ20000", 20_000), "too_many_columns"),
    "farthest cell": (lambda: _cell("XFD1048576", 1_048_576), "too_many_columns"),
    "column of four letters": (lambda: _cell("AAAA2", 2), "not_a_table"),
    "column of no letters": (lambda: _cell("ÄÖ2", 2), "not_a_table"),
    "row beyond the last": (lambda: _cell("A1048577", 1_048_577), "not_a_table"),
    "row of many digits": (lambda: _cell("A" + "9" * 30, 10**30), "not_a_table"),
    "rows backwards": (
        lambda: a_book('<row r="5"><c><v>1</v></c></row><row r="4"><c><v>1</v></c></row>'),
        "not_a_table",
    ),
    "cells without places": (lambda: a_book("<row>" + "<c><v>1</v></c>" * 300_000 + "</row>"), "too_many_columns"),
    "rows without places": (lambda: a_book("<row/>" * 1_048_577 + _NOISE[:2_000_000]), "not_a_table"),
    "sheet that unpacks": (lambda: a_book(sheet=_TALL), "file_unpacks"),
    "sheet that says it is small": (lambda: lying(a_book(sheet=_TALL), len(_TALL), 1_000), "not_a_table"),
    "text that unpacks": (lambda: a_book("", texts=f"<si><t>{'x' * 30_000_000}</t></si>"), "file_unpacks"),
    "text of a cell": (lambda: a_book(sheet=_LONG[:9_000_000]), "cell_too_long"),
    "text of many parts": (
        lambda: a_book("<row><c t='inlineStr'><is>" + "<r><t>abc</t></r>" * 500_000 + "</is></c></row>"),
        "cell_too_long",
    ),
    "shared text": (
        lambda: a_book('<row><c t="s"><v>0</v></c></row>', texts=f"<si><t>{'x' * 9_000_000}</t></si>"),
        "cell_too_long",
    ),
    "one text for many cells": (
        lambda: a_book(
            ("<row>" + '<c t="s"><v>0</v></c>' * 200 + "</row>") * 1_500, texts=f"<si><t>{'a' * 32_767}</t></si>"
        ),
        "file_unpacks",
    ),
    "many shared texts": (
        lambda: a_book('<row><c t="s"><v>0</v></c></row>', texts="<si/>" * 1_500_000),
        "too_many_texts",
    ),
    "shared text that is not there": (lambda: a_book('<row><c t="s"><v>7</v></c></row>', texts="<si/>"), "not_a_table"),
    "styles": (lambda: a_book("", styles="<cellXfs>" + "<xf/>" * 1_500_000 + "</cellXfs>"), "file_unpacks"),
    "style that is not there": (
        lambda: a_book('<row><c s="9"><v>1</v></c></row>', styles='<cellXfs><xf numFmtId="14"/></cellXfs>'),
        "not_a_table",
    ),
    "elements in elements": (lambda: a_book(sheet=_DEEP[:9_000_000]), "not_a_table"),
    "tag without an end": (lambda: a_book(sheet=a_sheet('<row r="' + "1" * 9_000_000)), "not_a_table"),
    "no XML": (lambda: a_book(sheet=b"\x00" * 1_000), "not_a_table"),
    "entities": (
        lambda: a_book(
            sheet='<!DOCTYPE worksheet [<!ENTITY a "aaaaaaaaaa">]>' + a_sheet("<row><c><v>&a;</v></c></row>")
        ),
        "not_a_table",
    ),
    "entity of a file": (
        lambda: a_book(
            sheet='<!DOCTYPE worksheet [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
            + a_sheet('<row><c t="str"><v>&a;</v></c></row>')
        ),
        "not_a_table",
    ),
    "many entries": (lambda: a_book("", more={f"{number}": b"" for number in range(20_000)}), "not_a_table"),
    "no workbook": (lambda: b"PK\x03\x04 no", "not_a_table"),
    "nothing": (lambda: b"", "not_a_table"),
}
"""Spreadsheets by what is wrong with them, and the rule that they break."""

TEXTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "many columns": (lambda: b"a" + b"," * 900_000 + b"b", "too_many_columns"),
    "endless row": (lambda: b"," * 10_000_000, "row_too_long"),
    "endless line": (lambda: b"code\n" + b"x" * 10_000_000, "row_too_long"),
    "row of many lines": (lambda: b"code\n" + b'"\n",' * 2_000_000, "row_too_long"),
    "quotation mark without an end": (lambda: b'code\n"' + b"a,b\n" * 2_000_000, "row_too_long"),
    "quotation mark without an end, short": (lambda: b'code\n"a', "not_a_table"),
    "NUL": (lambda: b"code\n" + b"a long name\n" * 4_000 + b"b\0c\n", "not_a_table"),
    "other encoding": (lambda: b"code\n" + b"a\n" * 40_000 + b"\xff", "not_utf8"),
}
"""CSV by what is wrong with it, and the rule that it breaks."""
