"""What a condition looks at: the values of many places at a day, as anybody may see them – hidden ones stay hidden."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from services.monitoring import queries
from services.monitoring.advice.declarations import GateCondition, Trend
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Indicator
from services.monitoring.domain.periods import Period, PeriodKind, month_of, period_at
from services.monitoring.domain.territory import Place
from services.monitoring.domain.values import Value

CHUNK: Final = 200
"""Places read at a time: so many leave the event loop to others soon."""
_WINDOW_CODE: Final = -1


@dataclass(slots=True)
class Looked:
    """What was seen of one place: the value now, the one it is compared with, a series, and where it belongs."""

    place: Place
    period: str
    now: Value
    before: Value | None = None
    before_period: str | None = None
    series: list[float] = field(default_factory=list)
    stage: int = 0
    later: Value | None = None
    group: tuple[str, int] = ("", 0)


def period_of(condition: Any, on: date) -> Period:
    """The period that a condition looks at on a day."""
    this = month_of(on)
    match condition.period:
        case "month":
            return period_at(PeriodKind.MONTH, this - 1)
        case "quarter":
            return period_at(PeriodKind.QUARTER, this - this % 3 - 1)
        case "year":
            return period_at(PeriodKind.ACADEMIC_YEAR, this)
        case "last_year":
            return period_at(PeriodKind.ACADEMIC_YEAR, this - 12)
        case "rolling":
            return period_at(PeriodKind.ROLLING_12, this - 1)
        case "window":
            return _window(this - condition.months, this - 1)
    return period_at(PeriodKind.MONTH, this)


def _window(first: int, last: int) -> Period:
    ends = [period_at(PeriodKind.MONTH, month).text for month in (first, last)]
    return Period(PeriodKind.MONTH, first, last, _WINDOW_CODE, " – ".join(ends))


def _earlier(period: Period, against: str) -> Period:
    length = period.last - period.first + 1
    back = length if against == "previous" else 12
    if period.code == _WINDOW_CODE:
        return _window(period.first - back, period.last - back)
    return period_at(period.kind, period.first - back)


async def look(connection: Any, condition: Any, places: Sequence[Place], on: date, k: int) -> list[Looked]:
    """What the condition looks at, of each of the places (one level), in their order."""
    if isinstance(condition, GateCondition):
        return await _gates(connection, condition, places, on, k)
    indicator = INDICATORS[condition.indicator]
    period = period_of(condition, on)
    found = await _values(connection, indicator, places, period, on, k)
    looked = [Looked(place, period.text, value) for place, value in zip(places, found, strict=True)]
    if isinstance(condition, Trend):
        await _past(connection, condition, places, on, k, looked)
    return looked


async def _past(
    connection: Any, condition: Trend, places: Sequence[Place], on: date, k: int, looked: list[Looked]
) -> None:
    indicator = INDICATORS[condition.indicator]
    if condition.test == "steady":
        this = month_of(on)
        for month in range(this - condition.months, this):
            at = period_at(PeriodKind.MONTH, month)
            for seen, value in zip(looked, await _values(connection, indicator, places, at, on, k), strict=True):
                if value.value is not None:
                    seen.series.append(value.value)
                if month == this - condition.months:
                    seen.before, seen.before_period = value, at.text
        return
    earlier = _earlier(period_of(condition, on), condition.against)
    for seen, value in zip(looked, await _values(connection, indicator, places, earlier, on, k), strict=True):
        seen.before, seen.before_period = value, earlier.text


async def _gates(connection: Any, condition: GateCondition, places: Sequence[Place], on: date, k: int) -> list[Looked]:
    indicator, this = INDICATORS[condition.gate], month_of(on)
    today = period_at(PeriodKind.MONTH, this)
    looked = [
        Looked(place, today.text, value)
        for place, value in zip(places, await _values(connection, indicator, places, today, on, k), strict=True)
    ]
    for seen, value in zip(looked, await _values(connection, INDICATORS["STAGE"], places, today, on, k), strict=True):
        seen.stage = value.numerator or 0
    if condition.soon:
        at = period_at(PeriodKind.MONTH, this + condition.soon)
        for seen, value in zip(looked, await _values(connection, indicator, places, at, on, k), strict=True):
            seen.later = value
    return looked


async def _values(
    connection: Any, indicator: Indicator, places: Sequence[Place], period: Period, on: date, k: int
) -> list[Value]:
    found = await queries.values(connection, indicator, places, period, month_of(on), k, parts=True)
    return [each.value for each in found]
