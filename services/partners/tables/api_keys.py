"""Rows of API keys; the digests of their secrets lie in a table that no caller's scope shows."""

from datetime import date
from typing import Any, ClassVar

from pydantic import BaseModel
from sqlmodel import Field

from services.partners.domain.api_keys import Label
from services.partners.tables.base import Base
from shared.contracts.events import State
from shared.contracts.platform import ApiKeyState
from shared.persistence.aggregates import DetailedRow


class ApiKeyRow(Base, DetailedRow, table=True):
    """A key of an institution."""

    __tablename__ = "api_key"
    STATE: ClassVar[type[State]] = ApiKeyState
    DETAILS: ClassVar[type[BaseModel]] = Label

    institution_id: str = Field(index=True)
    status: str
    last_used_on: date | None = None

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """The institution and the status."""
        return {"institution_id": state.institution_id, "status": state.status.value}

    def shown(self) -> dict[str, Any]:
        """With the day it was last used."""
        used = self.last_used_on.isoformat() if self.last_used_on else None
        return {**super().shown(), "last_used_on": used}
