"""AF1: a student's place in a term: confirmed, attendance kept, assessed by both sides, completed or broken off."""

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.agreements.domain.inputs import Command, Day, check_day
from services.agreements.domain.practice.common import Life, enterprise_of, everywhere, rests_on
from shared.contracts import practice as told
from shared.contracts.agreements import AgreementState
from shared.contracts.events import EventType
from shared.contracts.fields import Id, Ref
from shared.contracts.practice import Attendance, BreakCause, Mark, PlacementState
from shared.contracts.practice import PlacementStatus as Status
from shared.contracts.vocabulary import Form
from shared.errors import FieldError, InvalidInput

Outcome = tuple[EventType, PlacementState]


class Step(StrEnum):
    """What can happen to a placement."""

    CORRECT = "correct"
    CONFIRM = "confirm"
    LOG = "logbook"
    ASSESS = "assess"
    COMPLETE = "complete"  # the second side's assessment
    BREAK_OFF = "break_off"
    CANCEL = "cancel"
    REASSIGN = "reassign"  # references follow a merged enterprise


LIFE: Life[PlacementState] = Life(
    {
        (Status.PLACED, Step.CORRECT): Status.PLACED,
        (Status.PLACED, Step.CONFIRM): Status.PLACED,
        (Status.PLACED, Step.LOG): Status.PLACED,
        (Status.PLACED, Step.ASSESS): Status.PLACED,
        (Status.PLACED, Step.COMPLETE): Status.COMPLETED,
        (Status.PLACED, Step.BREAK_OFF): Status.BROKEN_OFF,
        (Status.PLACED, Step.CANCEL): Status.CANCELLED,
        (Status.COMPLETED, Step.CANCEL): Status.CANCELLED,
        (Status.BROKEN_OFF, Step.CANCEL): Status.CANCELLED,
        **everywhere(Status, Step.REASSIGN),
    },
    {
        Step.CORRECT: told.PLACEMENT_CORRECTED,
        Step.CONFIRM: told.PLACEMENT_CONFIRMED,
        Step.LOG: told.PLACEMENT_LOGGED,
        Step.ASSESS: told.PLACEMENT_ASSESSED,
        Step.COMPLETE: told.PLACEMENT_COMPLETED,
        Step.BREAK_OFF: told.PLACEMENT_BROKEN_OFF,
        Step.CANCEL: told.PLACEMENT_CANCELLED,
        Step.REASSIGN: told.PLACEMENT_REASSIGNED,
    },
    frozenset({Step.COMPLETE, Step.REASSIGN}),
)


class Presence(StrEnum):
    """A day of the logbook."""

    PRESENT = "present"
    EXCUSED = "excused"
    ABSENT = "absent"


class PlaceStudent(Command):
    """Give a student a place in a term of an internship agreement; days and profession default to the term's."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"agreement_id": "0199c8a4-5f21-7a10-b7d3-6a2f4e8c9d33", "term": "T1", "student_ref": "S-2026-0117"}
            ]
        }
    )

    agreement_id: Id
    enterprise_id: Id | None = Field(default=None, description="needed where the agreement has several enterprises")
    term: Ref = Field(description="name of the term in the agreement's schedule")
    student_ref: Ref = Field(description="the institution's own opaque number of the student; never a name")
    starts_on: Day | None = None
    ends_on: Day | None = None


class CorrectPlacement(Command):
    """Other days; what is left out stays. The enterprise confirms anew."""

    starts_on: Day | None = None
    ends_on: Day | None = None

    @model_validator(mode="after")
    def _something(self) -> "CorrectPlacement":
        if self.starts_on is None and self.ends_on is None:
            raise ValueError("nothing_corrected")
        return self


class ConfirmByEnterprise(Command):
    """The enterprise says: yes, with us (default: today)."""

    confirmed_on: Day | None = None


class LogDay(Command):
    """One day: there or not, and how many hours."""

    day: Day
    presence: Presence
    hours: Annotated[int, Field(ge=0, le=12)] = 0


class KeepLogbook(Command):
    """Days of the logbook; a day given again is replaced, the others stay."""

    days: Annotated[tuple[LogDay, ...], Field(min_length=1, max_length=400)]


class AssessPlacement(Command):
    """One's own side's assessment; with both sides' the placement is completed."""

    mark: Mark


class BreakOff(Command):
    """It ended before its time (default: today), and why."""

    on: Day | None = None
    cause: BreakCause


class Logbook(BaseModel):
    """Details of a placement: what the logbook says of each day."""

    model_config = ConfigDict(frozen=True)

    days: dict[date, LogDay] = Field(default_factory=dict)

    def kept(self, days: Iterable[LogDay]) -> "Logbook":
        """The logbook with these days."""
        return Logbook(days=dict(sorted({**self.days, **{each.day: each for each in days}}.items())))

    @property
    def totals(self) -> Attendance:
        """Its totals."""
        count = dict.fromkeys(Presence, 0)
        for each in self.days.values():
            count[each.presence] += 1
        return Attendance(
            present=count[Presence.PRESENT],
            excused=count[Presence.EXCUSED],
            absent=count[Presence.ABSENT],
            hours=sum(each.hours for each in self.days.values() if each.presence is Presence.PRESENT),
        )


def place(id_: str, agreement: AgreementState, command: PlaceStudent, taken: int) -> Outcome:
    """A new placement; `taken` counts the term's other placements.

    Raises InvalidInput for an unknown or full term, days outside it, or one on which the agreement was not active.
    """
    term = next((each for each in agreement.schedule if each.term == command.term), None)
    if term is None:
        raise InvalidInput(FieldError("term", "unknown_term", {"value": command.term}))
    starts_on, ends_on = command.starts_on or term.starts_on, command.ends_on or term.ends_on
    rests_on(agreement, Form.AF1, "starts_on", starts_on)
    _within(starts_on, ends_on, term.starts_on, term.ends_on)
    if taken >= term.seats:
        raise InvalidInput(FieldError("term", "more_than_seats", {"limit": term.seats}))
    return told.PLACEMENT_PLACED, PlacementState(
        id=id_,
        version=1,
        institution_id=agreement.institution_id,
        agreement_id=agreement.id,
        enterprise_id=enterprise_of(agreement, command.enterprise_id),
        term=term.term,
        student_ref=command.student_ref,
        profession=term.profession,
        starts_on=starts_on,
        ends_on=ends_on,
        status=Status.PLACED,
    )


def correct(state: PlacementState, agreement: AgreementState, command: CorrectPlacement) -> Outcome:
    """Other days, to be confirmed anew; raises InvalidInput as `place` does, WrongState."""
    LIFE.require(state, Step.CORRECT)
    starts_on, ends_on = command.starts_on or state.starts_on, command.ends_on or state.ends_on
    rests_on(agreement, Form.AF1, "starts_on", starts_on)
    term = next((each for each in agreement.schedule if each.term == state.term), None)
    _within(starts_on, ends_on, term.starts_on if term else starts_on, term.ends_on if term else ends_on)
    return LIFE.take(state, Step.CORRECT, starts_on=starts_on, ends_on=ends_on, confirmed_on=None)


def confirm(state: PlacementState, command: ConfirmByEnterprise, today: date) -> Outcome:
    """Confirmed by the enterprise; raises InvalidInput for a day in the future, WrongState."""
    LIFE.require(state, Step.CONFIRM)
    day = command.confirmed_on or today
    if day > today:
        raise InvalidInput(FieldError("confirmed_on", "in_future", {"value": day.isoformat()}))
    return LIFE.take(state, Step.CONFIRM, confirmed_on=day)


def log(state: PlacementState, logbook: Logbook, command: KeepLogbook, today: date) -> tuple[Outcome, Logbook]:
    """The logbook with these days, and its totals; raises InvalidInput naming every day that can't be, WrongState."""
    LIFE.require(state, Step.LOG)
    faults = [
        FieldError(f"days.{index}.day", "outside_placement", {"value": each.day.isoformat()})
        for index, each in enumerate(command.days)
        if not state.starts_on <= each.day <= min(state.ends_on, today)
    ]
    if faults:
        raise InvalidInput(*faults)
    kept = logbook.kept(command.days)
    return LIFE.take(state, Step.LOG, attendance=kept.totals), kept


def assess(state: PlacementState, command: AssessPlacement, *, by_enterprise: bool, today: date) -> Outcome:
    """One side's assessment; with the other side's the placement is completed. Raises InvalidInput, WrongState."""
    LIFE.require(state, Step.ASSESS)
    if today < state.starts_on:
        raise InvalidInput(FieldError("mark", "not_begun", {"limit": state.starts_on.isoformat()}))
    side = "enterprise_mark" if by_enterprise else "institution_mark"
    other = state.institution_mark if by_enterprise else state.enterprise_mark
    changes: Mapping[str, Any] = {side: command.mark}
    if other is None:
        return LIFE.take(state, Step.ASSESS, **changes)
    return LIFE.take(state, Step.COMPLETE, **changes, completed_on=min(today, state.ends_on))


def break_off(state: PlacementState, command: BreakOff, today: date) -> Outcome:
    """Ended before its time; raises InvalidInput for a day before it began or in the future, WrongState."""
    LIFE.require(state, Step.BREAK_OFF)
    day = command.on or today
    check_day("on", day, first=state.starts_on, today=today)
    return LIFE.take(state, Step.BREAK_OFF, broken_off_on=day, cause=command.cause)


def cancel(state: PlacementState) -> Outcome:
    """Entered in error; raises WrongState."""
    return LIFE.take(state, Step.CANCEL)


def reassign(state: PlacementState, _: str, new: str) -> Outcome:
    """The placement follows a merged enterprise."""
    return LIFE.take(state, Step.REASSIGN, enterprise_id=new)


def _within(starts_on: date, ends_on: date, first: date, last: date) -> None:
    limits: dict[str, str | int | float] = {"since": first.isoformat(), "until": last.isoformat()}
    for name, day in (("starts_on", starts_on), ("ends_on", ends_on)):
        if not first <= day <= last:
            raise InvalidInput(FieldError(name, "outside_term", limits))
    if ends_on < starts_on:
        raise InvalidInput(FieldError("ends_on", "earlier_than", {"limit": starts_on.isoformat()}))
