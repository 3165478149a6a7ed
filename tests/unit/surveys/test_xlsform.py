"""Workbooks: the convention's own converter takes what we export, we read it back as the same, and what others make."""

import io
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from pyxform.errors import PyXFormError
from pyxform.xls2xform import convert

from services.surveys.domain.instruments import (
    DateQuestion,
    DecimalQuestion,
    FreeText,
    Instrument,
    Likert,
    MultipleChoice,
    NumberQuestion,
    SingleChoice,
)
from services.surveys.domain.reading import parse_instrument
from services.surveys.instruments import MESSAGES, InstrumentLibrary
from services.surveys.instruments.professions import familiar, titles
from services.surveys.xlsform.exporting import exported
from services.surveys.xlsform.importing import Imported, imported
from shared.contracts.codes import isco_unit_groups
from shared.i18n import SHARED_MESSAGES, Catalogue, Lang
from tests.support.hostile import a_book, a_sheet, lying
from tests.unit.surveys.forms import EMPLOYERS, HOUSEHOLD_WITH_RANGE, TRAINING, Rows, a_workbook

LIBRARY = InstrumentLibrary.load()
TEXTS = Catalogue.load(SHARED_MESSAGES, MESSAGES)
EACH = pytest.mark.parametrize("instrument", LIBRARY.standard, ids=lambda each: each.code)
WORDS = {key: {lang: TEXTS.text(f"condition.{key}", lang) for lang in Lang} for key in ("broken", "other", "specify")}


def say(key: str, lang: Lang) -> str:
    return TEXTS.text(f"condition.{key}", lang)


def out(instrument: Instrument) -> bytes:
    return exported(instrument, say, titles())


def back(content: bytes, **options: Any) -> Imported:
    return imported(content, LIBRARY.catalogues, WORDS, **options)


def converted(content: bytes) -> str:
    """The form that the convention's own converter makes of a workbook; fails on any warning."""
    warnings: list[str] = []
    result = convert(io.BytesIO(content), warnings=warnings, file_type=".xlsx")
    assert warnings == []
    return str(result.xform)


@EACH
def test_a_standard_instrument_goes_out_and_comes_back_the_same(instrument: Instrument) -> None:
    content = out(instrument)
    form = converted(content)
    for lang in Lang:
        assert instrument.questions[0].text[lang] in form
    result = back(content)
    assert result.faults == ()
    assert result.warnings == ()
    assert result.instrument == instrument


# -- any instrument


def several(codes: str, most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(
        st.sampled_from([f"{codes}{number}" for number in range(9)]), min_size=2, max_size=most, unique=True
    )


words = st.text(st.characters(categories=("L", "N", "P", "Sm", "Zs"), exclude_characters="$\u00a0"), min_size=1).map(
    lambda text: " ".join(text.split())
)
texts = st.fixed_dictionaries({lang.value: words.filter(lambda text: bool(text) and text[0] != "'") for lang in Lang})


@st.composite
def scales(draw: st.DrawFn) -> dict[str, Any]:
    return {"code": draw(st.sampled_from(["s", "t"])), "labels": draw(st.lists(texts, min_size=2, max_size=4))}


@st.composite
def options(draw: st.DrawFn, *, scored: bool = False, exclusive: bool = False) -> list[dict[str, Any]]:
    found = []
    for code in draw(several("o", 4)):
        option: dict[str, Any] = {"code": code, "text": draw(texts)}
        if scored:
            option["score"] = draw(st.integers(0, 100))
        if exclusive and draw(st.booleans()):
            option["exclusive"] = True
        found.append(option)
    return found


CONSTRAINTS = {
    "single": [". != ''"],
    "multiple": ["count-selected(.) <= 2", "count-selected(.) > 1 and count-selected(.) != 3"],
    "likert": [". != 2", "${first} = 3 or . > 1"],
    "number": [". >= 3", ". >= 1 and . <= 2", ". mod 2 = 0 and . != 4", "-5 < ."],
    "decimal": [". <= 1.5", ". > 0 and . < 9"],
    "date": [". <= today()", ". >= date('2020-01-01')", ". >= date('2020-01-01') and . <= date('2030-01-01')"],
    "text": ["string-length(.) <= 10", "string-length(.) > 3 or . = 'no'"],
    "profession": [". != '7231'"],
    "stir": [". != '301234567' and (. != '301234568' or ${first} = 1)"],
    "pair": [". != 2"],
    "matrix": [". != ''"],
}


@st.composite
def questions(draw: st.DrawFn, code: str) -> dict[str, Any]:
    """One question of any kind; the first of all is a number called `first`."""
    kind = draw(st.sampled_from(sorted(CONSTRAINTS)))
    scored = kind in ("single", "likert", "pair", "matrix") and draw(st.booleans())
    question: dict[str, Any] = {"code": code, "kind": kind, "text": draw(texts), "scored": scored}
    if scored or draw(st.booleans()):
        question["dimension"] = draw(st.sampled_from(["knowledge", "readiness", "personal_qualities"]))
    if draw(st.booleans()):
        question["hint"] = draw(texts)
    if kind != "text":
        question["required"] = draw(st.booleans())
    if draw(st.booleans()):
        question["relevant"] = draw(st.sampled_from(["${first} > 2", "not(${first} = 1 or ${first} = '')"]))
    if draw(st.booleans()):
        question["constraint"] = {"expression": draw(st.sampled_from(CONSTRAINTS[kind])), "message": draw(texts)}
    particulars: dict[str, Any] = draw(PARTICULARS.get(kind, choices)(kind, scored=scored))
    return question | particulars


@st.composite
def choices(draw: st.DrawFn, kind: str, *, scored: bool) -> dict[str, Any]:
    found = draw(options(scored=scored, exclusive=kind == "multiple"))
    return {"options": found} | ({"max_choices": draw(st.integers(1, len(found)))} if kind == "multiple" else {})


@st.composite
def likerts(draw: st.DrawFn, kind: str, *, scored: bool) -> dict[str, Any]:
    del kind, scored
    return {"scale": draw(scales()), "unsure": draw(st.booleans()), "reverse": draw(st.booleans())}


@st.composite
def pairs(draw: st.DrawFn, kind: str, *, scored: bool) -> dict[str, Any]:
    del kind, scored
    parts = {part: {"prompt": draw(texts), "scale": draw(scales())} for part in ("importance", "satisfaction")}
    return {**parts, "scores": draw(st.sampled_from(["importance", "satisfaction"]))}


@st.composite
def matrices(draw: st.DrawFn, kind: str, *, scored: bool) -> dict[str, Any]:
    del kind
    rows = [{"code": row, "text": draw(texts), "reverse": draw(st.booleans())} for row in draw(several("r", 3))]
    if draw(st.booleans()):
        return {"rows": rows, "scale": draw(scales()), "unsure": draw(st.booleans())}
    return {"rows": rows, "options": draw(options(scored=scored))}


@st.composite
def limits(draw: st.DrawFn, kind: str, *, scored: bool) -> dict[str, Any]:
    del scored
    low = draw(st.integers(-50, 50))
    given: dict[str, dict[str, Any]] = {
        "number": {"min": low, "max": draw(st.integers(low, 100))},
        "decimal": {"min": draw(st.sampled_from(["-2.5", "0"])), "max": "10.25", "digits": draw(st.integers(1, 6))},
        "date": {"earliest": draw(st.sampled_from([None, "2020-01-01"])), "latest": "2030-12-31"},
        "text": {"max_length": draw(st.integers(1, 2000))},
    }
    return given.get(kind, {})


PARTICULARS: dict[str, Any] = {
    "likert": likerts,
    "pair": pairs,
    "matrix": matrices,
    **dict.fromkeys(("number", "decimal", "date", "text", "profession", "stir"), limits),
}


@st.composite
def instruments(draw: st.DrawFn) -> Instrument:
    first = {"code": "first", "kind": "number", "min": 0, "max": 9, "text": draw(texts)}
    codes = draw(st.lists(st.sampled_from([f"q{number}" for number in range(9)]), max_size=5, unique=True))
    asked = [first, *[draw(questions(code)) for code in codes]]
    cut = draw(st.integers(1, len(asked)))
    sections: list[dict[str, Any]] = [{"code": "first", "title": draw(texts), "questions": asked[:cut]}]
    if asked[cut:]:
        sections.append({"code": "q1", "title": draw(texts), "intro": draw(texts), "questions": asked[cut:]})
    document = {
        "code": "M-Any_1",
        "version": draw(st.integers(1, 99)),
        "group": draw(st.sampled_from(["S1", "S5"])),
        "identified": draw(st.booleans()),
        "title": draw(texts),
        "intro": draw(texts),
        "sections": sections,
    }
    return parse_instrument(document, {})


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(instruments())
def test_any_instrument_goes_out_and_comes_back_the_same(instrument: Instrument) -> None:
    content = out(instrument)
    converted(content)
    result = back(content)
    assert result.faults == ()
    assert result.instrument == instrument


def test_a_spreadsheet_calculates_nothing_of_what_we_export() -> None:
    s3 = LIBRARY.get("S3")
    dangerous = parse_instrument(
        {
            "code": "X",
            "version": 1,
            "group": "S3",
            "title": dict.fromkeys(map(str, Lang), "=1+1"),
            "intro": {lang.value: text for lang, text in s3.intro.items()},
            "sections": [
                {
                    "code": "a",
                    "title": dict.fromkeys(map(str, Lang), "+A1"),
                    "questions": [
                        {"code": "q", "kind": "date", "text": dict.fromkeys(map(str, Lang), "=HYPERLINK('x')")}
                    ],
                }
            ],
        },
        {},
    )
    content = out(dangerous)
    book = load_workbook(io.BytesIO(content))
    kinds = {cell.data_type for sheet in book.worksheets for row in sheet.iter_rows() for cell in row}
    assert "f" not in kinds
    assert back(content).instrument == dangerous


def test_every_profession_has_a_title_and_the_familiar_ones_in_every_language() -> None:
    assert set(titles()) == isco_unit_groups()
    for code in familiar():
        assert len({titles()[code][lang] for lang in (Lang.UZ, Lang.UZ_CYRL, Lang.RU, Lang.EN)}) >= 3


# -- forms made by others


@pytest.mark.parametrize(
    "form", [HOUSEHOLD_WITH_RANGE, TRAINING, EMPLOYERS], ids=["household", "training", "employers"]
)
def test_forms_made_by_others_come_in_and_go_out_again(form: Mapping[str, Rows]) -> None:
    content = a_workbook(**form)
    convert(io.BytesIO(content), warnings=[], file_type=".xlsx")
    result = back(content, group="S1")
    assert result.faults == ()
    assert result.instrument is not None
    again = out(result.instrument)
    converted(again)
    assert back(again).instrument == result.instrument


def of(form: Mapping[str, Rows]) -> dict[str, Any]:
    result = back(a_workbook(**form), group="S1")
    assert result.instrument is not None
    return {question.code: question for question in result.instrument.questions}


def test_a_household_form_keeps_its_meaning() -> None:
    asked = of(HOUSEHOLD_WITH_RANGE)
    age, works, hours, since, where = (asked[code] for code in ("age", "works", "hours", "since", "where"))
    assert isinstance(age, NumberQuestion)
    assert (age.minimum, age.maximum, age.required, age.constraint) == (15, 99, True, None)
    assert [option.code for option in works.options] == ["1", "0"]
    assert isinstance(hours, DecimalQuestion)
    assert hours.constraint is not None
    assert hours.relevant is not None
    assert (hours.maximum, hours.constraint.expression.written()) == (Decimal(24), ". > 0")
    assert hours.relevant.written() == "${works} = '1'"
    assert isinstance(since, DateQuestion)
    assert since.constraint is not None
    assert since.constraint.message[Lang.EN] == "Not in the future."
    assert isinstance(where, FreeText)
    assert where.relevant is not None
    assert where.relevant.written() == "${works} = '1' and count-selected(${sectors}) > 0"
    assert asked["sectors_other"].relevant.written() == "selected(${sectors}, 'other')"
    assert isinstance(asked["happy"], Likert)
    assert asked["happy"].scale.top == 5


def test_scores_and_limits_of_choices_come_in() -> None:
    asked = of(EMPLOYERS)
    assert isinstance(asked["fit"], SingleChoice)
    assert asked["fit"].text[Lang.RU] == "Подходят ли выпускники?"
    assert isinstance(asked["lacks"], MultipleChoice)
    assert asked["lacks"].max_choices == 2
    assert asked["branch"].required
    assert asked["staff"].minimum == 1


def test_columns_that_name_no_language_are_in_the_one_that_is_said() -> None:
    assert of(HOUSEHOLD_WITH_RANGE)["age"].text[Lang.EN] == "How old are you?"
    form = back(a_workbook(**HOUSEHOLD_WITH_RANGE), group="S1", language=Lang.RU).document
    assert form["sections"][0]["title"] == {"ru": "About you"}


def test_what_is_left_out_or_changed_is_said() -> None:
    result = back(a_workbook(**HOUSEHOLD_WITH_RANGE, notes=[["a"], ["b"]]), group="S1")
    assert [(each.sheet, each.row, each.rule) for each in result.warnings] == [
        ("notes", None, "xlsform-ignored-sheet"),
        ("survey", 2, "xlsform-dropped-metadata"),
        ("survey", 3, "xlsform-dropped-metadata"),
        ("survey", 14, "xlsform-nested"),
        ("survey", 15, "xlsform-text-not-required"),
        ("survey", 19, "xlsform-note-moved"),
        ("survey", 1, "xlsform-untranslated"),
    ]


BROKEN: dict[str, Rows] = {
    "survey": [
        [
            "type",
            "name",
            "label::English (en)",
            "label::French (fr)",
            "required",
            "relevant",
            "constraint",
            "calculation",
        ],
        ["calculate", "total", "", "", "", "", "", "1 + 1"],
        ["geopoint", "where", "Where?", "Où?", "", "", "", ""],
        ["time", "hour", "When?", "", "", "", "", ""],
        ["begin_repeat", "members", "Members", "", "", "", "", ""],
        ["end_repeat", "", "", "", "", "", "", ""],
        ["slider", "x", "?", "", "", "", "", ""],
        ["select_one nothing", "a", "A", "", "", "", "", ""],
        ["select_one yes_no", "", "B", "", "", "", "", ""],
        ["select_one yes_no", "c", "", "", "", "", "", ""],
        ["select_one yes_no", "d", "Dear ${c}", "", "", "", "", ""],
        ["integer", "e e", "E", "", "", "", "", ""],
        ["integer", "f", "F", "", "maybe", "${g} > 1", "", ""],
        ["text", "g", "G", "", "", "${nobody} = 1", "regex(., '[a-z]+')", ""],
        ["select_multiple yes_no", "h", "H", "", "", "${i} = 'yes'", "", ""],
        ["select_one yes_no", "i", "I", "", "", "${d} = 'perhaps'", ". >", ""],
        ["range", "j", "J", "", "", "", "", ""],
        ["integer", "f", "Again", "", "", "", "", "2"],
        ["end_group", "", "", "", "", "", "", ""],
        ["begin_group", "last", "Last", "", "", "", "", ""],
        ["text", "k", "K", "", "", "", "", ""],
    ],
    "choices": [
        ["list_name", "name", "label::English (en)"],
        ["yes_no", "yes", "Yes"],
        ["yes_no", "no", ""],
        ["yes_no", "yes", "Once more"],
    ],
    "settings": [["form_title"], ["Broken"]],
}


def test_everything_that_cannot_come_in_is_named_by_sheet_row_and_column_at_once() -> None:
    result = back(a_workbook(**BROKEN))
    assert result.instrument is None
    label = "label::English (en)"
    found = {(each.sheet, each.row, each.column): each.rule for each in result.faults}
    expected = {
        ("survey", 2, "type"): "xlsform-calculate",
        ("survey", 3, "type"): "xlsform-identifying",
        ("survey", 4, "type"): "xlsform-type-unsupported",
        ("survey", 5, "type"): "xlsform-repeat",
        ("survey", 6, "type"): "xlsform-repeat",
        ("survey", 7, "type"): "xlsform-type-unknown",
        ("survey", 8, "type"): "xlsform-list-missing",
        ("survey", 9, "name"): "xlsform-name-missing",
        ("survey", 10, label): "xlsform-label-missing",
        ("survey", 11, label): "xlsform-text-reference",
        ("survey", 12, "name"): "instrument-bad-code",
        ("survey", 13, "required"): "xlsform-required",
        ("survey", 13, "relevant"): "later-question",
        ("survey", 14, "relevant"): "unknown-question",
        ("survey", 14, "constraint"): "expression-function",
        ("survey", 15, "relevant"): "later-question",
        ("survey", 16, "constraint"): "expression-incomplete",
        ("survey", 18, "calculation"): "xlsform-column-unsupported",
        ("survey", 19, "type"): "xlsform-group-close",
        ("survey", 20, "type"): "xlsform-group-open",
        ("choices", 3, label): "xlsform-label-missing",
        ("choices", 4, "name"): "instrument-twice",
        ("settings", 2, "hamkor::group"): "xlsform-group-unknown",
    }
    assert {place: found.get(place) for place in expected} == expected
    for fault in (*result.faults, *result.warnings):
        for part in ("message", "remedy"):
            said = TEXTS.text(f"rule.{fault.rule}.{part}", Lang.EN, **fault.params)
            assert said
            assert "{" not in said.replace("${", "")


def test_a_pair_or_matrix_that_was_pulled_apart_is_named() -> None:
    book = load_workbook(io.BytesIO(out(LIBRARY.get("S2"))))
    survey = book["survey"]
    row = next(each.row for each in survey["B"] if each.value == "theory.importance")
    survey.delete_rows(row)
    buffer = io.BytesIO()
    book.save(buffer)
    faults = back(buffer.getvalue()).faults
    assert [(each.rule, each.params["name"]) for each in faults] == [("xlsform-group-shape", "theory")]
    assert survey.cell(faults[0].row or 0, 2).value == "theory"


# -- files that are no forms


BOMB = a_book(sheet=b" " * 30_000_000)
FILES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "xlsform-unreadable"),
    "a text": (b"type,name,label\n", "xlsform-unreadable"),
    "a broken archive": (a_workbook(survey=[["type"]])[:-40], "xlsform-unreadable"),
    "an archive of something else": (a_book(more={"xl/workbook.xml": b"x"}), "xlsform-unreadable"),
    "a bomb": (BOMB, "xlsform-too-large"),
    "a bomb that hides its size": (lying(BOMB, 30_000_000, 100), "xlsform-unreadable"),
    "too large": (b"PK" + b"x" * 1_000_000, "xlsform-too-large"),
    "a bomb of styles": (a_book(styles="<cellXfs>" + "<xf/>" * 1_500_000 + "</cellXfs>"), "xlsform-too-large"),
    "a row of millions": (a_book("<row>" + "<c/>" * 4_000_000 + "</row>"), "xlsform-too-large"),
    "texts by the million": (a_book("<row><c/></row>", texts="<si/>" * 1_500_000), "xlsform-too-large"),
    "entities": (a_book(sheet='<!DOCTYPE a [<!ENTITY b "c">]>' + a_sheet("")), "xlsform-unreadable"),
    "no survey": (a_workbook(choices=[["list_name"]]), "xlsform-no-sheet"),
    "an empty survey": (a_workbook(survey=[]), "xlsform-no-column"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_form_is_named(name: str) -> None:
    content, rule = FILES[name]
    assert len(content) < 1_100_000
    result = back(content, group="S1")
    assert result.instrument is None
    assert rule in {fault.rule for fault in result.faults}


def test_a_sheet_that_reaches_far_costs_little_and_too_many_rows_are_named() -> None:
    book = load_workbook(io.BytesIO(a_workbook(**TRAINING)))
    book["survey"]["XFD1048576"] = "far"
    buffer = io.BytesIO()
    book.save(buffer)
    assert back(buffer.getvalue(), group="S1").instrument is not None
    many = a_workbook(survey=[["type", "name", "label"], *[["text", f"q{row}", "?"] for row in range(3100)]])
    faults = back(many, group="S1").faults
    assert ("survey", 3001, "xlsform-too-many-rows") in {(each.sheet, each.row, each.rule) for each in faults}


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["text", "integer", "begin_group", "end_group", "select_one l", "note", "range", "?", ""]),
            st.sampled_from(["a", "b", "a.b", "section.x", ""]),
            st.sampled_from(["A", "${b}", "=1", ""]),
            st.sampled_from(["yes", "no", "${a}"]),
            st.sampled_from(["", ". > 1", "${a} = 1", "((", "selected(., 'x')"]),
            st.sampled_from(["", "likert", "pair", "matrix", "stir", "intro", "hint"]),
        ),
        max_size=8,
    )
)
def test_any_sheet_gives_an_instrument_or_faults(rows: list[tuple[str, ...]]) -> None:
    header = ["type", "name", "label", "required", "constraint", "hamkor::kind"]
    choices = [["list_name", "name", "label"], ["l", "x", "X"], ["l", "1", "One"]]
    result = back(a_workbook(survey=[header, *rows], choices=choices), group="S1")
    assert (result.instrument is None) == bool(result.faults)
    if result.instrument is not None:
        again = out(result.instrument)
        try:
            converted(again)
        except PyXFormError as wrong:
            pytest.fail(f"{rows}: {wrong}")
        assert back(again).instrument == result.instrument
