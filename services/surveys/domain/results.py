"""Results of a campaign as they may be shown: nothing below k responses, and moving in steps of k only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.surveys.domain import hiding
from services.surveys.domain.expressions import fields_in
from services.surveys.domain.instruments import (
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
    Scale,
    SingleChoice,
    StirQuestion,
)
from services.surveys.domain.scoring import INDEX, competence_measure
from services.surveys.domain.statistics import Sums, cronbach_alpha, interval, paired, shown, shown_pair
from services.surveys.domain.tallies import alpha_topic, gap_topic, reliable_items
from shared.contracts.codes import isco_titles
from shared.i18n import Lang

__all__ = ["Released", "Sums", "results", "shown_count", "summary"]

ALL_MOMENTS: Final = hiding.ALL


@dataclass(frozen=True, slots=True)
class Released:
    """What was released of a campaign, or of many together: sums by topic, and counts by topic and option.

    `steps`: of a campaign's rated topics what each release added to the counts.
    """

    sums: Mapping[str, Sums]
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    steps: Mapping[str, Sequence[Mapping[str, int]]] = field(default_factory=dict)


def summary(sums: Sums | None, moments: int = ALL_MOMENTS) -> dict[str, Any]:
    """Count, mean, spread and interval, 0..100; null where nothing is released or a figure tells too much."""
    if sums is None:
        return {"count": None, "mean": None, "spread": None, "interval": None, "suppressed": True}
    variance = sums.variance if moments == ALL_MOMENTS else None
    return {
        "count": sums.count,
        "mean": shown(sums.mean) if moments else None,
        "spread": None if variance is None else shown(variance**0.5),
        "interval": shown_pair(interval(sums)) if moments == ALL_MOMENTS else None,
        "suppressed": not moments,
    }


def shown_count(count: int, step: int) -> int | None:
    """A count of persons, or None below `step`, zero included: nobody can tell none from a few."""
    return count if count >= step else None


@dataclass(frozen=True, slots=True)
class Topic:
    """One distribution of a question: its name, what it is of (None: the question itself), its options in order.

    `rated` counts are those of a scale; `several` options may be chosen at once.
    """

    name: str
    label: Mapping[Lang, str] | None
    options: tuple[tuple[str, Mapping[Lang, str] | None], ...]
    rated: bool = False
    several: bool = False
    open: bool = False


def topics_of(question: Question) -> tuple[Topic, ...]:
    """The distributions of a question; none of a free text or an enterprise's number."""
    match question:
        case SingleChoice():
            return (Topic(question.code, None, _options(question.options)),)
        case MultipleChoice():
            return (Topic(question.code, None, _options(question.options), several=True),)
        case Likert():
            return (Topic(question.code, None, _ratings(question.scale), rated=True),)
        case CompetencePair():
            return tuple(
                Topic(
                    f"{question.code}.{part}",
                    question.terms.prompts[part],
                    _ratings(question.terms.scales[part]),
                    rated=True,
                )
                for part in PairPart
            )
        case Matrix():
            options = _options(question.options) if question.scale is None else _ratings(question.scale)
            rated = question.scale is not None
            return tuple(Topic(f"{question.code}.{row.code}", row.text, options, rated=rated) for row in question.rows)
        case NumberQuestion() | DecimalQuestion() | DateQuestion() | ProfessionQuestion():
            return (Topic(question.code, None, (), open=True),)
        case FreeText() | StirQuestion():
            return ()
    return ()


def _options(options: Sequence[Option]) -> tuple[tuple[str, Mapping[Lang, str] | None], ...]:
    return tuple((option.code, option.text) for option in options)


def _ratings(scale: Scale) -> tuple[tuple[str, Mapping[Lang, str] | None], ...]:
    return tuple((str(number), label) for number, label in enumerate(scale.labels, start=1))


def results(
    instrument: Instrument,
    released: Released,
    k: int,
    lang: Lang,
    *,
    options_shown: bool = False,
    items_shown: bool = True,
) -> dict[str, Any]:
    """Index, dimensions, competences and questions of an instrument, from what is released.

    A competence's gap is the mean importance less the mean level: positive where more is required than is there.
    Options are shown once nothing can be added any more: then there is no earlier count to compare them with.
    Without `items_shown` nothing is that is of one question alone: it could be taken from the sum of many campaigns.
    """
    reader = _Reader(instrument, released, k, lang, options_shown, items_shown)
    return {
        "index": reader.summary(INDEX),
        "dimensions": [
            {"dimension": dimension.value, **reader.summary(str(dimension)), "reliability": reader.alpha(dimension)}
            for dimension in instrument.dimensions
        ],
        "competences": [reader.competence(pair) for pair in instrument.competences],
        "options_shown": options_shown,
        "items_shown": items_shown,
        "questions": list(reader.questions()),
    }


def hidden_options(instrument: Instrument, released: Released, k: int) -> dict[str, frozenset[str]]:
    """The options that results hide, by topic; of a topic that is hidden itself, all of them."""
    reader = _Reader(instrument, released, k, Lang.EN, options_shown=True, items_shown=True)
    return dict(reader.hidden())


@dataclass
class _Reader:
    instrument: Instrument
    released: Released
    k: int
    lang: Lang
    options_shown: bool
    items_shown: bool
    _alone: dict[str, str] = field(init=False)
    _rated: dict[str, Topic] = field(init=False)

    def __post_init__(self) -> None:
        topics = (topic for question in self.instrument.questions for topic in topics_of(question))
        self._rated = {topic.name: topic for topic in topics if topic.rated}
        self._alone = alone(self.instrument)

    def summary(self, topic: str) -> dict[str, Any]:
        sums = self._sums(topic)
        if sums is None or (not self.items_shown and self._alone.get(topic, topic) in self._rated):
            return summary(None)
        return summary(sums, self.moments(topic))

    def _sums(self, topic: str) -> Sums | None:
        sums = self.released.sums.get(topic)
        return sums if sums is not None and sums.count >= self.k else None

    def moments(self, topic: str) -> int:
        """How many moments of a topic may be shown."""
        counts = self.released.counts.get(self._alone.get(topic, topic))
        rated = self._rated.get(self._alone.get(topic, topic))
        if rated is None or counts is None:
            return ALL_MOMENTS
        return hiding.moments(_places(rated, counts), self.k, self._steps(rated))

    def _steps(self, rated: Topic) -> list[list[int]]:
        return [_places(rated, step) for step in self.released.steps.get(rated.name, ())]

    def alpha(self, dimension: str) -> dict[str, Any] | None:
        """Cronbach's alpha of a dimension; None where it has one item or too few answered all."""
        items = reliable_items(self.instrument).get(str(dimension))
        total = self._sums(alpha_topic(dimension))
        if items is None or total is None:
            return None
        sums = [self.released.sums.get(alpha_topic(dimension, item)) for item in items]
        value = cronbach_alpha([each for each in sums if each is not None], total)
        return {"alpha": None if value is None else round(value, 2), "items": len(items), "count": total.count}

    def competence(self, pair: CompetencePair) -> dict[str, Any]:
        parts = {part: self.summary(competence_measure(pair.code, part)) for part in PairPart}
        importance, level = parts[PairPart.IMPORTANCE]["mean"], parts[PairPart.SATISFACTION]["mean"]
        both = self._sums(gap_topic(pair.code))
        judged = None if both is None or None in (importance, level) else paired(both)
        return {
            "competence": pair.code,
            "name": pair.text[self.lang],
            "dimension": pair.dimension,
            **{part.value: summarised for part, summarised in parts.items()},
            "gap": None if importance is None or level is None else shown(importance - level),
            "gap_interval": None if judged is None else shown_pair(judged.interval),
            "gap_p": None if judged is None else round(judged.p, 4),
        }

    def hidden(self) -> Iterator[tuple[str, frozenset[str]]]:
        topics = {topic.name: topic for question in self.instrument.questions for topic in topics_of(question)}
        for question in self.questions():
            for drawn in question["topics"]:
                topic, counts = topics[drawn["topic"]], self.released.counts.get(drawn["topic"], {})
                if drawn["suppressed"]:
                    yield topic.name, frozenset({code for code, _ in topic.options} | counts.keys())
                else:
                    yield topic.name, self._hidden(topic, drawn["count"], counts)

    def questions(self) -> Iterator[dict[str, Any]]:
        if not self.items_shown:
            return
        hidden_in: dict[str, bool] = {}
        for section in self.instrument.sections:
            for question in section.questions:
                topics = topics_of(question)
                if not topics:
                    continue
                above = fields_in(question.relevant) if question.relevant is not None else ()
                withheld = any(hidden_in.get(name.partition(".")[0], True) for name in above)
                drawn = [self._topic(topic, withheld=withheld) for topic in topics]
                hidden_in[question.code] = withheld or any(each["hidden"] for each in drawn)
                yield {
                    "question": question.code,
                    "section": section.title[self.lang],
                    "text": question.text[self.lang],
                    "topics": drawn,
                }

    def _topic(self, topic: Topic, *, withheld: bool) -> dict[str, Any]:
        sums, counts = self._sums(topic.name), self.released.counts.get(topic.name, {})
        head = {"topic": topic.name, "label": topic.label[self.lang] if topic.label else None}
        if sums is None or withheld:
            return {**head, "count": None, "suppressed": True, "hidden": True, "options": None}
        hidden = self._hidden(topic, sums.count, counts)
        if not self.options_shown:
            return {**head, "count": sums.count, "suppressed": False, "hidden": bool(hidden), "options": None}
        named = topic.options or tuple((code, None) for code in sorted(counts, key=_order) if code not in hidden)
        titles = isco_titles() if topic.open else {}
        options = [
            {
                "option": code,
                "label": text[self.lang] if text else f"{code} {titles.get(code, '')}".strip(),
                "count": None if code in hidden else counts.get(code, 0),
                "share": None if code in hidden else round(counts.get(code, 0) / sums.count, 4),
                "suppressed": code in hidden,
            }
            for code, text in named
        ]
        return {
            **head,
            "count": sums.count,
            "suppressed": False,
            "hidden": bool(hidden),
            "several": topic.several,
            "options": options,
        }

    def _hidden(self, topic: Topic, base: int, counts: Mapping[str, int]) -> frozenset[str]:
        if topic.rated:
            places, steps = _places(topic, counts), self._steps(topic)
            hidden = hiding.hidden_ratings(places, self.k, hiding.moments(places, self.k, steps), steps)
            return frozenset(topic.options[place][0] for place in hidden)
        every = dict(counts) if topic.open else {code: counts.get(code, 0) for code, _ in topic.options}
        return hiding.hidden_choices(every, self.k, several=topic.several, base=base)


def alone(instrument: Instrument) -> dict[str, str]:
    """Dimensions and an index of a single item, which say no less than the item; by name the item's topic."""
    by_dimension: dict[str, list[str]] = {}
    for question in instrument.questions:
        if question.scored:
            for topic, dimension in _scored(question):
                by_dimension.setdefault(dimension, []).append(topic)
    found = {name: topics[0] for name, topics in by_dimension.items() if len(topics) == 1}
    if len(every := [topic for topics in by_dimension.values() for topic in topics]) == 1:
        found[INDEX] = every[0]
    return found


def rated_topics(instrument: Instrument) -> dict[str, int]:
    """Topics that are rated on a scale, with its highest rating."""
    topics = (topic for question in instrument.questions for topic in topics_of(question))
    return {topic.name: len(topic.options) for topic in topics if topic.rated}


def _scored(question: Question) -> Iterator[tuple[str, str]]:
    match question:
        case CompetencePair():
            yield f"{question.code}.{question.terms.scores}", str(question.dimension)
        case Matrix():
            for row in question.rows:
                yield f"{question.code}.{row.code}", str(row.dimension or question.dimension)
        case _:
            yield question.code, str(question.dimension)


def _places(rated: Topic, counts: Mapping[str, int]) -> list[int]:
    """The counts of the ratings, from the lowest to the highest."""
    return [counts.get(code, 0) for code, _ in rated.options]


def _order(code: str) -> tuple[float, str]:
    try:
        return float(code.rstrip("+")) + (0.5 if code.endswith("+") else 0), code
    except ValueError:
        return 0.0, code
