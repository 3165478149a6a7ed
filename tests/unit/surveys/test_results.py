"""Shown results are exact, and nothing where too few answered."""

import statistics

from hypothesis import given
from hypothesis import strategies as st

from services.surveys.domain.results import Released, Sums, results, shown_count, summary
from services.surveys.instruments import InstrumentLibrary
from shared.i18n import Lang

VALUES = st.lists(st.integers(0, 100_000), min_size=1, max_size=60)


def sums_of(values: list[int]) -> Sums:
    return Sums(len(values), sum(values), sum(value * value for value in values))


@given(VALUES)
def test_mean_and_spread_are_those_of_the_values(values: list[int]) -> None:
    shown = summary(sums_of(values))
    assert shown["count"] == len(values)
    assert shown["mean"] == round(statistics.fmean(values) / 1000, 3)
    if len(values) == 1:
        assert shown["spread"] is None
    else:
        assert abs(shown["spread"] - statistics.stdev(values) / 1000) < 0.001


def test_the_spread_of_very_many_equal_answers_is_exactly_zero() -> None:
    count, value = 2_000_000, 33_333
    assert summary(Sums(count, count * value, count * value * value))["spread"] == 0.0


@given(st.integers(0, 40), st.integers(2, 30))
def test_small_counts_are_not_shown_and_none_looks_like_a_few(count: int, step: int) -> None:
    assert shown_count(count, step) == (count if count >= step else None)


def test_what_is_not_released_is_marked_as_suppressed() -> None:
    released = Released({"knowledge": sums_of([50_000] * 10), "skills": sums_of([50_000] * 9)})
    found = results(InstrumentLibrary.load().get("S3"), released, 10, Lang.RU)
    assert found["index"]["suppressed"] is True
    shown = {each["dimension"]: each["mean"] for each in found["dimensions"]}
    assert shown["knowledge"] == 50.0
    assert shown["skills"] is None
    assert found["competences"][0]["gap"] is None
    assert found["competences"][0]["name"] == "Знание теоретических основ профессии"
