"""The life of a report: which step leads where, whose it is to take, and what the steps do. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.monitoring.domain.territory import Level
from shared.clock import local_day
from shared.contracts.events import EventType
from shared.contracts.monitoring import OfficeLevel
from shared.contracts.reporting import (
    SUBMISSION_APPROVED,
    SUBMISSION_LOCKED,
    SUBMISSION_MOVED,
    SUBMISSION_OPENED,
    SUBMISSION_REMINDED,
    SUBMISSION_REOPENED,
    SUBMISSION_RETURNED,
    SUBMISSION_SUBMITTED,
    ReturnReason,
    RevisionReason,
    SubmissionState,
    SubmissionStatus,
    SubmissionStep,
)
from shared.errors import BrokenRule, DomainError, Forbidden, WrongState
from shared.scope import Principal, Role

_S = SubmissionStatus
LIFECYCLE: Final[Mapping[tuple[SubmissionStatus, str], tuple[SubmissionStatus, EventType]]] = {
    (_S.OPEN, "submit"): (_S.SUBMITTED, SUBMISSION_SUBMITTED),
    (_S.RETURNED, "submit"): (_S.SUBMITTED, SUBMISSION_SUBMITTED),
    (_S.REOPENED, "submit"): (_S.SUBMITTED, SUBMISSION_SUBMITTED),
    (_S.SUBMITTED, "approve"): (_S.APPROVED, SUBMISSION_APPROVED),
    (_S.SUBMITTED, "return"): (_S.RETURNED, SUBMISSION_RETURNED),
    (_S.APPROVED, "lock"): (_S.LOCKED, SUBMISSION_LOCKED),
    (_S.APPROVED, "reopen"): (_S.REOPENED, SUBMISSION_REOPENED),
    (_S.LOCKED, "reopen"): (_S.REOPENED, SUBMISSION_REOPENED),
}
"""Every step there is. The calendar opens reports; those below a report are locked when it is approved itself."""

OWN, ABOVE, MINISTRY = "own", "above", "ministry"
TAKEN_BY: Final[Mapping[tuple[SubmissionStatus, str], str]] = {
    (_S.OPEN, "submit"): OWN,
    (_S.RETURNED, "submit"): OWN,
    (_S.REOPENED, "submit"): OWN,
    (_S.SUBMITTED, "return"): ABOVE,
    (_S.SUBMITTED, "approve"): ABOVE,
    (_S.APPROVED, "lock"): MINISTRY,
    (_S.APPROVED, "reopen"): ABOVE,
    (_S.LOCKED, "reopen"): MINISTRY,
}
"""Who takes a step: the place itself, an office above it, the ministry alone."""

LEVELS: Final = {
    Level.INSTITUTION: OfficeLevel.INSTITUTION,
    Level.DISTRICT: OfficeLevel.DISTRICT,
    Level.REGION: OfficeLevel.REGION,
    Level.NATION: OfficeLevel.NATION,
}
WAITS: Final = (_S.OPEN, _S.RETURNED, _S.REOPENED)
"""It is for the place itself to submit."""

Note = Annotated[str, StringConstraints(max_length=1000, strip_whitespace=True)]


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Plain(_Command):
    """A step without a reason."""

    note: Note = Field(default="", description="shown beside the report, told in no event")
    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


class Reasoned(_Command):
    """A step with its reason; `other` needs a note."""

    reason: ReturnReason
    note: Note = Field(default="", description="shown beside the report, told in no event")
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "incomplete"}]})

    @model_validator(mode="after")
    def _explained(self) -> "Reasoned":
        if self.reason is ReturnReason.OTHER and not self.note:
            raise BrokenRule("reason_note", "note")
        return self


class Publish(_Command):
    """Publish a period for a territory. A period that is published already needs a reason to be published again."""

    place: str = Field(max_length=7, pattern=r"^\d{2,7}$", description="SOATO code of the territory")
    period: str = Field(max_length=16, description="a period that is over")
    reason: RevisionReason | None = Field(default=None, description="needed from the second edition on")
    note: Note = Field(default="", description="shown beside the edition, told in no event")
    model_config = ConfigDict(json_schema_extra={"examples": [{"place": "1708", "period": "2026-Q3"}]})


class Notes(BaseModel):
    """What people wrote at the steps, in their order: shown within the scope, told in no event."""

    notes: tuple[str, ...] = ()


class NotYours(Forbidden):
    """The step is for another office to take."""

    code = "report-not-yours"


class ReportsWait(DomainError):
    """Reports from below wait to be approved or returned first."""

    code = "reports-wait"


@dataclass(frozen=True, slots=True)
class Units:
    """Codes of a place and of the units of the territory it lies in."""

    place: str
    level: OfficeLevel
    district: str | None
    region: str | None


def opened(id_: str, units: Units, period: str, on: date, due_on: date, at: datetime) -> SubmissionState:
    """A report that is expected from now on."""
    institution = units.level is OfficeLevel.INSTITUTION
    return SubmissionState(
        id=id_,
        version=1,
        place=units.place,
        level=units.level,
        period=period,
        status=_S.OPEN,
        opened_on=on,
        due_on=due_on,
        steps=(SubmissionStep(step="open", status=_S.OPEN, at=at),),
        stepped_version=1,
        institution_id=units.place if institution else None,
        district=units.district,
        region=units.region,
        territory=None if institution else units.place,
    )


OPENED = SUBMISSION_OPENED
Outcome = tuple[EventType, SubmissionState]


def step(
    state: SubmissionState,
    what: str,
    at: datetime,
    *,
    role: Role | None,
    reason: ReturnReason | None = None,
    **changes: Any,
) -> Outcome:
    """The state after a step, and its event; raises WrongState, which names the steps there are, if there is none."""
    if (state.status, what) not in LIFECYCLE:
        possible = ", ".join(name for status, name in LIFECYCLE if status is state.status)
        raise WrongState(state=state.status.value, step=what, possible=possible)
    status, event_type = LIFECYCLE[state.status, what]
    taken = SubmissionStep(step=what, status=status, at=at, role=role.value if role else None, reason=reason)
    update = {
        "status": status,
        "version": state.version + 1,
        "stepped_version": state.version + 1,
        "steps": (*state.steps, taken),
        "reason": reason,
        **changes,
    }
    return event_type, state.model_copy(update=update)


def submit(state: SubmissionState, at: datetime, role: Role, figures: str, below: tuple[int, int, int]) -> Outcome:
    """Submitted with the figures as they are known now; `below`: reports expected, approved, waiting right below.

    Raises ReportsWait while a report from below waits for this office.
    """
    expected, approved, waiting = below
    if waiting and (state.status, "submit") in LIFECYCLE:
        raise ReportsWait(count=waiting)
    return step(
        state,
        "submit",
        at,
        role=role,
        submitted_on=state.submitted_on or local_day(at),
        round=state.round + 1,
        figures=figures,
        below=expected,
        below_approved=approved,
    )


def remind(state: SubmissionState) -> Outcome:
    """Somebody is reminded that a report is due; whoever has the report before them goes on with it."""
    return SUBMISSION_REMINDED, state.model_copy(
        update={"version": state.version + 1, "reminders": state.reminders + 1}
    )


def moved(state: SubmissionState, units: Units) -> Outcome:
    """The report is for other offices to look at; whoever has it before them goes on with it."""
    changes = {"version": state.version + 1, "district": units.district, "region": units.region}
    return SUBMISSION_MOVED, state.model_copy(update=changes)


def takes(principal: Principal, state: SubmissionState, what: str) -> bool:
    """Whether it is the caller's to take that step now; the scope has been looked at."""
    match TAKEN_BY.get((state.status, what)):
        case "own":
            # Whoever goes on with the work of an institution submits its reports, too.
            return principal.org == state.place or principal.role is Role.INSTITUTION
        case "above":
            return principal.role in (Role.MINISTRY, Role.REGION, Role.DISTRICT) and principal.org != state.place
        case "ministry":
            return principal.role is Role.MINISTRY
    return False


def require_takes(principal: Principal, state: SubmissionState, what: str) -> None:
    """Raise NotYours where another office takes that step; a step that there is not is left to `step`."""
    if (state.status, what) in TAKEN_BY and not takes(principal, state, what):
        raise NotYours(step=what)


def possible(principal: Principal, state: SubmissionState) -> list[str]:
    """The steps the caller could take now."""
    steps = dict.fromkeys(what for status, what in LIFECYCLE if status is state.status)
    return [what for what in steps if takes(principal, state, what) and principal.may(f"submission.{what}")]
