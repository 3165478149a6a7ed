"""Invitations: who is asked because of what, when reminded, and how it ends; their life is the table LIFECYCLE.

Which fact of agreements' invites whom is data that the ministry keeps: RULES holds what stands at the start.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from services.surveys.domain.campaigns import Period
from shared.contracts.events import EventType, State
from shared.contracts.fields import Ref
from shared.contracts.surveys import (
    INVITATION_LAPSED,
    INVITATION_MADE,
    INVITATION_REASSIGNED,
    INVITATION_REDEEMED,
    INVITATION_REMINDED,
    INVITATION_WITHDRAWN,
    InvitationState,
    InvitationStatus,
    Occasion,
    RespondentKind,
)
from shared.errors import DomainError, WrongState

Outcome = tuple[EventType, InvitationState]
MOST_REMINDERS: Final = 5
MOST_LISTED: Final = 5000
ADDRESS: Final = "/s/i/"
"""Where an invitation's secret is turned into a token: the address ends in the code as it is printed."""
PERSON_DAYS: Final = 183
"""Somebody who was asked the same less than half a year ago is not asked again (`once_per` person)."""


class Step(StrEnum):
    """What can happen to an invitation."""

    REMIND = "remind"
    REDEEM = "redeem"
    LAPSE = "lapse"
    WITHDRAW = "withdraw"
    REASSIGN = "reassign"  # its enterprise was merged


LIFECYCLE: Final[Mapping[tuple[InvitationStatus, Step], InvitationStatus]] = {
    (InvitationStatus.PENDING, Step.REMIND): InvitationStatus.PENDING,
    (InvitationStatus.PENDING, Step.REDEEM): InvitationStatus.REDEEMED,
    (InvitationStatus.PENDING, Step.LAPSE): InvitationStatus.LAPSED,
    (InvitationStatus.PENDING, Step.WITHDRAW): InvitationStatus.WITHDRAWN,
    **{(status, Step.REASSIGN): status for status in InvitationStatus},
}
"""What is not in the table can't be done: a right to answer that was taken up is never taken back."""

TOLD_AS: Final[Mapping[Step, EventType]] = {
    Step.REMIND: INVITATION_REMINDED,
    Step.REDEEM: INVITATION_REDEEMED,
    Step.LAPSE: INVITATION_LAPSED,
    Step.WITHDRAW: INVITATION_WITHDRAWN,
    Step.REASSIGN: INVITATION_REASSIGNED,
}


class InvitationUsed(DomainError):
    """The invitation was turned into a token on another device already."""

    code = "invitation-used"


class UnknownInvitation(DomainError):
    """No such secret: never issued, or replaced by a newer one."""

    status = 404
    code = "invitation-unknown"


class RemindedEnough(WrongState):
    """Reminded today already, or as often as anybody may be."""

    code = "reminded-enough"


class OncePer(StrEnum):
    """How often somebody is asked: for each fact, once in a campaign, or once in half a year wherever it leads."""

    OCCASION = "occasion"
    CAMPAIGN = "campaign"
    PERSON = "person"


class SetRule(BaseModel):
    """How a rule shall be from now on; facts that were told before are invited by it too, where they are not yet."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "example": {
                "enabled": True,
                "instrument": "S3",
                "once_per": "occasion",
                "valid_days": 60,
                "remind_after_days": 10,
                "reminders": 2,
            }
        },
    )

    enabled: bool
    instrument: Annotated[str, Field(max_length=64)]
    once_per: OncePer
    valid_days: Annotated[int, Field(ge=7, le=365)]
    remind_after_days: Annotated[int, Field(ge=3, le=180)]
    reminders: Annotated[int, Field(ge=0, le=MOST_REMINDERS)]


class Rule(State):
    """Which fact invites whom to what; `months` are counted from graduation or from the first day at work."""

    occasion: Occasion
    respondent: RespondentKind
    instrument: str
    months: tuple[int, ...] = (0,)
    enabled: bool = True
    once_per: OncePer
    valid_days: int
    remind_after_days: int
    reminders: int

    def changed(self, command: SetRule) -> "Rule":
        """The rule as the ministry wants it."""
        return self.model_copy(update={**command.model_dump(), "version": self.version + 1})


def _rule(id_: str, occasion: Occasion, respondent: RespondentKind, instrument: str, once_per: OncePer) -> Rule:
    return Rule(
        id=id_,
        version=1,
        occasion=occasion,
        respondent=respondent,
        instrument=instrument,
        months=(6, 12) if respondent is RespondentKind.GRADUATE else (0,),
        once_per=once_per,
        valid_days=60,
        remind_after_days=10,
        reminders=2,
    )


RULES: Final[Mapping[str, Rule]] = {
    each.id: each
    for each in (
        _rule("placement-student", Occasion.PLACEMENT, RespondentKind.STUDENT, "S3", OncePer.OCCASION),
        # A host of thirty students is asked once, not thirty times.
        _rule("placement-host", Occasion.PLACEMENT, RespondentKind.ENTERPRISE, "S2", OncePer.CAMPAIGN),
        # Both facts tell of one graduate: the second finds that the first has asked.
        _rule("outcome-graduate", Occasion.OUTCOME, RespondentKind.GRADUATE, "S4", OncePer.PERSON),
        _rule("employment-graduate", Occasion.EMPLOYMENT, RespondentKind.GRADUATE, "S4", OncePer.PERSON),
    )
}
"""The rules as they are until the ministry changes one."""


class Fact(BaseModel):
    """What a fact of agreements' asks for: `respondents` by kind, from `since` on; withdrawn where `holds` is false."""

    model_config = ConfigDict(frozen=True)

    occasion: Occasion
    source_id: str
    source_version: int
    institution_id: str
    respondents: Mapping[RespondentKind, str]
    since: date
    holds: bool


class Listed(BaseModel):
    """One reference of a list: the institution alone knows who it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"example": {"ref": "T-0042"}})

    ref: Ref


class HandOver(BaseModel):
    """Give out secrets: of these invitations, voiding earlier ones; without ids of all that have none yet."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"example": {}})

    invitations: Annotated[tuple[str, ...], Field(max_length=MOST_LISTED)] = ()


def make(
    id_: str,
    campaign: tuple[str, str, Period],
    institution_id: str,
    who: tuple[RespondentKind, str],
    why: tuple[Occasion, str | None, int],
    days: tuple[date, int],
) -> Outcome:
    """A new invitation to a campaign (id, instrument, period); `days`: today and how many it is valid.

    It never outlives its campaign.
    """
    campaign_id, instrument, period = campaign
    today, valid_days = days
    occasion, source_id, months = why
    invitation = InvitationState(
        id=id_,
        version=1,
        institution_id=institution_id,
        campaign_id=campaign_id,
        instrument=instrument,
        respondent=who[0],
        respondent_ref=who[1],
        occasion=occasion,
        source_id=source_id,
        months=months,
        status=InvitationStatus.PENDING,
        made_on=today,
        lapses_on=min(today + timedelta(days=valid_days), period.last + timedelta(days=1)),
    )
    return INVITATION_MADE, invitation


def move(invitation: InvitationState, step: Step, today: date, **changes: str) -> Outcome:
    """The invitation after a step; raises WrongState that names what is possible."""
    target = LIFECYCLE.get((invitation.status, step))
    if target is None:
        possible = ", ".join(each for status, each in LIFECYCLE if status is invitation.status)
        raise WrongState(state=invitation.status.value, step=step.value, possible=possible)
    update: dict[str, object] = {"status": target, "version": invitation.version + 1, **changes}
    if step is Step.REMIND:
        update |= {"reminders": invitation.reminders + 1, "reminded_on": today}
    return TOLD_AS[step], invitation.model_copy(update=update)


def remind_now(invitation: InvitationState, today: date) -> Outcome:
    """A reminder by hand: once a day at most, and never more than MOST_REMINDERS in all."""
    outcome = move(invitation, Step.REMIND, today)
    if invitation.reminded_on == today or invitation.reminders >= MOST_REMINDERS:
        raise RemindedEnough(count=invitation.reminders, most=MOST_REMINDERS)
    return outcome


def next_reminder(invitation: InvitationState, after_days: int, at_most: int) -> date | None:
    """When the next reminder is due, None where there is none: no more than `at_most`, never past the end."""
    if invitation.status is not InvitationStatus.PENDING or invitation.reminders >= at_most:
        return None
    due = (invitation.reminded_on or invitation.made_on) + timedelta(days=after_days)
    return due if due < invitation.lapses_on else None


def academic_year(day: date) -> tuple[str, Period]:
    """The academic year of a day, as "2026-27", and its days from September to August."""
    first = day.year if day.month >= 9 else day.year - 1
    return f"{first}-{(first + 1) % 100:02d}", Period(first=date(first, 9, 1), last=date(first + 1, 8, 31))


def due_on(since: date, months: int) -> date:
    """The day so many months after `since`; a day the month doesn't have is its last."""
    total = since.year * 12 + since.month - 1 + months
    year, month = divmod(total, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return date(year, month + 1, min(since.day, (following - timedelta(days=1)).day))
