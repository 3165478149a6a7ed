"""Periods: what people write, what cells hold."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitoring.domain.periods import (
    FISCAL_YEARS,
    QUARTERS,
    ROLLING,
    YEARS,
    BadPeriod,
    PeriodKind,
    codes_of,
    key_of,
    month_of,
    parse,
    period_at,
    text_of,
)

MONTHS = st.integers(2013 * 12, 2099 * 12)


@given(MONTHS, st.sampled_from(PeriodKind))
def test_text_and_code_name_the_same_period(month: int, kind: PeriodKind) -> None:
    period = period_at(kind, month)
    assert parse(period.text) == period
    assert text_of(period.code) == period.text
    assert period.first <= month <= period.last
    assert period.since <= period.code
    assert period.code in codes_of(month) or (kind is PeriodKind.ROLLING_12 and period.last == month)


@given(st.dates())
def test_no_month_is_taken_for_a_quarter_or_year(day: date) -> None:
    month, quarter, year, fiscal = codes_of(month_of(day))
    assert month < QUARTERS <= quarter < YEARS <= year + (day.year == 1)
    assert year < FISCAL_YEARS <= fiscal < ROLLING


def test_rolling_months_are_the_twelve_up_to_a_month() -> None:
    assert parse("2026-03-R12").first == month_of(date(2025, 4, 1))
    assert parse("2026-03-R12").last == month_of(date(2026, 3, 1))
    assert parse("2026").first == month_of(date(2026, 1, 1))
    assert parse("2026").last == month_of(date(2026, 12, 1))


def test_academic_year_begins_in_september() -> None:
    assert parse("2025-26").first == month_of(date(2025, 9, 1))
    assert parse("2025-26").last == month_of(date(2026, 8, 31))
    assert period_at(PeriodKind.ACADEMIC_YEAR, month_of(date(2026, 8, 31))).text == "2025-26"
    assert period_at(PeriodKind.ACADEMIC_YEAR, month_of(date(2026, 9, 1))).text == "2026-27"


@pytest.mark.parametrize(
    "text",
    ["", "2026-13", "2026-13-R12", "2026-09-R13", "2026-00", "2026-Q5", "2025-27", "26-09", "2026-9", "2026-09 "],
)
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(BadPeriod, match="2026-Q3"):
        parse(text)


def test_keys_of_codes_are_all_different_where_texts_are_not() -> None:
    months = range(1995 * 12, 2030 * 12)
    codes = {period_at(kind, month).code for kind in PeriodKind for month in months}
    assert len(set(map(key_of, codes))) == len(codes)
    assert len(set(map(text_of, codes))) < len(codes)
    assert key_of(period_at(PeriodKind.ACADEMIC_YEAR, 2026 * 12).code) == "2025-26"
