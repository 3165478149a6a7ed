"""What graduates say of their status: apart from every answer, and gone when the consent is."""

from datetime import date
from typing import Any, ClassVar

from services.surveys.tables.base import Base
from shared.contracts.surveys import GraduateStatusState
from shared.persistence.aggregates import AggregateRow


class GraduateStatusRow(Base, AggregateRow, table=True):
    """One status of one graduate at one point in time."""

    __tablename__ = "graduate_status"
    STATE: ClassVar[type[GraduateStatusState]] = GraduateStatusState

    institution_id: str
    graduate_ref: str
    months: int
    status: str
    enterprise_id: str | None = None
    told_on: date

    @classmethod
    def columns(cls, state: GraduateStatusState) -> dict[str, Any]:
        """What statuses are found by; a withdrawn one has no row."""
        assert state.graduate_ref
        assert state.status
        assert state.told_on
        return {
            "institution_id": state.institution_id,
            "graduate_ref": state.graduate_ref,
            "months": state.months,
            "status": state.status.value,
            "enterprise_id": state.enterprise_id,
            "told_on": state.told_on,
        }
