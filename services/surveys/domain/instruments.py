"""Questionnaires as data: what a published instrument says, checked when it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from services.surveys.domain.expressions import Expression, Kind, Known, Ticks, fields_in, joined, ticks
from shared.contracts.vocabulary import RespondentGroup
from shared.i18n import Lang

Text = Mapping[Lang, str]
"""One text in the four languages."""

WRITTEN = (Lang.UZ, Lang.RU, Lang.EN)
"""Languages an instrument is written in; Uzbek Cyrillic is derived where it is not given."""

MAX_SCORE = 100
UNSURE = "unsure"
"""The answer "can't judge": it answers the question and counts in no score."""


class Dimension(StrEnum):
    """What a scored question tells about."""

    KNOWLEDGE = "knowledge"
    SKILLS = "skills"
    PERSONAL_QUALITIES = "personal_qualities"
    READINESS = "readiness"
    RELEVANCE = "relevance"
    SATISFACTION = "satisfaction"


class PairPart(StrEnum):
    """The two ratings of one competence."""

    IMPORTANCE = "importance"
    SATISFACTION = "satisfaction"


@dataclass(frozen=True, slots=True)
class Scale:
    """Labels of the ratings 1, 2, … from the lowest to the highest."""

    code: str
    labels: tuple[Text, ...]

    @property
    def top(self) -> int:
        """The highest rating."""
        return len(self.labels)

    def known(self, *, unsure: bool) -> Known:
        """What a condition may compare a rating with."""
        ratings = frozenset(str(rating) for rating in range(1, self.top + 1))
        return Known(Kind.RATING, ratings | {UNSURE} if unsure else ratings)


@dataclass(frozen=True, slots=True)
class Option:
    """One answer to choose; `score` 0..100 counts if the question is scored, `exclusive` stands alone."""

    code: str
    text: Text
    score: int | None = None
    exclusive: bool = False


@dataclass(frozen=True, slots=True)
class Constraint:
    """What an answer, `.` in the expression, must fulfil; `message` says what is wrong with one that does not."""

    expression: Expression
    message: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What every kind of question has; `scored` answers count in the index of `dimension`.

    It is asked where `relevant` holds over the answers before it; a constraint judges only what is answered.
    """

    code: str
    text: Text
    hint: Text | None = None
    required: bool = False
    relevant: Expression | None = None
    constraint: Constraint | None = None
    dimension: Dimension | None = None
    scored: bool = False

    def fields(self) -> Mapping[str, Known]:
        """The form's fields of the question and what conditions may compare them with."""
        return {self.code: Known(Kind.TEXT)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleChoice(Question):
    """Exactly one of the options."""

    options: tuple[Option, ...]

    def fields(self) -> Mapping[str, Known]:
        """One field, one of the options."""
        return {self.code: Known(Kind.CHOICE, codes(self.options))}


@dataclass(frozen=True, slots=True, kw_only=True)
class MultipleChoice(Question):
    """Any of the options, at most `max_choices`; an exclusive one stands alone."""

    options: tuple[Option, ...]
    max_choices: int

    def fields(self) -> Mapping[str, Known]:
        """One field, any of the options."""
        return {self.code: Known(Kind.CHOICES, codes(self.options))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Likert(Question):
    """A rating on a scale; `unsure` offers "can't judge", which is an answer that is not counted.

    A `reverse` item is worded the other way round: its lowest rating scores highest.
    """

    scale: Scale
    unsure: bool = False
    reverse: bool = False

    def fields(self) -> Mapping[str, Known]:
        """One field, a rating."""
        return {self.code: self.scale.known(unsure=self.unsure)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTerms:
    """How an instrument asks about every competence: both prompts, both scales, and the part that is scored."""

    prompts: Mapping[PairPart, Text]
    scales: Mapping[PairPart, Scale]
    scores: PairPart


@dataclass(frozen=True, slots=True, kw_only=True)
class CompetencePair(Question):
    """A competence rated twice: its importance and its level; "can't judge" is always offered."""

    terms: PairTerms

    def fields(self) -> Mapping[str, Known]:
        """A rating for each part."""
        return {f"{self.code}.{part}": self.terms.scales[part].known(unsure=True) for part in PairPart}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a matrix; `dimension` where it differs from the question's, `reverse` as in Likert."""

    code: str
    text: Text
    dimension: Dimension | None = None
    reverse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix(Question):
    """Lines that are all answered on one scale, or with one of the same options: exactly one of the two is given.

    A required matrix demands an answer in each line.
    """

    rows: tuple[Row, ...]
    scale: Scale | None = None
    options: tuple[Option, ...] = ()
    unsure: bool = False

    def fields(self) -> Mapping[str, Known]:
        """A rating or an option for each line."""
        known = self.scale.known(unsure=self.unsure) if self.scale else Known(Kind.CHOICE, codes(self.options))
        return {f"{self.code}.{row.code}": known for row in self.rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberQuestion(Question):
    """A whole number from `minimum` to `maximum`."""

    minimum: int
    maximum: int

    def fields(self) -> Mapping[str, Known]:
        """One number."""
        return {self.code: Known(Kind.NUMBER)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecimalQuestion(Question):
    """A number from `minimum` to `maximum` with at most `digits` decimals."""

    minimum: Decimal
    maximum: Decimal
    digits: int

    def fields(self) -> Mapping[str, Known]:
        """One number."""
        return {self.code: Known(Kind.NUMBER)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DateQuestion(Question):
    """A calendar day, not before `earliest` and not after `latest` where these are given."""

    earliest: date | None = None
    latest: date | None = None

    def fields(self) -> Mapping[str, Known]:
        """One day."""
        return {self.code: Known(Kind.DATE)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfessionQuestion(Question):
    """A profession: one of the 436 unit groups of ISCO-08 (shared.contracts.codes), by which gaps are computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StirQuestion(Question):
    """An enterprise, by the nine digits of its STIR."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeText(Question):
    """A few sentences; always optional, never in events."""

    max_length: int


def codes(options: tuple[Option, ...]) -> frozenset[str]:
    """The codes of options."""
    return frozenset(option.code for option in options)


@dataclass(frozen=True, slots=True)
class Section:
    """Questions that belong together, shown as one step of the form."""

    code: str
    title: Text
    intro: Text | None
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Instrument:
    """One version of a questionnaire for one respondent group; immutable.

    An `identified` one is asked by name and with consent: no campaign, whose answers are anonymous, may ask it.
    """

    code: str
    version: int
    group: RespondentGroup
    title: Text
    intro: Text
    sections: tuple[Section, ...]
    identified: bool = False

    @property
    def questions(self) -> tuple[Question, ...]:
        """All questions in the order they are asked."""
        return tuple(question for section in self.sections for question in section.questions)

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """Dimensions with a scored question, in the order of the vocabulary."""
        scored = {dimension for question in self.questions if question.scored for dimension in _dimensions(question)}
        return tuple(dimension for dimension in Dimension if dimension in scored)

    @property
    def competences(self) -> tuple[CompetencePair, ...]:
        """The competences rated in pairs, in the order they are asked."""
        return tuple(question for question in self.questions if isinstance(question, CompetencePair))

    @property
    def profession(self) -> ProfessionQuestion | None:
        """The question that says about which profession the others are answered; the first one of its kind."""
        return next((each for each in self.questions if isinstance(each, ProfessionQuestion)), None)

    def shown_when(self, question: Question) -> Ticks | None:
        """When a question is asked, as alternatives of what must be ticked; None where ticks can't say it.

        What an earlier question hangs on is in it: a tick in a question that is not asked itself shows nothing.
        """
        condition = self._whole_condition(question, {each.code: each for each in self.questions})
        if condition is None:
            return None
        offered = {
            name: sorted(known.options)
            for each in self.questions
            for name, known in each.fields().items()
            if known.options
        }
        return ticks(condition, offered)

    def _whole_condition(self, question: Question, by_code: Mapping[str, Question]) -> Expression | None:
        if question.relevant is None:
            return None
        parts = [question.relevant]
        for name in fields_in(question.relevant):
            above = by_code.get(name.partition(".")[0])
            condition = self._whole_condition(above, by_code) if above else None
            if condition is not None and condition not in parts:
                parts.append(condition)
        return joined("and", parts)


def _dimensions(question: Question) -> Iterator[Dimension | None]:
    if isinstance(question, Matrix):
        yield from (row.dimension or question.dimension for row in question.rows)
    else:
        yield question.dimension


@dataclass(frozen=True, slots=True)
class Competence:
    """A competence of the shared catalogue."""

    code: str
    text: Text
    dimension: Dimension


@dataclass(frozen=True, slots=True)
class SharedParts:
    """One version of the catalogue that instruments draw scales and competences from."""

    version: int
    scales: Mapping[str, Scale]
    competences: Mapping[str, Competence]
