"""AF4, F5: teachers' internships at enterprises. AF6, F6: training of unemployed people. One person, some weeks."""

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from services.agreements.domain.inputs import Command, Day, check_day
from services.agreements.domain.practice.common import Life, enterprise_of, everywhere, in_order, rests_on
from services.agreements.domain.practice.placements import BreakOff, ConfirmByEnterprise
from shared.contracts import practice as told
from shared.contracts.agreements import AgreementState
from shared.contracts.events import EventType
from shared.contracts.fields import Id, IscoUnitGroup, Ref
from shared.contracts.practice import CourseStatus as Status
from shared.contracts.practice import StaffInternshipState, TrainingKind, TrainingState
from shared.contracts.vocabulary import Form

Internship = tuple[EventType, StaffInternshipState]
Training = tuple[EventType, TrainingState]
Hours = Annotated[int, Field(ge=1, le=3000)]


class Step(StrEnum):
    """What can happen to an internship or training."""

    CONFIRM = "confirm"
    COMPLETE = "complete"
    BREAK_OFF = "break_off"
    CANCEL = "cancel"
    REASSIGN = "reassign"  # references follow a merged enterprise


_COURSE: dict[tuple[StrEnum, StrEnum], StrEnum] = {
    (Status.STARTED, Step.COMPLETE): Status.COMPLETED,
    (Status.STARTED, Step.BREAK_OFF): Status.BROKEN_OFF,
    (Status.STARTED, Step.CANCEL): Status.CANCELLED,
    (Status.COMPLETED, Step.CANCEL): Status.CANCELLED,
    (Status.BROKEN_OFF, Step.CANCEL): Status.CANCELLED,
}
INTERNSHIP: Life[StaffInternshipState] = Life(
    {
        **_COURSE,
        (Status.STARTED, Step.CONFIRM): Status.STARTED,
        (Status.COMPLETED, Step.CONFIRM): Status.COMPLETED,
        **everywhere(Status, Step.REASSIGN),
    },
    {
        Step.CONFIRM: told.STAFF_INTERNSHIP_CONFIRMED,
        Step.COMPLETE: told.STAFF_INTERNSHIP_COMPLETED,
        Step.BREAK_OFF: told.STAFF_INTERNSHIP_BROKEN_OFF,
        Step.CANCEL: told.STAFF_INTERNSHIP_CANCELLED,
        Step.REASSIGN: told.STAFF_INTERNSHIP_REASSIGNED,
    },
    frozenset({Step.REASSIGN}),
)
TRAINING: Life[TrainingState] = Life(
    {**_COURSE},
    {
        Step.COMPLETE: told.TRAINING_COMPLETED,
        Step.BREAK_OFF: told.TRAINING_BROKEN_OFF,
        Step.CANCEL: told.TRAINING_CANCELLED,
    },
)


class StartStaffInternship(Command):
    """A teacher goes to an enterprise under an agreement of form AF4."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "agreement_id": "0199c8a4-5f21-7a10-b7d3-6a2f4e8c9d33",
                    "teacher_ref": "T-0017",
                    "starts_on": "2026-10-05",
                    "ends_on": "2026-10-16",
                    "hours": 72,
                }
            ]
        }
    )

    agreement_id: Id
    enterprise_id: Id | None = None
    teacher_ref: Ref = Field(description="the institution's own opaque number of the teacher; never a name")
    profession: IscoUnitGroup | None = None
    starts_on: Day
    ends_on: Day
    hours: Hours


class StartTraining(Command):
    """An unemployed person, referred by a labour body, is trained under an agreement of form AF6."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "agreement_id": "0199c8a4-5f21-7a10-b7d3-6a2f4e8c9d33",
                    "trainee_ref": "B-1708-2217",
                    "kind": "retraining",
                    "profession": "7212",
                    "referred_by": "bandlik-1708",
                    "starts_on": "2026-10-05",
                    "ends_on": "2026-12-25",
                    "hours": 432,
                }
            ]
        }
    )

    agreement_id: Id
    trainee_ref: Ref = Field(description="the labour body's opaque number of the person; never a name")
    kind: TrainingKind
    profession: IscoUnitGroup
    referred_by: Ref = Field(description="register number of the labour body that referred the person")
    starts_on: Day
    ends_on: Day
    hours: Hours


class CompleteCourse(Command):
    """Completed (default: on its last day, or today if that is earlier)."""

    completed_on: Day | None = None


def start_internship(id_: str, agreement: AgreementState, command: StartStaffInternship) -> Internship:
    """A new internship; raises InvalidInput for another form or a day on which the agreement was not active."""
    rests_on(agreement, Form.AF4, "starts_on", command.starts_on)
    in_order(command.starts_on, command.ends_on, "ends_on")
    return told.STAFF_INTERNSHIP_STARTED, StaffInternshipState(
        id=id_,
        version=1,
        institution_id=agreement.institution_id,
        enterprise_id=enterprise_of(agreement, command.enterprise_id),
        status=Status.STARTED,
        **command.model_dump(exclude={"enterprise_id"}),
    )


def start_training(id_: str, agreement: AgreementState, command: StartTraining) -> Training:
    """A new training; raises InvalidInput for another form or a day on which the agreement was not active."""
    rests_on(agreement, Form.AF6, "starts_on", command.starts_on)
    in_order(command.starts_on, command.ends_on, "ends_on")
    return told.TRAINING_STARTED, TrainingState(
        id=id_,
        version=1,
        institution_id=agreement.institution_id,
        status=Status.STARTED,
        **command.model_dump(),
    )


def confirm_internship(state: StaffInternshipState, command: ConfirmByEnterprise, today: date) -> Internship:
    """Confirmed by the enterprise; raises InvalidInput for a day in the future, WrongState."""
    INTERNSHIP.require(state, Step.CONFIRM)
    day = command.confirmed_on or today
    check_day("confirmed_on", day, first=state.starts_on, today=today)
    return INTERNSHIP.take(state, Step.CONFIRM, confirmed_on=day)


def complete_internship(state: StaffInternshipState, command: CompleteCourse, today: date) -> Internship:
    """Completed; raises InvalidInput for a day before the beginning or in the future, WrongState."""
    INTERNSHIP.require(state, Step.COMPLETE)
    day = command.completed_on or min(today, state.ends_on)
    check_day("completed_on", day, first=state.starts_on, today=today)
    return INTERNSHIP.take(state, Step.COMPLETE, completed_on=day)


def complete_training(state: TrainingState, command: CompleteCourse, today: date) -> Training:
    """Completed; raises InvalidInput for a day before the beginning or in the future, WrongState."""
    TRAINING.require(state, Step.COMPLETE)
    day = command.completed_on or min(today, state.ends_on)
    check_day("completed_on", day, first=state.starts_on, today=today)
    return TRAINING.take(state, Step.COMPLETE, completed_on=day)


def break_off_internship(state: StaffInternshipState, command: BreakOff, today: date) -> Internship:
    """Ended before its time; raises InvalidInput, WrongState."""
    INTERNSHIP.require(state, Step.BREAK_OFF)
    check_day("on", command.on or today, first=state.starts_on, today=today)
    return INTERNSHIP.take(state, Step.BREAK_OFF, cause=command.cause)


def break_off_training(state: TrainingState, command: BreakOff, today: date) -> Training:
    """Ended before its time; raises InvalidInput, WrongState."""
    TRAINING.require(state, Step.BREAK_OFF)
    check_day("on", command.on or today, first=state.starts_on, today=today)
    return TRAINING.take(state, Step.BREAK_OFF, cause=command.cause)


def cancel_internship(state: StaffInternshipState) -> Internship:
    """Entered in error; raises WrongState."""
    return INTERNSHIP.take(state, Step.CANCEL)


def cancel_training(state: TrainingState) -> Training:
    """Entered in error; raises WrongState."""
    return TRAINING.take(state, Step.CANCEL)


def reassign_internship(state: StaffInternshipState, _: str, new: str) -> Internship:
    """The internship follows a merged enterprise."""
    return INTERNSHIP.take(state, Step.REASSIGN, enterprise_id=new)
