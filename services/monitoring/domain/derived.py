"""The derived aggregates: functions of what an institution's other aggregates contribute, in the order they build up.

What a derived aggregate contributes is compared and applied as everything else is, and may feed those after it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final

from services.monitoring.domain import variety
from services.monitoring.domain.gates import CONVERSION_MONTHS, EVIDENCE, GATES, WORK_MONTHS
from services.monitoring.domain.measures import INCOME_BEFORE, INCOME_MATCHED, VISITS_CONVERTED
from services.monitoring.domain.parts import (
    Contributions,
    Part,
    first_day,
    holds,
    month_of_ordinal,
    months_after,
    summed,
)
from services.monitoring.domain.readings import CONVERSION, GATE_KINDS, GROWTH, STANDING, VARIETY, WORK
from services.monitoring.domain.standing import STANDING_INPUTS, Own, gate_inputs, gate_rule, standing
from shared.contracts.vocabulary import PartnerCategory


@dataclass(frozen=True, slots=True)
class Derivation:
    """One kind of derived aggregate: what it is a function of, and which.

    `outputs`: the evidence among what it contributes, of which others are functions.
    `joint`: there is one for every key that its inputs name as their member; else one per institution.
    `present`: inputs of which it asks nothing but in which months there are any.
    """

    kind: int
    inputs: frozenset[int]
    rule: Callable[[Own], Contributions]
    outputs: frozenset[int] = frozenset()
    joint: bool = False
    present: frozenset[int] = frozenset()

    def unmoved(self, before: Own, changes: Own) -> bool:
        """Whether nothing can follow from these changes: there is one month with some more, or some less, of many."""
        return all(
            at[0] in self.present and before.get(at, 0) > 0 and before[at] + amount > 0
            for at, amount in changes.items()
        )


_WORK_DONE = EVIDENCE["work_done"]
_WORKS_FOR = {EVIDENCE[f"works_for.{category}"]: category for category in PartnerCategory}
_WORKED = frozenset(EVIDENCE[f"worked.{category}"] for category in PartnerCategory)
_VISITED, _SIGNED_WITH = EVIDENCE["visited"], EVIDENCE["signed_with"]
_INCOME, _INCOME_REPORTED = EVIDENCE["income"], EVIDENCE["income_reported"]


def work(own: Own) -> Contributions:
    """R13: a month with work under an agreement keeps the categories of its partners active for some months."""
    categories = [_WORKS_FOR[code] for (code, _), amount in own.items() if code in _WORKS_FOR and amount > 0]
    parts: list[Part] = []
    if not categories:
        return {}
    for (code, month), amount in own.items():
        if code == _WORK_DONE and amount > 0:
            for category in categories:
                parts += holds(f"worked.{category}", first_day(month), first_day(month + WORK_MONTHS))
    return summed(parts)


def conversion(own: Own) -> Contributions:
    """Visits to a partner with which an agreement was signed on the day of the visit or in the months after it."""
    signed = [day for (code, day), amount in own.items() if code == _SIGNED_WITH and amount > 0]
    parts: list[Part] = []
    for (code, day), amount in own.items():
        if code == _VISITED:
            last = months_after(date.fromordinal(day), CONVERSION_MONTHS)
            if any(day <= each <= last for each in signed):
                parts.append((VISITS_CONVERTED, month_of_ordinal(day), None, amount))
    return summed(parts)


def growth(own: Own) -> Contributions:
    """I3: where a month and the same month of the year before were both reported, the income of both."""
    reported = {month for (code, month), amount in own.items() if code == _INCOME_REPORTED and amount > 0}
    parts: list[Part] = []
    for month in reported:
        if month - 12 in reported:
            parts.append((INCOME_MATCHED, month, None, own.get((_INCOME, month), 0)))
            parts.append((INCOME_BEFORE, month, None, own.get((_INCOME, month - 12), 0)))
    return summed(parts)


DERIVATIONS: Final = (
    Derivation(WORK, frozenset([_WORK_DONE, *_WORKS_FOR]), work, _WORKED, joint=True, present=frozenset([_WORK_DONE])),
    Derivation(CONVERSION, frozenset([_VISITED, _SIGNED_WITH]), conversion, joint=True),
    Derivation(GROWTH, frozenset([_INCOME, _INCOME_REPORTED]), growth),
    Derivation(VARIETY, variety.INPUTS, variety.variety, present=variety.HELD),
    *(
        Derivation(
            GATE_KINDS[gate.code], gate_inputs(gate), gate_rule(gate), frozenset([EVIDENCE[f"gate.{gate.code}"]])
        )
        for gate in GATES.values()
    ),
    Derivation(STANDING, STANDING_INPUTS, standing),
)
"""Every kind, each after those it is fed by."""


def _feeds() -> dict[int, tuple[int, ...]]:
    found: dict[int, tuple[int, ...]] = {}
    for number, derivation in enumerate(DERIVATIONS):
        for code in derivation.inputs:
            found[code] = (*found.get(code, ()), number)
    return found


FEEDS: Final = _feeds()
"""Which derivations (by number) a measure or a piece of evidence goes into."""


def _waves() -> tuple[tuple[int, ...], ...]:
    depths: list[int] = []
    for derivation in DERIVATIONS:
        fed_by = [
            number for number, other in enumerate(DERIVATIONS[: len(depths)]) if other.outputs & derivation.inputs
        ]
        depths.append(max((depths[number] + 1 for number in fed_by), default=0))
    return tuple(
        tuple(number for number, depth in enumerate(depths) if depth == wave) for wave in range(max(depths) + 1)
    )


WAVES: Final = _waves()
"""The derivations (by number) in waves: none of a wave is fed by another of the same wave or of a later one."""
