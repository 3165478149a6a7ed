"""What one response adds to its campaign's results: values of topics, chosen options, and items for reliability.

A topic is what is counted together: a question, one part of a pair, one row of a matrix, the index, a dimension. Of
each topic results keep how many answered, sum and sum of squares of their values, and how often each option was chosen.
All of it is integers that add up: results of any number of responses are read from sums, and can be counted anew.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from services.surveys.domain.answers import Answer, Answers
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
    StirQuestion,
)
from services.surveys.domain.scoring import (
    INDEX,
    THOUSANDTHS,
    ResponseScore,
    competence_measure,
    rating_score,
    score_of,
    scored_items,
)

ALPHA: Final = "alpha:"
AT: Final = "@"
"""Divides a topic from the profession it is counted for: "theory.importance@2411"."""

MOST_KNOWN: Final = 200
"""Instruments kept ready for counting."""

MOST_PARTS: Final = 4096
"""Different answers to one question whose parts are remembered."""

MOST_SEEN: Final = 50_000
"""Parts that are kept apart before equal ones are counted together."""


@dataclass(slots=True)
class Added:
    """Tallies of many responses, added up.

    `sums`: topic to [count, total, squares] in thousandths; `counts`: (topic, option) to how often it was chosen;
    `texts`: (question, what was written).
    """

    sums: dict[str, list[int]] = field(default_factory=dict)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    texts: list[tuple[str, str]] = field(default_factory=list)

    def sum(self, topic: str, value: int, many: int) -> None:
        """Add a value that so many gave."""
        sums = self.sums.setdefault(topic, [0, 0, 0])
        sums[0] += many
        sums[1] += many * value
        sums[2] += many * value * value


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """What one answer to one question adds, whoever gives it."""

    values: Mapping[str, int]
    """Thousandths by topic, 0 where an answer counts and scores nothing."""
    scores: Mapping[str, int]
    """Those of them that are scores."""
    chosen: tuple[tuple[str, str], ...]
    """Topics with the option chosen."""
    scored: tuple[tuple[Dimension, int], ...]
    """What counts in the index, and in which dimension."""
    rated: tuple[tuple[str, int], ...]
    """Ratings of a competence, which are also counted by profession."""

    @classmethod
    def of(cls, question: Question, answer: Answer) -> "_Part":
        """Work it out."""
        values: dict[str, int] = {}
        scores: dict[str, int] = {}
        chosen: dict[tuple[str, str], None] = {}
        for topic, value, options in _answered(question, answer):
            values[topic] = value or 0
            if value is not None:
                scores[topic] = value
            chosen |= dict.fromkeys((topic, option) for option in options)
        rated: tuple[tuple[str, int], ...] = ()
        if isinstance(question, CompetencePair):
            ratings = [competence_measure(question.code, part) for part in PairPart]
            rated = tuple((topic, scores[topic]) for topic in ratings if topic in scores)
            if len(rated) == len(ratings):
                required, acquired = (value for _, value in rated)
                values[gap_topic(question.code)] = required - acquired
        return cls(values, scores, tuple(chosen), tuple(scored_items(question, answer)), rated)


class _Reading:
    """An instrument made ready for counting: what an answer adds is worked out once, however many give it."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self._counted = [(each.code, each, dict[Any, _Part]()) for each in instrument.questions if _counts(each)]
        self.texts = [each.code for each in instrument.questions if isinstance(each, FreeText)]
        self.profession = None if instrument.profession is None else instrument.profession.code
        self.reliable = [
            (alpha_topic(dimension), items, [alpha_topic(dimension, item) for item in items])
            for dimension, items in reliable_items(instrument).items()
        ]

    def parts(self, answers: Answers) -> list[_Part]:
        """What each answer adds."""
        found = []
        for code, question, known in self._counted:
            answer = answers.get(code)
            if answer is None:
                continue
            key: Any = answer
            if isinstance(answer, dict):
                key = tuple(answer.items())
            elif isinstance(answer, list):
                key = tuple(answer)
            part = known.get(key)
            if part is None:
                if len(known) >= MOST_PARTS:
                    known.clear()
                part = known[key] = _Part.of(question, answer)
            found.append(part)
        return found


_READINGS: Final[dict[int, _Reading]] = {}
"""By identity: the library keeps one object of each version, and hashing one would cost more than this saves."""


def _reading(instrument: Instrument) -> _Reading:
    known = _READINGS.get(id(instrument))
    if known is None or known.instrument is not instrument:
        if len(_READINGS) >= MOST_KNOWN:
            _READINGS.clear()
        known = _READINGS[id(instrument)] = _Reading(instrument)
    return known


class Counting:
    """Adds up what responses to one instrument add to its results.

    Equal answers are counted first and multiplied at the end, which is many times faster than adding up each response.
    """

    def __init__(self, instrument: Instrument) -> None:
        self._reading = _reading(instrument)
        self._parts: Counter[_Part] = Counter()
        self._values: Counter[tuple[str, int]] = Counter()
        self._seen_parts: list[_Part] = []
        self._seen_values: list[tuple[str, int]] = []
        self._texts: list[tuple[str, str]] = []

    def add(self, answers: Answers) -> ResponseScore:
        """Take one response in; returns its scores."""
        reading, values = self._reading, self._seen_values
        parts = reading.parts(answers)
        self._seen_parts += parts
        scored = score_of(item for part in parts for item in part.scored)
        if scored.index is not None:
            values.append((INDEX, scored.index))
        for dimension, tally in scored.dimensions.items():
            values.append((dimension.value, tally.mean))
        if reading.reliable:
            scores: dict[str, int] = {}
            for part in parts:
                scores.update(part.scores)
            for whole, items, topics in reading.reliable:
                # Of complete responses alone.
                if all(item in scores for item in items):
                    each = [scores[item] for item in items]
                    values += zip(topics, each, strict=True)
                    values.append((whole, sum(each)))
        profession = answers.get(reading.profession) if reading.profession else None
        if profession is not None:
            values += [(f"{topic}{AT}{profession}", value) for part in parts for topic, value in part.rated]
        self._texts += [(code, str(answers[code])) for code in reading.texts if answers.get(code)]
        if len(self._seen_parts) > MOST_SEEN:
            self._fold()
        return scored

    def _fold(self) -> None:
        self._parts.update(self._seen_parts)
        self._values.update(self._seen_values)
        self._seen_parts.clear()
        self._seen_values.clear()

    def added(self) -> Added:
        """The sums of all that was taken in."""
        self._fold()
        found = Added(texts=list(self._texts))
        for part, many in self._parts.items():
            for topic, value in part.values.items():
                found.sum(topic, value, many)
            for cell in part.chosen:
                found.counts[cell] = found.counts.get(cell, 0) + many
        for (topic, value), many in self._values.items():
            found.sum(topic, value, many)
            if AT in topic:
                # By value, as ratings are equally spaced: for `hiding.moments`.
                cell = topic, str(value)
                found.counts[cell] = found.counts.get(cell, 0) + many
        return found


def added(instrument: Instrument, many: Iterable[Answers]) -> Added:
    """The tallies of many responses."""
    counting = Counting(instrument)
    for answers in many:
        counting.add(answers)
    return counting.added()


def _counts(question: Question) -> bool:
    return not isinstance(question, (FreeText, StirQuestion))


def gap_topic(competence: str) -> str:
    """The topic of the importance of a competence less its level, of those who rated both."""
    return f"{competence}:gap"


def unsure_topic(topic: str) -> str:
    """The topic that counts "can't judge" beside the ratings: it has its own count, the ratings theirs."""
    return f"{topic}?"


def _answered(question: Question, answer: Any) -> Iterator[tuple[str, int | None, Iterable[str]]]:  # noqa: C901 - a table of kinds
    """Topics of a question with their value in thousandths (None: no score) and the options chosen."""
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


def _scored_topics(question: Question) -> Iterator[tuple[str, Dimension | None]]:
    match question:
        case CompetencePair():
            yield f"{question.code}.{question.terms.scores}", question.dimension
        case Matrix():
            yield from ((f"{question.code}.{row.code}", row.dimension or question.dimension) for row in question.rows)
        case _:
            yield question.code, question.dimension
