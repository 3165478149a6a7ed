"""Activities: what was done under an agreement on a day on which it was active."""

from datetime import date

from pydantic import ConfigDict, Field

from services.agreements.domain import periods
from services.agreements.domain.inputs import Command, Count, Day
from services.agreements.domain.lifecycle import Step, require
from shared.contracts.agreements import (
    ACTIVITY_CANCELLED,
    ACTIVITY_RECORDED,
    ActivityState,
    ActivityStatus,
    AgreementState,
    OtherPurpose,
)
from shared.contracts.events import EventType
from shared.contracts.fields import Id
from shared.contracts.vocabulary import Form
from shared.errors import FieldError, InvalidInput, WrongState

Outcome = tuple[EventType, ActivityState]


class RecordActivity(Command):
    """Something done under the agreement; `participants` counts the persons who took part."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"held_on": "2026-11-12", "participants": 48, "purpose": "career_guidance"}]}
    )

    held_on: Day = Field(description="a day on which the agreement was active")
    participants: Count = Field(description="how many persons took part")
    purpose: OtherPurpose | None = Field(
        default=None, description="what it was for: needed under an agreement of form AF9, and only there"
    )


class RecordActivityUnder(RecordActivity):
    """The same, with the agreement it was done under."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "agreement_id": "01980000-0000-7000-8000-00000000000b",
                    "held_on": "2026-11-12",
                    "participants": 48,
                    "purpose": "career_guidance",
                }
            ]
        }
    )

    agreement_id: Id


def record(id_: str, agreement: AgreementState, command: RecordActivity, today: date) -> Outcome:
    """A new activity; raises InvalidInput for a day in the future or one on which the agreement was not active.

    One under an agreement of form AF9 says what it was for: the other forms say so by themselves.
    """
    require(agreement, Step.RECORD_ACTIVITY)
    if command.held_on > today:
        raise InvalidInput(FieldError("held_on", "in_future", {"value": command.held_on.isoformat()}))
    if not periods.active_on(agreement.active_periods, command.held_on):
        raise InvalidInput(FieldError("held_on", "not_active_then", {"value": command.held_on.isoformat()}))
    if agreement.form is Form.AF9 and command.purpose is None:
        raise InvalidInput(FieldError("purpose", "purpose_needed"))
    if agreement.form is not Form.AF9 and command.purpose is not None:
        raise InvalidInput(FieldError("purpose", "purpose_only_other", {"value": agreement.form}))
    return ACTIVITY_RECORDED, ActivityState(
        id=id_,
        version=1,
        institution_id=agreement.institution_id,
        agreement_id=agreement.id,
        form=agreement.form,
        status=ActivityStatus.RECORDED,
        held_on=command.held_on,
        participants=command.participants,
        purpose=command.purpose,
    )


def cancel(state: ActivityState) -> Outcome:
    """It did not take place after all; raises WrongState if it was cancelled before."""
    if state.status is not ActivityStatus.RECORDED:
        raise WrongState(state=state.status.value, step="cancel", possible="")
    return ACTIVITY_CANCELLED, state.model_copy(
        update={"status": ActivityStatus.CANCELLED, "version": state.version + 1}
    )
