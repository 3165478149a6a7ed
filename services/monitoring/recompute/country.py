"""The final state of every aggregate, and where institutions belonged over time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar, cast

from services.monitoring.domain.periods import month_of
from shared.contracts.agreements import ActivityState, AgreementState, EmploymentState
from shared.contracts.events import State
from shared.contracts.final_stage import BoardState, InstructionState, SampleState, WorkPlanState
from shared.contracts.partners import EnrolmentState, InstitutionState, PartnershipState, TerritoryState
from shared.contracts.practice import (
    CertificationState,
    ExpertReviewState,
    IncomeState,
    OutcomeState,
    PlacementState,
    ProjectState,
    SpecialistState,
    StaffInternshipState,
    TrainingState,
)
from shared.contracts.preparation import (
    MarketAssessmentState,
    MarketReviewState,
    OrientationState,
    SectorReviewState,
)
from shared.contracts.reporting import SubmissionState
from shared.contracts.surveys import GraduateStatusState, ResponseState
from shared.contracts.visits import NextActionState, VisitState

OWNED: frozenset[type[State]] = frozenset(
    {
        EnrolmentState,
        AgreementState,
        ActivityState,
        EmploymentState,
        ResponseState,
        PlacementState,
        ExpertReviewState,
        StaffInternshipState,
        ProjectState,
        TrainingState,
        CertificationState,
        SpecialistState,
        OutcomeState,
        GraduateStatusState,
        IncomeState,
        PartnershipState,
        OrientationState,
        MarketReviewState,
        SectorReviewState,
        MarketAssessmentState,
        VisitState,
        NextActionState,
        InstructionState,
        WorkPlanState,
        SampleState,
        BoardState,
        SubmissionState,
    }
)
"""What is measured of an institution, or of an office."""

Span = tuple[int, int]
"""Months, from the first up to, not including, the second."""
BEGINNING, END = 0, 1_000_000
ALWAYS: tuple[Span, ...] = ((BEGINNING, END),)
_S = TypeVar("_S", bound=State)


class Own:
    """What one institution told, or one office."""

    def __init__(self, institution: InstitutionState | None = None) -> None:
        self.institution = institution
        self._told: dict[type[State], list[State]] = {}

    def keep(self, state: State) -> None:
        """Take in a state."""
        self._told.setdefault(type(state), []).append(state)

    def of(self, kind: type[_S]) -> list[_S]:
        """The states of a kind."""
        return cast("list[_S]", self._told.get(kind, []))


@dataclass
class Territory:
    """What lies in what."""

    units: dict[str, TerritoryState] = field(default_factory=dict)

    def up(self, place: str | None) -> Iterator[str]:
        """The place and those above it."""
        while place:
            yield place
            place = self.parent(place)

    def parent(self, place: str) -> str | None:
        """What a unit of the territory lies in."""
        known = self.units.get(place)
        # A district whose own event is missing: SOATO codes carry their parents as prefixes (2, 4 and 7 digits).
        return known.parent if known else {7: place[:4], 4: place[:2]}.get(len(place))


@dataclass
class Country:
    """The final state of every aggregate, by kind and id: of a whole country, or of some shards of it."""

    territory: Territory = field(default_factory=Territory)
    institutions: dict[str, InstitutionState] = field(default_factory=dict)
    told: dict[type[State], dict[str, State]] = field(default_factory=lambda: {kind: {} for kind in OWNED})

    def keep(self, state: State) -> None:
        """Take in a state unless a newer one is there; kinds that nothing measures are left out."""
        room: dict[str, Any] | None = self.told.get(type(state))
        if isinstance(state, TerritoryState):
            room = self.territory.units
        elif isinstance(state, InstitutionState):
            room = self.institutions
        if room is not None and (state.id not in room or room[state.id].version < state.version):
            room[state.id] = state

    def states(self) -> Iterator[State]:
        """All of them."""
        rooms: list[dict[str, Any]] = [self.territory.units, self.institutions, *self.told.values()]
        for room in rooms:
            yield from room.values()

    def owners(self) -> dict[str, Own]:
        """The states by the institution, or the office, that they are about."""
        found = {id_: Own(institution) for id_, institution in self.institutions.items()}
        for states in self.told.values():
            for state in states.values():
                owner = state.place if isinstance(state, SubmissionState) else cast(Any, state).institution_id
                found.setdefault(owner, Own()).keep(state)
        return found


def bases(own: Own) -> dict[str, tuple[Span, ...]]:
    """The districts that an institution belonged to, each with the months at whose end it did."""
    institution = own.institution
    if institution is None or not institution.membership:
        return {}
    dated = sorted(institution.membership, key=lambda membership: membership.since)
    starts = {BEGINNING: dated[0].district} | {month_of(each.since): each.district for each in dated}
    months = sorted(starts)
    found: dict[str, list[Span]] = {}
    for since, until in zip(months, [*months[1:], END], strict=True):
        spans = found.setdefault(starts[since], [])
        if spans and spans[-1][1] == since:
            spans[-1] = spans[-1][0], until
        else:
            spans.append((since, until))
    return {district: tuple(spans) for district, spans in found.items()}


def last_day(month: int) -> date:
    """The last day of a month; of one beyond the calendar, the calendar's."""
    year, number = divmod(month + 1, 12)
    if year > date.max.year:
        return date.max
    return date(year, number + 1, 1) - timedelta(days=1)
