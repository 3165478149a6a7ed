"""Which measures count persons, and how they hang together: families whose cells are shown or hidden as one.

A family counts the same persons: a total, the parts they fall into, and persons that only shares tell of. What a family
is made of decides what could be computed from what (PRIVACY.md); everything else in monitoring counts no persons.
"""

from dataclasses import dataclass
from typing import Final

from services.monitoring.domain.formulas import Amounts, Indicator, Term, total
from services.monitoring.domain.measures import (
    COLUMNS,
    COMPLETIONS,
    GRADUATES_BY_GROUP,
    GRADUATES_CONFIRMED,
    GRADUATES_EMPLOYED,
    INDEX_COUNT,
    OUTCOME_ASKED,
    OUTCOME_AVAILABLE,
    OUTCOME_EMPLOYED,
    OUTCOME_KNOWN,
    SPECIALISTS,
    STEPPED_SLOTS,
    TEACHERS,
    TEACHERS_TRAINED,
    TRAINEES,
    TRAINEES_ALL,
)
from services.monitoring.domain.readings import (
    Employment,
    GraduateStatus,
    Outcome,
    Specialist,
    StaffInternship,
    Training,
)
from shared.contracts.vocabulary import RespondentGroup


@dataclass(frozen=True, slots=True)
class Family:
    """`total`: the persons, by month and year. `divisions`: ways in which they fall into parts.

    `beside`: later divisions are of persons that the total leaves out, and shown only where the first one is.
    `yearly`: told of whole academic years alone. Numbers are stored and never change their meaning.
    """

    number: int
    total: tuple[int, ...]
    slots: frozenset[int]
    divisions: tuple[tuple[Term, ...], ...] = ()
    beside: bool = False
    yearly: bool = False

    @property
    def measures(self) -> frozenset[int]:
        """Every measure of the family that counts persons."""
        return frozenset(self.total).union(*(term.read for terms in self.divisions for term in terms))

    def persons(self, amounts: Amounts) -> int:
        """How many there are, by whichever of the totals tells of more."""
        return max(amounts(measure) for measure in self.total)

    def divisions_of(self, *terms: Term | None) -> int:
        """The divisions that must be open for these terms to be shown, as bits."""
        read = {measure for term in terms if term for measure in term.read} - {self.total[0]}
        return sum(
            1 << number
            for number, parts in enumerate(self.divisions)
            if any(measure in read for part in parts for measure in part.measures)
        )


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
        divisions=((total(employed), _less(available, employed)), (_less(known, available), _less(asked, known))),
        beside=True,
    )


FAMILIES: Final = (
    Family(
        1,
        (GRADUATES_EMPLOYED,),
        _slots(GRADUATES_EMPLOYED, *GRADUATES_BY_GROUP.values()),
        divisions=(
            (total(GRADUATES_CONFIRMED), _less(GRADUATES_EMPLOYED, GRADUATES_CONFIRMED)),
            tuple(total(measure) for measure in GRADUATES_BY_GROUP.values()),
        ),
    ),
    _outcomes(2, 6),
    _outcomes(3, 12),
    Family(4, (SPECIALISTS,), _slots(SPECIALISTS)),
    Family(
        5,
        (TEACHERS, TEACHERS_TRAINED),
        _slots(TEACHERS),
        divisions=((total(TEACHERS_TRAINED), _less(TEACHERS, TEACHERS_TRAINED)),),
        yearly=True,
    ),
    Family(
        6,
        (TRAINEES_ALL,),
        _slots(TRAINEES_ALL, COMPLETIONS),
        divisions=(tuple(total(measure) for measure in TRAINEES.values()), (_less(COMPLETIONS, TRAINEES_ALL),)),
    ),
    *(
        Family(number, (INDEX_COUNT[group],), _slots(INDEX_COUNT[group]))
        for number, group in enumerate(RespondentGroup, start=7)
    ),
)
"""Every family of persons; those who answered questionnaires are counted with their answers."""
FAMILY_OF_SLOT: Final = {slot: family for family in FAMILIES for slot in family.slots}
BY_NUMBER: Final = {family.number: family for family in FAMILIES}
PERSON_SLOTS: Final = frozenset(FAMILY_OF_SLOT)
"""Cell rows of which only what was released may be seen (suppression/)."""
KINDS_OF_PERSONS: Final = frozenset(
    reading.kind for reading in (Employment, Outcome, GraduateStatus, Specialist, StaffInternship, Training)
)
"""Aggregates that are one person's each: whoever could list them could count them."""
HELD_SLOTS: Final = PERSON_SLOTS - STEPPED_SLOTS
"""Those that are read as they were when they were released; answers are released by rows of their own."""


def family_of(indicator: Indicator) -> Family:
    """The family of persons that an indicator of persons is about."""
    return next(FAMILY_OF_SLOT[measure // COLUMNS] for measure in indicator.numerator.measures)
