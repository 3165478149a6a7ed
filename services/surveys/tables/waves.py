"""Waves: the umbrella over campaigns."""

from datetime import date, datetime
from typing import Any, ClassVar

from services.surveys.domain.waves import WaveDetails
from services.surveys.tables.base import Base
from shared.contracts.surveys import WaveState
from shared.persistence.aggregates import DetailedRow


class WaveRow(Base, DetailedRow, table=True):
    """A wave; `org_path` is its territory's. `campaigns_due`: institutions may lack their campaign, or keep one open.

    `quotas_due`: when its hard quotas are counted next.
    """

    __tablename__ = "wave"
    STATE: ClassVar[type[WaveState]] = WaveState
    DETAILS: ClassVar[type[WaveDetails]] = WaveDetails

    territory: str
    instrument: str
    status: str
    first_day: date
    last_day: date
    campaigns_due: bool = False
    quotas_due: datetime | None = None

    @classmethod
    def columns(cls, state: WaveState) -> dict[str, Any]:
        """What waves are found by."""
        return {
            "territory": state.territory,
            "instrument": state.instrument,
            "status": state.status.value,
            "first_day": state.first_day,
            "last_day": state.last_day,
        }
