"""Rows of webhooks; secrets and deliveries lie in tables that no caller's scope shows."""

from typing import Any, ClassVar

from pydantic import BaseModel
from sqlalchemy import ColumnElement
from sqlmodel import col

from services.partners.domain.webhooks import TERRITORY, Endpoint
from services.partners.tables.base import Base
from shared.contracts.events import State
from shared.contracts.platform import WebhookState
from shared.persistence.aggregates import DetailedRow
from shared.scope import Scope


class WebhookRow(Base, DetailedRow, table=True):
    """An endpoint of an institution or a territorial office, at its owner's path."""

    __tablename__ = "webhook"
    STATE: ClassVar[type[State]] = WebhookState
    DETAILS: ClassVar[type[BaseModel]] = Endpoint

    owner: str
    status: str

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """The owner and the status."""
        return {"owner": state.owner, "status": state.status.value}

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """By the owner's path; an institution's is for itself alone.

        It brings records of single persons, of which the offices above see counts.
        """
        condition = scope.condition(col(cls.org_path))
        if scope.kind == "path":
            condition &= col(cls.owner).regexp_match(f"^{TERRITORY.pattern}$")
        return condition
