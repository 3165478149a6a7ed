"""The life of an agreement as one table: what may be done in which state, where it leads, and what is told."""

from enum import StrEnum
from typing import Any

from shared.contracts.agreements import (
    AGREEMENT_ACTIVATED,
    AGREEMENT_AMENDED,
    AGREEMENT_AMENDMENT_AGREED,
    AGREEMENT_CANCELLED,
    AGREEMENT_ENDED,
    AGREEMENT_EXPIRED,
    AGREEMENT_NOTICE_GIVEN,
    AGREEMENT_REASSIGNED,
    AGREEMENT_RENEWED,
    AGREEMENT_RESUMED,
    AGREEMENT_SCHEDULED,
    AGREEMENT_SIGNED,
    AGREEMENT_SUSPENDED,
    AgreementState,
)
from shared.contracts.agreements import AgreementStatus as Status
from shared.contracts.events import EventType
from shared.errors import WrongState

Outcome = tuple[EventType, AgreementState]


class Step(StrEnum):
    """What can happen to an agreement once it is drafted."""

    SIGN = "sign"
    COMPLETE = "complete"  # the last party's signature
    ACTIVATE = "activate"  # by the calendar
    SCHEDULE = "schedule"  # in a signed agreement its first one alone; then it is amended
    REPORT = "report"  # seats filled and completed
    RECORD_ACTIVITY = "record_activity"
    AMEND = "amend"
    AGREE_AMENDMENT = "agree_amendment"  # an amendment for a day to come
    CONFIRM_AMENDMENT = "confirm_amendment"  # a party agrees to an amendment
    GIVE_NOTICE = "give_notice"  # no renewal any more
    RENEW = "renew"  # by the calendar
    SUSPEND = "suspend"
    RESUME = "resume"
    END = "end"
    EXPIRE = "expire"  # by the calendar
    CANCEL = "cancel"
    REASSIGN = "reassign"  # references follow a merged enterprise


LIFECYCLE: dict[tuple[Status, Step], Status] = {
    (Status.DRAFT, Step.SIGN): Status.DRAFT,
    (Status.DRAFT, Step.COMPLETE): Status.SIGNED,
    (Status.DRAFT, Step.SCHEDULE): Status.DRAFT,
    (Status.DRAFT, Step.CANCEL): Status.CANCELLED,
    (Status.DRAFT, Step.REASSIGN): Status.DRAFT,
    #
    (Status.SIGNED, Step.ACTIVATE): Status.ACTIVE,
    (Status.SIGNED, Step.SCHEDULE): Status.SIGNED,
    (Status.SIGNED, Step.REPORT): Status.SIGNED,
    (Status.SIGNED, Step.AMEND): Status.SIGNED,
    (Status.SIGNED, Step.AGREE_AMENDMENT): Status.SIGNED,
    (Status.SIGNED, Step.CONFIRM_AMENDMENT): Status.SIGNED,
    (Status.SIGNED, Step.GIVE_NOTICE): Status.SIGNED,
    (Status.SIGNED, Step.END): Status.ENDED,
    (Status.SIGNED, Step.REASSIGN): Status.SIGNED,
    #
    (Status.ACTIVE, Step.SCHEDULE): Status.ACTIVE,
    (Status.ACTIVE, Step.REPORT): Status.ACTIVE,
    (Status.ACTIVE, Step.RECORD_ACTIVITY): Status.ACTIVE,
    (Status.ACTIVE, Step.AMEND): Status.ACTIVE,
    (Status.ACTIVE, Step.AGREE_AMENDMENT): Status.ACTIVE,
    (Status.ACTIVE, Step.CONFIRM_AMENDMENT): Status.ACTIVE,
    (Status.ACTIVE, Step.GIVE_NOTICE): Status.ACTIVE,
    (Status.ACTIVE, Step.RENEW): Status.ACTIVE,
    (Status.ACTIVE, Step.SUSPEND): Status.SUSPENDED,
    (Status.ACTIVE, Step.END): Status.ENDED,
    (Status.ACTIVE, Step.EXPIRE): Status.EXPIRED,
    (Status.ACTIVE, Step.REASSIGN): Status.ACTIVE,
    #
    (Status.SUSPENDED, Step.SCHEDULE): Status.SUSPENDED,
    (Status.SUSPENDED, Step.REPORT): Status.SUSPENDED,
    (Status.SUSPENDED, Step.RECORD_ACTIVITY): Status.SUSPENDED,
    (Status.SUSPENDED, Step.AMEND): Status.SUSPENDED,
    (Status.SUSPENDED, Step.AGREE_AMENDMENT): Status.SUSPENDED,
    (Status.SUSPENDED, Step.CONFIRM_AMENDMENT): Status.SUSPENDED,
    (Status.SUSPENDED, Step.GIVE_NOTICE): Status.SUSPENDED,
    (Status.SUSPENDED, Step.RESUME): Status.ACTIVE,
    (Status.SUSPENDED, Step.END): Status.ENDED,
    (Status.SUSPENDED, Step.EXPIRE): Status.EXPIRED,
    (Status.SUSPENDED, Step.REASSIGN): Status.SUSPENDED,
    # What was done while it was active may be told afterwards: results of the last term, activities.
    (Status.ENDED, Step.REPORT): Status.ENDED,
    (Status.ENDED, Step.RECORD_ACTIVITY): Status.ENDED,
    (Status.ENDED, Step.REASSIGN): Status.ENDED,
    #
    (Status.EXPIRED, Step.REPORT): Status.EXPIRED,
    (Status.EXPIRED, Step.RECORD_ACTIVITY): Status.EXPIRED,
    (Status.EXPIRED, Step.REASSIGN): Status.EXPIRED,
    #
    (Status.CANCELLED, Step.REASSIGN): Status.CANCELLED,
}

TOLD_AS: dict[Step, EventType] = {
    Step.SIGN: AGREEMENT_SIGNED,
    Step.COMPLETE: AGREEMENT_SIGNED,
    Step.ACTIVATE: AGREEMENT_ACTIVATED,
    Step.SCHEDULE: AGREEMENT_SCHEDULED,
    Step.REPORT: AGREEMENT_SCHEDULED,
    Step.AMEND: AGREEMENT_AMENDED,
    Step.AGREE_AMENDMENT: AGREEMENT_AMENDMENT_AGREED,
    Step.CONFIRM_AMENDMENT: AGREEMENT_AMENDMENT_AGREED,
    Step.GIVE_NOTICE: AGREEMENT_NOTICE_GIVEN,
    Step.RENEW: AGREEMENT_RENEWED,
    Step.SUSPEND: AGREEMENT_SUSPENDED,
    Step.RESUME: AGREEMENT_RESUMED,
    Step.END: AGREEMENT_ENDED,
    Step.EXPIRE: AGREEMENT_EXPIRED,
    Step.CANCEL: AGREEMENT_CANCELLED,
    Step.REASSIGN: AGREEMENT_REASSIGNED,
}
"""An activity changes no agreement: it is told as an event of its own."""

NOBODYS = frozenset({Step.COMPLETE, Step.ACTIVATE, Step.AGREE_AMENDMENT, Step.RENEW, Step.EXPIRE, Step.REASSIGN})
"""Steps that happen by themselves, or as another's case; a refusal doesn't offer them."""


def possible(status: Status) -> list[Step]:
    """What a person can do in this state."""
    return [step for from_, step in LIFECYCLE if from_ is status and step not in NOBODYS]


def require(state: AgreementState, step: Step) -> Status:
    """Where `step` leads; raises WrongState, naming what is possible instead, where the table has no such line."""
    status = LIFECYCLE.get((state.status, step))
    if status is None:
        raise WrongState(state=state.status.value, step=step.value, possible=", ".join(possible(state.status)))
    return status


def take(state: AgreementState, step: Step, **changes: Any) -> Outcome:
    """The outcome of a step with these changes; raises WrongState."""
    status = require(state, step)
    return TOLD_AS[step], state.model_copy(update={**changes, "status": status, "version": state.version + 1})
