"""The standard instruments say what DOMAIN.md asks for; a wrong file is named with place and cure."""

import copy
import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from services.surveys.domain.instruments import (
    CompetencePair,
    Dimension,
    FreeText,
    Instrument,
    InstrumentError,
    PairPart,
    SingleChoice,
    Text,
)
from services.surveys.domain.reading import parse_instrument, parse_shared_parts
from services.surveys.instruments import STANDARD, InstrumentLibrary
from shared.contracts.vocabulary import RespondentGroup
from shared.errors import NotFound
from shared.i18n import Lang

LIBRARY = InstrumentLibrary.load()
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
    assert 10 <= len(instrument.questions) <= 18


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


SHARED = parse_shared_parts(read("catalogue.v1.toml"), "catalogue.v1.toml")
S2 = read("S2.v1.toml")


def question_of(values: dict[str, Any], code: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        question
        for section in values["sections"]
        for question in section.get("questions", ())
        if question["code"] == code
    )
    return found


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "missing text": (lambda v: v.pop("title"), r"title: is missing"),
    "missing language": (lambda v: v["title"].pop("ru"), r"title\.ru: is missing"),
    "empty language": (lambda v: v["title"].update(ru=" "), r"title\.ru: is empty"),
    "unknown language": (lambda v: v["title"].update(kk="?"), r"title\.kk: is unknown here"),
    "misspelt key": (
        lambda v: question_of(v, "support").update(requird=True),
        r"questions\[support\]\.requird: is unknown",
    ),
    "unknown group": (lambda v: v.update(group="S9"), r"group: 'S9' is unknown; choose one of S1"),
    "unknown kind": (lambda v: question_of(v, "support").update(kind="slider"), r"questions\[support\]\.kind"),
    "unknown scale": (lambda v: question_of(v, "support").update(scale="stars"), r"scale: 'stars' is unknown"),
    "unknown catalogue": (lambda v: v.update(catalogue=7), r"catalogue: there is no catalogue\.v7\.toml"),
    "unknown competence": (lambda v: v["sections"][1].update(competences=["magic"]), r"competences: 'magic' is not in"),
    "code twice": (lambda v: question_of(v, "support").update(code="duration"), r"'duration' is asked already"),
    "section twice": (lambda v: v["sections"][1].update(code="about"), r"another section has this code"),
    "bad code": (lambda v: question_of(v, "support").update(code="Support!"), r"does not fit"),
    "scored without dimension": (lambda v: question_of(v, "support").pop("dimension"), r"dimension: is missing"),
    "scored text": (
        lambda v: question_of(v, "comment").update(scored=True, dimension="skills"),
        r"questions\[comment\]\.scored: a question of kind text",
    ),
    "required text": (lambda v: question_of(v, "comment").update(required=True), r"always optional"),
    "no score": (
        lambda v: [option.pop("score") for option in question_of(v, "would_hire")["options"]],
        r"no option has a score",
    ),
    "score beyond": (lambda v: question_of(v, "would_hire")["options"][0].update(score=101), r"options\[all\]\.score"),
    "needless score": (lambda v: question_of(v, "duration")["options"][0].update(score=1), r"is not scored"),
    "one option": (lambda v: question_of(v, "duration").update(options=[]), r"two options or more"),
    "option twice": (
        lambda v: question_of(v, "duration")["options"][1].update(code="weeks_2"),
        r"another option has this code",
    ),
    "relevance to a later question": (
        lambda v: question_of(v, "why_not")["relevant"].update(question="comment"),
        r"relevant\.question: 'comment' is unknown",
    ),
    "relevance to no option": (
        lambda v: question_of(v, "why_not")["relevant"].update(any_of=["maybe"]),
        r"any_of: 'maybe' is not an option",
    ),
    "bounds the wrong way": (lambda v: question_of(v, "trainees").update(max=0), r"expected a whole number from 1"),
    "wrong type": (lambda v: v.update(version="one"), r"version: expected a whole number from 1 to 9999, found text"),
    "flag as number": (lambda v: question_of(v, "support").update(required=1), r"expected true or false"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_names_file_and_place(name: str) -> None:
    change, expected = FAULTS[name]
    values = copy.deepcopy(S2)
    change(values)
    with pytest.raises(InstrumentError, match=expected) as raised:
        parse_instrument(values, "S2.v1.toml", {1: SHARED})
    assert str(raised.value).startswith("S2.v1.toml: ")


def test_a_competence_is_asked_in_the_terms_of_its_instrument() -> None:
    pair = next(each for each in LIBRARY.get("S3").questions if isinstance(each, CompetencePair))
    assert pair.terms.prompts[PairPart.SATISFACTION][Lang.EN] == "My own level"
    assert pair.terms.scales[PairPart.SATISFACTION].top == 5
