"""What partners' events told of institutions."""

from typing import Any

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

    @classmethod
    def visible(cls, scope: Scope) -> Any:
        """The first wall."""
        return scope.condition(col(cls.org_path))
