"""Rows of the registers: territory, institutions with their yearly figures, enterprises, partnerships."""

from typing import Any, ClassVar, cast

from sqlalchemy import ColumnElement, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, col

from services.partners.domain.names import words_of
from services.partners.tables.base import Base, signed_in
from shared.contracts.events import State
from shared.contracts.partners import (
    EnrolmentState,
    EnterpriseState,
    InstitutionState,
    InstitutionStatus,
    PartnershipState,
    TerritoryState,
)
from shared.scope import Scope, paths_of


class TerritoryRow(Base, table=True):
    """A unit of the territory; everybody signed in may read it."""

    __tablename__ = "territory"
    STATE: ClassVar[type[State]] = TerritoryState

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """Public within the platform."""
        return signed_in(scope)


class InstitutionRow(Base, table=True):
    """An institution of the register."""

    __tablename__ = "institution"
    STATE: ClassVar[type[State]] = InstitutionState

    code: str = Field(unique=True)
    name: str
    kind: str
    status: str

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Code, name, kind and status, to search by."""
        return {"code": state.code, "name": state.name, "kind": state.kind.value, "status": state.status.value}

    @classmethod
    def merged_into(cls, successor: str) -> ColumnElement[bool]:
        """Those that were merged into an institution."""
        return cast("ColumnElement[bool]", col(cls.state)["successor_id"].astext == successor)


own_paths = paths_of(
    col(InstitutionRow.id), col(InstitutionRow.org_path), col(InstitutionRow.status) == InstitutionStatus.CLOSED
)


class EnrolmentRow(Base, table=True):
    """An institution's figures of one academic year."""

    __tablename__ = "enrolment"
    STATE: ClassVar[type[State]] = EnrolmentState

    institution_id: str = Field(index=True)
    academic_year: str

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Institution and year."""
        return {"institution_id": state.institution_id, "academic_year": state.academic_year}


class EnterpriseRow(Base, table=True):
    """An enterprise; the register is national, so everybody signed in may find every enterprise."""

    __tablename__ = "enterprise"
    STATE: ClassVar[type[State]] = EnterpriseState

    stir: str = Field(unique=True)
    name: str
    status: str
    terms: list[str] = Field(sa_type=ARRAY(Text))

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """STIR, name and status; what it is found by."""
        return {
            "stir": state.stir,
            "name": state.name,
            "status": state.status.value,
            "terms": [*words_of(state.name), *terms_of(state)],
        }

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """Public within the platform."""
        return signed_in(scope)


def terms_of(state: EnterpriseState) -> list[str]:
    """What an enterprise is narrowed by, as terms beside the words of its name: one index then answers all at once."""
    return [
        f"place:{state.district}",
        f"place:{state.district[:4]}",
        f"isic:{state.isic_section}",
        f"size:{state.size.value}",
        f"status:{state.status.value}",
    ]


class PartnershipRow(Base, table=True):
    """An institution's partnership; the enterprise in it sees it too."""

    __tablename__ = "partnership"
    STATE: ClassVar[type[State]] = PartnershipState

    institution_id: str = Field(index=True)
    enterprise_id: str | None = Field(default=None, index=True)
    partner: str
    stage: str

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Both sides and the stage."""
        return {
            "institution_id": state.institution_id,
            "enterprise_id": state.enterprise_id,
            "partner": state.enterprise_id or state.partner_ref,
            "stage": state.stage.value,
        }

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """By the institution's path, or as the partner enterprise."""
        if scope.kind == "enterprise":
            return col(cls.enterprise_id) == scope.value
        return scope.condition(col(cls.org_path))
