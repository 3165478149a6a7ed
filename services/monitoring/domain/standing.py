"""How an institution stands: the state of each gate over time, the stage reached, the artefacts in force.

Evidence ends are known beforehand, so a gate that lapses by mere passing of time needs no event: the lapse is dated
ahead. Series are exact to the day; the cells hold the states at the ends of months.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from itertools import zip_longest
from typing import TypeVar

from services.monitoring.domain.gates import (
    ARTEFACT_GATES,
    ARTEFACT_SAMPLES,
    EVIDENCE,
    GATES,
    LASTING_MONTHS,
    REQUIRED_ARTEFACTS,
    STAGES,
    Ask,
    Gate,
    State,
)
from services.monitoring.domain.measures import (
    ARTEFACTS,
    ARTEFACTS_COMPLETE,
    GATE_IN_PROGRESS,
    GATE_LAPSED,
    GATE_MET,
    STAGE_REACHED,
)
from services.monitoring.domain.parts import (
    LAST_DAY,
    Contributions,
    Part,
    month_of_ordinal,
    months_after,
    summed,
    turning,
)
from shared.contracts.vocabulary import PartnerCategory

Own = Mapping[tuple[int, int], int]
"""What contributes to a derived aggregate: amounts by (evidence or measure, day or month)."""
Counts = Mapping[int, int]
"""Pieces of evidence by code: those that hold on a day, or those that are enough."""
_V = TypeVar("_V")

AT_WORK = EVIDENCE["at_work"]
_STATE_MEASURES = {State.MET: GATE_MET, State.IN_PROGRESS: GATE_IN_PROGRESS, State.LAPSED: GATE_LAPSED}


def gate_series(gate: Gate, own: Own) -> list[tuple[int, State]]:
    """(day, state from that day on), each state other than the one before; missing before the first day."""
    turns = _turns(own, _ENOUGH[gate.code])
    if gate.by_category:
        _add_lasting(turns)
    satisfied, some = _RULES[gate.code]
    found: list[tuple[int, State]] = []
    state, was_met = State.MISSING, False
    for day, held in _days(turns):
        if AT_WORK not in held:
            now = State.MISSING
        elif satisfied(held):
            now, was_met = State.MET, True
        elif was_met:
            now = State.LAPSED
        else:
            now = State.IN_PROGRESS if some(held) else State.MISSING
        if now is not state:
            found.append((day, now))
            state = now
    return found


def answered(ask: Ask, counts: Counts) -> bool:
    """Whether enough of one of the alternatives is there."""
    return any(counts.get(EVIDENCE[name], 0) >= least for name, least in ask.alternatives)


def counts_on(own: Own, day: int) -> dict[int, int]:
    """The pieces of evidence that hold on a day."""
    counts: dict[int, int] = defaultdict(int)
    for (code, at), amount in own.items():
        if at <= day:
            counts[code] += amount
    return counts


# -- evidence in time: of each kind the days on which enough of it begins to hold, and ceases to, in turns

Turns = dict[int, list[int]]
"""By code: enough of it from the first of these days on, not from the second on, and so forth."""
Held = Collection[int]
"""The codes of which enough holds on a day."""


def _turns(own: Own, enough: Counts) -> Turns:
    """What turns when, of the kinds of which it is said how much is `enough`.

    Pieces of evidence are many, and where they overlap nothing turns: what is looked at day by day is little.
    """
    pieces: dict[int, list[tuple[int, int]]] = {code: [] for code in enough}
    for (code, day), amount in own.items():
        if code in pieces:
            pieces[code].append((day, amount))
    return {code: turning(each, enough[code]) for code, each in pieces.items() if each}


def _days(turns: Turns) -> Iterator[tuple[int, Held]]:
    """Each day on which something turns, in order, with what holds from then on."""
    by_day: dict[int, list[int]] = {}
    for code, days in turns.items():
        for day in days:
            by_day.setdefault(day, []).append(code)
    held: set[int] = set()
    for day in sorted(by_day):
        held.symmetric_difference_update(by_day[day])
        yield day, held


# -- R13


_CATEGORIES = [
    (EVIDENCE[f"partner.{each}"], EVIDENCE[f"cooperation.{each}"], EVIDENCE[f"worked.{each}"])
    for each in PartnerCategory
]
_LASTING = {cooperation: -cooperation for _, cooperation, _ in _CATEGORIES}
_EXPECTED = {cooperation: -partner for partner, cooperation, _ in _CATEGORIES}
"""Codes, used here alone, of "has lasted long enough" and "has been a category with partners for long enough"."""


def _add_lasting(turns: Turns) -> None:
    """Adds, for each category, when cooperation has lasted long enough, and when that can be expected of it."""
    for partner, cooperation, _ in _CATEGORIES:
        held, known = turns.get(cooperation, []), turns.get(partner, [])
        if held or known:
            turns[_LASTING[cooperation]] = _lasting(held)
            turns[_EXPECTED[cooperation]] = _lasting(_either(known, held))


def _either(one: Sequence[int], other: Sequence[int]) -> list[int]:
    """The turns of "one of the two"."""
    if not (one and other):
        return list(one or other)
    changes: dict[int, int] = {}
    for days in (one, other):
        for number, day in enumerate(days):
            changes[day] = changes.get(day, 0) + (-1 if number % 2 else 1)
    return turning(changes.items())


def _lasting(turns: Sequence[int]) -> list[int]:
    """The turns of "has held without a break for long enough"."""
    found: list[int] = []
    for since, until in zip_longest(turns[::2], turns[1::2]):
        lasting = months_after(date.fromordinal(min(since, LAST_DAY)), LASTING_MONTHS)
        if until is None:
            found.append(lasting)
        elif lasting < until:
            found += [lasting, until]
    return found


def _every_category(held: Held) -> bool:
    lasting = False
    for long, expected, worked in _LASTING_CODES:
        alive = long in held and worked in held
        if not alive and expected in held:
            return False
        lasting = lasting or alive
    return lasting


def _any_cooperation(held: Held) -> bool:
    return any(cooperation in held for _, cooperation, _ in _CATEGORIES)


_LASTING_CODES = [(_LASTING[cooperation], _EXPECTED[cooperation], worked) for _, cooperation, worked in _CATEGORIES]
_Test = Callable[[Held], bool]


def _tests(gate: Gate) -> tuple[_Test, _Test]:
    """Whether all that the gate asks for is there, and whether some of it is."""
    if gate.by_category:
        return _every_category, _any_cooperation
    asks = [frozenset(EVIDENCE[name] for name, _ in ask.alternatives) for ask in gate.asks]
    every = frozenset[int]().union(*asks)

    def satisfied(held: Held) -> bool:
        return not any(alternatives.isdisjoint(held) for alternatives in asks)

    def some(held: Held) -> bool:
        # Of answers to questionnaires not even whether there is one shows before there are enough.
        return not every.isdisjoint(held)

    return satisfied, some


_RULES = {gate.code: _tests(gate) for gate in GATES.values()}
_ENOUGH = {
    gate.code: {AT_WORK: 1, **{EVIDENCE[name]: least for ask in gate.asks for name, least in ask.alternatives}}
    for gate in GATES.values()
}
"""Of each gate how much is enough of each kind of evidence that it asks for."""


# -- contributions


def gate_rule(gate: Gate) -> Callable[[Own], Contributions]:
    """The rule of the derived aggregate behind a gate: its cells at month ends, and to the day whether it is met."""
    met = EVIDENCE[f"gate.{gate.code}"]

    def rule(own: Own) -> Contributions:
        series = gate_series(gate, own)
        parts: list[Part] = []
        before = State.MISSING
        for day, state in series:
            if (state is State.MET) is not (before is State.MET):
                parts.append((met, day, None, 1 if state is State.MET else -1))
            before = state
        before = State.MISSING
        for month, state in at_month_ends(series):
            if before in _STATE_MEASURES:
                parts.append((_STATE_MEASURES[before][gate.code], month, None, -1))
            if state in _STATE_MEASURES:
                parts.append((_STATE_MEASURES[state][gate.code], month, None, 1))
            before = state
        return summed(parts)

    return rule


def standing(own: Own) -> Contributions:
    """The stage reached, and the required artefacts in force, at the ends of months."""
    stages: list[tuple[int, int]] = []
    artefacts: list[tuple[int, int]] = []
    for day, held in _days(_turns(own, _SHOWN)):
        stages.append((day, stage_of({gate for gate, met in _MET.items() if met in held})))
        artefacts.append((day, sum(code in held for code in _ARTEFACTS) if AT_WORK in held else 0))
    parts: list[Part] = []
    before = 0
    for month, stage in at_month_ends(stages):
        for number, measure in enumerate(STAGE_REACHED, start=1):
            parts.append((measure, month, None, (stage >= number) - (before >= number)))
        before = stage
    before = 0
    for month, count in at_month_ends(artefacts):
        parts.append((ARTEFACTS, month, None, count - before))
        complete = (count == REQUIRED_ARTEFACTS) - (before == REQUIRED_ARTEFACTS)
        parts.append((ARTEFACTS_COMPLETE, month, None, complete))
        before = count
    return summed(parts)


def stage_of(met: set[str]) -> int:
    """The highest stage with every result of it and of those before it met; 0 where the first isn't reached."""
    reached = 0
    for stage, gates in STAGES.items():
        if not met.issuperset(gates):
            break
        reached = stage
    return reached


def at_month_ends(series: Sequence[tuple[int, _V]]) -> list[tuple[int, _V]]:
    """(month, value at its end) where that differs from day to day: of several days in a month the last counts."""
    by_month: dict[int, _V] = {}
    for day, value in series:
        by_month[month_of_ordinal(day)] = value
    return list(by_month.items())


_MET = {gate: EVIDENCE[f"gate.{gate}"] for gate in GATES}
_ARTEFACTS = [*(_MET[gate] for gate in ARTEFACT_GATES), *(EVIDENCE[name] for name in ARTEFACT_SAMPLES)]
STANDING_INPUTS = frozenset([AT_WORK, *_MET.values(), *_ARTEFACTS])
"""The evidence of which the standing is a function."""
_SHOWN = dict.fromkeys(STANDING_INPUTS, 1)


def gate_inputs(gate: Gate) -> frozenset[int]:
    """The evidence of which a gate is a function."""
    return frozenset([AT_WORK, *(EVIDENCE[name] for ask in gate.asks for name, _ in ask.alternatives)])
