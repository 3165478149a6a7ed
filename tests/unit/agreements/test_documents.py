"""R11: templates as data, filling, and printing in four languages – with whatever people type."""

import asyncio
import io
import re
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import product
from typing import Any

import pytest
import typst
from docx import Document
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.agreements.domain.documents import issuing
from services.agreements.domain.documents.content import Content, sha256
from services.agreements.domain.documents.filling import Filling, blank, check, fill
from services.agreements.domain.documents.templates import Subject
from services.agreements.rendering import press
from services.agreements.rendering.docx import to_docx
from services.agreements.rendering.pdf import PAGE, to_pdf
from services.agreements.templates import FOLDER, fingerprint, templates
from shared.contracts.final_stage import (
    REQUIRED_SAMPLES,
    DocumentKind,
    DocumentState,
    DocumentStatus,
    MemberCategory,
)
from shared.contracts.vocabulary import PartyCategory
from shared.errors import InvalidInput, Unavailable, WrongState
from shared.i18n import Lang
from shared.ids import new_id
from shared.printing.press import Unprintable
from shared.printing.typesetting import MissingGlyph
from shared.scope import Principal, Role
from tests.unit.agreements.builders import INSTITUTION
from tests.unit.agreements.documents_values import TODAY, VALUES, a_document, a_filling

EVERY = list(product(DocumentKind, Lang))
KIND = DocumentKind.STUDENT_INTERNSHIP
PLACE = re.compile(r"\{(\w+)\}")
HOSTILE = (
    '#panic("x") #sys.inputs #read("/etc/passwd") #import "@preview/x:1.0.0": *',
    "\\ $ x^2 $ *b* _c_ `raw` @ref <label> // /* */ = Heading - item + item ~ --- ... ' \" [ ] { } ; #",
    "<w:p><w:r><w:t>x</w:t></w:r></w:p> &amp; &#0; ]]> <!-- --> <script>alert(1)</script>",
    "{institution_head} {hash} {page} {0} {__class__} %s %(x)s ${x}",
    '=cmd|" /C calc"!A0',
    "Oʻzbekiston Ўқув ғалаба ҳамкор ъь Ёё № – ɣ ß",
    "a" * 300,
)


def texts_of(content: Content) -> Iterator[str]:
    """Every text that is printed in the body, in order of kind."""
    yield from (content.title, content.number_line, content.place, content.day)
    for block in content.model_dump(mode="json")["blocks"]:
        match block["type"]:
            case "table":
                yield from block["head"]
                yield from (cell for row in block["rows"] for cell in row)
            case "signatures":
                yield from (line for side in block["sides"] for line in (side["title"], *side["lines"]))
            case "paragraph":
                yield block["text"]
            case _:
                yield f"{block['number']} {block['text']}"


def read_back(docx: bytes) -> str:
    """All text of a DOCX's body."""
    document = Document(io.BytesIO(docx))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([paragraph.text for paragraph in document.paragraphs] + cells)


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type ?/Page\b", pdf))


def dumped(content: Content) -> dict[str, Any]:
    return content.model_dump(mode="json")


@pytest.mark.parametrize("kind", DocumentKind)
def test_template_says_the_same_in_every_language(kind: DocumentKind) -> None:
    template = templates()[kind]
    fields = {field.name for field in template.fields}
    tables = {table.name for table in template.tables}
    shapes = set()
    for lang in Lang:
        wording, words = template.wordings[lang], template.words[lang]
        used = set(PLACE.findall(wording.model_dump_json()))
        sides = [words.sides[name] for name in template.signatures]
        assert used <= fields
        assert set(PLACE.findall("".join(line for side in sides for line in side.lines))) <= fields
        assert fields | tables <= words.labels.keys()
        assert {name for table in template.tables for name in table.columns} <= words.columns.keys()
        assert words.categories.keys() >= {*PartyCategory, *MemberCategory}
        conditions = {each for section in wording.sections for each in (section.when, section.table)}
        conditions |= {each for section in wording.sections for clause in section.clauses for each in (clause.when,)}
        assert conditions - {None} <= fields | tables
        optional = {field.name for field in template.fields if not field.required}
        assert not optional & set(PLACE.findall(wording.preamble))
        shapes.add(
            tuple(
                (section.when, section.table, tuple((clause.when, clause.unless) for clause in section.clauses))
                for section in wording.sections
            )
        )
    assert len(shapes) == 1
    assert all(len(table.columns) == len(table.widths) for table in template.tables)


@pytest.mark.parametrize("kind", DocumentKind)
def test_published_template_changes_only_with_its_version(kind: DocumentKind) -> None:
    published = tomllib.loads((FOLDER / "published.toml").read_text(encoding="utf-8"))
    template = templates()[kind]
    assert published[kind][str(template.version)] == fingerprint(template), "raise `version` and add its fingerprint"


def test_every_sample_of_the_method_has_a_template() -> None:
    assert set(templates()) == set(DocumentKind) > set(REQUIRED_SAMPLES)
    assert len({template.series for template in templates().values()}) == len(DocumentKind)
    assert templates()[DocumentKind.BOARD_REGULATION].subject is Subject.BOARD


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_document_is_printed_whole_in_every_language(kind: DocumentKind, language: Lang) -> None:
    content = a_document(kind, language)
    printed = read_back(to_docx(dumped(content), content.sha256()))
    texts = list(texts_of(content))
    assert len(texts) > 25
    for text in texts:
        assert text in printed
    assert not PLACE.search(printed)
    for name, value in a_filling(kind).values.items():
        if not value.isdigit() and not re.fullmatch(r"[0-9-]{10}", value):
            assert value in printed, name
    pdf = to_pdf(dumped(content), content.sha256())
    assert pdf.startswith(b"%PDF-")
    assert 1 <= pages_of(pdf) <= 4


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_uzbek_is_written_in_one_alphabet(kind: DocumentKind, language: Lang) -> None:
    if language not in (Lang.UZ, Lang.UZ_CYRL):
        return
    text = templates()[kind].wordings[language].model_dump_json()
    text = PLACE.sub("", text)
    latin = re.findall(r"[a-zA-Z]{2,}", " ".join(re.findall(r'"(?:title|preamble|heading|text)":"([^"]*)"', text)))
    cyrillic = re.findall(r"[а-яўқғҳ]{2,}", text.lower())
    assert not (latin if language is Lang.UZ_CYRL else cyrillic)


@pytest.mark.parametrize("language", Lang)
def test_all_letters_have_a_glyph_in_the_fonts_inside_the_package(language: Lang) -> None:
    letters = sorted(
        {letter for kind in DocumentKind for text in texts_of(a_document(kind, language)) for letter in text}
    )
    letters += list("OʻoʻGʻgʻʼЎўҚқҒғҲҳЁёЪъЬьЫыЭэ№«»“”")
    compiler = typst.Compiler(
        b'#set text(font: "Libertinus Serif", fallback: false)\n#sys.inputs.letters',
        font_paths=typst.Fonts(include_system_fonts=False),
        ignore_system_fonts=True,
        sys_inputs={"letters": "".join(letters)},
    )
    # PDF/A refuses what has no glyph.
    pdf = compiler.compile(format="pdf", pdf_standards="a-2b", timestamp=0)
    assert isinstance(pdf, bytes)
    assert 'font: "Libertinus Serif"' in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", HOSTILE)
def test_what_people_type_is_printed_and_never_read_as_code(text: str) -> None:
    content = a_document(KIND, institution_name=text, student_name=text)
    assert text in read_back(to_docx(dumped(content), content.sha256()))
    assert pages_of(to_pdf(dumped(content), content.sha256())) >= 1
    paragraph = dumped(content)["blocks"][0]["text"]
    assert paragraph.startswith(text)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
    | st.text("#$\\*_{}[]<>&\"'@=-+/`~()a1 ", max_size=80)
)
def test_any_text_is_refused_by_its_rule_or_printed(text: str) -> None:
    body = {"institution_id": INSTITUTION, "kind": KIND, "fields": {"institution_name": text}}
    try:
        command = issuing.IssueDocument.model_validate(body)
        content = a_document(KIND, institution_name=command.fields["institution_name"])
        pdf = to_pdf(dumped(content), content.sha256())
    except ValidationError as refused:
        faults = {error["type"] for error in refused.errors()}
        event("refused")
    except MissingGlyph as missing:
        faults = set() if str(missing) in text else {str(missing)}
        event("no glyph")
    else:
        faults = set()
        assert pdf.startswith(b"%PDF-")
        assert command.fields["institution_name"] in read_back(to_docx(dumped(content), content.sha256()))
    assert faults <= {"value_error", "string_too_short"}


async def test_letters_without_a_glyph_are_named_instead_of_printed_as_boxes() -> None:
    with pytest.raises(Unprintable) as refused:
        await press.render(a_document(KIND, student_name="Ван 王"))
    assert str(refused.value) == "王"


@pytest.mark.parametrize("letters", ["王", "\U0001f986", "ﷺ"])
def test_missing_letters_are_told_as_they_were_typed(letters: str) -> None:
    content = a_document(KIND, student_name=f"a {letters} b")
    with pytest.raises(MissingGlyph) as refused:
        to_pdf(dumped(content), content.sha256())
    assert str(refused.value) in letters


@pytest.mark.parametrize("character", ["\x00", "\x07", "\n", "\u202e", "\ufffe", "\ue000", "\u200b"])
def test_unprintable_characters_are_refused(character: str) -> None:
    body = {"institution_id": INSTITUTION, "kind": KIND, "fields": {"institution_name": f"a{character}b"}}
    with pytest.raises(ValidationError, match="control_characters"):
        issuing.IssueDocument.model_validate(body)


def test_same_document_has_the_same_hash_and_the_same_bytes() -> None:
    one, other = a_document(KIND), Content.model_validate(dumped(a_document(KIND)))
    assert one.sha256() == other.sha256()
    for printer in (to_docx, to_pdf):
        assert sha256(printer(dumped(one), one.sha256())) == sha256(printer(dumped(other), other.sha256()))
    assert a_document(KIND, student_name="Boshqa").sha256() != one.sha256()


def test_short_hash_and_number_stand_on_every_page() -> None:
    content = a_document(KIND)
    docx = zipfile.ZipFile(io.BytesIO(to_docx(dumped(content), content.sha256())))
    footer = docx.read("word/footer1.xml").decode()
    assert content.sha256()[:16] in footer
    assert content.number in footer
    assert {"PAGE", "NUMPAGES"} <= set(re.findall(r"[A-Z]{4,}", footer))


def test_every_missing_or_wrong_field_is_named_at_once() -> None:
    given_values = {**a_filling(KIND).values, "students_count": "koʻp", "ends_on": "31.12.2026", "nobody_asked": "1"}
    del given_values["institution_head"]
    with pytest.raises(InvalidInput) as refused:
        fill(templates()[KIND], Lang.UZ, Filling(values=given_values), "x", TODAY)
    assert {(error.field, error.rule) for error in refused.value.errors} == {
        ("fields.students_count", "int_parsing"),
        ("fields.ends_on", "date_parsing"),
        ("fields.nobody_asked", "extra_forbidden"),
        ("fields.institution_head", "missing"),
    }


def test_rows_have_the_columns_of_their_table() -> None:
    kind = DocumentKind.TEACHER_INTERNSHIP
    values = a_filling(kind).values
    for tables, fault in (
        ({}, ("tables.programme", "missing")),
        ({"programme": (("a",),)}, ("tables.programme.0", "columns")),
        ({"programme": (("a", "1"),), "other": (("a",),)}, ("tables.other", "extra_forbidden")),
    ):
        with pytest.raises(InvalidInput) as refused:
            fill(templates()[kind], Lang.UZ, Filling(values=values, tables=tables), "x", TODAY)
        assert [(error.field, error.rule) for error in refused.value.errors] == [fault]


def test_what_is_known_need_not_be_given_and_what_is_given_counts() -> None:
    values = {name: value for name, value in a_filling(KIND).values.items() if name not in ("starts_on", "ends_on")}
    known = {"starts_on": date(2027, 1, 1), "ends_on": date(2027, 3, 1)}
    texts = "\n".join(texts_of(fill(templates()[KIND], Lang.EN, Filling(values=values, known=known), "x", TODAY)))
    assert "1 January 2027 – 1 March 2027" in texts
    filling = Filling(values={**values, "ends_on": "2027-02-01"}, known=known)
    texts = "\n".join(texts_of(fill(templates()[KIND], Lang.UZ, filling, "x", TODAY)))
    assert "2027-yil 1-yanvar – 2027-yil 1-fevral" in texts


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"starts_on": "2026-12-31"}, ("fields.starts_on", "outside_validity")),
        ({"ends_on": "2027-03-02"}, ("fields.ends_on", "outside_validity")),
        ({"starts_on": "2027-02-02", "ends_on": "2027-02-01"}, ("fields.ends_on", "earlier_than")),
    ],
)
def test_days_of_a_document_lie_within_its_agreements(given: dict[str, str], fault: tuple[str, str]) -> None:
    values = {name: value for name, value in a_filling(KIND).values.items() if name not in ("starts_on", "ends_on")}
    known = {"starts_on": date(2027, 1, 1), "ends_on": date(2027, 3, 1)}
    with pytest.raises(InvalidInput) as refused:
        check(templates()[KIND], Filling(values=values | given, known=known))
    assert [(error.field, error.rule) for error in refused.value.errors] == [fault]


def test_employment_goes_on_when_its_agreement_is_over() -> None:
    kind = DocumentKind.EMPLOYMENT_CONTRACT
    known = {"starts_on": date(2026, 9, 1), "ends_on": date(2027, 6, 30)}
    values = {**a_filling(kind).values, "ends_on": "2029-08-31"}
    check(templates()[kind], Filling(values=values, known=known, within=False))


def test_a_regulation_says_of_its_board_what_the_board_says() -> None:
    kind = DocumentKind.BOARD_REGULATION
    filling = a_filling(kind)
    known = {"quorum_percent": "60"}
    with pytest.raises(InvalidInput) as refused:
        check(templates()[kind], replace(filling, known=known))
    (error,) = refused.value.errors
    assert (error.field, error.rule, error.params["value"]) == ("fields.quorum_percent", "known_otherwise", "60")
    check(templates()[kind], replace(filling, values={**filling.values, "quorum_percent": "60"}, known=known))


def test_clauses_and_sides_without_their_field_are_left_out_and_numbers_close_up() -> None:
    values = {name: value for name, value in VALUES.items() if name not in ("ends_on", "probation_months")}
    kind = DocumentKind.EMPLOYMENT_CONTRACT
    names = {field.name for field in templates()[kind].fields}
    filling = Filling(values={name: value for name, value in values.items() if name in names})
    content = fill(templates()[kind], Lang.EN, filling, "x", TODAY)
    texts = list(texts_of(content))
    assert "1.5. The contract is concluded for an indefinite term." in texts
    assert "1.6. There is no probation." in texts
    assert not any("fixed term" in text for text in texts)
    without_guardian = {name: value for name, value in a_filling(KIND).values.items() if name != "guardian_name"}
    signatures = dumped(fill(templates()[KIND], Lang.EN, Filling(values=without_guardian), "x", TODAY))["blocks"][-1]
    assert [side["title"] for side in signatures["sides"]] == ["Educational institution", "Enterprise"]


def test_russian_day_at_the_end_of_a_sentence_brings_its_full_stop() -> None:
    assert not any(".." in text for text in texts_of(a_document(DocumentKind.EMPLOYMENT_CONTRACT, Lang.RU)))


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_blank_sample_has_lines_to_fill_in(kind: DocumentKind, language: Lang) -> None:
    content = blank(templates()[kind], language, TODAY)
    printed = read_back(to_docx(dumped(content), content.sha256()))
    assert printed.count("____") > 8
    assert not PLACE.search(printed)


async def test_printing_happens_in_a_process_of_its_own_and_in_time() -> None:
    content = a_document(KIND, Lang.RU)
    files = await press.render(content)
    assert sha256(files.docx) == sha256(to_docx(dumped(content), content.sha256()))
    assert sha256(files.pdf) == sha256(to_pdf(dumped(content), content.sha256()))
    with pytest.raises(Unavailable):
        await press.render(content, limit_s=0.001)


def test_annulled_once_and_the_number_stays() -> None:
    command = issuing.IssueDocument(institution_id=INSTITUTION, kind=KIND, fields=dict(a_filling(KIND).values))
    state: DocumentState = issuing.issue(
        "d",
        command,
        templates()[KIND],
        a_document(KIND),
        7,
        enterprise_id=None,
        docx_sha256="a" * 64,
        pdf_sha256="b" * 64,
    )[1]
    assert (state.number, state.sequence, state.year) == ("2026/AF1-0007", 7, 2026)
    assert issuing.number_of(2026, "AF1", 7) == state.number
    names = [value for name, value in VALUES.items() if name.endswith(("name", "head", "address"))]
    assert not any(name in state.model_dump_json() for name in names)
    state = issuing.annul(state, TODAY)[1]
    assert (state.status, state.number) == (DocumentStatus.ANNULLED, "2026/AF1-0007")
    with pytest.raises(WrongState):
        issuing.annul(state, TODAY)


async def at_the_press(*asked: tuple[str, Content]) -> list[str]:
    """What becomes of it when these readers have these printed at once."""

    async def one(reader: str, content: Content) -> str:
        try:
            files = await press.printed(content, Principal(reader, Role.INSTITUTION, INSTITUTION))
        except Unavailable:
            return "sent away"
        return "printed" if files.pdf and files.docx else "nothing"

    return await asyncio.gather(*(one(*each) for each in asked))


def editions(count: int) -> list[Content]:
    """As many documents, each another."""
    content = a_document(KIND)
    return [content.model_copy(update={"number": f"2026/{new_id()}-{number}"}) for number in range(count)]


async def test_readers_leave_room_at_the_press_to_those_who_issue(monkeypatch: pytest.MonkeyPatch) -> None:
    room = press.INSIDE_AT_MOST - press.FOR_ISSUING
    readers = [(f"reader {number}", each) for number, each in enumerate(editions(room + 3))]
    begun, goes_on, render = asyncio.Event(), asyncio.Event(), press.render

    async def held_up(content: Content) -> press.Files:
        begun.set()
        await goes_on.wait()
        return await render(content)

    monkeypatch.setattr(press, "render", held_up)
    reading = asyncio.create_task(at_the_press(*readers))
    await begun.wait()
    with press.PRESS.admitted(), press.PRESS.admitted(), pytest.raises(Unavailable), press.PRESS.admitted():
        pass
    goes_on.set()
    results = await reading
    assert (results.count("printed"), results.count("sent away")) == (room, 3)
    assert await at_the_press(*readers[-1:]) == ["printed"]


async def test_one_reader_does_not_keep_all_others_from_printing() -> None:
    *own, others = editions(5)
    results = await at_the_press(*(("one", each) for each in own), ("other", others))
    assert results == ["printed", "printed", "sent away", "sent away", "printed"]


async def test_the_same_content_is_printed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    (content,) = editions(1)
    assert await at_the_press(("one", content)) == ["printed"]
    monkeypatch.setattr(press, "render", None)
    assert await at_the_press(*[("other", content)] * 9) == ["printed"] * 9


def test_what_was_asked_for_longest_ago_makes_room() -> None:
    kept, files = press.Kept(most_bytes=30), press.Files(docx=b"x" * 6, pdf=b"y" * 4)
    for name in "abc":
        kept.put(name, files)
    assert kept.get("a") == files
    kept.put("d", files)
    assert [name for name in "abcd" if kept.get(name)] == ["a", "c", "d"]
    assert kept.bytes == 30
