"""How an institution stands: the state of each gate over time, the stage reached, the artefacts in force.

Evidence ends are known beforehand, so a gate that lapses by mere passing of time needs no event: the lapse is dated
ahead. Series are exact to the day; the cells hold the states at the ends of months.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
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
)
from shared.contracts.vocabulary import PartnerCategory

Own = Mapping[tuple[int, int], int]
"""What contributes to a derived aggregate: amounts by (evidence or measure, day or month)."""
Counts = Mapping[int, int]
"""Pieces of evidence that hold on a day, by code."""
_V = TypeVar("_V")

AT_WORK = EVIDENCE["at_work"]
_STATE_MEASURES = {State.MET: GATE_MET, State.IN_PROGRESS: GATE_IN_PROGRESS, State.LAPSED: GATE_LAPSED}


def gate_series(gate: Gate, own: Own) -> list[tuple[int, State]]:
    """(day, state from that day on), each state other than the one before; missing before the first day."""
    if gate.by_category:
        own = _with_lasting(own)
    satisfied, some = _RULES[gate.code]
    found: list[tuple[int, State]] = []
    state, was_met = State.MISSING, False
    for day, counts in _days(own):
        if counts.get(AT_WORK, 0) <= 0:
            now = State.MISSING
        elif satisfied(counts):
            now, was_met = State.MET, True
        elif was_met:
            now = State.LAPSED
        else:
            now = State.IN_PROGRESS if some(counts) else State.MISSING
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


def _days(own: Own) -> Iterable[tuple[int, Counts]]:
    """Each day on which something changes, in order, with what holds from then on."""
    changes = sorted((day, code, amount) for (code, day), amount in own.items())
    counts: dict[int, int] = {}
    for index, (day, code, amount) in enumerate(changes):
        counts[code] = counts.get(code, 0) + amount
        if index + 1 == len(changes) or changes[index + 1][0] != day:
            yield day, counts


# -- R13


_CATEGORIES = [
    (EVIDENCE[f"partner.{each}"], EVIDENCE[f"cooperation.{each}"], EVIDENCE[f"worked.{each}"])
    for each in PartnerCategory
]
_LASTING = {cooperation: -cooperation for _, cooperation, _ in _CATEGORIES}
_EXPECTED = {cooperation: -partner for partner, cooperation, _ in _CATEGORIES}
"""Codes, used here alone, of "has lasted long enough" and "has been a category with partners for long enough"."""


def _with_lasting(own: Own) -> dict[tuple[int, int], int]:
    """Adds, for each category, when cooperation has lasted long enough, and when that can be expected of it."""
    extended = dict(own)
    by_code: dict[int, list[tuple[int, int]]] = {}
    for (code, day), amount in own.items():
        by_code.setdefault(code, []).append((day, amount))
    for partner, cooperation, _ in _CATEGORIES:
        held = by_code.get(cooperation)
        known = by_code.get(partner)
        if held:
            _add_lasting(extended, _LASTING[cooperation], _runs([held]))
        if held or known:
            _add_lasting(extended, _EXPECTED[cooperation], _runs([each for each in (known, held) if each]))
    return extended


def _add_lasting(extended: dict[tuple[int, int], int], code: int, runs: Iterable[tuple[int, int | None]]) -> None:
    for since, until in runs:
        lasting = months_after_ordinal(since, LASTING_MONTHS)
        if until is None or lasting < until:
            extended[code, lasting] = extended.get((code, lasting), 0) + 1
            if until is not None:
                extended[code, until] = extended.get((code, until), 0) - 1


def months_after_ordinal(day: int, months: int) -> int:
    """The ordinal of the same day `months` later."""
    return months_after(date.fromordinal(min(day, LAST_DAY)), months)


def _runs(pieces: Sequence[Sequence[tuple[int, int]]]) -> list[tuple[int, int | None]]:
    """The spans in which any of these (changes by day) holds without a break; None: to no known end."""
    changes = sorted((day, number, amount) for number, piece in enumerate(pieces) for day, amount in piece)
    counts = [0] * len(pieces)
    runs: list[tuple[int, int | None]] = []
    since: int | None = None
    for index, (day, number, amount) in enumerate(changes):
        counts[number] += amount
        if index + 1 < len(changes) and changes[index + 1][0] == day:
            continue
        held = max(counts) > 0
        if held and since is None:
            since = day
        elif not held and since is not None:
            runs.append((since, day))
            since = None
    if since is not None:
        runs.append((since, None))
    return runs


def _every_category(counts: Counts) -> bool:
    lasting = False
    get = counts.get
    for long, expected, worked in _LASTING_CODES:
        alive = get(long, 0) > 0 and get(worked, 0) > 0
        if not alive and get(expected, 0) > 0:
            return False
        lasting = lasting or alive
    return lasting


def _any_cooperation(counts: Counts) -> bool:
    return any(counts.get(cooperation, 0) > 0 for _, cooperation, _ in _CATEGORIES)


_LASTING_CODES = [(_LASTING[cooperation], _EXPECTED[cooperation], worked) for _, cooperation, worked in _CATEGORIES]
_Test = Callable[[Counts], bool]


def _tests(gate: Gate) -> tuple[_Test, _Test]:
    """Whether all that the gate asks for is there, and whether some of it is."""
    if gate.by_category:
        return _every_category, _any_cooperation
    asks = [[(EVIDENCE[name], least) for name, least in ask.alternatives] for ask in gate.asks]
    pairs = [pair for alternatives in asks for pair in alternatives]

    def satisfied(counts: Counts) -> bool:
        for alternatives in asks:
            for code, least in alternatives:
                if counts.get(code, 0) >= least:
                    break
            else:
                return False
        return True

    def some(counts: Counts) -> bool:
        # Of answers to questionnaires not even whether there is one shows before there are enough.
        return any(counts.get(code, 0) >= least for code, least in pairs)

    return satisfied, some


_RULES = {gate.code: _tests(gate) for gate in GATES.values()}


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
    for day, counts in _days(own):
        stages.append((day, stage_of({gate for gate in GATES if counts.get(_MET[gate], 0) > 0})))
        at_work = counts.get(AT_WORK, 0) > 0
        artefacts.append((day, sum(counts.get(code, 0) > 0 for code in _ARTEFACTS) if at_work else 0))
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


def gate_inputs(gate: Gate) -> frozenset[int]:
    """The evidence of which a gate is a function."""
    return frozenset([AT_WORK, *(EVIDENCE[name] for ask in gate.asks for name, _ in ask.alternatives)])
