"""I1: what graduates do 6 and 12 months after graduation; not reached is told apart, employers confirm."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.agreements.domain.inputs import Command, Day
from services.agreements.domain.practice.common import identity
from services.agreements.domain.practice.placements import ConfirmByEnterprise
from shared.contracts import practice as told
from shared.contracts.events import EventType
from shared.contracts.fields import Id, IscoUnitGroup, Ref
from shared.contracts.practice import OutcomeMatch, OutcomeState, OutcomeStatus
from shared.errors import FieldError, InvalidInput, WrongState

Outcome = tuple[EventType, OutcomeState]
AT_WORK = frozenset({OutcomeStatus.EMPLOYED, OutcomeStatus.SELF_EMPLOYED})


class Step(StrEnum):
    """What can happen to a reported outcome."""

    CORRECT = "report"
    CONFIRM = "confirm"
    WITHDRAW = "withdraw"


class ReportOutcome(Command):
    """A graduate's status 6 or 12 months after graduation; the same graduate and months again is a correction.

    "unknown" says that the graduate was asked and not reached: that is not unemployment.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "institution_id": "0199c8a4-3b1e-7c55-9d1f-2f6f0c8f1a11",
                    "graduate_ref": "G-2026-0042",
                    "graduated_on": "2026-02-15",
                    "months": 6,
                    "status": "employed",
                    "surveyed_on": "2026-08-20",
                    "profession": "7212",
                    "match": "full",
                }
            ]
        }
    )

    institution_id: Id
    graduate_ref: Ref = Field(description="the institution's own opaque number of the graduate; never a name")
    graduated_on: Day
    months: Literal[6, 12]
    status: OutcomeStatus
    surveyed_on: Day
    profession: IscoUnitGroup | None = Field(default=None, description="profession trained for, ISCO-08 unit group")
    occupation: IscoUnitGroup | None = Field(default=None, description="present occupation, ISCO-08 unit group")
    match: OutcomeMatch | None = Field(default=None, description="how far study and job match")
    enterprise_id: Id | None = None
    employment_id: Id | None = None

    @model_validator(mode="after")
    def _fits(self) -> "ReportOutcome":
        job = (self.occupation, self.match, self.enterprise_id, self.employment_id)
        if self.status not in AT_WORK and any(value is not None for value in job):
            raise ValueError("job_without_work")
        return self


class Remarks(BaseModel):
    """Details of what nothing more is said of."""

    model_config = ConfigDict(frozen=True)

    remarks: Annotated[str | None, Field(max_length=2000)] = None


def outcome_id(institution_id: str, graduate_ref: str, months: int) -> str:
    """One outcome for each graduate and point in time."""
    return identity("outcome", institution_id, graduate_ref, months)


def report(state: OutcomeState | None, command: ReportOutcome, today: date) -> Outcome:
    """The report, or its correction, to be confirmed anew; raises InvalidInput for a day that can't be."""
    if command.surveyed_on > today:
        raise InvalidInput(FieldError("surveyed_on", "in_future", {"value": command.surveyed_on.isoformat()}))
    if command.surveyed_on <= command.graduated_on:
        raise InvalidInput(FieldError("surveyed_on", "not_after", {"limit": command.graduated_on.isoformat()}))
    return told.OUTCOME_CORRECTED if state else told.OUTCOME_REPORTED, OutcomeState(
        id=outcome_id(command.institution_id, command.graduate_ref, command.months),
        version=state.version + 1 if state else 1,
        **command.model_dump(),
    )


def confirm(state: OutcomeState, command: ConfirmByEnterprise, today: date) -> Outcome:
    """The employer confirms; raises WrongState where there is no employer or the report was withdrawn."""
    if state.withdrawn or state.enterprise_id is None:
        possible = Step.CORRECT.value if state.withdrawn else f"{Step.CORRECT}, {Step.WITHDRAW}"
        raise WrongState(state=_shown(state), step=Step.CONFIRM, possible=possible)
    day = command.confirmed_on or today
    if day > today:
        raise InvalidInput(FieldError("confirmed_on", "in_future", {"value": day.isoformat()}))
    return told.OUTCOME_CONFIRMED, _next(state, confirmed_on=day)


def withdraw(state: OutcomeState) -> Outcome:
    """Reported in error; raises WrongState where it was withdrawn before."""
    if state.withdrawn:
        raise WrongState(state=_shown(state), step=Step.WITHDRAW, possible=Step.CORRECT)
    return told.OUTCOME_WITHDRAWN, _next(state, withdrawn=True)


def reassign(state: OutcomeState, _: str, new: str) -> Outcome:
    """The report follows a merged enterprise."""
    return told.OUTCOME_REASSIGNED, _next(state, enterprise_id=new)


def _shown(state: OutcomeState) -> str:
    return "withdrawn" if state.withdrawn else state.status.value


def _next(state: OutcomeState, **changes: Any) -> OutcomeState:
    return state.model_copy(update={**changes, "version": state.version + 1})
