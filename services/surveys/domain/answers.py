"""What a respondent sent, checked against the instrument: what can be kept, and what is wrong with the rest."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Final, TypeAlias

from services.surveys.domain.expressions import Context, value_of
from services.surveys.domain.instruments import (
    UNSURE,
    CompetencePair,
    DateQuestion,
    DecimalQuestion,
    FreeText,
    Instrument,
    Likert,
    Matrix,
    MultipleChoice,
    NumberQuestion,
    Option,
    PairPart,
    ProfessionQuestion,
    Question,
    SingleChoice,
    StirQuestion,
)
from shared.clock import local_day, now
from shared.contracts.codes import isco_unit_groups
from shared.contracts.fields import is_stir
from shared.errors import FieldError
from shared.i18n import Lang

Rating: TypeAlias = int | str
"""1, 2, … or UNSURE; in a matrix of options: an option."""

Answer: TypeAlias = str | int | list[str] | dict[str, Rating]
"""What is kept of one question, ready for JSON:

single choice: the option · multiple: the options, in the order of the instrument · likert: the rating, an int or UNSURE
pair: a rating by part ("importance", "satisfaction") · matrix: a rating or an option by the row's code
number: int · decimal: text as "3.5", without needless zeros · date: text as "2026-09-01" · text: text
profession: the four digits of an ISCO-08 unit group · STIR: its nine digits
"""

Answers: TypeAlias = Mapping[str, Answer]
"""Kept answers by question code; a question without answer is absent, never zero or empty."""

Sent: TypeAlias = Mapping[str, Sequence[str]]
"""What a form sends: field names with one or more texts."""


_Outcome: TypeAlias = tuple[Answer | None, list[FieldError]]

MOST_READ: Final = 200
"""Instruments whose readers are kept."""

MOST_TICKED: Final = 4096
"""Different ticks of one question that are remembered."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The answers that can be kept and the faults of the others; nothing may be stored while there are faults."""

    answers: dict[str, Answer] = field(default_factory=dict)
    faults: tuple[FieldError, ...] = ()


def field_of(question: Question, part: str | None = None) -> str:
    """The form's field name of a question, of one part of a pair (PairPart), or of one row of a matrix (its code)."""
    return question.code if part is None else f"{question.code}.{part}"


def is_asked(question: Question, answers: Answers, today: date) -> bool:
    """Whether a question is asked, given the answers kept so far."""
    return question.relevant is None or question.relevant.holds(Context(answers, today))


def check(instrument: Instrument, sent: Sent, today: date | None = None) -> Checked:
    """The answers among `sent` that the instrument accepts, and a fault for each that it does not.

    Answers to questions that are not asked are left out, as are fields that the instrument does not know. Faults name
    the form's field; one of a constraint has the rule "answer-constraint": its message is the constraint's own
    (`constraint_message`). `today` is the local day, that of the machine's clock unless given.
    """
    day = today or local_day(now())
    answers: dict[str, Answer] = {}
    faults: list[FieldError] = []
    for reader in _readers(instrument):
        question = reader.question
        if question.relevant is not None and not is_asked(question, answers, day):
            continue
        answer, wrong = reader.read(sent)
        if answer is not None and not wrong and question.constraint is not None:
            wrong = _constraint(question, answer, answers, day)
        faults += wrong
        if answer is not None and not wrong:
            answers[question.code] = answer
        elif question.required and not wrong:
            faults.append(FieldError(field_of(question), "answer-required"))
    return Checked(answers, tuple(faults))


class _Reader:
    """Reads what was sent for one question; what is ticked is worked out once, however many tick the same."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self._check = _CHECKS[type(question)]
        self._names = tuple(question.fields()) if isinstance(question, _TICKED) else None
        self._known: dict[tuple[tuple[str, ...], ...], _Outcome] = {}

    def read(self, sent: Sent) -> _Outcome:
        """The answer, or None, and what is wrong with it; nobody may change what comes out."""
        if self._names is None:
            return self._check(self.question, sent)
        key = tuple([tuple(sent.get(name, ())) for name in self._names])
        outcome = self._known.get(key)
        if outcome is None:
            outcome = self._check(self.question, sent)
            if not outcome[1]:
                if len(self._known) >= MOST_TICKED:
                    self._known.clear()
                self._known[key] = outcome
        return outcome


_READERS: Final[dict[int, tuple[Instrument, list[_Reader]]]] = {}
"""By identity: the library keeps one object of each version, and hashing one would cost more than this saves."""


def _readers(instrument: Instrument) -> list[_Reader]:
    known = _READERS.get(id(instrument))
    if known is None or known[0] is not instrument:
        if len(_READERS) >= MOST_READ:
            _READERS.clear()
        known = _READERS[id(instrument)] = instrument, [_Reader(question) for question in instrument.questions]
    return known[1]


BROKEN_CONSTRAINT: Final = "answer-constraint"


def constraint_message(instrument: Instrument, fault: FieldError, lang: Lang) -> str | None:
    """What an instrument itself says of a broken constraint; None for any other fault."""
    if fault.rule != BROKEN_CONSTRAINT:
        return None
    code = fault.field.partition(".")[0]
    found = next((each.constraint for each in instrument.questions if each.code == code), None)
    return None if found is None else found.message[lang]


def _constraint(question: Question, answer: Answer, answers: Answers, today: date) -> list[FieldError]:
    """One fault for each field whose answer breaks the constraint: those of a pair or matrix are judged one by one."""
    assert question.constraint is not None
    fields: dict[str, Answer] = {question.code: answer}
    if isinstance(answer, dict):
        fields = {field_of(question, part): each for part, each in answer.items()}
    return [
        FieldError(name, BROKEN_CONSTRAINT)
        for name, each in fields.items()
        if not question.constraint.expression.holds(Context(answers, today, value_of(each)))
    ]


def _given(sent: Sent, name: str) -> list[str]:
    return [text for text in (each.strip() for each in sent.get(name, ())) if text]


def _single(question: Question, sent: Sent) -> _Outcome:
    assert isinstance(question, SingleChoice)
    given = _given(sent, question.code)
    if not given:
        return None, []
    return _option(question.options, question.code, given)


def _option(options: tuple[Option, ...], name: str, given: list[str]) -> tuple[str | None, list[FieldError]]:
    if len(given) > 1 or all(option.code != given[0] for option in options):
        return None, [FieldError(name, "answer-not-offered")]
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
    rating = _ratings(top).get(given[0])
    if len(given) > 1 or rating is None:
        return None, [FieldError(name, "answer-not-offered")]
    return rating, []


@cache
def _ratings(top: int) -> Mapping[str, int]:
    return {str(rating): rating for rating in range(1, top + 1)}


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


def _matrix(question: Question, sent: Sent) -> _Outcome:
    assert isinstance(question, Matrix)
    found: dict[str, Rating] = {}
    faults: list[FieldError] = []
    for row in question.rows:
        name = field_of(question, row.code)
        answer, wrong = _line(question, sent, name)
        faults += wrong
        if answer is not None:
            found[row.code] = answer
        elif question.required and not wrong:
            faults.append(FieldError(name, "answer-required"))
    return found or None, faults


def _line(question: Matrix, sent: Sent, name: str) -> tuple[Rating | None, list[FieldError]]:
    if question.scale is not None:
        return _rating(sent, name, question.scale.top, unsure=question.unsure)
    given = _given(sent, name)
    return _option(question.options, name, given) if given else (None, [])


def _digits(sent: Sent, name: str) -> list[str]:
    """What was given as a number, without the spaces that people group digits with."""
    return [re.sub(r"[\s\u00a0]", "", each) for each in _given(sent, name)]


def _number(question: Question, sent: Sent) -> _Outcome:
    assert isinstance(question, NumberQuestion)
    given = _digits(sent, question.code)
    if not given:
        return None, []
    if len(given) > 1 or not re.fullmatch(r"[+-]?[0-9]{1,12}", given[0]):
        return None, [FieldError(question.code, "answer-not-whole-number")]
    value = int(given[0])
    if not question.minimum <= value <= question.maximum:
        limits: dict[str, str | int | float] = {"min": question.minimum, "max": question.maximum}
        return None, [FieldError(question.code, "answer-out-of-range", limits)]
    return value, []


def _decimal(question: Question, sent: Sent) -> _Outcome:
    assert isinstance(question, DecimalQuestion)
    given = _digits(sent, question.code)
    if not given:
        return None, []
    # A comma divides decimals in Uzbek and Russian.
    number = given[0].replace(",", ".")
    if len(given) > 1 or not re.fullmatch(r"[+-]?[0-9]{1,12}(\.[0-9]{1,12})?", number):
        return None, [FieldError(question.code, "answer-not-number")]
    value = Decimal(number)
    if not question.minimum <= value <= question.maximum:
        limits: dict[str, str | int | float] = {"min": str(question.minimum), "max": str(question.maximum)}
        return None, [FieldError(question.code, "answer-out-of-range", limits)]
    rounded = round(value, question.digits)
    if rounded != value:
        return None, [FieldError(question.code, "answer-too-precise", {"digits": question.digits})]
    return plain(rounded), []


def plain(value: Decimal) -> str:
    """A number as text without exponent, needless zeros and the sign of a zero."""
    text = format(value.normalize(), "f")
    return "0" if text == "-0" else text


def _date(question: Question, sent: Sent) -> _Outcome:
    assert isinstance(question, DateQuestion)
    given = _given(sent, question.code)
    if not given:
        return None, []
    day = _day(given[0]) if len(given) == 1 else None
    if day is None:
        return None, [FieldError(question.code, "answer-not-date")]
    if question.earliest is not None and day < question.earliest:
        return None, [FieldError(question.code, "answer-too-early", {"first": question.earliest.isoformat()})]
    if question.latest is not None and day > question.latest:
        return None, [FieldError(question.code, "answer-too-late", {"last": question.latest.isoformat()})]
    return day.isoformat(), []


_DAY: Final = re.compile(
    r"(?P<y>[0-9]{4})-(?P<m>[0-9]{1,2})-(?P<d>[0-9]{1,2})|(?P<d2>[0-9]{1,2})[./](?P<m2>[0-9]{1,2})[./](?P<y2>[0-9]{4})"
)


def _day(text: str) -> date | None:
    """A day as browsers send it, or as people here write it: 31.12.2026."""
    match = _DAY.fullmatch(text)
    if match is None:
        return None
    year, month, day = (match[part] or match[f"{part}2"] for part in "ymd")
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _profession(question: Question, sent: Sent) -> _Outcome:
    given = _given(sent, question.code)
    if not given:
        return None, []
    if len(given) > 1 or given[0] not in isco_unit_groups():
        return None, [FieldError(question.code, "answer-not-profession")]
    return given[0], []


def _stir(question: Question, sent: Sent) -> _Outcome:
    given = _digits(sent, question.code)
    if not given:
        return None, []
    if len(given) > 1 or not is_stir(given[0]):
        return None, [FieldError(question.code, "answer-not-stir")]
    return given[0], []


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
    Matrix: _matrix,
    NumberQuestion: _number,
    DecimalQuestion: _decimal,
    DateQuestion: _date,
    ProfessionQuestion: _profession,
    StirQuestion: _stir,
    FreeText: _text,
}
_TICKED: Final = (SingleChoice, MultipleChoice, Likert, CompetencePair, Matrix)
