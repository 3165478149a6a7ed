"""What an indicator is made of: terms over measures, a formula, what is withheld, what is behind it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from math import sqrt

from services.monitoring.domain.measures import INSTITUTIONS
from services.monitoring.domain.periods import PeriodKind


class Unit(StrEnum):
    """What an indicator's value is."""

    RATIO = "ratio"
    COUNT = "count"
    PERSONS = "persons"
    SCORE = "score"


class Direction(StrEnum):
    """Which way is better."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


class Privacy(StrEnum):
    """Why small values are withheld: persons below k, or a survey shown in steps of k responses."""

    PERSONS = "persons"
    SURVEY = "survey"


Amounts = Callable[[int], int]
"""The amount of a measure at the place and in the period in question."""


@dataclass(frozen=True, slots=True)
class Term:
    """A sum of measures less those of `minus`, `times` over; with `present`, how many are above zero; or a number."""

    measures: tuple[int, ...] = ()
    present: bool = False
    number: int = 0
    minus: tuple[int, ...] = ()
    times: int = 1

    def __call__(self, amounts: Amounts) -> int:
        """The term's value."""
        if self.present:
            return sum(amounts(measure) > 0 for measure in self.measures)
        total = sum(amounts(measure) for measure in self.measures) - sum(amounts(measure) for measure in self.minus)
        return self.number + self.times * total

    @property
    def read(self) -> frozenset[int]:
        """Every measure that the term reads."""
        return frozenset(self.measures + self.minus)


@dataclass(frozen=True, slots=True)
class Window:
    """Which contributions are behind a value: of a measure, in the period's months or `months` up to its end.

    The measure may be a piece of evidence (gates.py): then it is what holds on the last day.
    """

    measure: int
    part: str
    months: int | None = None


@dataclass(frozen=True, slots=True)
class Indicator:
    """One indicator. The value is numerator ÷ denominator ÷ `scale`, or the numerator where there is no denominator.

    `own`: (numerator, denominator) at the institution itself, where they differ from the sums above it. `coverage`: the
    institutions that have reported, out of those at work – or out of `coverage_of`. `amounts`: parts of an indicator of
    persons that count no persons; `groups`: parts that together are all of them. `spread`: (sum, count, squares) of a
    mean. `lineage`: what is behind the value, for "why this number?". `since`: the version of the product that it
    came with.
    """

    code: str
    group: str
    unit: Unit
    direction: Direction
    roll_up: str
    source: str
    numerator: Term
    denominator: Term | None = None
    own: tuple[Term, Term] | None = None
    scale: int = 1
    parts: dict[str, Term] = field(default_factory=dict)
    coverage: Term | None = None
    coverage_of: Term | None = None
    amounts: frozenset[str] = frozenset()
    groups: tuple[str, ...] = ()
    spread: tuple[int, int, int] | None = None
    period_kinds: tuple[PeriodKind, ...] = tuple(PeriodKind)
    privacy: Privacy | None = None
    lineage: tuple[Window, ...] = ()
    since: str = "0.1.0"

    @property
    def core(self) -> frozenset[int]:
        """The measures behind the value itself and its coverage, without its parts."""
        terms = [self.numerator, self.denominator, self.coverage, self.coverage_of, *(self.own or ())]
        read = {measure for term in terms if term for measure in term.read}
        return frozenset(read | ({INSTITUTIONS} if self.coverage else set()))

    @property
    def measures(self) -> frozenset[int]:
        """Every measure that the indicator reads."""
        parts = {measure for term in self.parts.values() for measure in term.read}
        return self.core | parts | set(self.spread or ())


def deviation(total: int, count: int, squares: int) -> float | None:
    """The standard deviation of `count` values with this sum and sum of squares; None below two values."""
    if count < 2:
        return None
    return sqrt(max(0, squares * count - total * total)) / count


def total(*measures: int) -> Term:
    """Their sum."""
    return Term(measures)
