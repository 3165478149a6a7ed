"""Periods are read and written as the API writes them, and named in every language."""

from datetime import date
from pathlib import Path

import pytest

from services.portal.periods import Period, choices
from shared.i18n import SHARED_MESSAGES, Catalogue, Lang

CATALOGUE = Catalogue.load(SHARED_MESSAGES, Path(__file__).parents[3] / "services/portal/messages")


@pytest.mark.parametrize(
    "text", ["2026-09", "2026-12", "2025-26", "2029-30", "2099-00", "2026-Q3", "2026", "2026-03-R12"]
)
def test_text_is_read_and_written_the_same(text: str) -> None:
    period = Period.parse(text)
    assert period is not None
    assert period.text == text


@pytest.mark.parametrize("text", ["", "2026-13-R12", "2026-13", "2026-25", "2026-Q5", "1999-09", "2026-9", "x"])
def test_what_is_no_period_is_none(text: str) -> None:
    assert Period.parse(text) is None


def test_academic_year_begins_in_september() -> None:
    assert Period.academic_year_of(date(2026, 8, 31)).text == "2025-26"
    assert Period.academic_year_of(date(2026, 9, 1)).text == "2026-27"


def test_month_becomes_the_academic_year_that_an_indicator_knows() -> None:
    assert Period.month_of(date(2026, 3, 5)).fitted(("academic_year",)).text == "2025-26"
    assert Period.month_of(date(2026, 3, 5)).fitted(("month", "academic_year")).text == "2026-03"


def test_earlier_goes_back_over_the_new_year() -> None:
    assert Period.month_of(date(2026, 1, 1)).earlier().text == "2025-12"
    assert Period.academic_year_of(date(2026, 1, 1)).earlier(2).text == "2023-24"


def test_year_under_way_is_not_complete() -> None:
    year = Period.academic_year_of(date(2025, 10, 1))
    assert not year.complete(date(2026, 8, 31))
    assert year.complete(date(2026, 9, 1))


@pytest.mark.parametrize("lang", list(Lang))
def test_every_choice_has_a_name_of_its_own(lang: Lang) -> None:
    for kind in ("month", "academic_year"):
        names = [period.label(lang, CATALOGUE) for period in choices(kind, date(2026, 11, 23))]
        assert len(set(names)) == len(names)
