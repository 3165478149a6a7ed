"""Time comes in from here, so that tests and the demo can move it; days break at Tashkent midnight."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

TASHKENT = ZoneInfo("Asia/Tashkent")
Clock = Callable[[], datetime]


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def local_day(at: datetime) -> date:
    """The calendar day in Uzbekistan of an aware moment."""
    return at.astimezone(TASHKENT).date()
