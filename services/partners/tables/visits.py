"""Rows of contacts with partners: visits, dossiers, known events, next actions."""

from datetime import date, datetime
from typing import Any, ClassVar

from pydantic import BaseModel
from sqlalchemy import ColumnElement, DateTime, or_
from sqlmodel import Field, col

from services.partners.domain.visits.actions import ActionDetails
from services.partners.domain.visits.dossiers import DossierDetails
from services.partners.domain.visits.visits import VisitDetails
from services.partners.tables.base import Base, signed_in
from shared.contracts.events import State
from shared.contracts.visits import DossierState, KnownEventState, NextActionState, VisitState
from shared.persistence.aggregates import DetailedRow
from shared.scope import Scope

PRIVATE = frozenset({"protocol", "checklist", "cancelled_for", "notes", "waiver_reasons", "step_notes", "envoy_ref"})
"""What an institution keeps to itself and its authorities: the visited enterprise sees the appointment."""


def _by_path_or_enterprise(scope: Scope, org_path: Any, enterprise_id: Any) -> ColumnElement[bool]:
    if scope.kind == "enterprise":
        condition: ColumnElement[bool] = col(enterprise_id) == scope.value
        return condition
    return scope.condition(col(org_path))


class VisitRow(Base, DetailedRow, table=True):
    """A visit; the visited enterprise sees the appointment."""

    __tablename__ = "visit"
    STATE: ClassVar[type[State]] = VisitState
    DETAILS: ClassVar[type[BaseModel]] = VisitDetails

    institution_id: str
    enterprise_id: str | None = None
    partner: str
    envoy_ref: str
    status: str
    planned_start: datetime = Field(sa_type=DateTime(timezone=True))
    planned_end: datetime = Field(sa_type=DateTime(timezone=True))

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Both sides, the status, and when: what calendars look at."""
        return {
            "institution_id": state.institution_id,
            "enterprise_id": state.enterprise_id,
            "partner": state.enterprise_id or state.partner_ref,
            "envoy_ref": state.envoy_ref,
            "status": state.status.value,
            "planned_start": state.planned_start,
            "planned_end": state.planned_end,
        }

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """By the institution's path, or as the visited enterprise."""
        return _by_path_or_enterprise(scope, cls.org_path, cls.enterprise_id)

    def shown_to(self, scope: Scope) -> dict[str, Any]:
        """An enterprise sees the appointment, not what is thought of it."""
        shown = self.shown()
        if scope.kind == "enterprise":
            return {name: value for name, value in shown.items() if name not in PRIVATE}
        return shown


class DossierRow(Base, DetailedRow, table=True):
    """V2: what an institution knows of a partner; the partner does not see it."""

    __tablename__ = "dossier"
    STATE: ClassVar[type[State]] = DossierState
    DETAILS: ClassVar[type[BaseModel]] = DossierDetails

    institution_id: str
    enterprise_id: str | None = None
    partner: str

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Both sides."""
        return {
            "institution_id": state.institution_id,
            "enterprise_id": state.enterprise_id,
            "partner": state.enterprise_id or state.partner_ref,
        }


class EventTitle(BaseModel):
    """Details of a known event."""

    title: str | None = None


class KnownEventRow(Base, DetailedRow, table=True):
    """A known event; those of a territory are public, an enterprise sees its own."""

    __tablename__ = "known_event"
    STATE: ClassVar[type[State]] = KnownEventState
    DETAILS: ClassVar[type[BaseModel]] = EventTitle

    owner: str
    owner_ref: str
    status: str
    starts_at: datetime = Field(sa_type=DateTime(timezone=True))
    ends_at: datetime = Field(sa_type=DateTime(timezone=True))

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Whose it is, and when."""
        return {
            "owner": state.owner.value,
            "owner_ref": state.owner_ref,
            "status": state.status.value,
            "starts_at": state.starts_at,
            "ends_at": state.ends_at,
        }

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """By the path of whose it is; a territory's is public."""
        public = (col(cls.owner) == "territory") & signed_in(scope)
        return or_(public, _by_path_or_enterprise(scope, cls.org_path, cls.owner_ref))


class NextActionRow(Base, DetailedRow, table=True):
    """A next action; the enterprise it was agreed with sees it."""

    __tablename__ = "next_action"
    STATE: ClassVar[type[State]] = NextActionState
    DETAILS: ClassVar[type[BaseModel]] = ActionDetails

    institution_id: str
    enterprise_id: str | None = None
    visit_id: str
    status: str
    due_on: date

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Where it belongs, its status, and the day the calendar looks at."""
        return {
            "institution_id": state.institution_id,
            "enterprise_id": state.enterprise_id,
            "visit_id": state.visit_id,
            "status": state.status.value,
            "due_on": state.due_on,
        }

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """By the institution's path, or as the enterprise."""
        return _by_path_or_enterprise(scope, cls.org_path, cls.enterprise_id)
