"""A campaign: one instrument asked at one institution in a period; its life is the table TRANSITIONS."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Final

from shared.errors import FieldError, InvalidInput, WrongState
from shared.ids import InstitutionId

MAX_PERIOD_DAYS: Final = 366
MAX_CODES_AT_ONCE: Final = 5000
MAX_TITLE: Final = 200


class CampaignStatus(StrEnum):
    """Only an open campaign takes answers."""

    DRAFT = "draft"
    OPEN = "open"
    CLOSED = "closed"


class CampaignAct(StrEnum):
    """What can be done with a campaign."""

    OPEN = "open"
    CLOSE = "close"
    ISSUE_CODES = "issue_codes"


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


@dataclass(frozen=True, slots=True)
class Period:
    """Days of the campaign, both included, in Tashkent."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Campaign:
    """The state of a campaign; `version` grows with every change."""

    id: str
    instrument: str
    instrument_version: int
    institution_id: InstitutionId
    period: Period
    title: str | None = None
    status: CampaignStatus = CampaignStatus.DRAFT
    version: int = 1

    def after(self, act: CampaignAct) -> "Campaign":
        """The campaign after `act`; raises WrongState where the table has no such line."""
        target = TRANSITIONS.get((self.status, act))
        if target is None:
            raise WrongState(state=str(self.status), act=str(act))
        return self if target is self.status else replace(self, status=target, version=self.version + 1)

    def opened(self, today: date, *, institution_active: bool) -> "Campaign":
        """The open campaign; raises where it can't be opened, the period is over or the institution is closed."""
        result = self.after(CampaignAct.OPEN)
        if not institution_active:
            raise InstitutionClosed
        if today > self.period.last:
            raise CampaignOver(last=self.period.last.isoformat())
        return result

    def accepts_answers(self, today: date) -> bool:
        """True while it is open and the day lies in its period."""
        return self.status is CampaignStatus.OPEN and today in self.period


def planned_period(first: date, last: date, today: date) -> Period:
    """The period of a new campaign; raises InvalidInput unless it is ordered, at most a year long and not over."""
    faults = []
    if last < first:
        faults.append(FieldError("period.to", "ends-before-start", {"from": first.isoformat()}))
    elif (last - first).days >= MAX_PERIOD_DAYS:
        faults.append(FieldError("period.to", "period-too-long", {"days": MAX_PERIOD_DAYS}))
    if last < today:
        faults.append(FieldError("period.to", "period-over", {"today": today.isoformat()}))
    if faults:
        raise InvalidInput(*faults)
    return Period(first, last)
