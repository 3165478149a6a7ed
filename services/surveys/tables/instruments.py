"""Instruments of ministry, regions, districts and institutions: drafts and published versions as JSON documents."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, DateTime, func, literal, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, col

from services.surveys.domain.publication import InstrumentStatus, OwnInstrument
from services.surveys.tables.base import Base
from services.surveys.tables.institutions import InstitutionRow
from shared.scope import Scope


class InstrumentRow(Base, table=True):
    """One version; `edition` grows with every change, `org_path` is its owner's place, `summary` what lists show."""

    __tablename__ = "own_instrument"

    code: str = Field(primary_key=True)
    instrument_version: int = Field(primary_key=True)
    edition: int
    org_path: str
    status: str
    document: dict[str, Any] = Field(sa_type=JSONB)
    summary: dict[str, Any] = Field(sa_type=JSONB)
    changed_at: datetime = Field(sa_type=DateTime(timezone=True))

    @classmethod
    def manageable(cls, scope: Scope) -> Any:
        """The first wall for changes: what lies in the caller's part of the territory."""
        return scope.condition(col(cls.org_path))

    @classmethod
    def visible(cls, scope: Scope) -> Any:
        """The first wall for reading: that, and whatever those above the caller have published."""
        return or_(
            cls.manageable(scope), (col(cls.status) != InstrumentStatus.DRAFT.value) & _reaches(cls.org_path, scope)
        )

    @classmethod
    def of(
        cls, instrument: OwnInstrument, summary: dict[str, Any], org_path: str, changed_at: datetime
    ) -> "InstrumentRow":
        """A new row."""
        return cls(
            summary=summary,
            code=instrument.code,
            instrument_version=instrument.instrument_version,
            edition=instrument.version,
            org_path=org_path,
            status=instrument.status.value,
            document=instrument.document,
            changed_at=changed_at,
        )

    def take(self, instrument: OwnInstrument, changed_at: datetime, summary: dict[str, Any] | None = None) -> None:
        """Bring the row to `instrument`; the summary stays unless given."""
        self.summary = self.summary if summary is None else summary
        self.edition = instrument.version
        self.status = instrument.status.value
        self.document = instrument.document
        self.changed_at = changed_at

    def instrument(self) -> OwnInstrument:
        """The version in the row."""
        return OwnInstrument(
            id=f"{self.code}.v{self.instrument_version}",
            version=self.edition,
            code=self.code,
            instrument_version=self.instrument_version,
            status=InstrumentStatus(self.status),
            document=self.document,
        )


def _reaches(org_path: Any, scope: Scope) -> ColumnElement[bool]:
    """Whether an owner's place is above the caller's."""
    match scope.kind:
        case "path":
            return func.starts_with(literal(scope.value), col(org_path))
        case "institution":
            place = select(col(InstitutionRow.org_path)).where(col(InstitutionRow.id) == scope.value)
            return func.starts_with(place.scalar_subquery(), col(org_path))
    return literal(scope.kind == "all")
