"""What one response adds to its campaign's results: values of topics, chosen options, and items for reliability.

A topic is what is counted together: a question, one part of a pair, one row of a matrix, the index, a dimension. Of
each topic results keep how many answered, sum and sum of squares of their values, and how often each option was chosen.
All of it is integers that add up: results of any number of responses are read from sums, and can be counted anew.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from services.surveys.domain.answers import Answers
from services.surveys.domain.instruments import (
    UNSURE,
    CompetencePair,
    DateQuestion,
    DecimalQuestion,
    Dimension,
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
)
from services.surveys.domain.scoring import THOUSANDTHS, competence_measure, measures, rating_score

ALPHA: Final = "alpha:"
AT: Final = "@"
"""Divides a topic from the profession it is counted for: "theory.importance@2411"."""


MOST_KNOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Tallies:
    """What one response adds: thousandths by topic, options chosen as (topic, option), texts by question."""

    values: Mapping[str, int] = field(default_factory=dict)
    chosen: frozenset[tuple[str, str]] = frozenset()
    texts: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Added:
    """Tallies of many responses, added up: topic to [count, total, squares], (topic, option) to its count."""

    sums: dict[str, list[int]] = field(default_factory=dict)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    texts: list[tuple[str, str]] = field(default_factory=list)

    def add(self, found: Tallies) -> None:
        """Take one response in."""
        for topic, value in found.values.items():
            sums = self.sums.setdefault(topic, [0, 0, 0])
            sums[0] += 1
            sums[1] += value
            sums[2] += value * value
        for cell in found.chosen:
            self.counts[cell] = self.counts.get(cell, 0) + 1
        self.texts += found.texts


def added(instrument: Instrument, many: Iterable[Answers]) -> Added:
    """The tallies of many responses."""
    result = Added()
    for answers in many:
        result.add(tallies(instrument, answers))
    return result


def tallies(instrument: Instrument, answers: Answers) -> Tallies:
    """What one response adds to the results of its campaign."""
    scores: dict[str, int] = {}
    values: dict[str, int] = {}
    chosen: set[tuple[str, str]] = set()
    for question in instrument.questions:
        for topic, value, options in _answered(question, answers):
            values[topic] = value or 0
            if value is not None:
                scores[topic] = value
            chosen.update((topic, option) for option in options)
    values |= measures(instrument, answers)
    values |= dict(_reliability(instrument, scores))
    pairs = instrument.competences
    for pair in pairs:
        required, acquired = (values.get(competence_measure(pair.code, part)) for part in PairPart)
        if required is not None and acquired is not None:
            values[gap_topic(pair.code)] = required - acquired
    asked = instrument.profession
    profession = None if asked is None else answers.get(asked.code)
    if profession is not None:
        ratings = [competence_measure(pair.code, part) for pair in pairs for part in PairPart]
        values |= {f"{topic}{AT}{profession}": values[topic] for topic in ratings if topic in values}
    texts = tuple((question.code, str(answers[question.code])) for question in _texts(instrument, answers))
    return Tallies(values, frozenset(chosen), texts)


def _texts(instrument: Instrument, answers: Answers) -> Iterator[Question]:
    return (each for each in instrument.questions if isinstance(each, FreeText) and answers.get(each.code))


def gap_topic(competence: str) -> str:
    """The topic of the importance of a competence less its level, of those who rated both."""
    return f"{competence}:gap"


def unsure_topic(topic: str) -> str:
    """The topic that counts "can't judge" beside the ratings: it has its own count, the ratings theirs."""
    return f"{topic}?"


def _answered(question: Question, answers: Answers) -> Iterator[tuple[str, int | None, Iterable[str]]]:  # noqa: C901 - a table of kinds
    """Topics of a question with their value in thousandths (None: no score) and the options chosen."""
    answer: Any = answers.get(question.code)
    if answer is None:
        return
    match question:
        case SingleChoice():
            yield question.code, _points(question.options, answer), [str(answer)]
        case ProfessionQuestion():
            yield question.code, None, [str(answer)]
        case MultipleChoice():
            yield question.code, None, answer
        case Likert():
            yield from _rated(question.code, answer, question.scale.top, reverse=question.reverse)
        case CompetencePair():
            for part in PairPart:
                yield from _rated(f"{question.code}.{part}", answer.get(part), question.terms.scales[part].top)
        case Matrix():
            for row in question.rows:
                given, topic = answer.get(row.code), f"{question.code}.{row.code}"
                if question.scale is not None:
                    yield from _rated(topic, given, question.scale.top, reverse=row.reverse)
                elif given is not None:
                    yield topic, _points(question.options, given), [str(given)]
        case NumberQuestion() | DecimalQuestion():
            number = Decimal(str(answer))
            yield question.code, round(number * THOUSANDTHS), [bin_of(number)]
        case DateQuestion():
            yield question.code, None, [str(answer)[:7]]


def _points(options: Sequence[Option], answer: Any) -> int | None:
    points = next((option.score for option in options if option.code == answer), None)
    return None if points is None else points * THOUSANDTHS


def _rated(topic: str, answer: Any, top: int, *, reverse: bool = False) -> Iterator[tuple[str, int, list[str]]]:
    if isinstance(answer, int):
        yield topic, rating_score(answer, top, reverse=reverse), [str(answer)]
    elif answer == UNSURE:
        yield unsure_topic(topic), 0, []


def bin_of(number: Decimal) -> str:
    """The bin of a number on the series 0, 1, 2, 5, 10, 20, 50 …, by its lower end: 37 -> "20", -3 -> "-5"."""
    if number == 0:
        return "0"
    size = abs(number)
    if size < 1:
        return "0+" if number > 0 else "-1"
    power = Decimal(1).scaleb(size.adjusted())
    steps = [factor * power for factor in (1, 2, 5, 10)]
    if number > 0:
        return str(int(max(step for step in steps if step <= size)))
    return str(-int(min(step for step in steps if step >= size)))


# -- reliability


def alpha_topic(dimension: str, item: str = "") -> str:
    """The topic of a dimension's item scores, or of their sum where no item is named; of complete responses alone."""
    return f"{ALPHA}{dimension}:{item}"


def reliable_items(instrument: Instrument) -> dict[str, tuple[str, ...]]:
    """The scored topics of each dimension that has two or more of them and asks them of everybody."""
    found: dict[str, list[str]] = {}
    for question in instrument.questions:
        if not question.scored or question.relevant is not None:
            continue
        for topic, dimension in _scored_topics(question):
            if dimension is not None:
                found.setdefault(str(dimension), []).append(topic)
    return {dimension: tuple(topics) for dimension, topics in found.items() if len(topics) > 1}


_RELIABLE: Final[dict[int, tuple[Instrument, dict[str, tuple[str, ...]]]]] = {}
"""By identity: the library keeps one object of each version, and hashing one would cost more than this saves."""


def _reliable(instrument: Instrument) -> dict[str, tuple[str, ...]]:
    known = _RELIABLE.get(id(instrument))
    if known is None or known[0] is not instrument:
        if len(_RELIABLE) >= MOST_KNOWN:
            _RELIABLE.clear()
        known = _RELIABLE[id(instrument)] = instrument, reliable_items(instrument)
    return known[1]


def _scored_topics(question: Question) -> Iterator[tuple[str, Dimension | None]]:
    match question:
        case CompetencePair():
            yield f"{question.code}.{question.terms.scores}", question.dimension
        case Matrix():
            yield from ((f"{question.code}.{row.code}", row.dimension or question.dimension) for row in question.rows)
        case _:
            yield question.code, question.dimension


def _reliability(instrument: Instrument, scores: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    for dimension, items in _reliable(instrument).items():
        if all(item in scores for item in items):
            yield from ((alpha_topic(dimension, item), scores[item]) for item in items)
            yield alpha_topic(dimension), sum(scores[item] for item in items)
