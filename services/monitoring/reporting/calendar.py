"""The reporting calendar: which periods are reported on, when reports are due at which level, who is reminded when."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from services.monitoring.domain.parts import first_day
from services.monitoring.domain.periods import STEPS, Period, PeriodKind, month_of, period_at
from shared.contracts.monitoring import OfficeLevel

REPORTING_LEVELS = (OfficeLevel.INSTITUTION, OfficeLevel.DISTRICT, OfficeLevel.REGION)
LONGEST_DAYS = 180
DECLARED = Path(__file__).with_name("calendar.toml")


class WrongCalendar(SystemExit):
    """Stops the start with a sentence that names the place in calendar.toml."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days after the end of a period by kind and level; days before the due day on which is reminded."""

    due_days: Mapping[tuple[PeriodKind, OfficeLevel], int]
    remind_days: tuple[int, ...]
    grace_days: int

    @property
    def kinds(self) -> tuple[PeriodKind, ...]:
        """The kinds of periods that are reported on."""
        return tuple(dict.fromkeys(kind for kind, _ in self.due_days))

    def due_on(self, period: Period, level: OfficeLevel, opened_on: date) -> date:
        """The last day on which a report is on time."""
        due = first_day(period.last + 1) + timedelta(days=self.due_days[period.kind, level] - 1)
        return max(due, opened_on + timedelta(days=self.grace_days))

    def remind_on(self, due_on: date, since: date) -> date | None:
        """The first day for a reminder from `since` on; None where none is left. None gone by is made up for."""
        days = (due_on - timedelta(days=days) for days in self.remind_days)
        return min((day for day in days if day >= since), default=None)

    def ended(self, kind: PeriodKind, today: date) -> Period:
        """The latest period of a kind that is over."""
        period = period_at(kind, month_of(today))
        return period_at(kind, period.last - STEPS[kind])

    def changed(self, days: Mapping[tuple[PeriodKind, OfficeLevel], int]) -> "Calendar":
        """The calendar with other days."""
        return replace(self, due_days={**self.due_days, **days})


class Deadline(BaseModel):
    """By when reports are due: days after the end of the period."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": [{"days": 10}]})

    days: int = Field(ge=1, le=LONGEST_DAYS, description="days after the last day of the period")


def load(path: Path = DECLARED) -> Calendar:
    """The calendar as declared; raises WrongCalendar."""
    try:
        declared = tomllib.loads(path.read_text(encoding="utf-8"))
        due_days: dict[tuple[PeriodKind, OfficeLevel], int] = {}
        for kind, levels in declared["due_days"].items():
            for level in REPORTING_LEVELS:
                due_days[PeriodKind(kind), level] = Deadline(days=levels[level]).days
        reminders = declared["reminders"]
        return Calendar(due_days, tuple(map(int, reminders["days_before"])), int(reminders["grace_days"]))
    except KeyError as missing:
        raise WrongCalendar(f"{path.name}: {missing} is not there.") from None
    except (ValueError, TypeError) as problem:
        raise WrongCalendar(f"{path.name}: {problem}") from None
