"""Periods that people choose: months and academic years (September to August), and their names."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Self

from shared import i18n
from shared.i18n import Catalogue, Lang

_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")
_QUARTER = re.compile(r"(20\d\d)-Q([1-4])")
_ACADEMIC_YEAR = re.compile(r"(20\d\d)-(\d\d)")


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A month, quarter or academic year: `text` is how the API writes it ("2026-09", "2026-Q3", "2025-26")."""

    kind: str
    first: date

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The period that the API writes so, or None where it is none.

        "2026-27" is an academic year, "2026-09" a month: from 2012 on no text can be meant as both.
        """
        if match := _QUARTER.fullmatch(text):
            return cls("quarter", date(int(match[1]), 3 * int(match[2]) - 2, 1))
        if match := _ACADEMIC_YEAR.fullmatch(text):
            if (int(match[1]) + 1) % 100 == int(match[2]):
                return cls("academic_year", date(int(match[1]), 9, 1))
            if match := _MONTH.fullmatch(text):
                return cls("month", date(int(match[1]), int(match[2]), 1))
        return None

    @classmethod
    def month_of(cls, day: date) -> Self:
        """The month that `day` is in."""
        return cls("month", day.replace(day=1))

    @classmethod
    def academic_year_of(cls, day: date) -> Self:
        """The academic year that `day` is in."""
        return cls("academic_year", date(day.year if day.month >= 9 else day.year - 1, 9, 1))

    @property
    def text(self) -> str:
        """As the API writes it."""
        year, month = self.first.year, self.first.month
        match self.kind:
            case "month":
                return f"{year}-{month:02}"
            case "quarter":
                return f"{year}-Q{(month + 2) // 3}"
            case _:
                return f"{year}-{(year + 1) % 100:02}"

    @property
    def last(self) -> date:
        """The first day of its last month."""
        return _months_later(self.first, {"month": 1, "quarter": 3}.get(self.kind, 12) - 1)

    def complete(self, today: date) -> bool:
        """True once its last day has passed."""
        return _months_later(self.last, 1) <= today

    def earlier(self, steps: int = 1) -> Self:
        """The period of the same kind, `steps` before (after, where negative)."""
        months = {"month": 1, "quarter": 3}.get(self.kind, 12)
        return type(self)(self.kind, _months_later(self.first, -steps * months))

    def fitted(self, kinds: tuple[str, ...]) -> Self:
        """This period where an indicator knows its kind, else the one of a kind that it knows."""
        if self.kind in kinds or not kinds:
            return self
        if "academic_year" in kinds:
            return type(self).academic_year_of(self.first)
        return type(self).month_of(self.last)

    def label(self, lang: Lang, catalogue: Catalogue) -> str:
        """Its name for people."""
        match self.kind:
            case "month":
                return i18n.month(self.first, lang)
            case "quarter":
                return catalogue.text(
                    "period.quarter_name", lang, quarter=(self.first.month + 2) // 3, year=self.first.year
                )
            case _:
                return catalogue.text("period.academic_year_name", lang, years=f"{self.first.year}/{self.text[-2:]}")


def choices(kind: str, today: date) -> list[Period]:
    """The periods of a kind to choose from, the current one first: 24 months or six academic years."""
    if kind == "month":
        return [Period.month_of(today).earlier(steps) for steps in range(24)]
    return [Period.academic_year_of(today).earlier(steps) for steps in range(6)]


def _months_later(day: date, months: int) -> date:
    count = day.year * 12 + day.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)
