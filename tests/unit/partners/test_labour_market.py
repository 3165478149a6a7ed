"""The analyses behind R5 and R6: trend, projection, demand from several reporters, supply from programmes."""

from typing import Any

import pytest
import scipy.stats  # noqa: F401 - imported by the first projection otherwise, longer than an example may take
from hypothesis import given
from hypothesis import strategies as st

from services.partners.domain.labour_market import FEWEST_YEARS, projection, trained, trend, yearly_demand
from shared.contracts.labour_market import Qualification, ReporterKind, Trend

ENTERPRISE, BODY = ReporterKind.ENTERPRISE, ReporterKind.LABOUR_BODY
SERIES = st.dictionaries(st.integers(2015, 2026), st.integers(0, 5000), min_size=FEWEST_YEARS, max_size=10)


@given(SERIES, st.integers(2027, 2032))
def test_interval_holds_the_projection_and_nothing_is_below_zero(series: dict[int, int], year: int) -> None:
    found = projection(series, year)
    assert found is not None
    assert 0 <= found.low <= found.expected <= found.high


@given(SERIES, st.integers(1, 4))
def test_farther_years_are_less_certain(series: dict[int, int], ahead: int) -> None:
    raised = {year: figure + 100_000 for year, figure in series.items()}  # far from zero, where nothing is cut off
    last = max(series)
    near, far = projection(raised, last + ahead), projection(raised, last + ahead + 1)
    assert near is not None
    assert far is not None
    assert far.high - far.low >= near.high - near.low - 1


def test_straight_line_goes_on_straight() -> None:
    found = projection({2022: 100, 2023: 110, 2024: 120, 2025: 130}, 2028)
    assert found is not None
    assert (found.expected, found.low, found.high) == (160, 160, 160)


def test_prediction_interval_is_that_of_the_textbook() -> None:
    # y = 10, 20, 21, 32 over 1–4: slope 6.7, s² = 9.15; at 5: 37.5 ± t(0.95; 2) · s · √(1 + 1/4 + 2.5²/5)
    found = projection({2021: 10, 2022: 20, 2023: 21, 2024: 32}, 2025)
    assert found is not None
    assert (found.expected, found.low, found.high) == (38, 24, 51)


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ({2024: 10, 2025: 90}, Trend.UNKNOWN),
        ({2022: 10, 2023: 10, 2024: 10}, Trend.STABLE),
        ({2021: 100, 2022: 120, 2023: 141, 2024: 159, 2025: 181}, Trend.GROWING),
        ({2021: 181, 2022: 159, 2023: 141, 2024: 120, 2025: 100}, Trend.FALLING),
        ({2021: 100, 2022: 140, 2023: 90, 2024: 150, 2025: 105}, Trend.STABLE),
    ],
)
def test_trend_counts_only_when_it_is_more_than_noise(series: dict[int, int], expected: Trend) -> None:
    assert trend(series) is expected


def test_enterprises_and_labour_bodies_are_not_added_up() -> None:
    reports = [(ENTERPRISE, 2025, 40), (ENTERPRISE, 2025, 30), (BODY, 2025, 60), (BODY, 2024, 50), (BODY, 2026, None)]
    assert yearly_demand(reports) == {2025: 70, 2024: 50}


def a_programme(level: int, *occupations: str) -> dict[str, Any]:
    return {"isced_level": level, "occupations": list(occupations)}


def test_figures_are_spread_over_programmes_and_occupations_of_the_level() -> None:
    schools: list[tuple[list[dict[str, Any]], dict[str, int | None] | None]] = [
        ([a_programme(3, "7212", "7223"), a_programme(3, "7411")], {"places": 100, "graduates": 80}),
        ([a_programme(3, "7212")], None),
        ([a_programme(6, "7212")], {"places": 500, "graduates": 400}),
        ([a_programme(3, "5120")], {"places": 50, "graduates": 40}),
    ]
    found = trained(schools, "7212", Qualification.VOCATIONAL)
    assert (found.places, found.graduates, found.institutions, found.reporting) == (25, 20, 2, 1)


def test_what_nobody_reported_is_not_zero() -> None:
    found = trained([([a_programme(3, "7212")], {"places": 40, "graduates": None})], "7212", Qualification.VOCATIONAL)
    assert (found.places, found.graduates) == (40, None)
