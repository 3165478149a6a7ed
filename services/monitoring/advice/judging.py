"""Pure: what was looked at becomes a verdict with its evidence, for every kind of condition."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from services.monitoring.advice import statistics
from services.monitoring.advice.declarations import (
    WHOLE,
    GateCondition,
    Missing,
    Overdue,
    Peers,
    Recurring,
    Threshold,
    Trend,
)
from services.monitoring.advice.reading import Looked
from services.monitoring.comparison.peers import Wider, few, widening
from services.monitoring.domain.gates import State
from services.monitoring.domain.territory import Place, paths_to
from services.monitoring.domain.values import Value
from shared.contracts.monitoring import Evidence


class Verdict(StrEnum):
    """What a condition says: it fires; it neither fires nor is all well again; all is well; nothing can be said."""

    FIRES = "fires"
    HOLDS = "holds"
    CLEAR = "clear"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with the numbers it rests on."""

    verdict: Verdict
    evidence: Evidence


FOLD_BACK: Final = 0.2
"""From this chance on a change that was more than noise is none any more."""


def judge(condition: Any, looked: Sequence[Looked]) -> list[Judgement]:
    """A judgement for each of what was looked at (one level; of trends and peers: the whole level), in its order."""
    return _JUDGES[type(condition)](condition, looked)


def evidence_of(indicator: str, seen: Looked, **more: Any) -> Evidence:
    """The evidence that every condition has: the value that was seen."""
    now = seen.now
    return Evidence(
        indicator=indicator,
        period=seen.period,
        **{
            "value": _rounded(now.value),
            "numerator": now.numerator,
            "denominator": now.denominator,
            "coverage": _rounded(now.coverage),
            **more,
        },
    )


def _each(one: Callable[[Any, Looked], Judgement]) -> Callable[[Any, Sequence[Looked]], list[Judgement]]:
    return lambda condition, looked: [one(condition, seen) for seen in looked]


def _threshold(condition: Threshold, seen: Looked) -> Judgement:
    now = seen.now
    value, top, bottom = _chosen(condition, now)
    bound = condition.below if condition.below is not None else condition.above
    assert bound is not None
    evidence = evidence_of(
        condition.indicator,
        seen,
        threshold=bound,
        value=_rounded(value),
        numerator=None if top is None else int(top),
        denominator=None if bottom is None else int(bottom),
    )
    if value is None or now.suppressed or (bottom is not None and bottom < condition.least):
        return Judgement(Verdict.UNKNOWN, evidence)
    low, high = value, value
    if condition.sure and top is not None and bottom and 0 <= top <= bottom:
        low, high = statistics.interval(int(top), int(bottom))
    if condition.below is not None:
        return Judgement(_verdict(high < condition.below, value >= condition.clear), evidence)
    return Judgement(_verdict(low > bound, value <= condition.clear), evidence)


def _chosen(condition: Threshold, now: Value) -> tuple[float | None, float | None, float | None]:
    """(value, numerator, denominator) of what a threshold is about."""
    if not condition.part:
        return now.value, now.numerator, now.denominator
    top = now.parts.get(condition.part)
    if not condition.of:
        return top, top, None
    bottom = now.numerator if condition.of == WHOLE else now.parts.get(condition.of)
    return (top / bottom if top is not None and bottom else None), top, bottom


def _missing(condition: Missing, seen: Looked) -> Judgement:
    found = seen.now.parts.get(condition.part) if condition.part else seen.now.coverage
    evidence = evidence_of(
        condition.indicator,
        seen,
        threshold=condition.below,
        coverage=None if condition.part else _rounded(found),
        count=None if found is None or not condition.part else int(found),
        value=None,
        numerator=None,
        denominator=None,
    )
    if found is None:
        return Judgement(Verdict.UNKNOWN, evidence)
    return Judgement(_verdict(found < condition.below, found >= condition.clear), evidence)


def _overdue(condition: Overdue, seen: Looked) -> Judgement:
    due, done = seen.now.denominator, seen.now.parts.get("done")
    left = 0 if not due else int(due - (done or 0))
    evidence = evidence_of(condition.indicator, seen, threshold=float(condition.count), count=left)
    many = left >= condition.count and bool(due) and left >= condition.share * (due or 0)
    return Judgement(_verdict(many, left <= condition.clear), evidence)


def _recurring(condition: Recurring, seen: Looked) -> Judgement:
    parts = seen.now.parts
    count = int(sum(parts.get(cause.value) or 0 for cause in condition.causes))
    named = int(sum(amount or 0 for cause, amount in parts.items() if cause != "none"))
    evidence = evidence_of(
        condition.indicator,
        seen,
        threshold=float(condition.count),
        count=count,
        numerator=count,
        denominator=named,
        value=_rounded(count / named) if named else None,
    )
    often = count >= condition.count and count >= condition.share * named
    return Judgement(_verdict(often, count <= condition.clear), evidence)


def _gate(condition: GateCondition, seen: Looked) -> Judgement:
    state = gate_state(seen.now)
    evidence = evidence_of(condition.gate, seen, state=state, value=None, numerator=None, denominator=None)
    if state is State.MET:
        ends = condition.soon is not None and seen.later is not None and not seen.later.parts.get("met")
        return Judgement(Verdict.FIRES if ends else Verdict.CLEAR, evidence)
    if state is State.LAPSED:
        # What only warns beforehand has nothing more to say once it has happened.
        return Judgement(Verdict.FIRES if condition.lapsed else Verdict.CLEAR, evidence)
    if condition.wanted:
        return Judgement(Verdict.FIRES if seen.stage >= condition.stage - 1 else Verdict.HOLDS, evidence)
    return Judgement(Verdict.CLEAR, evidence)


def gate_state(value: Value) -> State:
    """How an institution stands at a gate."""
    for state in (State.MET, State.LAPSED, State.IN_PROGRESS):
        if value.parts.get(state.value):
            return state
    return State.MISSING


def _trend(condition: Trend, looked: Sequence[Looked]) -> list[Judgement]:
    indices = [index for index, seen in enumerate(looked) if _comparable(condition, seen)]
    if condition.test == "steady":
        chances = statistics.falling([looked[index].series for index in indices])
    else:
        chances = _fall(condition, [looked[index] for index in indices])
    adjusted = dict(zip(indices, statistics.adjusted(chances), strict=True))
    raw = dict(zip(indices, chances, strict=True))
    found = []
    for index, seen in enumerate(looked):
        before = seen.before.value if seen.before else None
        chance = adjusted.get(index)
        evidence = evidence_of(
            condition.indicator,
            seen,
            before=_rounded(before),
            before_period=seen.before_period,
            threshold=condition.change,
            p_value=None if chance is None else _rounded(float(chance)),
        )
        now = seen.now.value
        if chance is None or before is None or now is None or before <= 0:
            found.append(Judgement(Verdict.UNKNOWN, evidence))
            continue
        fall = (before - now) / before
        fires = chance <= condition.alpha and fall >= condition.change
        clear = raw[index] >= FOLD_BACK or fall < condition.change / 2
        found.append(Judgement(_verdict(fires, clear), evidence))
    return found


def _comparable(condition: Trend, seen: Looked) -> bool:
    now, before = seen.now, seen.before
    if before is None or now.suppressed or before.suppressed or now.value is None or before.value is None:
        return False
    if condition.test == "steady":
        return len(seen.series) == condition.months and max(seen.series) >= condition.least
    if condition.test == "counts":
        return (before.numerator or 0) >= condition.least
    return min(now.denominator or 0, before.denominator or 0) >= max(1, condition.least)


def _fall(condition: Trend, looked: Sequence[Looked]) -> statistics.Numbers:
    after = [seen.now.numerator or 0 for seen in looked]
    before = [(seen.before.numerator if seen.before else 0) or 0 for seen in looked]
    of = [seen.now.denominator or 1 for seen in looked]
    out_of = [(seen.before.denominator if seen.before else 1) or 1 for seen in looked]
    if condition.test == "proportions":
        return statistics.fewer_of_as_many(after, of, before, out_of)
    if condition.test == "rates":
        return statistics.lower_rate(after, of, before, out_of)
    return statistics.lower_rate(after, [1.0] * len(after), before, [1.0] * len(after))


@dataclass(frozen=True, slots=True)
class _Group:
    quantile: float
    clear: float
    median: float
    peers: int
    below: Counter[str]
    """How many of it lie below each unit of the territory, by its path."""


def _peers(condition: Peers, looked: Sequence[Looked]) -> list[Judgement]:
    usable = [
        index
        for index, seen in enumerate(looked)
        if seen.now.value is not None
        and not seen.now.suppressed
        and (condition.test == "counts" or (seen.now.denominator or 0) >= max(1, condition.least))
    ]
    by_group: dict[Wider, list[Looked]] = defaultdict(list)
    for index in usable:
        for wider in widening(looked[index].group):
            by_group[wider].append(looked[index])
    known = {group: _described(condition, members) for group, members in by_group.items()}
    compared = {index: group for index in usable if (group := _group_of(condition, looked[index], known))}
    order = list(compared)
    adjusted = dict(zip(order, statistics.adjusted(_below(condition, looked, compared)), strict=True))
    found = []
    for index, seen in enumerate(looked):
        group = compared.get(index)
        if group is None:
            found.append(Judgement(Verdict.UNKNOWN, evidence_of(condition.indicator, seen)))
            continue
        value, chance = float(seen.now.value or 0), float(adjusted[index])
        evidence = evidence_of(
            condition.indicator,
            seen,
            threshold=condition.quantile,
            quantile=round(group.quantile, 2),
            median=round(group.median, 2),
            peers=group.peers,
            p_value=_rounded(chance),
        )
        low = value <= group.quantile and value < group.median and chance <= condition.alpha
        found.append(Judgement(_verdict(low, value >= group.clear), evidence))
    return found


def _described(condition: Peers, members: Sequence[Looked]) -> _Group:
    values = [float(seen.now.value or 0) for seen in members]
    lowest, clear, median = np.quantile(values, [condition.quantile, condition.clear, 0.5])
    below = Counter(unit for seen in members for unit in _units_above(seen.place))
    return _Group(float(lowest), float(clear), float(median), len(values) - 1, below)


def _group_of(condition: Peers, seen: Looked, known: Mapping[Wider, _Group]) -> _Group | None:
    """The group of like kind and size, or of like kind where too few are of its size, or too few are unseen.

    Who reads the recommendation sees the place, or all of a unit above it: of what they do not see, as many as make a
    group, or nothing. Fewer could be told from the group's figures by what is known of the rest.
    """
    for key in widening(seen.group):
        group = known.get(key)
        if group is None or group.peers < condition.peers:
            continue
        unseen = [group.peers + 1 - group.below[unit] for unit in _units_above(seen.place)]
        if not any(map(few, unseen)):
            return group
    return None


def _units_above(place: Place) -> list[str]:
    """The paths of what lies above a place, without the nation: who sees that sees all."""
    return list(paths_to(place.path))[1:-1]


def _below(condition: Peers, looked: Sequence[Looked], compared: Mapping[int, _Group]) -> statistics.Numbers:
    tops = [looked[index].now.numerator or 0 for index in compared]
    bottoms = [looked[index].now.denominator or 1 for index in compared]
    medians = [group.median for group in compared.values()]
    if not tops:
        return np.zeros(0)
    if condition.test == "proportions":
        return statistics.below_proportion(tops, bottoms, medians)
    if condition.test == "rates":
        return statistics.below_rate(tops, [median * of for median, of in zip(medians, bottoms, strict=True)])
    return statistics.below_rate(tops, medians)


def _verdict(fires: bool, clear: bool) -> Verdict:
    return Verdict.FIRES if fires else Verdict.CLEAR if clear else Verdict.HOLDS


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


_JUDGES: Final[Mapping[type, Callable[[Any, Sequence[Looked]], list[Judgement]]]] = {
    Threshold: _each(_threshold),
    Trend: _trend,
    Peers: _peers,
    GateCondition: _each(_gate),
    Missing: _each(_missing),
    Overdue: _each(_overdue),
    Recurring: _each(_recurring),
}


@dataclass(frozen=True, slots=True)
class Movement:
    """Whether an indicator moved from one measuring to another: better, worse, or not beyond noise."""

    direction: str
    p_value: float | None


def moved(before: Mapping[str, Any], after: Mapping[str, Any], *, up: bool = True) -> Movement | None:
    """What became of a value between two measurings (value, numerator, denominator, state); None where one is missing.

    A gate's state is exact; counts and ratios of counts are held against noise at 5 %.
    """
    if before.get("state") or after.get("state"):
        was, is_ = before.get("state") == State.MET, after.get("state") == State.MET
        return Movement("better" if is_ and not was else "worse" if was and not is_ else "same", None)
    if before.get("value") is None or after.get("value") is None:
        return None
    rise = after["value"] - before["value"]
    chance = None
    tops = before.get("numerator"), after.get("numerator")
    if all(isinstance(top, int) and top >= 0 for top in tops):
        chance = statistics.differ(tops[1], after.get("denominator"), tops[0], before.get("denominator"))  # type: ignore[arg-type]  # both are integers
        if chance > 0.05:
            return Movement("same", round(chance, 6))
    if rise == 0:
        return Movement("same", chance)
    return Movement("better" if (rise > 0) == up else "worse", None if chance is None else round(chance, 6))
