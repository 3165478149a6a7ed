"""Next actions agreed at a visit: who, by when – and a reminder, told once, when the day has passed."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from services.partners.domain.inputs import Day, Note, not_in_future, refuse
from services.partners.domain.institutions import Command
from shared.contracts import visits as told
from shared.contracts.events import EventType
from shared.contracts.fields import Ref
from shared.contracts.visits import ActionStatus as Status
from shared.contracts.visits import NextActionState, Side, VisitState

Outcome = tuple[EventType, NextActionState]


class Step(StrEnum):
    """What can happen to an agreed action."""

    FINISH = "done"
    CANCEL = "cancel"
    REMIND = "remind"  # by the calendar
    REASSIGN = "reassign"  # references follow a merged enterprise


LIFECYCLE: Mapping[tuple[Status, Step], Status] = {
    (Status.AGREED, Step.FINISH): Status.DONE,
    (Status.AGREED, Step.CANCEL): Status.CANCELLED,
    (Status.AGREED, Step.REMIND): Status.OVERDUE,
    (Status.OVERDUE, Step.FINISH): Status.DONE,
    (Status.OVERDUE, Step.CANCEL): Status.CANCELLED,
    **{(status, Step.REASSIGN): status for status in Status},
}
TOLD_AS: Mapping[Step, EventType] = {
    Step.FINISH: told.NEXT_ACTION_DONE,
    Step.CANCEL: told.NEXT_ACTION_CANCELLED,
    Step.REMIND: told.NEXT_ACTION_OVERDUE,
    Step.REASSIGN: told.NEXT_ACTION_REASSIGNED,
}
NOBODYS = frozenset({Step.REMIND, Step.REASSIGN})


class ActionInput(Command):
    """A joint next action: whose it is, by when, and what."""

    side: Side = Field(description="whose turn it is")
    owner_ref: Ref = Field(description="opaque reference of the person or office that does it")
    due_on: Day = Field(description="the last day in time (Tashkent)")
    what: Note = Field(description="what is to be done, in words; both sides see it")


class FinishAction(Command):
    """It was done (default: today)."""

    done_on: Day | None = Field(default=None, description="the day on which it was done")


class ActionDetails(BaseModel):
    """What is to be done, in words."""

    model_config = ConfigDict(frozen=True)

    what: Note | None = None


def agree(id_: str, visit: VisitState, command: ActionInput) -> Outcome:
    """A new action."""
    return told.NEXT_ACTION_AGREED, NextActionState(
        id=id_,
        version=1,
        institution_id=visit.institution_id,
        visit_id=visit.id,
        enterprise_id=visit.enterprise_id,
        status=Status.AGREED,
        **command.model_dump(exclude={"what"}),
    )


def finish(state: NextActionState, command: FinishAction, today: date) -> Outcome:
    """Done, in time or late; raises InvalidInput for a day in the future, WrongState."""
    day = command.done_on or today
    not_in_future("done_on", day, today)
    return _take(state, Step.FINISH, done_on=day)


def cancel(state: NextActionState) -> Outcome:
    """No longer wanted; raises WrongState."""
    return _take(state, Step.CANCEL)


def remind(state: NextActionState, today: date) -> Outcome | None:
    """The due day has passed undone: told once. None where there is nothing to say."""
    if state.status is Status.AGREED and state.due_on < today:
        return _take(state, Step.REMIND, overdue_since=today)
    return None


def reassign(state: NextActionState, enterprise_id: str) -> Outcome:
    """The action follows a merged enterprise."""
    return _take(state, Step.REASSIGN, enterprise_id=enterprise_id)


def _take(state: NextActionState, step: Step, **changes: Any) -> Outcome:
    status = LIFECYCLE.get((state.status, step))
    if status is None:
        possible = (each for from_, each in LIFECYCLE if from_ is state.status and each not in NOBODYS)
        raise refuse(state.status.value, step.value, possible)
    return TOLD_AS[step], state.model_copy(update={**changes, "status": status, "version": state.version + 1})
