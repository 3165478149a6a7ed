"""Questionnaires as data: what a published instrument says, checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.contracts.vocabulary import RespondentGroup
from shared.i18n import Lang

Text = Mapping[Lang, str]
"""One text in the four languages."""

WRITTEN = (Lang.UZ, Lang.RU, Lang.EN)
"""Languages an instrument is written in; Uzbek Cyrillic is derived where it is not given."""

MAX_SCORE = 100


class InstrumentError(ValueError):
    """An instrument that can't be used; the text names file, place and cure."""


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


@dataclass(frozen=True, slots=True)
class Option:
    """One answer to choose; `score` 0..100 counts if the question is scored, `exclusive` stands alone."""

    code: str
    text: Text
    score: int | None = None
    exclusive: bool = False


@dataclass(frozen=True, slots=True)
class Relevance:
    """A question is asked only if the earlier `question` was answered with one of `any_of`."""

    question: str
    any_of: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What every kind of question has; `scored` answers count in the index of `dimension`."""

    code: str
    text: Text
    hint: Text | None = None
    required: bool = False
    relevant: Relevance | None = None
    dimension: Dimension | None = None
    scored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleChoice(Question):
    """Exactly one of the options."""

    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MultipleChoice(Question):
    """Any of the options, at most `max_choices`; an exclusive one stands alone."""

    options: tuple[Option, ...]
    max_choices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Likert(Question):
    """A rating on a scale; `unsure` offers "can't judge", which is an answer that is not counted."""

    scale: Scale
    unsure: bool = False


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


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberQuestion(Question):
    """A whole number from `minimum` to `maximum`."""

    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeText(Question):
    """A few sentences; always optional, never in events."""

    max_length: int


@dataclass(frozen=True, slots=True)
class Section:
    """Questions that belong together, shown as one step of the form."""

    code: str
    title: Text
    intro: Text | None
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Instrument:
    """One published version of a questionnaire for one respondent group; immutable."""

    code: str
    version: int
    group: RespondentGroup
    title: Text
    intro: Text
    sections: tuple[Section, ...]

    @property
    def questions(self) -> tuple[Question, ...]:
        """All questions in the order they are asked."""
        return tuple(question for section in self.sections for question in section.questions)

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """Dimensions with a scored question, in the order of the vocabulary."""
        scored = {question.dimension for question in self.questions if question.scored}
        return tuple(dimension for dimension in Dimension if dimension in scored)

    @property
    def competences(self) -> tuple[CompetencePair, ...]:
        """The competences rated in pairs, in the order they are asked."""
        return tuple(question for question in self.questions if isinstance(question, CompetencePair))


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
