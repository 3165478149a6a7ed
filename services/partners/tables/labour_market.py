"""Rows of the labour market: reports of demand and supply, and the regions' long-term plans; all are public."""

from typing import Any, ClassVar

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from services.partners.domain.preparation import Notes
from services.partners.tables.base import Base, signed_in
from shared.contracts.events import State
from shared.contracts.labour_market import DemandReportState, PlanPriorityState, SupplyReportState
from shared.persistence.aggregates import DetailedRow
from shared.scope import Scope


class DemandReportRow(Base, table=True):
    """What one reporter says of a profession, qualification, region and year."""

    __tablename__ = "demand_report"
    STATE: ClassVar[type[State]] = DemandReportState

    region: str
    reporter: str
    enterprise_id: str | None = Field(default=None, index=True)
    profession: str
    qualification: str
    year: int
    positions: int | None = None
    vacancies: int | None = None

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Everything that analyses sum by."""
        read = {"region", "reporter", "enterprise_id", "profession", "qualification", "year", "positions", "vacancies"}
        found: dict[str, Any] = state.model_dump(mode="json", include=read)
        return found

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """Public within the platform."""
        return signed_in(scope)


class SupplyReportRow(Base, table=True):
    """Registered unemployed of a profession, qualification, region and year."""

    __tablename__ = "supply_report"
    STATE: ClassVar[type[State]] = SupplyReportState

    region: str
    profession: str
    qualification: str
    year: int
    unemployed: int

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Everything that analyses sum by."""
        read = {"region", "profession", "qualification", "year", "unemployed"}
        found: dict[str, Any] = state.model_dump(mode="json", include=read)
        return found

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """Public within the platform."""
        return signed_in(scope)


class PlanPriorityRow(Base, DetailedRow, table=True):
    """A sector's place in a region's plan."""

    __tablename__ = "plan_priority"
    STATE: ClassVar[type[State]] = PlanPriorityState
    DETAILS: ClassVar[type[BaseModel]] = Notes

    region: str
    isic_section: str
    enterprise_ids: list[str] = Field(sa_type=ARRAY(Text))

    @classmethod
    def columns(cls, state: Any) -> dict[str, Any]:
        """Region, sector and the enterprises named."""
        return {
            "region": state.region,
            "isic_section": state.isic_section,
            "enterprise_ids": sorted(each.enterprise_id for each in state.enterprises),
        }

    @classmethod
    def visible(cls, scope: Scope) -> ColumnElement[bool]:
        """Public within the platform."""
        return signed_in(scope)
