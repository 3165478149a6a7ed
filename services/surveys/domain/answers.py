"""What a respondent sent, checked against the instrument: what can be kept, and what is wrong with the rest."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from services.surveys.domain.instruments import (
    CompetencePair,
    FreeText,
    Instrument,
    Likert,
    MultipleChoice,
    NumberQuestion,
    PairPart,
    Question,
    Relevance,
    SingleChoice,
)
from shared.errors import FieldError

UNSURE: Final = "unsure"
"""The answer "can't judge": it answers the question and counts in no score."""

Rating: TypeAlias = int | str
"""1, 2, … or UNSURE."""

Answer: TypeAlias = str | int | list[str] | dict[str, Rating]
"""Single choice: an option; multiple: options; likert: a rating; pair: a rating per part; number: int; text: str."""

Answers: TypeAlias = Mapping[str, Answer]
"""Kept answers by question code; a question without answer is absent, never zero or empty."""

Sent: TypeAlias = Mapping[str, Sequence[str]]
"""What a form sends: field names with one or more texts."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The answers that can be kept and the faults of the others; nothing may be stored while there are faults."""

    answers: dict[str, Answer] = field(default_factory=dict)
    faults: tuple[FieldError, ...] = ()


def field_of(question: Question, part: PairPart | None = None) -> str:
    """The form's field name of a question, or of one part of a pair."""
    return question.code if part is None else f"{question.code}.{part}"


def is_asked(relevance: Relevance | None, answers: Answers) -> bool:
    """Whether a question with this relevance is asked, given the answers kept so far."""
    if relevance is None:
        return True
    given = answers.get(relevance.question)
    chosen = given if isinstance(given, list) else [given]
    return not relevance.any_of.isdisjoint(str(each) for each in chosen if each is not None)


def check(instrument: Instrument, sent: Sent) -> Checked:
    """The answers among `sent` that the instrument accepts, and a fault for each that it does not.

    Answers to questions that are not asked are left out, as are fields that the instrument does not know.
    """
    answers: dict[str, Answer] = {}
    faults: list[FieldError] = []
    for question in instrument.questions:
        if not is_asked(question.relevant, answers):
            continue
        answer, wrong = _CHECKS[type(question)](question, sent)
        faults += wrong
        if answer is not None and not wrong:
            answers[question.code] = answer
        elif question.required and not wrong:
            faults.append(FieldError(field_of(question), "answer-required"))
    return Checked(answers, tuple(faults))


_Outcome: TypeAlias = tuple[Answer | None, list[FieldError]]


def _given(sent: Sent, name: str) -> list[str]:
    return [text for text in (each.strip() for each in sent.get(name, ())) if text]


def _single(question: Question, sent: Sent) -> _Outcome:
    assert isinstance(question, SingleChoice)
    given = _given(sent, question.code)
    if not given:
        return None, []
    if len(given) > 1 or given[0] not in {option.code for option in question.options}:
        return None, [FieldError(question.code, "answer-not-offered")]
    return given[0], []


def _multiple(question: Question, sent: Sent) -> _Outcome:
    assert isinstance(question, MultipleChoice)
    given = set(_given(sent, question.code))
    if not given:
        return None, []
    if given - {option.code for option in question.options}:
        return None, [FieldError(question.code, "answer-not-offered")]
    chosen = [option for option in question.options if option.code in given]
    if len(chosen) > question.max_choices:
        limits: dict[str, str | int | float] = {"max": question.max_choices, "given": len(chosen)}
        return None, [FieldError(question.code, "answer-too-many-choices", limits)]
    if len(chosen) > 1 and any(option.exclusive for option in chosen):
        return None, [FieldError(question.code, "answer-excludes-others")]
    return [option.code for option in chosen], []


def _rating(sent: Sent, name: str, top: int, *, unsure: bool) -> tuple[Rating | None, list[FieldError]]:
    given = _given(sent, name)
    if not given:
        return None, []
    if given == [UNSURE] and unsure:
        return UNSURE, []
    if len(given) > 1 or given[0] not in {str(rating) for rating in range(1, top + 1)}:
        return None, [FieldError(name, "answer-not-offered")]
    return int(given[0]), []


def _likert(question: Question, sent: Sent) -> _Outcome:
    assert isinstance(question, Likert)
    return _rating(sent, question.code, question.scale.top, unsure=question.unsure)


def _pair(question: Question, sent: Sent) -> _Outcome:
    assert isinstance(question, CompetencePair)
    ratings: dict[str, Rating] = {}
    faults: list[FieldError] = []
    for part in PairPart:
        name = field_of(question, part)
        rating, wrong = _rating(sent, name, question.terms.scales[part].top, unsure=True)
        faults += wrong
        if rating is not None:
            ratings[part] = rating
        elif question.required and not wrong:
            faults.append(FieldError(name, "answer-required"))
    return ratings or None, faults


def _number(question: Question, sent: Sent) -> _Outcome:
    assert isinstance(question, NumberQuestion)
    given = _given(sent, question.code)
    if not given:
        return None, []
    digits = re.sub(r"[\s\u00a0]", "", given[0])
    if len(given) > 1 or not re.fullmatch(r"[+-]?[0-9]{1,12}", digits):
        return None, [FieldError(question.code, "answer-not-whole-number")]
    value = int(digits)
    if not question.minimum <= value <= question.maximum:
        limits: dict[str, str | int | float] = {"min": question.minimum, "max": question.maximum}
        return None, [FieldError(question.code, "answer-out-of-range", limits)]
    return value, []


def _text(question: Question, sent: Sent) -> _Outcome:
    assert isinstance(question, FreeText)
    # A browser sends CR LF for one line break; control characters have no place in a sentence.
    text = "\n".join(_given(sent, question.code)).replace("\r\n", "\n")
    text = "".join(sign for sign in text if sign == "\n" or sign.isprintable())
    if len(text) > question.max_length:
        limits: dict[str, str | int | float] = {"max": question.max_length, "given": len(text)}
        return None, [FieldError(question.code, "answer-too-long", limits)]
    return text or None, []


_CHECKS: Final[Mapping[type[Question], Callable[[Question, Sent], _Outcome]]] = {
    SingleChoice: _single,
    MultipleChoice: _multiple,
    Likert: _likert,
    CompetencePair: _pair,
    NumberQuestion: _number,
    FreeText: _text,
}
