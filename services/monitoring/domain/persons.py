"""Which measures count persons, and how they hang together: families whose cells are shown or hidden as one.

A family counts the same persons: a total, the parts they fall into, and persons that only shares tell of. What a family
is made of decides what could be computed from what (PRIVACY.md); everything else in monitoring counts no persons.
"""

from dataclasses import dataclass
from typing import Final

from services.monitoring.domain.formulas import Amounts, Term, total
from services.monitoring.domain.measures import (
    COLUMNS,
    COMPLETIONS,
    GRADUATES_BY_GROUP,
    GRADUATES_CONFIRMED,
    GRADUATES_EMPLOYED,
    OUTCOME_ASKED,
    OUTCOME_AVAILABLE,
    OUTCOME_EMPLOYED,
    OUTCOME_KNOWN,
    SPECIALISTS,
    TEACHERS,
    TEACHERS_TRAINED,
    TRAINEES,
    TRAINEES_ALL,
)


@dataclass(frozen=True, slots=True)
class Family:
    """`total`: the persons, by month and year. `parts`: what they fall into. `others`: persons beside them.

    `yearly`: told of a whole academic year alone. Numbers are stored and never change their meaning.
    """

    number: int
    total: tuple[int, ...]
    slots: frozenset[int]
    parts: tuple[Term, ...] = ()
    others: tuple[Term, ...] = ()
    yearly: bool = False

    @property
    def measures(self) -> frozenset[int]:
        """Every measure of the family that counts persons."""
        return frozenset(self.total).union(*(term.read for term in (*self.parts, *self.others)))

    def persons(self, amounts: Amounts) -> int:
        """How many there are, by whichever of the totals tells of more."""
        return max(amounts(measure) for measure in self.total)


def _slots(*measures: int) -> frozenset[int]:
    return frozenset(measure // COLUMNS for measure in measures)


def _less(measure: int, *others: int) -> Term:
    return Term((measure,), minus=others)


def _outcomes(number: int, months: int) -> Family:
    asked, known = OUTCOME_ASKED[months], OUTCOME_KNOWN[months]
    available, employed = OUTCOME_AVAILABLE[months], OUTCOME_EMPLOYED[months]
    return Family(
        number,
        (available,),
        _slots(asked),
        parts=(total(employed), _less(available, employed)),
        others=(_less(known, available), _less(asked, known)),
    )


FAMILIES: Final = (
    Family(
        1,
        (GRADUATES_EMPLOYED,),
        _slots(GRADUATES_EMPLOYED, *GRADUATES_BY_GROUP.values()),
        parts=(
            total(GRADUATES_CONFIRMED),
            _less(GRADUATES_EMPLOYED, GRADUATES_CONFIRMED),
            *(total(measure) for measure in GRADUATES_BY_GROUP.values()),
        ),
    ),
    _outcomes(2, 6),
    _outcomes(3, 12),
    Family(4, (SPECIALISTS,), _slots(SPECIALISTS)),
    Family(
        5,
        (TEACHERS, TEACHERS_TRAINED),
        _slots(TEACHERS),
        parts=(total(TEACHERS_TRAINED), _less(TEACHERS, TEACHERS_TRAINED)),
        yearly=True,
    ),
    Family(
        6,
        (TRAINEES_ALL,),
        _slots(TRAINEES_ALL, COMPLETIONS),
        parts=(*(total(measure) for measure in TRAINEES.values()), _less(COMPLETIONS, TRAINEES_ALL)),
    ),
)
"""Every family of persons."""
FAMILY_OF_SLOT: Final = {slot: family for family in FAMILIES for slot in family.slots}
BY_NUMBER: Final = {family.number: family for family in FAMILIES}
PERSON_SLOTS: Final = frozenset(FAMILY_OF_SLOT)
"""Cell rows that are shown as they were when they were released (suppression/)."""
