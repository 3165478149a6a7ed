"""Rows of agreements, activities and employments – and what is known of institutions and enterprises."""

from datetime import date
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, Text, exists
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, col

from services.agreements.tables.base import Base, Reference
from shared.contracts.agreements import ActivityState, AgreementState, EmploymentState
from shared.contracts.events import State
from shared.contracts.partners import InstitutionStatus
from shared.contracts.vocabulary import PartyCategory
from shared.scope import Scope, paths_of


class AgreementRow(Base, table=True):
    """An agreement; the enterprises that are parties see it too."""

    __tablename__ = "agreement"
    STATE: ClassVar[type[State]] = AgreementState

    institution_id: str
    form: str
    status: str
    valid_from: date
    valid_until: date
    amends_on: date | None = None
    enterprise_ids: list[str] = Field(sa_type=ARRAY(Text))

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """What is searched by, what the calendar looks at, and which enterprises see it."""
        return {
            "institution_id": state.institution_id,
            "form": state.form.value,
            "status": state.status.value,
            "valid_from": state.valid_from,
            "valid_until": state.valid_until,
            "amends_on": state.pending.effective_on if state.pending and not state.pending.awaits else None,
            "enterprise_ids": sorted(
                {party.ref for party in state.parties if party.category is PartyCategory.ENTERPRISE}
            ),
        }

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """By the institution's path, or as an enterprise that is a party."""
        return scope.condition(col(cls.org_path), col(cls.enterprise_ids))


class ActivityRow(Base, table=True):
    """An activity; who sees its agreement sees it."""

    __tablename__ = "activity"
    STATE: ClassVar[type[State]] = ActivityState

    institution_id: str
    agreement_id: str
    status: str

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Where it belongs, and its status."""
        return {
            "institution_id": state.institution_id,
            "agreement_id": state.agreement_id,
            "status": state.status.value,
        }

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """By its agreement."""
        return exists().where(col(AgreementRow.id) == col(cls.agreement_id), AgreementRow.visible(scope))


class EmploymentRow(Base, table=True):
    """A graduate's employment; the enterprise sees it too."""

    __tablename__ = "employment"
    STATE: ClassVar[type[State]] = EmploymentState

    institution_id: str
    graduate_ref: str
    enterprise_id: str
    status: str

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Both sides, the graduate's number and the status."""
        return {
            "institution_id": state.institution_id,
            "graduate_ref": state.graduate_ref,
            "enterprise_id": state.enterprise_id,
            "status": state.status.value,
        }

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """By the institution's path, or as the enterprise."""
        if scope.kind == "enterprise":
            return col(cls.enterprise_id) == scope.value
        return scope.condition(col(cls.org_path))


class InstitutionRef(Reference, table=True):
    """What this service knows of an institution from partners' events: where it lies and whether it is at work."""

    __tablename__ = "institution_ref"

    id: str = Field(primary_key=True)
    version: int
    path: str
    code: str
    status: str
    name: str | None = None


own_paths = paths_of(
    col(InstitutionRef.id), col(InstitutionRef.path), col(InstitutionRef.status) == InstitutionStatus.CLOSED
)


class EnterpriseRef(Reference, table=True):
    """What this service knows of an enterprise from partners' events: whether it is at work, and who it became.

    Version 0 stands for one that is known only because another was merged into it.
    """

    __tablename__ = "enterprise_ref"

    id: str = Field(primary_key=True)
    version: int
    status: str
    merged_into: str | None = None
    name: str | None = None
