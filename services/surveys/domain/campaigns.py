"""A campaign: one instrument asked at one institution in a period; its life is the table TRANSITIONS."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from shared.clock import local_day
from shared.contracts.events import State
from shared.contracts.fields import Id, Name
from shared.contracts.surveys import CampaignCounts, CampaignState, SurveyCampaignStatus
from shared.contracts.vocabulary import RespondentGroup
from shared.errors import FieldError, InvalidInput, WrongState

MAX_PERIOD_DAYS: Final = 366
MAX_INTERVIEW_DAYS: Final = 60
MAX_CODES_AT_ONCE: Final = 5000
CampaignStatus = SurveyCampaignStatus


class CampaignAct(StrEnum):
    """What can be done with a campaign."""

    OPEN = "open"
    CLOSE = "close"
    ISSUE_CODES = "issue-codes"


TRANSITIONS: Final[Mapping[tuple[CampaignStatus, CampaignAct], CampaignStatus]] = {
    (CampaignStatus.DRAFT, CampaignAct.ISSUE_CODES): CampaignStatus.DRAFT,
    (CampaignStatus.DRAFT, CampaignAct.OPEN): CampaignStatus.OPEN,
    (CampaignStatus.DRAFT, CampaignAct.CLOSE): CampaignStatus.CLOSED,
    (CampaignStatus.OPEN, CampaignAct.ISSUE_CODES): CampaignStatus.OPEN,
    (CampaignStatus.OPEN, CampaignAct.CLOSE): CampaignStatus.CLOSED,
}
"""What is not in the table can't be done: a closed campaign stays closed."""


class InstitutionClosed(WrongState):
    """A closed institution asks nobody."""

    code = "institution-closed"


class CampaignOver(WrongState):
    """The period has ended."""

    code = "campaign-over"


class Period(BaseModel):
    """Days of the campaign in Tashkent, both included; `from` and `to` in JSON."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    first: date = Field(alias="from")
    last: date = Field(alias="to")

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


class PlanCampaign(BaseModel):
    """Ask `instrument` (its newest version) at an institution in a period."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    instrument: Annotated[str, Field(max_length=64)]
    institution: Id
    title: Name | None = None
    period: Period
    scheduled: bool = Field(False, description="opens by itself on its first day")
    interview_days: Annotated[int | None, Field(ge=0, le=MAX_INTERVIEW_DAYS)] = Field(
        None,
        description="days after the end in which interviews made before it may still be sent in, from devices that "
        "were without network; until then the campaign is not over. The installation's setting unless named",
    )


class IssueCodes(BaseModel):
    """Make that many access codes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: Annotated[int, Field(ge=1, le=MAX_CODES_AT_ONCE)]


class Campaign(State):
    """The state of a campaign; `version` grows with every change.

    `wave_id`: the wave that made it; `standing`: the academic year whose invitations by events it collects;
    `interview_days`: so many days after its end (`closed_on`, or its period's) interviews made before may come in.
    `full_since`: a hard quota of its wave is full, nobody is let in any more, and whoever was in is still heard.
    """

    instrument: str
    instrument_version: int
    institution_id: str
    period: Period
    title: str | None = None
    status: CampaignStatus = CampaignStatus.DRAFT
    group: RespondentGroup | None = None
    wave_id: str | None = None
    standing: str | None = None
    scheduled: bool = False
    full_since: date | None = None
    interview_days: int = 0
    closed_on: date | None = None

    def after(self, act: CampaignAct) -> Self:
        """The campaign after `act`; raises WrongState where the table has no such line."""
        target = TRANSITIONS.get((self.status, act))
        if target is None:
            possible = ", ".join(each for status, each in TRANSITIONS if status is self.status)
            raise WrongState(state=self.status.value, step=act.value, possible=possible)
        if target is self.status:
            return self
        return self.model_copy(update={"status": target, "version": self.version + 1})

    def opened(self, today: date, *, institution_active: bool) -> Self:
        """The open campaign; raises where it can't be opened, the period is over or the institution is closed."""
        result = self.after(CampaignAct.OPEN)
        if not institution_active:
            raise InstitutionClosed(institution=self.institution_id)
        if today > self.period.last:
            raise CampaignOver(last=self.period.last.isoformat())
        return result

    def accepts_answers(self, today: date) -> bool:
        """True while it is open and the day lies in its period."""
        return self.status is CampaignStatus.OPEN and today in self.period

    def closed(self, today: date) -> Self:
        """The campaign after its end; raises WrongState where it can't be closed."""
        result = self.after(CampaignAct.CLOSE)
        return result if result is self else result.model_copy(update={"closed_on": min(today, self.period.last)})

    @property
    def last_interview(self) -> date:
        """The last day an interview may have been held on."""
        return self.closed_on or self.period.last

    @property
    def interviews_until(self) -> date:
        """The last day on which an interview may come in."""
        return self.last_interview + timedelta(days=self.interview_days)

    def takes_interviews(self, today: date) -> bool:
        """Whether interviews made while it was open may come in: while it is open, and for some days after its end."""
        if self.status is CampaignStatus.OPEN:
            return self.period.first <= today <= self.interviews_until
        return self.status is CampaignStatus.CLOSED and self.interview_days > 0 and today <= self.interviews_until

    def is_complete(self, today: date) -> bool:
        """True when no answer can come any more, not even an interview."""
        return self.is_over(today) and not self.takes_interviews(today)

    def lets_in(self, today: date) -> bool:
        """Whether somebody who comes to the door now may begin: asked before the first question, never after it."""
        return self.accepts_answers(today) and self.full_since is None

    def is_over(self, today: date) -> bool:
        """True when nobody can answer any more; interviews made before may still be on their way (`is_complete`)."""
        return self.status is CampaignStatus.CLOSED or today > self.period.last


def stepped(count: int, step: int) -> int:
    """A count of answers as it may be shown: watching it move singles out nobody."""
    return count - count % step


def told_of(campaign: Campaign, group: RespondentGroup, counts: CampaignCounts) -> CampaignState:
    """What the stream tells of a campaign: no title, which is free text."""
    return CampaignState(
        id=campaign.id,
        version=campaign.version,
        institution_id=campaign.institution_id,
        instrument=campaign.instrument,
        instrument_version=campaign.instrument_version,
        group=group,
        first_day=campaign.period.first,
        last_day=campaign.period.last,
        status=campaign.status,
        wave_id=campaign.wave_id,
        standing=campaign.standing,
        counts=counts,
    )


def may_move_on(campaign: Campaign, staged: int, step: int, now: datetime) -> bool:
    """Whether staged answers stop waiting: `step` are together, or no more can come."""
    return staged >= step or campaign.is_complete(local_day(now))


def check_period(period: Period, today: date) -> None:
    """Raise InvalidInput unless a new campaign's period is ordered, at most a year long and not over."""
    faults = []
    if period.last < period.first:
        faults.append(FieldError("period.to", "period-reversed", {"from": period.first.isoformat()}))
    elif (period.last - period.first).days >= MAX_PERIOD_DAYS:
        faults.append(FieldError("period.to", "period-too-long", {"days": MAX_PERIOD_DAYS}))
    if period.last < today:
        faults.append(FieldError("period.to", "period-over", {"today": today.isoformat()}))
    if faults:
        raise InvalidInput(*faults)
