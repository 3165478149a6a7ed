"""Periods that people choose: months, quarters, academic and fiscal years, rolling twelve months; and their names."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Self

from shared import i18n
from shared.i18n import Catalogue, Lang

_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")
_QUARTER = re.compile(r"(20\d\d)-Q([1-4])")
_ACADEMIC_YEAR = re.compile(r"(20\d\d)-(\d\d)")
_FISCAL_YEAR = re.compile(r"20\d\d")
_ROLLING = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])-R12")
OFFERED = ("academic_year", "quarter", "month", "fiscal_year", "rolling_12")
"""The kinds in the order in which they are offered."""
_STEPS = {"month": 1, "quarter": 3, "rolling_12": 1}


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A period: `text` is how the API writes it ("2026-09", "2026-Q3", "2025-26", "2026", "2026-09-R12")."""

    kind: str
    first: date

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The period that the API writes so, or None where it is none.

        "2026-27" is an academic year, "2026-09" a month: from 2012 on no text can be meant as both.
        """
        if match := _QUARTER.fullmatch(text):
            return cls("quarter", date(int(match[1]), 3 * int(match[2]) - 2, 1))
        if _FISCAL_YEAR.fullmatch(text):
            return cls("fiscal_year", date(int(text), 1, 1))
        if match := _ROLLING.fullmatch(text):
            return cls.rolling_to(date(int(match[1]), int(match[2]), 1))
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

    @classmethod
    def rolling_to(cls, day: date) -> Self:
        """The twelve months up to the one that `day` is in."""
        return cls("rolling_12", _months_later(day.replace(day=1), -11))

    @classmethod
    def at(cls, kind: str, day: date) -> Self:
        """The period of that kind that `day` is in, or, of rolling months, the one that ends with its month."""
        match kind:
            case "quarter":
                return cls(kind, date(day.year, day.month - (day.month - 1) % 3, 1))
            case "academic_year":
                return cls.academic_year_of(day)
            case "fiscal_year":
                return cls(kind, date(day.year, 1, 1))
            case "rolling_12":
                return cls.rolling_to(day)
        return cls.month_of(day)

    @property
    def text(self) -> str:
        """As the API writes it."""
        year, month = self.first.year, self.first.month
        match self.kind:
            case "month":
                return f"{year}-{month:02}"
            case "quarter":
                return f"{year}-Q{(month + 2) // 3}"
            case "fiscal_year":
                return f"{year}"
            case "rolling_12":
                return f"{self.last.year}-{self.last.month:02}-R12"
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
        months = _STEPS.get(self.kind, 12)
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
            case "fiscal_year":
                return catalogue.text("period.fiscal_year_name", lang, year=self.first.year)
            case "rolling_12":
                return catalogue.text("period.rolling_12_name", lang, month=i18n.month(self.last, lang))
            case _:
                return catalogue.text("period.academic_year_name", lang, years=f"{self.first.year}/{self.text[-2:]}")


def choices(kind: str, today: date) -> list[Period]:
    """The periods of a kind to choose from, the current one first: 24 months, eight quarters or six years."""
    count = {"month": 24, "rolling_12": 24, "quarter": 8}.get(kind, 6)
    return [Period.at(kind, today).earlier(steps) for steps in range(count)]


def _months_later(day: date, months: int) -> date:
    count = day.year * 12 + day.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)
