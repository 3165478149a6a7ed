"""Campaigns and the number of codes that were issued for them."""

from datetime import date
from typing import Any

from sqlmodel import Field, col

from services.surveys.domain.campaigns import Campaign, CampaignStatus, Period
from services.surveys.tables.base import Base
from shared.contracts.vocabulary import RespondentGroup
from shared.scope import Scope


class CampaignRow(Base, table=True):
    """A campaign; `org_path` is its institution's."""

    __tablename__ = "campaign"

    id: str = Field(primary_key=True)
    version: int
    org_path: str
    institution_id: str
    instrument: str
    instrument_version: int
    first_day: date
    last_day: date
    title: str | None = None
    status: str
    group_code: str | None = None
    wave_id: str | None = None
    standing: str | None = None
    scheduled: bool = False
    full_since: date | None = None
    interview_days: int = 0
    closed_on: date | None = None

    @classmethod
    def visible(cls, scope: Scope) -> Any:
        """The first wall."""
        return scope.condition(col(cls.org_path))

    @classmethod
    def of(cls, campaign: Campaign, org_path: str) -> "CampaignRow":
        """A new row."""
        return cls(
            id=campaign.id,
            version=campaign.version,
            org_path=org_path,
            institution_id=campaign.institution_id,
            instrument=campaign.instrument,
            instrument_version=campaign.instrument_version,
            first_day=campaign.period.first,
            last_day=campaign.period.last,
            status=campaign.status.value,
            title=campaign.title,
            group_code=campaign.group.value if campaign.group else None,
            wave_id=campaign.wave_id,
            standing=campaign.standing,
            scheduled=campaign.scheduled,
            interview_days=campaign.interview_days,
        )

    def take(self, campaign: Campaign) -> None:
        """Bring the row to `campaign`; instrument, institution and period never change."""
        self.version = campaign.version
        self.status = campaign.status.value
        self.title = campaign.title
        self.closed_on = campaign.closed_on

    def campaign(self) -> Campaign:
        """The campaign in the row."""
        return Campaign(
            id=self.id,
            version=self.version,
            institution_id=self.institution_id,
            instrument=self.instrument,
            instrument_version=self.instrument_version,
            period=Period(first=self.first_day, last=self.last_day),
            status=CampaignStatus(self.status),
            title=self.title,
            group=RespondentGroup(self.group_code) if self.group_code else None,
            wave_id=self.wave_id,
            standing=self.standing,
            scheduled=self.scheduled,
            full_since=self.full_since,
            interview_days=self.interview_days,
            closed_on=self.closed_on,
        )


class CodeBatchRow(Base, table=True):
    """A batch of codes: the number is kept, the codes are not."""

    __tablename__ = "code_batch"

    id: str = Field(primary_key=True)
    campaign_id: str
    count: int
    issued_on: date
