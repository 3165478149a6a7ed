"""Months, quarters, academic and fiscal years, rolling twelve months: as integers in a cell's key, and as people write.

A month is `year * 12 + month - 1`; a quarter, an academic year (September to August, named by the year it starts in), a
fiscal year (January to December) and the twelve months up to the end of a month live in ranges of their own (no date's
month reaches 120,000), so that one integer column holds them all.
"""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Final

QUARTERS = 200_000
YEARS = 300_000
FISCAL_YEARS = 400_000
ROLLING = 500_000
SEPTEMBER = 8

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_QUARTER = re.compile(r"(\d{4})-Q([1-4])")
_YEAR = re.compile(r"(\d{4})-(\d{2})")
_FISCAL_YEAR = re.compile(r"\d{4}")
_ROLLING = re.compile(r"(\d{4}-\d{2})-R12")


class PeriodKind(StrEnum):
    """The lengths of time for which values exist."""

    MONTH = "month"
    QUARTER = "quarter"
    ACADEMIC_YEAR = "academic_year"
    FISCAL_YEAR = "fiscal_year"
    ROLLING_12 = "rolling_12"


STEPS: Final = {
    PeriodKind.MONTH: 1,
    PeriodKind.QUARTER: 3,
    PeriodKind.ACADEMIC_YEAR: 12,
    PeriodKind.FISCAL_YEAR: 12,
    PeriodKind.ROLLING_12: 1,
}
"""Months from one period of a kind to the next."""


class BadPeriod(ValueError):
    """The text names no period; the message says which forms do."""


NESTED: Final = (PeriodKind.MONTH, PeriodKind.QUARTER, PeriodKind.ACADEMIC_YEAR)
"""Of these alone values are shown in steps of k: by periods that overlap more, single answers could be told."""


@dataclass(frozen=True, slots=True)
class Period:
    """A period: its months `first`..`last` (both included), its text, and `code`, its place in a cell's key."""

    kind: PeriodKind
    first: int
    last: int
    code: int
    text: str

    @property
    def since(self) -> int:
        """The first code of the cells that count distinct members in it: of rolling months changes are kept."""
        return ROLLING if self.kind is PeriodKind.ROLLING_12 else self.code


def month_of(day: date) -> int:
    """The month a day lies in."""
    return day.year * 12 + day.month - 1


def nested_codes_of(month: int) -> tuple[int, int, int]:
    """The cell codes of the month, its quarter and its academic year (NESTED)."""
    return month, QUARTERS + month // 3, YEARS + (month - SEPTEMBER) // 12


def codes_of(month: int) -> tuple[int, int, int, int]:
    """The cell codes of the month, its quarter, its academic year and its fiscal year."""
    return *nested_codes_of(month), FISCAL_YEARS + month // 12


def period_at(kind: PeriodKind, month: int) -> Period:
    """The period of that kind that a month lies in; of rolling months, those that end with it."""
    match kind:
        case PeriodKind.MONTH:
            return Period(kind, month, month, month, f"{month // 12:04d}-{month % 12 + 1:02d}")
        case PeriodKind.QUARTER:
            first = month - month % 3
            return Period(kind, first, first + 2, QUARTERS + month // 3, f"{first // 12:04d}-Q{first % 12 // 3 + 1}")
        case PeriodKind.ACADEMIC_YEAR:
            year = (month - SEPTEMBER) // 12
            first = year * 12 + SEPTEMBER
            return Period(kind, first, first + 11, YEARS + year, f"{year:04d}-{(year + 1) % 100:02d}")
        case PeriodKind.FISCAL_YEAR:
            year = month // 12
            return Period(kind, year * 12, year * 12 + 11, FISCAL_YEARS + year, f"{year:04d}")
        case PeriodKind.ROLLING_12:
            text = f"{month // 12:04d}-{month % 12 + 1:02d}-R12"
            return Period(kind, month - 11, month, ROLLING + month, text)


def first_month_of_year(text: str) -> int:
    """September of the academic year "2025-26"; raises BadPeriod where the two years don't follow one another."""
    match = _YEAR.fullmatch(text)
    if not match or (int(match[1]) + 1) % 100 != int(match[2]):
        raise BadPeriod(f"{text!r} is not an academic year like 2025-26")
    return int(match[1]) * 12 + SEPTEMBER


def month_from(text: str) -> int:
    """The month "2026-09"; raises BadPeriod."""
    match = _MONTH.fullmatch(text)
    if not match:
        raise BadPeriod(f"{text!r} is not a month like 2026-09")
    return int(match[1]) * 12 + int(match[2]) - 1


@lru_cache(maxsize=4096)
def parse(text: str) -> Period:
    """The period a text names: 2026-09, 2026-Q3, 2025-26, 2026 or 2026-09-R12; raises BadPeriod.

    2001-02 is a month, not an academic year: the academic years before 2012 can't be named.
    """
    if _MONTH.fullmatch(text):
        return period_at(PeriodKind.MONTH, month_from(text))
    if match := _QUARTER.fullmatch(text):
        return period_at(PeriodKind.QUARTER, int(match[1]) * 12 + (int(match[2]) - 1) * 3)
    if _FISCAL_YEAR.fullmatch(text):
        return period_at(PeriodKind.FISCAL_YEAR, int(text) * 12)
    try:
        if match := _ROLLING.fullmatch(text):
            return period_at(PeriodKind.ROLLING_12, month_from(match[1]))
        return period_at(PeriodKind.ACADEMIC_YEAR, first_month_of_year(text))
    except BadPeriod:
        raise BadPeriod(
            f"{text!r} is no period; write a month 2026-09, a quarter 2026-Q3, an academic year 2025-26, "
            "a fiscal year 2026 or the twelve months up to a month 2026-09-R12"
        ) from None


def text_of(code: int) -> str:
    """The text of a cell's period code."""
    if code >= ROLLING:
        return period_at(PeriodKind.ROLLING_12, code - ROLLING).text
    if code >= FISCAL_YEARS:
        return period_at(PeriodKind.FISCAL_YEAR, (code - FISCAL_YEARS) * 12).text
    if code >= YEARS:
        return period_at(PeriodKind.ACADEMIC_YEAR, (code - YEARS) * 12 + SEPTEMBER).text
    if code >= QUARTERS:
        return period_at(PeriodKind.QUARTER, (code - QUARTERS) * 3).text
    return period_at(PeriodKind.MONTH, code).text


def key_of(code: int) -> str:
    """The text of a cell's period code, unlike that of any other: 2008-09 is a month, the year of that name marked."""
    text = text_of(code)
    return f"{text} year" if YEARS <= code < FISCAL_YEARS and _MONTH.fullmatch(text) else text
