"""The index of a response: scored answers on the scale 0..100, in integer thousandths; unanswered is not zero."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from services.surveys.domain.answers import Answer, Answers, Rating
from services.surveys.domain.instruments import (
    MAX_SCORE,
    CompetencePair,
    Dimension,
    Instrument,
    Likert,
    Matrix,
    Option,
    PairPart,
    Question,
    SingleChoice,
)

THOUSANDTHS: Final = 1000
FULL: Final = MAX_SCORE * THOUSANDTHS
"""The best score, 100, in thousandths."""

_DIMENSIONS: Final = tuple(Dimension)

INDEX: Final = "index"
"""The name of the measure that is the mean of all scored answers of a response."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Sum of scored answers in thousandths (0..100_000 each) and how many there were; at least one."""

    total: int
    count: int

    @property
    def mean(self) -> int:
        """The mean in thousandths, rounded half up."""
        return rounded(self.total, self.count)


@dataclass(frozen=True, slots=True)
class ResponseScore:
    """What a response scored: per dimension with a scored answer, and overall (None: no scored answer)."""

    index: int | None
    dimensions: Mapping[Dimension, Tally]


def rounded(total: int, count: int) -> int:
    """total / count as an integer, rounded half up; both are non-negative."""
    return (2 * total + count) // (2 * count)


def rating_score(rating: int, top: int, *, reverse: bool = False) -> int:
    """A rating 1..top on the scale 0..100 in thousandths: the lowest is 0, the highest 100; reversed, the other way."""
    return rounded((top - rating if reverse else rating - 1) * FULL, top - 1)


def score(instrument: Instrument, answers: Answers) -> ResponseScore:
    """The scores of one response (INDICATORS.md, survey indices: mean of scored answers)."""
    return score_of(item for each in instrument.questions for item in scored_items(each, answers.get(each.code)))


def score_of(items: Iterable[tuple[Dimension, int]]) -> ResponseScore:
    """The scores of a response whose scored answers are these, each with its dimension and thousandths."""
    totals: dict[Dimension, list[int]] = {}
    for dimension, value in items:
        totals.setdefault(dimension, []).append(value)
    dimensions = {
        dimension: Tally(sum(totals[dimension]), len(totals[dimension]))
        for dimension in _DIMENSIONS
        if dimension in totals
    }
    count = sum(tally.count for tally in dimensions.values())
    index = rounded(sum(tally.total for tally in dimensions.values()), count) if count else None
    return ResponseScore(index, dimensions)


def competence_measure(competence: str, part: PairPart) -> str:
    """The name of the measure of one part of a competence."""
    return f"{competence}.{part}"


def scored_items(question: Question, answer: Answer | None) -> Iterator[tuple[Dimension, int]]:
    """The scored answers of a question with the dimension they count in; unanswered and unsure are left out."""
    if question.scored:
        for dimension, value in _items(question, answer):
            if value is not None and dimension is not None:
                yield dimension, value


def _items(question: Question, answer: Answer | None) -> Iterator[tuple[Dimension | None, int | None]]:
    match question:
        case SingleChoice():
            yield question.dimension, _points(question.options, answer)
        case Likert() if isinstance(answer, int):
            yield question.dimension, rating_score(answer, question.scale.top, reverse=question.reverse)
        case CompetencePair():
            yield question.dimension, _pair_value(question, question.terms.scores, answer)
        case Matrix() if isinstance(answer, dict):
            for row in question.rows:
                given = answer.get(row.code)
                if question.scale is None:
                    value = _points(question.options, given)
                elif isinstance(given, int):
                    value = rating_score(given, question.scale.top, reverse=row.reverse)
                else:
                    value = None
                yield row.dimension or question.dimension, value


def _points(options: tuple[Option, ...], answer: Answer | None) -> int | None:
    points = next((option.score for option in options if option.code == answer), None)
    return None if points is None else points * THOUSANDTHS


def _pair_value(pair: CompetencePair, part: PairPart, answer: Answer | None) -> int | None:
    rating: Rating | None = answer.get(part) if isinstance(answer, dict) else None
    return rating_score(rating, pair.terms.scales[part].top) if isinstance(rating, int) else None
