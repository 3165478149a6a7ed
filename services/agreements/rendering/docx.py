"""Content as DOCX by python-docx: text goes in as text nodes only, and the same content gives the same bytes."""

import io
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from docx import Document
from docx.document import Document as DocumentObject
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt
from docx.table import _Cell
from docx.text.paragraph import Paragraph

FONT = "Times New Roman"
TEXT_WIDTH_MM = 165
SHORT_HASH = 16
LANGUAGES = {"uz": "uz-Latn-UZ", "uz-Cyrl": "uz-Cyrl-UZ", "ru": "ru-RU", "en": "en-GB"}
FIRST_ZIP_DAY = (1980, 1, 1, 0, 0, 0)
_PAGE_NUMBER = re.compile(r"(\{pages?\})")

Printer = Callable[[DocumentObject, dict[str, Any]], None]


def to_docx(content: dict[str, Any], sha256: str) -> bytes:
    """The DOCX of a content."""
    document = Document()
    _lay_out(document, content)
    _footer(document, content, sha256[:SHORT_HASH])
    title = document.add_paragraph()
    _run(title, content["title"], size=14, bold=True)
    title.alignment = WD_ALIGN_PARAGRAPH.CENTER
    number = document.add_paragraph()
    _run(number, content["number_line"], bold=True)
    number.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _place_and_day(document, content)
    for block in content["blocks"]:
        PRINTERS[block["type"]](document, block)
    return _same_bytes(document)


def _lay_out(document: DocumentObject, content: dict[str, Any]) -> None:
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin, section.right_margin = Mm(30), Mm(15)
    section.top_margin, section.bottom_margin = Mm(20), Mm(20)
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = FONT, Pt(12)
    fonts = normal.element.get_or_add_rPr().get_or_add_rFonts()
    for script in ("w:ascii", "w:hAnsi", "w:cs", "w:eastAsia"):
        fonts.set(qn(script), FONT)
    language = OxmlElement("w:lang")
    language.set(qn("w:val"), LANGUAGES[content["language"]])
    normal.element.get_or_add_rPr().append(language)
    normal.paragraph_format.space_after = Pt(4)
    normal.paragraph_format.space_before = Pt(0)
    properties = document.core_properties
    issued = datetime.fromisoformat(content["issued_on"]).replace(tzinfo=UTC)
    properties.title, properties.author, properties.comments = content["title"][:255], "Hamkor", ""
    properties.created = properties.modified = issued
    properties.language, properties.identifier = LANGUAGES[content["language"]], content["number"]


def _footer(document: DocumentObject, content: dict[str, Any], short_hash: str) -> None:
    line = document.sections[0].footer.paragraphs[0]
    _run(line, content["footer"].replace("{number}", content["number"]).replace("{hash}", short_hash), size=8)
    _run(line, "\t", size=8)
    document.styles["Footer"].paragraph_format.tab_stops.clear_all()
    line.paragraph_format.tab_stops.add_tab_stop(Mm(TEXT_WIDTH_MM), 2)
    for part in _PAGE_NUMBER.split(content["page"]):
        if _PAGE_NUMBER.fullmatch(part):
            _field(line, "PAGE" if part == "{page}" else "NUMPAGES")
        else:
            _run(line, part, size=8)


def _field(paragraph: Paragraph, instruction: str) -> None:
    for kind in ("begin", "", "separate", "shown", "end"):
        run = paragraph.add_run("1" if kind == "shown" else "")
        run.font.size = Pt(8)
        if kind == "shown":
            continue
        element = OxmlElement("w:fldChar" if kind else "w:instrText")
        if kind:
            element.set(qn("w:fldCharType"), kind)
        else:
            element.text = instruction
        run._r.append(element)  # noqa: SLF001 - python-docx has no fields of its own


def _place_and_day(document: DocumentObject, content: dict[str, Any]) -> None:
    line = document.add_paragraph()
    line.paragraph_format.tab_stops.add_tab_stop(Mm(TEXT_WIDTH_MM), 2)
    line.paragraph_format.space_before = line.paragraph_format.space_after = Pt(8)
    _run(line, f"{content['place']}\t{content['day']}")


def _print_paragraph(document: DocumentObject, block: dict[str, Any]) -> None:
    _justified(document, block["text"])


def _print_clause(document: DocumentObject, block: dict[str, Any]) -> None:
    _justified(document, f"{block['number']} {block['text']}")


def _print_heading(document: DocumentObject, block: dict[str, Any]) -> None:
    heading = document.add_paragraph()
    heading.alignment = WD_ALIGN_PARAGRAPH.CENTER
    heading.paragraph_format.keep_with_next = True
    heading.paragraph_format.space_before = Pt(10)
    _run(heading, f"{block['number']} {block['text']}", bold=True)


def _print_table(document: DocumentObject, block: dict[str, Any]) -> None:
    table = document.add_table(rows=1, cols=len(block["head"]), style="Table Grid")
    table.autofit = False
    _fill(table.rows[0].cells, block["head"], bold=True)
    repeated = OxmlElement("w:tblHeader")
    repeated.set(qn("w:val"), "true")
    table.rows[0]._tr.get_or_add_trPr().append(repeated)  # noqa: SLF001 - as above, for repeated heads
    for row in block["rows"]:
        _fill(table.add_row().cells, row)
    whole = sum(block["widths"])
    for column, share in zip(table.columns, block["widths"], strict=True):
        column.width = Mm(TEXT_WIDTH_MM * share / whole)
        for cell in column.cells:
            cell.width = column.width
    document.add_paragraph().paragraph_format.space_after = Pt(2)


def _fill(cells: tuple[_Cell, ...], texts: list[str], *, bold: bool = False) -> None:
    for cell, text in zip(cells, texts, strict=True):
        cell.paragraphs[0].paragraph_format.space_after = Pt(0)
        _run(cell.paragraphs[0], text, size=10, bold=bold)


def _print_signatures(document: DocumentObject, block: dict[str, Any]) -> None:
    sides = block["sides"]
    # Signatures never stand on a page alone: the last clauses come with them.
    for paragraph in document.paragraphs[-2:]:
        paragraph.paragraph_format.keep_with_next = True
    table = document.add_table(rows=(len(sides) + 1) // 2, cols=2)
    for index, side in enumerate(sides):
        cell = table.rows[index // 2].cells[index % 2]
        whole = OxmlElement("w:cantSplit")
        if index % 2 == 0:
            table.rows[index // 2]._tr.get_or_add_trPr().append(whole)  # noqa: SLF001 - as above
        _run(cell.paragraphs[0], side["title"], size=11, bold=True)
        cell.paragraphs[0].paragraph_format.space_before = Pt(12)
        for line in side["lines"]:
            _run(cell.add_paragraph(), line, size=11)
        signature = cell.add_paragraph()
        signature.paragraph_format.space_before = Pt(14)
        _run(signature, "_" * 24, size=11)
        _run(cell.add_paragraph(), f"({block['signature']})", size=8)
        if side["stamp"]:
            _run(cell.add_paragraph(), block["stamp"], size=9)


PRINTERS: dict[str, Printer] = {
    "paragraph": _print_paragraph,
    "clause": _print_clause,
    "heading": _print_heading,
    "table": _print_table,
    "signatures": _print_signatures,
}


def _justified(document: DocumentObject, text: str) -> None:
    paragraph = document.add_paragraph()
    paragraph.alignment = WD_ALIGN_PARAGRAPH.JUSTIFY
    _run(paragraph, text)


def _run(paragraph: Paragraph, text: str, *, size: float | None = None, bold: bool = False) -> None:
    run = paragraph.add_run(text)
    run.bold = bold or None
    if size is not None:
        run.font.size = Pt(size)


def _same_bytes(document: DocumentObject) -> bytes:
    """The package without the moment it was zipped at."""
    packed = io.BytesIO()
    document.save(packed)
    out = io.BytesIO()
    with zipfile.ZipFile(packed) as package, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as same:
        for name in package.namelist():
            same.writestr(zipfile.ZipInfo(name, FIRST_ZIP_DAY), package.read(name), zipfile.ZIP_DEFLATED)
    return out.getvalue()
