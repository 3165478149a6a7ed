"""The indicators as declarations: what INDICATORS.md says, in the order in which people read it.

Names, help and formula texts stand in messages/<language>.toml under the indicator's code.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from math import sqrt
from typing import Final

from services.monitoring.domain.measures import (
    CATALOGUE_FORMS,
    CATEGORY_ACTIVE,
    ENROLMENT_REPORTS,
    ENTERPRISES,
    FIRST_CHOICE,
    FORM_ACTIVE,
    FORM_ACTIVITIES,
    FORM_ALIVE,
    FORM_ENDED,
    FORM_SIGNED,
    GRADUATES_CONFIRMED,
    GRADUATES_EMPLOYED,
    INDEX_COUNT,
    INDEX_SQUARES,
    INDEX_SUM,
    INSTITUTIONS,
    MEASURES,
    PLACES,
    SCHEDULE_COMPLETE,
    SEATS_COMPLETED,
    SEATS_FILLED,
    SEATS_PLANNED,
    THREE_FORMS,
)
from services.monitoring.domain.periods import PeriodKind
from services.monitoring.domain.readings import (
    VARIETY,
    Activity,
    Agreement,
    Employment,
    Enrolment,
    Institution,
    Response,
)
from services.monitoring.domain.variety import WINDOW
from shared.contracts.vocabulary import Form, RespondentGroup


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
    """A sum of measures – or, with `present`, how many of them are above zero – or a number."""

    measures: tuple[int, ...] = ()
    present: bool = False
    number: int = 0

    def __call__(self, amounts: Amounts) -> int:
        """The term's value."""
        if self.present:
            return sum(amounts(measure) > 0 for measure in self.measures)
        return self.number + sum(amounts(measure) for measure in self.measures)


@dataclass(frozen=True, slots=True)
class Window:
    """Which contributions are behind a value: of a measure, in the period's months or `months` up to its end."""

    measure: int
    part: str
    months: int | None = None


@dataclass(frozen=True, slots=True)
class Indicator:
    """One indicator. The value is numerator ÷ denominator ÷ `scale`, or the numerator where there is no denominator.

    `own`: (numerator, denominator) at the institution itself, where they differ from the sums above it. `coverage`: the
    institutions that have reported, out of those at work. `spread`: (sum, count, squares) of a mean. `lineage`: what is
    behind the value, for "why this number?".
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
    spread: tuple[int, int, int] | None = None
    period_kinds: tuple[PeriodKind, ...] = tuple(PeriodKind)
    privacy: Privacy | None = None
    lineage: tuple[Window, ...] = ()

    @property
    def core(self) -> frozenset[int]:
        """The measures behind the value itself and its coverage, without its parts."""
        terms = [self.numerator, self.denominator, self.coverage, *(self.own or ())]
        read = {measure for term in terms if term for measure in term.measures}
        return frozenset(read | ({INSTITUTIONS} if self.coverage else set()))

    @property
    def measures(self) -> frozenset[int]:
        """Every measure that the indicator reads."""
        parts = {measure for term in self.parts.values() for measure in term.measures}
        return self.core | parts | set(self.spread or ())


def deviation(total: int, count: int, squares: int) -> float | None:
    """The standard deviation of `count` values with this sum and sum of squares; None below two values."""
    if count < 2:
        return None
    return sqrt(max(0, squares * count - total * total)) / count


def _sum(*measures: int) -> Term:
    return Term(measures)


_F1 = Indicator(
    code="F1",
    group="factors",
    unit=Unit.COUNT,
    direction=Direction.UP,
    roll_up="additive by agreement; enterprises distinct",
    source="INDICATORS.md F1",
    numerator=_sum(*FORM_ACTIVE.values()),
    parts={
        "signed": _sum(*FORM_SIGNED.values()),
        "ended": _sum(*FORM_ENDED.values()),
        "enterprises": _sum(ENTERPRISES),
        **{str(form): _sum(measure) for form, measure in FORM_ACTIVE.items()},
        **{str(category): _sum(measure) for category, measure in CATEGORY_ACTIVE.items()},
    },
    lineage=tuple(
        [Window(measure, f"active/{form}") for form, measure in FORM_ACTIVE.items()]
        + [Window(measure, f"signed/{form}") for form, measure in FORM_SIGNED.items()]
        + [Window(measure, f"ended/{form}") for form, measure in FORM_ENDED.items()]
        + [Window(ENTERPRISES, "enterprises")]
    ),
)
_F2 = Indicator(
    code="F2",
    group="factors",
    unit=Unit.RATIO,
    direction=Direction.UP,
    roll_up="Σ ÷ Σ; seats additive",
    source="INDICATORS.md F2, Cedefop 02",
    numerator=_sum(SCHEDULE_COMPLETE),
    denominator=_sum(FORM_ACTIVE[Form.AF1]),
    parts={"planned": _sum(SEATS_PLANNED), "filled": _sum(SEATS_FILLED), "completed": _sum(SEATS_COMPLETED)},
    lineage=(
        Window(FORM_ACTIVE[Form.AF1], "active"),
        Window(SCHEDULE_COMPLETE, "schedule"),
        Window(SEATS_PLANNED, "planned"),
        Window(SEATS_FILLED, "filled"),
        Window(SEATS_COMPLETED, "completed"),
    ),
)
_F3 = Indicator(
    code="F3",
    group="factors",
    unit=Unit.PERSONS,
    direction=Direction.UP,
    roll_up="distinct",
    source="INDICATORS.md F3, EQAVET 5, 6a",
    numerator=_sum(GRADUATES_EMPLOYED),
    parts={"confirmed": _sum(GRADUATES_CONFIRMED)},
    privacy=Privacy.PERSONS,
    lineage=(Window(GRADUATES_EMPLOYED, "reported"), Window(GRADUATES_CONFIRMED, "confirmed")),
)
_I2 = Indicator(
    code="I2",
    group="indicators",
    unit=Unit.RATIO,
    direction=Direction.UP,
    roll_up="Σ ÷ Σ",
    source="INDICATORS.md I2, EQAVET 3",
    numerator=_sum(FIRST_CHOICE),
    denominator=_sum(PLACES),
    parts={"reported": _sum(ENROLMENT_REPORTS)},
    coverage=_sum(ENROLMENT_REPORTS),
    period_kinds=(PeriodKind.ACADEMIC_YEAR,),
    lineage=(Window(FIRST_CHOICE, "first_choice"), Window(PLACES, "places")),
)
_I5 = Indicator(
    code="I5",
    group="indicators",
    unit=Unit.RATIO,
    direction=Direction.UP,
    roll_up="share of institutions with 3 forms or more; union of forms shown apart",
    source="INDICATORS.md I5, EQAVET 9",
    numerator=_sum(THREE_FORMS),
    denominator=_sum(INSTITUTIONS),
    own=(Term(tuple(FORM_ALIVE.values()), present=True), Term(number=len(CATALOGUE_FORMS))),
    parts={
        "forms": Term(tuple(FORM_ALIVE.values()), present=True),
        **{str(form): _sum(measure) for form, measure in FORM_ALIVE.items()},
    },
    lineage=tuple(
        [Window(FORM_ACTIVE[form], f"active/{form}") for form in CATALOGUE_FORMS]
        + [Window(FORM_ACTIVITIES[form], f"activities/{form}", WINDOW) for form in CATALOGUE_FORMS]
    ),
)


def _survey(group: RespondentGroup) -> Indicator:
    return Indicator(
        code=str(group),
        group="surveys",
        unit=Unit.SCORE,
        direction=Direction.UP,
        roll_up="mean of responses",
        source="INDICATORS.md S1–S5",
        numerator=_sum(INDEX_SUM[group]),
        denominator=_sum(INDEX_COUNT[group]),
        scale=1000,
        parts={"responses": _sum(INDEX_COUNT[group])},
        spread=(INDEX_SUM[group], INDEX_COUNT[group], INDEX_SQUARES[group]),
        privacy=Privacy.SURVEY,
        lineage=(),  # a single answer is nobody's business
    )


INDICATORS: Final[dict[str, Indicator]] = {
    indicator.code: indicator for indicator in (_I2, _I5, _F1, _F2, _F3, *map(_survey, RespondentGroup))
}
"""Every indicator by its code."""


def fed_by(measure: int) -> int:
    """The kind of aggregate whose contributions a measure sums."""
    name = MEASURES[measure].name
    if name.endswith(".activities"):
        return Activity.kind
    return _FED_BY[name.split(".")[0]]


_FED_BY = {
    "form": Agreement.kind,
    "category": Agreement.kind,
    "enterprises": Agreement.kind,
    "internship": Agreement.kind,
    "graduates": Employment.kind,
    "enrolment": Enrolment.kind,
    "variety": VARIETY,
    "institutions": Institution.kind,
    "survey": Response.kind,
}
