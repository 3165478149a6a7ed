"""Where answers count that are too few alone: pooled with others' of the lowest territory that tells nothing of each.

A campaign that is over leaves a rest behind: answers after its last release, or all of them where it never came to k.
From its district upwards the campaigns of one wave (or quarter) are gathered until what is shown of them together tells
nothing of one that is hidden: whoever knows the rule and every figure must still find any number from 0 to k - 1
possible for it. That a pool was passed on tells something too – its sum is none that could have been shown – and is
part of what he knows. Every figure shown of a territory is then a sum of releases of single campaigns and of pools, of
k answers or more each: no difference of two figures, over the tree or over time, is about fewer.

What is of one question alone is shown above institutions of pools only, and only where mean and spread pin no count.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from services.surveys.domain import hiding
from services.surveys.domain.instruments import Instrument, PairPart
from services.surveys.domain.results import alone, rated_topics, topics_of
from services.surveys.domain.scoring import INDEX, competence_measure
from services.surveys.domain.statistics import Sums
from services.surveys.domain.tallies import alpha_topic, gap_topic, reliable_items

LEAST_CAMPAIGNS: Final = 2
"""A question of a single campaign is its institution's."""

Possible = int
"""Numbers that a sum may be, for whoever knows what is shown: bit n stands for n."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A campaign that is over: so many answers are not released; `shown` where others are."""

    id: str
    org_path: str
    rest: int
    shown: bool


@dataclass(frozen=True, slots=True)
class _Hidden:
    """Hidden campaigns that are passed on together: how many answers, and what they may be."""

    ids: tuple[str, ...]
    rest: int
    possible: Possible


@dataclass(slots=True)
class _Territory:
    hidden: list[_Hidden] = field(default_factory=list)
    rests: list[Ended] = field(default_factory=list)

    def take(self, each: Ended, k: int) -> None:
        if each.shown:
            self.rests.append(each)
        else:
            self.hidden.append(_Hidden((each.id,), each.rest, (1 << k) - 1))

    def settle(self, k: int) -> list[str]:
        """The campaigns whose answers all count here; the others stay."""
        reach, harmless = possible([each.possible for each in self.hidden], k)
        rest = sum(each.rest for each in self.hidden)
        ids = tuple(id_ for each in self.hidden for id_ in each.ids)
        counted: list[str] = []
        if harmless >> rest & 1:
            counted += ids
            self.hidden = []
        else:
            self.hidden = [_Hidden(ids, rest, reach & ~harmless)] if ids else []
            rest = 0
        # How many answers a shown campaign has left is known: they only need company.
        enough = rest + sum(each.rest for each in self.rests) >= k
        counted += [each.id for each in self.rests if enough or not each.rest]
        self.rests = [each for each in self.rests if each.rest and not enough]
        return counted

    def pass_on(self, above: Self) -> None:
        above.hidden += self.hidden
        above.rests += self.rests


def possible(parts: Sequence[Possible], k: int) -> tuple[Possible, Possible]:
    """What the sum of hidden parts may be, and which of that tells nothing of a part below k when it is shown."""
    if not parts:
        return 1, 0
    before = [1]
    for part in parts:
        before.append(_sums(before[-1], part))
    reach = before.pop()
    harmless = reach >> k << k
    after, known = 1, set[Possible]()
    for part, ahead in zip(reversed(parts), reversed(before), strict=True):
        if part not in known:
            known.add(part)
            others = _sums(ahead, after)
            for number in range(k):
                if part >> number & 1:
                    harmless &= others << number
        after = _sums(after, part)
    return reach, harmless


def _sums(first: Possible, second: Possible) -> Possible:
    few, many = sorted((first, second), key=int.bit_count)
    found = 0
    while few:
        lowest = few & -few
        found |= many * lowest
        few ^= lowest
    return found


def settle(campaigns: Iterable[Ended], k: int) -> dict[str, str]:
    """By campaign the path of the territory where its answers count; one that is in none is counted nowhere."""
    open_: dict[str, _Territory] = {}
    for each in campaigns:
        open_.setdefault(above(each.org_path), _Territory()).take(each, k)
    counted: dict[str, str] = {}
    while open_:
        path = max(open_, key=lambda each: (each.count("/"), each))
        territory = open_.pop(path)
        counted |= dict.fromkeys(territory.settle(k), path)
        if higher := above(path):
            territory.pass_on(open_.setdefault(higher, _Territory()))
    return counted


def above(path: str) -> str:
    """The path of the territory above; nothing above the nation."""
    higher = path.rstrip("/").rpartition("/")[0]
    return f"{higher}/" if higher else ""


# -- topics


def whole_topics(instrument: Instrument) -> list[str]:
    """Topics of several questions together: their releases of single campaigns are shown to everybody."""
    single = alone(instrument)
    found = [topic for topic in (INDEX, *map(str, instrument.dimensions)) if topic not in single]
    return found + [topic for topics in _reliability(instrument) for topic in topics]


def bundles(instrument: Instrument) -> list[tuple[str, ...]]:
    """The topics of an instrument's results, those together that are shown together or not at all."""
    single = alone(instrument)
    pairs = {competence_measure(pair.code, part): pair.code for pair in instrument.competences for part in PairPart}
    found: dict[str, list[str]] = {code: [gap_topic(code)] for code in pairs.values()}
    for question in instrument.questions:
        for topic in topics_of(question):
            found.setdefault(pairs.get(topic.name, topic.name), []).append(topic.name)
    for name, item in single.items():
        found[pairs.get(item, item)].append(name)
    together = _reliability(instrument)
    in_one = {topic for topics in together for topic in topics}
    wholes = [(topic,) for topic in whole_topics(instrument) if topic not in in_one]
    return [*(tuple(topics) for topics in found.values()), *wholes, *together]


def _reliability(instrument: Instrument) -> list[tuple[str, ...]]:
    return [
        (alpha_topic(dimension), *(alpha_topic(dimension, item) for item in items))
        for dimension, items in reliable_items(instrument).items()
    ]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Of a topic: the sums of so many campaigns together, whether or not all have any, and how often each option was
    chosen."""

    sums: Sums
    campaigns: int
    counts: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Gathered") -> "Gathered":
        counts = Counter(self.counts)
        counts.update(other.counts)
        return Gathered(self.sums + other.sums, self.campaigns + other.campaigns, counts)


def pools(
    instrument: Instrument, gathered: Mapping[str, Mapping[str, Gathered]], k: int
) -> dict[str, dict[str, Gathered]]:
    """By territory what is shown of pools: of topics that may not be, the answers go on to the territory above.

    `gathered` is by territory where campaigns count, and topic.
    """
    parts = bundles(instrument)
    tops = rated_topics(instrument)
    waiting: dict[str, dict[str, Gathered]] = {path: dict(topics) for path, topics in gathered.items()}
    found: dict[str, dict[str, Gathered]] = {}
    while waiting:
        path = max(waiting, key=lambda each: (each.count("/"), each))
        here = waiting.pop(path)
        on = waiting.setdefault(above(path), {}) if above(path) else {}
        for bundle in parts:
            given = {topic: here[topic] for topic in bundle if topic in here and here[topic].sums.count}
            if all(_may_be_shown(each, tops.get(topic), k) for topic, each in given.items()):
                if given:
                    found.setdefault(path, {}).update(given)
                continue
            for topic, each in given.items():
                on[topic] = on[topic] + each if topic in on else each
    return found


def _may_be_shown(each: Gathered, top: int | None, k: int) -> bool:
    if each.sums.count < k or each.campaigns < LEAST_CAMPAIGNS:
        return False
    if top is None:
        return True
    return hiding.moments([each.counts.get(str(rating), 0) for rating in range(1, top + 1)], k) == hiding.ALL
