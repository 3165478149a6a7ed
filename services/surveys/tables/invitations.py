"""Invitations, what asks for them, and what was taken up; the secrets stand nowhere, only keyed hashes of them."""

from datetime import date
from typing import Any, ClassVar

from sqlalchemy import Boolean, Column, Date, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.surveys.tables.base import Base
from shared.contracts.surveys import InvitationState
from shared.persistence.aggregates import AggregateRow


class InvitationRow(Base, AggregateRow, table=True):
    """An invitation; `fingerprint` is a keyed hash of the secret handed over last, on `handed_on`."""

    __tablename__ = "invitation"
    STATE: ClassVar[type[InvitationState]] = InvitationState

    institution_id: str
    campaign_id: str
    instrument: str
    respondent: str
    respondent_ref: str
    occasion: str
    source_id: str | None = None
    months: int
    status: str
    lapses_on: date
    remind_on: date | None = None
    handed_on: date | None = None
    spoken_on: date | None = None
    fingerprint: bytes | None = None

    @classmethod
    def columns(cls, state: InvitationState) -> dict[str, Any]:
        """What invitations are found by."""
        return {
            "institution_id": state.institution_id,
            "campaign_id": state.campaign_id,
            "instrument": state.instrument,
            "respondent": state.respondent.value,
            "respondent_ref": state.respondent_ref,
            "occasion": state.occasion.value,
            "source_id": state.source_id,
            "months": state.months,
            "status": state.status.value,
            "lapses_on": state.lapses_on,
        }

    def shown(self) -> dict[str, Any]:
        """The state, when its secret was handed over, the next reminder is due, and somebody was spoken to last."""
        return {
            **self.state,
            "handed_on": self.handed_on.isoformat() if self.handed_on else None,
            "remind_on": self.remind_on.isoformat() if self.remind_on else None,
            "spoken_on": self.spoken_on.isoformat() if self.spoken_on else None,
        }


class RuleRow(Base, table=True):
    """A rule that the ministry changed; the others are as domain.invitations.RULES has them."""

    __tablename__ = "invitation_rule"

    code: str = Field(primary_key=True)
    version: int
    state: dict[str, Any] = Field(sa_type=JSONB)


class OccasionRow(Base, table=True):
    """What a fact asks for: waiting until it is due, then invited, covered by another invitation, or void."""

    __tablename__ = "occasion"

    id: str = Field(primary_key=True)
    rule: str
    source_id: str
    source_version: int
    months: int
    institution_id: str
    respondent_ref: str
    due_on: date
    status: str
    invitation_id: str | None = None


redemption = Table(
    "redemption",
    Base.metadata,
    Column("fingerprint", LargeBinary, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    Column("blinded", LargeBinary, nullable=False),
    Column("told", Boolean, nullable=False),
)

consent = Table(
    "consent",
    Base.metadata,
    Column("id", Text, primary_key=True),
    Column("org_path", Text, nullable=False),
    Column("institution_id", Text, nullable=False),
    Column("text_version", Integer, nullable=False),
    Column("lang", Text, nullable=False),
    Column("means", Text, nullable=False),
    Column("given_on", Date, nullable=False),
    Column("withdrawn_on", Date),
)
