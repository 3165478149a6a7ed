"""Graduates' employments: reported by the institution, confirmed by the enterprise – and the two are told apart."""

from datetime import date
from enum import StrEnum
from typing import Any

from pydantic import model_validator

from services.agreements.domain.inputs import Command, Day, check_day
from shared.contracts.agreements import (
    EMPLOYMENT_CANCELLED,
    EMPLOYMENT_CONFIRMED,
    EMPLOYMENT_CORRECTED,
    EMPLOYMENT_ENDED,
    EMPLOYMENT_REASSIGNED,
    EMPLOYMENT_REPORTED,
    EmploymentState,
)
from shared.contracts.agreements import EmploymentStatus as Status
from shared.contracts.events import EventType
from shared.contracts.fields import Id, IscoUnitGroup, Ref
from shared.errors import FieldError, InvalidInput, WrongState

Outcome = tuple[EventType, EmploymentState]


class Step(StrEnum):
    """What can happen to a reported employment."""

    CORRECT = "correct"
    CONFIRM = "confirm"
    END = "end"
    CANCEL = "cancel"
    REASSIGN = "reassign"  # references follow a merged enterprise


LIFECYCLE: dict[tuple[Status, Step], Status] = {
    (Status.REPORTED, Step.CORRECT): Status.REPORTED,
    (Status.REPORTED, Step.CONFIRM): Status.CONFIRMED,
    (Status.REPORTED, Step.END): Status.ENDED,
    (Status.REPORTED, Step.CANCEL): Status.CANCELLED,
    (Status.REPORTED, Step.REASSIGN): Status.REPORTED,
    # A correction is a new report: what the enterprise confirmed was something else.
    (Status.CONFIRMED, Step.CORRECT): Status.REPORTED,
    (Status.CONFIRMED, Step.END): Status.ENDED,
    (Status.CONFIRMED, Step.CANCEL): Status.CANCELLED,
    (Status.CONFIRMED, Step.REASSIGN): Status.CONFIRMED,
    #
    (Status.ENDED, Step.CANCEL): Status.CANCELLED,
    (Status.ENDED, Step.REASSIGN): Status.ENDED,
    #
    (Status.CANCELLED, Step.REASSIGN): Status.CANCELLED,
}

TOLD_AS: dict[Step, EventType] = {
    Step.CORRECT: EMPLOYMENT_CORRECTED,
    Step.CONFIRM: EMPLOYMENT_CONFIRMED,
    Step.END: EMPLOYMENT_ENDED,
    Step.CANCEL: EMPLOYMENT_CANCELLED,
    Step.REASSIGN: EMPLOYMENT_REASSIGNED,
}

OPEN = (Status.REPORTED, Status.CONFIRMED)
"""A graduate has one open employment at an enterprise."""


class ReportEmployment(Command):
    """A graduate works at an enterprise; `graduate_ref` is the institution's own opaque number."""

    institution_id: Id
    graduate_ref: Ref
    enterprise_id: Id
    agreement_id: Id | None = None
    profession: IscoUnitGroup
    started_on: Day


class CorrectEmployment(Command):
    """Change what was reported wrongly; what is left out stays. The enterprise confirms anew."""

    enterprise_id: Id | None = None
    agreement_id: Id | None = None
    profession: IscoUnitGroup | None = None
    started_on: Day | None = None

    @model_validator(mode="after")
    def _something(self) -> "CorrectEmployment":
        if not self.model_dump(exclude_none=True):
            raise ValueError("nothing_corrected")
        return self


class ConfirmEmployment(Command):
    """The enterprise says: yes, with us (default: today)."""

    confirmed_on: Day | None = None


class EndEmployment(Command):
    """The employment is over; `ended_on` (default: today) is its first day no longer."""

    ended_on: Day | None = None


def report(id_: str, command: ReportEmployment, today: date) -> Outcome:
    """A new employment; raises InvalidInput for a start in the future."""
    _not_in_future(command.started_on, today)
    return EMPLOYMENT_REPORTED, EmploymentState(id=id_, version=1, status=Status.REPORTED, **command.model_dump())


def correct(state: EmploymentState, command: CorrectEmployment, today: date) -> Outcome:
    """The corrected report, to be confirmed again; raises InvalidInput for a start in the future, WrongState."""
    require(state, Step.CORRECT)
    if command.started_on is not None:
        _not_in_future(command.started_on, today)
    return take(state, Step.CORRECT, **command.model_dump(exclude_none=True), confirmed_on=None)


def confirm(state: EmploymentState, command: ConfirmEmployment, today: date) -> Outcome:
    """Confirmed by the enterprise; raises InvalidInput for a day before the start or in the future, WrongState."""
    require(state, Step.CONFIRM)
    day = command.confirmed_on or today
    check_day("confirmed_on", day, first=state.started_on, today=today)
    return take(state, Step.CONFIRM, confirmed_on=day)


def end(state: EmploymentState, command: EndEmployment, today: date) -> Outcome:
    """Over; raises InvalidInput for a day before the start or in the future, WrongState."""
    require(state, Step.END)
    day = command.ended_on or today
    check_day("ended_on", day, first=state.started_on, today=today)
    return take(state, Step.END, ended_on=day)


def cancel(state: EmploymentState) -> Outcome:
    """Reported in error; raises WrongState."""
    return take(state, Step.CANCEL)


def reassign(state: EmploymentState, enterprise_id: str) -> Outcome:
    """References follow a merged enterprise."""
    return take(state, Step.REASSIGN, enterprise_id=enterprise_id)


def cancel_duplicate(state: EmploymentState, enterprise_id: str) -> Outcome:
    """Two entries of one enterprise held the same job: this report of it ends at the enterprise that lives on."""
    return take(state, Step.CANCEL, enterprise_id=enterprise_id)


def require(state: EmploymentState, step: Step) -> Status:
    """Where `step` leads; raises WrongState, naming what is possible instead, where the table has no such line."""
    status = LIFECYCLE.get((state.status, step))
    if status is None:
        others = [each for from_, each in LIFECYCLE if from_ is state.status and each is not Step.REASSIGN]
        raise WrongState(state=state.status.value, step=step.value, possible=", ".join(others))
    return status


def take(state: EmploymentState, step: Step, **changes: Any) -> Outcome:
    """The outcome of a step with these changes; raises WrongState."""
    status = require(state, step)
    return TOLD_AS[step], state.model_copy(update={**changes, "status": status, "version": state.version + 1})


def _not_in_future(started_on: date, today: date) -> None:
    if started_on > today:
        raise InvalidInput(FieldError("started_on", "in_future", {"value": started_on.isoformat()}))
