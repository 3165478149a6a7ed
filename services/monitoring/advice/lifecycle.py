"""The life of a recommendation: which step leads where, whose it is to take, and what the steps do. Pure."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.monitoring.advice.declarations import Rule
from services.monitoring.domain.territory import Level, Place
from shared.contracts.events import EventType
from shared.contracts.monitoring import (
    RECOMMENDATION_ACCEPTED,
    RECOMMENDATION_DISMISSED,
    RECOMMENDATION_DONE,
    RECOMMENDATION_EXPIRED,
    RECOMMENDATION_RESOLVED,
    AdviceOwner,
    DismissalReason,
    Evidence,
    OfficeLevel,
    RecommendationState,
    RecommendationStatus,
    RecommendationStep,
    Severity,
)
from shared.errors import BrokenRule, FieldError, Forbidden, InvalidInput, WrongState
from shared.scope import Principal, Role

OPEN, ACCEPTED = RecommendationStatus.OPEN, RecommendationStatus.ACCEPTED
WORKED_ON: Final = frozenset({OPEN, ACCEPTED})
LIFECYCLE: Final[Mapping[tuple[RecommendationStatus, str], tuple[RecommendationStatus, EventType]]] = {
    (OPEN, "accept"): (ACCEPTED, RECOMMENDATION_ACCEPTED),
    (OPEN, "dismiss"): (RecommendationStatus.DISMISSED, RECOMMENDATION_DISMISSED),
    (OPEN, "resolve"): (RecommendationStatus.RESOLVED, RECOMMENDATION_RESOLVED),
    (OPEN, "expire"): (RecommendationStatus.EXPIRED, RECOMMENDATION_EXPIRED),
    (ACCEPTED, "complete"): (RecommendationStatus.DONE, RECOMMENDATION_DONE),
    (ACCEPTED, "dismiss"): (RecommendationStatus.DISMISSED, RECOMMENDATION_DISMISSED),
    (ACCEPTED, "resolve"): (RecommendationStatus.RESOLVED, RECOMMENDATION_RESOLVED),
    (ACCEPTED, "expire"): (RecommendationStatus.EXPIRED, RECOMMENDATION_EXPIRED),
}
"""Every step there is. Resolve and expire are taken by data and time, the others by people."""
BY_PEOPLE: Final = ("accept", "complete", "dismiss")

OWN, ABOVE = "own", "above"
MAY: Final[Mapping[tuple[str, Severity], frozenset[str]]] = {
    **{("accept", severity): frozenset({OWN, ABOVE}) for severity in Severity},
    **{("complete", severity): frozenset({OWN, ABOVE}) for severity in Severity},
    ("dismiss", Severity.NOTICE): frozenset({OWN, ABOVE}),
    ("dismiss", Severity.IMPORTANT): frozenset({OWN, ABOVE}),
    ("dismiss", Severity.URGENT): frozenset({ABOVE}),
}
"""Who takes a step: the place itself, or an office above it. What is urgent, its own place does not dismiss."""

LEVELS: Final = {
    Level.NATION: OfficeLevel.NATION,
    Level.REGION: OfficeLevel.REGION,
    Level.DISTRICT: OfficeLevel.DISTRICT,
    Level.INSTITUTION: OfficeLevel.INSTITUTION,
}
LEVEL_NUMBERS: Final = {office: level for level, office in LEVELS.items()}
OFFICES: Final = {
    OfficeLevel.DISTRICT: AdviceOwner.DISTRICT_OFFICE,
    OfficeLevel.REGION: AdviceOwner.REGION_OFFICE,
    OfficeLevel.NATION: AdviceOwner.MINISTRY,
}
"""Whose work it is above the institutions."""
SEVERITIES: Final = {Severity.NOTICE: 1, Severity.IMPORTANT: 2, Severity.URGENT: 3}
LONGEST_DAYS: Final = 366
Note = Annotated[str, StringConstraints(max_length=1000, strip_whitespace=True)]


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Accept(_Command):
    """Somebody takes it on: whose work it is, and until when; what is left out stays as the rule says."""

    owner: AdviceOwner | None = Field(default=None, description="whose work it is")
    due_on: date | None = Field(default=None, description="until when, today at the earliest")
    note: Note = Field(default="", description="shown beside the recommendation, told in no event")
    model_config = ConfigDict(json_schema_extra={"examples": [{"owner": "coordinator", "due_on": "2027-01-31"}]})


class Complete(_Command):
    """It was done; whether the indicator moved is looked at then."""

    note: Note = Field(default="", description="what was done; told in no event")
    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "Kengash yigʻilishi oʻtkazildi"}]})


class Dismiss(_Command):
    """It is not followed, for a reason; `other` needs a note."""

    reason: DismissalReason
    note: Note = Field(default="", description="told in no event")
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "planned_otherwise"}]})

    @model_validator(mode="after")
    def _explained(self) -> "Dismiss":
        if self.reason is DismissalReason.OTHER and not self.note:
            raise BrokenRule("dismissal_note", "note")
        return self


class Notes(BaseModel):
    """What people wrote at the steps: shown within the scope, told in no event."""

    notes: dict[str, str] = {}


def make(id_: str, rule: Rule, place: Place, evidence: Evidence, on: date) -> RecommendationState:
    """A new recommendation."""
    units = place.units
    return RecommendationState(
        id=id_,
        version=1,
        rule=rule.code,
        element=rule.element,
        severity=rule.severity,
        level=LEVELS[place.level],
        place=place.code,
        status=OPEN,
        owner=OFFICES.get(LEVELS[place.level], rule.owner),
        due_on=on + timedelta(days=rule.due_days),
        evidence=evidence,
        steps=(RecommendationStep(status=OPEN, on=on),),
        institution_id=place.code if place.level is Level.INSTITUTION else None,
        region=next((unit for unit in units if len(unit) == 4), None),
        district=next((unit for unit in units if len(unit) == 7), None),
        territory=None if place.level is Level.INSTITUTION else place.code,
    )


def step(
    state: RecommendationState,
    what: str,
    on: date,
    evidence: Evidence | None = None,
    *,
    role: Role | None = None,
    **changes: object,
) -> tuple[EventType, RecommendationState]:
    """The state after a step, and its event; raises WrongState, which names the steps there are."""
    if (state.status, what) not in LIFECYCLE:
        possible = ", ".join(name for status, name in LIFECYCLE if status is state.status and name in BY_PEOPLE)
        raise WrongState(state=state.status.value, step=what, possible=possible)
    status, event_type = LIFECYCLE[state.status, what]
    taken = RecommendationStep(status=status, on=on, role=role.value if role else None)
    update = {"status": status, "version": state.version + 1, "steps": (*state.steps, taken), **changes}
    if evidence is not None:
        update["evidence"] = evidence
    return event_type, state.model_copy(update=update)


def accept(
    state: RecommendationState, command: Accept, on: date, evidence: Evidence, role: Role
) -> tuple[EventType, RecommendationState]:
    """Taken on; raises InvalidInput for a day that is over or too far."""
    due = command.due_on or max(state.due_on, on)
    if due < on:
        raise InvalidInput(FieldError("due_on", "not_past", {"value": due.isoformat()}))
    if due > on + timedelta(days=LONGEST_DAYS):
        raise InvalidInput(FieldError("due_on", "due_too_far", {"limit": LONGEST_DAYS}))
    return step(state, "accept", on, evidence, role=role, owner=command.owner or state.owner, due_on=due)


def standing_of(principal: Principal, state: RecommendationState) -> str:
    """Whether the caller is the place itself or an office above it (the ministry has nobody above)."""
    if principal.role is Role.MINISTRY:
        return ABOVE
    # Whoever goes on with the work of an institution takes its steps, too: an institution has no office below it.
    return OWN if principal.org == state.place or principal.role is Role.INSTITUTION else ABOVE


def may(principal: Principal, state: RecommendationState) -> list[str]:
    """The steps the caller could take now."""
    if principal.role not in (Role.MINISTRY, Role.REGION, Role.DISTRICT, Role.INSTITUTION):
        return []
    standing = standing_of(principal, state)
    return [
        what
        for what in BY_PEOPLE
        if (state.status, what) in LIFECYCLE
        and standing in MAY[what, state.severity]
        and principal.may(f"recommendation.{what}")
    ]


def require_may(principal: Principal, state: RecommendationState, what: str) -> None:
    """Raise NotYours where the step is for somebody else to take."""
    if standing_of(principal, state) not in MAY[what, state.severity]:
        raise NotYours(severity=state.severity.value)


class NotYours(Forbidden):
    """The step is for an office above to take."""

    code = "not-yours"


def expires_on(state: RecommendationState, rule: Rule | None) -> date:
    """The first day on which one that is worked on expires."""
    return state.due_on + timedelta(days=(rule.expires_days if rule else 60) + 1)


def quiet_until(state: RecommendationState, rule: Rule | None, on: date) -> date | None:
    """Until when its rule keeps quiet at the place; None where it may speak at once."""
    if state.status in (RecommendationStatus.DONE, RecommendationStatus.DISMISSED, RecommendationStatus.EXPIRED):
        return on + timedelta(days=rule.quiet_days if rule else 90)
    return None


def done_on(state: RecommendationState) -> date | None:
    """The day on which it was done."""
    return next((each.on for each in state.steps if each.status is RecommendationStatus.DONE), None)
