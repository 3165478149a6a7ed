"""The standard instruments say what DOMAIN.md asks for; a wrong file is named with place and cure."""

import copy
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.surveys.domain.documents import document_of
from services.surveys.domain.instruments import (
    CompetencePair,
    Dimension,
    FreeText,
    Instrument,
    PairPart,
    SingleChoice,
    Text,
)
from services.surveys.domain.reading import InstrumentError, parse_instrument, parse_shared_parts
from services.surveys.instruments import MESSAGES, STANDARD, InstrumentLibrary, WrongFile
from shared.contracts.vocabulary import RespondentGroup
from shared.errors import NotFound
from shared.i18n import SHARED_MESSAGES, Catalogue, Lang

LIBRARY = InstrumentLibrary.load()
TEXTS = Catalogue.load(SHARED_MESSAGES, MESSAGES)
EACH = pytest.mark.parametrize("instrument", LIBRARY.latest, ids=lambda each: each.code)


def texts_of(instrument: Instrument) -> list[Text]:
    found: list[Text | None] = [instrument.title, instrument.intro]
    for section in instrument.sections:
        found += [section.title, section.intro]
        for question in section.questions:
            found += [question.text, question.hint]
            found += [option.text for option in getattr(question, "options", ())]
    return [text for text in found if text is not None]


def test_every_respondent_group_has_a_standard_instrument() -> None:
    assert {each.code: each.group for each in LIBRARY.latest} == {str(group): group for group in RespondentGroup}


@EACH
def test_a_standard_instrument_is_short_enough_for_a_phone(instrument: Instrument) -> None:
    assert 10 <= len(instrument.questions) <= 24


@EACH
def test_every_text_is_there_in_four_languages(instrument: Instrument) -> None:
    for text in texts_of(instrument):
        assert set(text) == set(Lang)
        assert all(value.strip() for value in text.values())
        latin = set("abcdefghijklmnopqrstuvwxyz") & set(text[Lang.UZ_CYRL].lower())
        assert not latin, f"{text[Lang.UZ_CYRL]!r} has Latin letters"
        assert "'" not in text[Lang.UZ]


@EACH
def test_required_can_be_compared_with_acquired(instrument: Instrument) -> None:
    assert {pair.code for pair in instrument.competences} == {pair.code for pair in LIBRARY.get("S1").competences}
    wanted = PairPart.IMPORTANCE if instrument.group is RespondentGroup.S1 else PairPart.SATISFACTION
    assert {pair.terms.scores for pair in instrument.competences} == {wanted}
    assert {Dimension.KNOWLEDGE, Dimension.SKILLS, Dimension.PERSONAL_QUALITIES} <= set(instrument.dimensions)


@EACH
def test_free_text_is_optional_and_warns_against_names(instrument: Instrument) -> None:
    free = [question for question in instrument.questions if isinstance(question, FreeText)]
    assert free
    for question in free:
        assert not question.required
        assert question.hint is not None


def test_graduates_tell_their_status_and_when_they_left() -> None:
    asked = {question.code: question for question in LIBRARY.get("S4").questions}
    status, months = asked["status"], asked["months"]
    assert isinstance(status, SingleChoice)
    assert isinstance(months, SingleChoice)
    assert {"employed", "self_employed", "studying", "seeking"} <= {option.code for option in status.options}
    assert {"m6", "m12"} <= {option.code for option in months.options}


def test_the_library_names_what_it_does_not_have() -> None:
    with pytest.raises(NotFound):
        LIBRARY.get("S9")
    with pytest.raises(NotFound):
        LIBRARY.get("S1", 99)


def read(name: str) -> dict[str, Any]:
    return tomllib.loads((STANDARD / name).read_text(encoding="utf-8"))


SHARED = parse_shared_parts(read("catalogue.v1.toml"))
S2 = read("S2.v1.toml")


def question_of(values: dict[str, Any], code: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        question
        for section in values["sections"]
        for question in section.get("questions", ())
        if question["code"] == code
    )
    return found


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], object], str, str]] = {
    "missing text": (lambda v: v.pop("title"), "title", "instrument-missing"),
    "missing language": (lambda v: v["title"].pop("ru"), "title.ru", "instrument-missing"),
    "empty language": (lambda v: v["title"].update(ru=" "), "title.ru", "instrument-empty-text"),
    "unknown language": (lambda v: v["title"].update(kk="?"), "title.kk", "instrument-unknown-key"),
    "a tab in a text": (lambda v: v["title"].update(en="a\tb"), "title.en", "control_characters"),
    "misspelt key": (
        lambda v: question_of(v, "support").update(requird=True),
        "sections[outcome].questions[support].requird",
        "instrument-unknown-key",
    ),
    "unknown group": (lambda v: v.update(group="S9"), "group", "instrument-unknown-name"),
    "unknown kind": (
        lambda v: question_of(v, "support").update(kind="slider"),
        "sections[outcome].questions[support].kind",
        "instrument-unknown-name",
    ),
    "unknown scale": (
        lambda v: question_of(v, "support").update(scale="stars"),
        "sections[outcome].questions[support].scale",
        "instrument-unknown-name",
    ),
    "unknown catalogue": (lambda v: v.update(catalogue=7), "catalogue", "instrument-no-catalogue"),
    "unknown competence": (
        lambda v: v["sections"][1].update(competences=["magic"]),
        "sections[knowledge].competences",
        "instrument-unknown-name",
    ),
    "code twice": (
        lambda v: question_of(v, "support").update(code="duration"),
        "sections[outcome].questions[duration].code",
        "instrument-twice",
    ),
    "section twice": (lambda v: v["sections"][1].update(code="about"), "sections[about].code", "instrument-twice"),
    "bad code": (
        lambda v: question_of(v, "support").update(code="Support!"),
        "sections[outcome].questions[Support!].code",
        "instrument-bad-code",
    ),
    "scored without dimension": (
        lambda v: question_of(v, "support").pop("dimension"),
        "sections[outcome].questions[support].dimension",
        "instrument-dimension-missing",
    ),
    "scored text": (
        lambda v: question_of(v, "comment").update(scored=True, dimension="skills"),
        "sections[outcome].questions[comment].scored",
        "instrument-not-scorable",
    ),
    "required text": (
        lambda v: question_of(v, "comment").update(required=True),
        "sections[outcome].questions[comment].required",
        "instrument-text-required",
    ),
    "no score": (
        lambda v: [option.pop("score") for option in question_of(v, "would_hire")["options"]],
        "sections[outcome].questions[would_hire].options",
        "instrument-no-score",
    ),
    "score beyond": (
        lambda v: question_of(v, "would_hire")["options"][0].update(score=101),
        "sections[outcome].questions[would_hire].options[all].score",
        "instrument-out-of-range",
    ),
    "needless score": (
        lambda v: question_of(v, "duration")["options"][0].update(score=1),
        "sections[about].questions[duration].options[weeks_2].score",
        "instrument-needless-score",
    ),
    "no option": (
        lambda v: question_of(v, "duration").update(options=[]),
        "sections[about].questions[duration].options",
        "instrument-too-few-options",
    ),
    "option twice": (
        lambda v: question_of(v, "duration")["options"][1].update(code="weeks_2"),
        "sections[about].questions[duration].options[weeks_2].code",
        "instrument-twice",
    ),
    "relevance to a later question": (
        lambda v: question_of(v, "would_hire").update(relevant="${why_not} = 'skills'"),
        "sections[outcome].questions[would_hire].relevant",
        "later-question",
    ),
    "relevance to itself": (
        lambda v: question_of(v, "would_hire").update(relevant="${would_hire} = 'yes'"),
        "sections[outcome].questions[would_hire].relevant",
        "own-question",
    ),
    "relevance to nothing": (
        lambda v: question_of(v, "would_hire").update(relevant="${nothing} = 1"),
        "sections[outcome].questions[would_hire].relevant",
        "unknown-question",
    ),
    "relevance to no option": (
        lambda v: question_of(v, "why_not")["relevant"].update(any_of=["maybe"]),
        "sections[outcome].questions[why_not].relevant.any_of",
        "unknown-option",
    ),
    "a condition that breaks off": (
        lambda v: question_of(v, "comment").update(relevant="${support} >"),
        "sections[outcome].questions[comment].relevant",
        "expression-incomplete",
    ),
    "a constraint without a message": (
        lambda v: question_of(v, "trainees").update(constraint={"expression": ". > 1"}),
        "sections[about].questions[trainees].constraint.message",
        "instrument-missing",
    ),
    "bounds the wrong way": (
        lambda v: question_of(v, "trainees").update(max=0),
        "sections[about].questions[trainees].max",
        "instrument-out-of-range",
    ),
    "wrong type": (lambda v: v.update(version="one"), "version", "instrument-wrong-kind"),
    "flag as number": (
        lambda v: question_of(v, "support").update(required=1),
        "sections[outcome].questions[support].required",
        "instrument-wrong-kind",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_place_and_alone(name: str) -> None:
    change, field, rule = FAULTS[name]
    values = copy.deepcopy(S2)
    change(values)
    with pytest.raises(InstrumentError) as raised:
        parse_instrument(values, {1: SHARED})
    assert [(fault.field, fault.rule) for fault in raised.value.faults] == [(field, rule)]
    fault = raised.value.faults[0]
    for lang in Lang:
        for part in ("message", "remedy"):
            said = TEXTS.text(f"rule.{fault.rule}.{part}", lang, **fault.params)
            assert "{" not in said.replace("${", "")


def test_all_faults_are_named_at_once() -> None:
    values = copy.deepcopy(S2)
    values["title"].pop("en")
    question_of(values, "support").update(scale="stars", hint={"uz": ""}, requird=True)
    question_of(values, "duration")["options"][2]["text"].pop("ru")
    question_of(values, "comment")["max_length"] = 0
    with pytest.raises(InstrumentError) as raised:
        parse_instrument(values, {1: SHARED})
    places = {fault.field for fault in raised.value.faults}
    assert {
        "title.en",
        "sections[about].questions[duration].options[months_3].text.ru",
        "sections[outcome].questions[support].scale",
        "sections[outcome].questions[support].hint.uz",
        "sections[outcome].questions[support].requird",
        "sections[outcome].questions[comment].max_length",
    } <= places


def test_a_file_with_faults_stops_the_start_in_words(tmp_path: Path) -> None:
    for name in ("catalogue.v1.toml", "S2.v1.toml"):
        (tmp_path / name).write_text((STANDARD / name).read_text(encoding="utf-8"), encoding="utf-8")
    assert InstrumentLibrary.load(tmp_path).get("S2").version == 1
    path = tmp_path / "S2.v1.toml"
    path.write_text(path.read_text(encoding="utf-8").replace('kind = "likert"', 'kind = "slider"', 1), encoding="utf-8")
    with pytest.raises(WrongFile, match=r"S2\.v1\.toml: sections\[outcome\].*“slider” is unknown Choose one of"):
        InstrumentLibrary.load(tmp_path)


@EACH
def test_a_document_read_again_is_the_same_instrument(instrument: Instrument) -> None:
    assert parse_instrument(json.loads(json.dumps(document_of(instrument))), {}) == instrument


def test_a_draft_may_lack_languages_and_another_stands_in() -> None:
    values = copy.deepcopy(S2)
    del values["title"]["uz"], values["title"]["en"]
    draft = parse_instrument(values, {1: SHARED}, complete=False)
    assert set(draft.title.values()) == {values["title"]["ru"]}
    with pytest.raises(InstrumentError):
        parse_instrument(values, {1: SHARED})


def test_a_competence_is_asked_in_the_terms_of_its_instrument() -> None:
    pair = next(each for each in LIBRARY.get("S3").questions if isinstance(each, CompetencePair))
    assert pair.terms.prompts[PairPart.SATISFACTION][Lang.EN] == "My own level"
    assert pair.terms.scales[PairPart.SATISFACTION].top == 5


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["code", "text", "kind", "options", "rows", "scale", "questions", "sections", "uz", "x"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)
PLACES = ("title", "pair", "catalogue", "identified", "sections", "group", "version")
INNER = ("kind", "code", "options", "relevant", "constraint", "text", "required", "dimension", "scale", "min", "rows")


@settings(deadline=None)
@given(anything, st.sampled_from(PLACES), st.sampled_from(INNER), anything)
def test_any_document_is_read_or_named_as_wrong(whole: Any, place: str, key: str, inner: Any) -> None:
    changed = copy.deepcopy(S2)
    question_of(changed, "duration")[key] = inner
    for document in (whole, {**S2, place: whole}, changed):
        try:
            found = parse_instrument(document, {1: SHARED}, complete=False)
        except InstrumentError as wrong:
            faults = wrong.faults
        else:
            assert found.questions
            continue
        assert faults
        assert all(TEXTS.has(f"rule.{fault.rule}.message") for fault in faults)
