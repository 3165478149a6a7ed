"""Rows of reports and publications: the state as events tell it, the notes beside it, the columns lists need."""

from datetime import date, datetime, time
from typing import Any, ClassVar

from pydantic import BaseModel
from sqlalchemy import DateTime
from sqlalchemy.orm import registry
from sqlmodel import Field

from services.monitoring.reporting.lifecycle import Notes
from shared.clock import TASHKENT
from shared.contracts.events import State
from shared.contracts.reporting import PublicationState, SubmissionState
from shared.persistence.aggregates import DetailedRow


class Base(DetailedRow, registry=registry()):
    """Rows of this room share one metadata of their own."""


class SubmissionRow(Base, table=True):
    """A report. `org_path` is the place's at the end of the period; `remind_at` when somebody is to be reminded."""

    __tablename__ = "submission"
    STATE: ClassVar[type[State]] = SubmissionState
    DETAILS: ClassVar[type[BaseModel]] = Notes

    place: str
    level: str
    period: str
    status: str
    due_on: date
    parent: str
    remind_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """What lists are narrowed and ordered by."""
        parents = {"institution": state.district, "district": state.region, "region": (state.region or "")[:2]}
        return {
            "place": state.place,
            "level": state.level.value,
            "period": state.period,
            "status": state.status.value,
            "due_on": state.due_on,
            "parent": parents.get(state.level.value) or "",
        }


class PublicationRow(Base, table=True):
    """A period as published for a territory."""

    __tablename__ = "publication"
    STATE: ClassVar[type[State]] = PublicationState
    DETAILS: ClassVar[type[BaseModel]] = Notes

    place: str
    period: str
    status: str
    ordered_at: datetime = Field(sa_type=DateTime(timezone=True))

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """What lists are narrowed and ordered by."""
        return {
            "place": state.place,
            "period": state.period,
            "status": state.status.value,
            "ordered_at": state.ordered_at,
        }


def morning(day: date | None) -> datetime | None:
    """The beginning of that day in Tashkent, when people are reminded."""
    return None if day is None else datetime.combine(day, time(0), TASHKENT)
