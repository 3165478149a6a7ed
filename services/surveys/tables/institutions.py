"""What the other services' events told: institutions, enterprises, and whom graduates work for."""

from datetime import date
from typing import Any

from sqlalchemy import SelectBase, select
from sqlmodel import Field, col

from services.surveys.tables.base import Base
from shared.scope import Scope


class InstitutionRow(Base, table=True):
    """An institution as far as surveys need it; `org_path` ends in "/<id>/"."""

    __tablename__ = "institution"

    id: str = Field(primary_key=True)
    version: int
    org_path: str
    code: str
    name: str
    active: bool
    kind: str = ""

    @classmethod
    def visible(cls, scope: Scope) -> Any:
        """The first wall."""
        return scope.condition(col(cls.org_path))


def own_paths(institution_id: str) -> SelectBase:
    """Where the rows of an institution lie."""
    return select(col(InstitutionRow.org_path)).where(col(InstitutionRow.id) == institution_id)


class EnterpriseRow(Base, table=True):
    """An enterprise of the national register, as far as surveys need it: no name comes here."""

    __tablename__ = "enterprise_ref"

    id: str = Field(primary_key=True)
    version: int
    stir: str
    status: str
    merged_into: str | None = None


class EmploymentRow(Base, table=True):
    """An employment that an institution reported: what a graduate's own word may confirm."""

    __tablename__ = "employment_ref"

    id: str = Field(primary_key=True)
    version: int
    institution_id: str
    graduate_ref: str
    enterprise_id: str
    started_on: date
    status: str
