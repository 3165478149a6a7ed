"""The index of a response: scored answers on the scale 0..100, in integer thousandths; unanswered is not zero."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from services.surveys.domain.answers import Answers, Rating
from services.surveys.domain.instruments import (
    MAX_SCORE,
    CompetencePair,
    Dimension,
    Instrument,
    Likert,
    PairPart,
    Question,
    SingleChoice,
)

THOUSANDTHS: Final = 1000
FULL: Final = MAX_SCORE * THOUSANDTHS
"""The best score, 100, in thousandths."""

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


def rating_score(rating: int, top: int) -> int:
    """A rating 1..top on the scale 0..100 in thousandths: the lowest is 0, the highest 100."""
    return rounded((rating - 1) * FULL, top - 1)


def score(instrument: Instrument, answers: Answers) -> ResponseScore:
    """The scores of one response (INDICATORS.md, survey indices: mean of scored answers)."""
    totals: dict[Dimension, list[int]] = {}
    for question in instrument.questions:
        value = _value(question, answers) if question.scored else None
        if value is not None and question.dimension is not None:
            totals.setdefault(question.dimension, []).append(value)
    dimensions = {
        dimension: Tally(sum(totals[dimension]), len(totals[dimension]))
        for dimension in Dimension
        if dimension in totals
    }
    count = sum(tally.count for tally in dimensions.values())
    index = rounded(sum(tally.total for tally in dimensions.values()), count) if count else None
    return ResponseScore(index, dimensions)


def measures(instrument: Instrument, answers: Answers) -> dict[str, int]:
    """What one response adds to its campaign's results: measure to value in thousandths.

    `index`, each dimension's mean, and both ratings of each competence as `<competence>.<part>`.
    """
    scored = score(instrument, answers)
    found: dict[str, int] = {} if scored.index is None else {INDEX: scored.index}
    found |= {str(dimension): tally.mean for dimension, tally in scored.dimensions.items()}
    found |= dict(_competence_ratings(instrument, answers))
    return found


def competence_measure(competence: str, part: PairPart) -> str:
    """The name of the measure of one part of a competence."""
    return f"{competence}.{part}"


def _competence_ratings(instrument: Instrument, answers: Answers) -> Iterator[tuple[str, int]]:
    for pair in instrument.competences:
        for part in PairPart:
            value = _pair_value(pair, part, answers)
            if value is not None:
                yield competence_measure(pair.code, part), value


def _value(question: Question, answers: Answers) -> int | None:
    answer = answers.get(question.code)
    match question:
        case SingleChoice():
            points = {option.code: option.score for option in question.options}.get(str(answer))
            return None if points is None else points * THOUSANDTHS
        case Likert() if isinstance(answer, int):
            return rating_score(answer, question.scale.top)
        case CompetencePair():
            return _pair_value(question, question.terms.scores, answers)
    return None


def _pair_value(pair: CompetencePair, part: PairPart, answers: Answers) -> int | None:
    answer = answers.get(pair.code)
    rating: Rating | None = answer.get(part) if isinstance(answer, dict) else None
    return rating_score(rating, pair.terms.scales[part].top) if isinstance(rating, int) else None
