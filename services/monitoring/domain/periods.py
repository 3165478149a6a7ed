"""Months, quarters and academic years as integers that fit a cell's key, and as the texts people use.

A month is `year * 12 + month - 1`; a quarter and an academic year (September to August, named by the year it starts in)
live in ranges of their own (no date's month reaches 120,000), so that one integer column holds all three.
"""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache

QUARTERS = 200_000
YEARS = 300_000
SEPTEMBER = 8

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_QUARTER = re.compile(r"(\d{4})-Q([1-4])")
_YEAR = re.compile(r"(\d{4})-(\d{2})")


class PeriodKind(StrEnum):
    """The lengths of time for which values exist."""

    MONTH = "month"
    QUARTER = "quarter"
    ACADEMIC_YEAR = "academic_year"


class BadPeriod(ValueError):
    """The text names no period; the message says which forms do."""


@dataclass(frozen=True, slots=True)
class Period:
    """A period: its months `first`..`last` (both included), its text, and `code`, its place in a cell's key."""

    kind: PeriodKind
    first: int
    last: int
    code: int
    text: str


def month_of(day: date) -> int:
    """The month a day lies in."""
    return day.year * 12 + day.month - 1


def codes_of(month: int) -> tuple[int, int, int]:
    """The cell codes of the month, its quarter and its academic year."""
    return month, QUARTERS + month // 3, YEARS + (month - SEPTEMBER) // 12


def period_at(kind: PeriodKind, month: int) -> Period:
    """The period of that kind that a month lies in."""
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
    """The period a text names: 2026-09, 2026-Q3 or 2025-26; raises BadPeriod.

    2001-02 is a month, not an academic year: the academic years before 2012 can't be named.
    """
    if _MONTH.fullmatch(text):
        return period_at(PeriodKind.MONTH, month_from(text))
    if match := _QUARTER.fullmatch(text):
        return period_at(PeriodKind.QUARTER, int(match[1]) * 12 + (int(match[2]) - 1) * 3)
    try:
        return period_at(PeriodKind.ACADEMIC_YEAR, first_month_of_year(text))
    except BadPeriod:
        raise BadPeriod(f"{text!r} is no period; write a month 2026-09, a quarter 2026-Q3 or a year 2025-26") from None


def text_of(code: int) -> str:
    """The text of a cell's period code."""
    if code >= YEARS:
        return period_at(PeriodKind.ACADEMIC_YEAR, (code - YEARS) * 12 + SEPTEMBER).text
    if code >= QUARTERS:
        return period_at(PeriodKind.QUARTER, (code - QUARTERS) * 3).text
    return period_at(PeriodKind.MONTH, code).text
