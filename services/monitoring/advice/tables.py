"""Rows of recommendations: the state as events tell it, with notes, the latest evidence and what was measured since."""

from datetime import date
from typing import Any, ClassVar

from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field

from services.monitoring.advice.lifecycle import LEVEL_NUMBERS, SEVERITIES, WORKED_ON, Notes
from shared.contracts.events import State
from shared.contracts.monitoring import RecommendationState
from shared.persistence.aggregates import AggregateRow, DetailedRow

_REGISTRY = registry()


class _Base(AggregateRow, registry=_REGISTRY):
    """Rows of this room have a metadata of their own."""


class RecommendationRow(_Base, DetailedRow, table=True):
    """A recommendation. `latest` is the evidence as last looked at, `cleared` on how many days in a row all was well.

    `measured` are the indicator's values at its steps and after them; `look_on` is when time has something to do to it.
    """

    __tablename__ = "recommendation"
    STATE: ClassVar[type[State]] = RecommendationState
    DETAILS: ClassVar[type[BaseModel]] = Notes

    rule: str
    place: str
    level: int
    severity: int
    element: str
    status: str
    open: bool
    quiet_until: date | None = None
    look_on: date | None = None
    latest: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    latest_on: date | None = None
    cleared: int = 0
    measured: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """What lists are narrowed and ordered by."""
        return {
            "rule": state.rule,
            "place": state.place,
            "level": int(LEVEL_NUMBERS[state.level]),
            "severity": SEVERITIES[state.severity],
            "element": state.element,
            "status": state.status.value,
            "open": state.status in WORKED_ON,
        }

    def shown(self) -> dict[str, Any]:
        """The state with the notes, the latest evidence and what was measured."""
        return {
            **self.details,
            **self.state,
            "latest": self.latest,
            "latest_on": self.latest_on.isoformat() if self.latest_on else None,
            "measured": self.measured,
        }
