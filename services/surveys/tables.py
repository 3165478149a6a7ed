"""Rows of the surveys database; what anonymity asks of each table stands beside it.

institution       what partners' events told of it
campaign          one instrument asked at one institution in a period
code_batch        how many codes were issued for a campaign, and when
access_code       keyed hashes of codes and whether they are spent – no id, no time, no order
staged_answer     sealed answers on their way – no id, no time, no code
response          answers under random ids, with the day – no code, no person, no moment
tally             sums over all responses, for the service alone
released_result   the part of the sums that may be shown, moved in steps of at least k responses
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, LargeBinary, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel, col

from services.surveys.domain.campaigns import Campaign, CampaignStatus, Period
from shared.scope import Scope


class Base(SQLModel, registry=registry()):
    """Rows of this service share one metadata of their own."""


class InstitutionRow(Base, table=True):
    """An institution as far as surveys need it; `org_path` ends in "/<id>/"."""

    __tablename__ = "institution"

    id: str = Field(primary_key=True)
    version: int
    org_path: str
    code: str
    name: str
    active: bool

    @classmethod
    def visible(cls, scope: Scope) -> Any:
        """The first wall."""
        return scope.condition(col(cls.org_path))


class CampaignRow(Base, table=True):
    """A campaign; `org_path` is its institution's, `flush_due` when its staged answers stop waiting for company."""

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
    flush_due: datetime | None = None

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
        )

    def take(self, campaign: Campaign) -> None:
        """Bring the row to `campaign`; instrument, institution and period never change."""
        self.version = campaign.version
        self.status = campaign.status.value
        self.title = campaign.title

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
        )


class CodeBatchRow(Base, table=True):
    """A batch of codes: the number is kept, the codes are not."""

    __tablename__ = "code_batch"

    id: str = Field(primary_key=True)
    campaign_id: str
    count: int
    issued_on: date


UNUSED, SPENT, MIXED = 0, 1, 2
"""States of an access code: a spent one is mixed among the others when the answers of its time are moved on."""

access_code = Table(
    "access_code",
    Base.metadata,
    Column("fingerprint", LargeBinary, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
)

staged_answer = Table(
    "staged_answer",
    Base.metadata,
    Column("campaign_id", Text, nullable=False),
    Column("key_id", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)


class ResponseRow(Base, table=True):
    """One response: a random id, the local day, the answers."""

    __tablename__ = "response"

    id: str = Field(primary_key=True)
    campaign_id: str
    day: date
    answers: dict[str, Any] = Field(sa_type=JSONB)


def _sums(name: str) -> Table:
    return Table(
        name,
        Base.metadata,
        Column("campaign_id", Text, primary_key=True),
        Column("measure", Text, primary_key=True),
        Column("count", BigInteger, nullable=False),
        Column("total", BigInteger, nullable=False),
        Column("squares", BigInteger, nullable=False),
    )


tally = _sums("tally")
released_result = _sums("released_result")
