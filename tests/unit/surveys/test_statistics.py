"""Figures from sums are those that a statistics library finds in the answers themselves."""

import math

import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from services.surveys.domain.statistics import Sums, cronbach_alpha, difference, interval, paired


def sums_of(values: list[int]) -> Sums:
    return Sums(len(values), sum(values), sum(value * value for value in values))


MATRICES = st.integers(2, 5).flatmap(
    lambda items: st.lists(
        st.lists(st.integers(0, 4).map(lambda rating: rating * 25_000), min_size=items, max_size=items),
        min_size=3,
        max_size=40,
    )
)


@settings(max_examples=40, deadline=None)
@given(MATRICES)
def test_alpha_is_the_librarys(rows: list[list[int]]) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)]
    found = cronbach_alpha([sums_of(column) for column in columns], sums_of([sum(row) for row in rows]))
    if len({sum(row) for row in rows}) == 1:
        assert found is None
        return
    assert found is not None
    assert found == pytest.approx(pingouin.cronbach_alpha(pd.DataFrame(rows).astype(float))[0], abs=1e-9)


VALUES = st.lists(st.integers(0, 100_000), min_size=2, max_size=50)


@settings(max_examples=40, deadline=None)
@given(VALUES, VALUES)
def test_intervals_and_differences_are_the_librarys(first: list[int], second: list[int]) -> None:
    points = np.array(first) / 1000
    if len(set(first)) > 1:
        low, high = stats.t.interval(0.95, len(first) - 1, loc=points.mean(), scale=stats.sem(points))
        assert interval(sums_of(first)) == pytest.approx((low, high), abs=1e-6)
    if len(set(first)) > 1 and len(set(second)) > 1:
        wanted = stats.ttest_ind(points, np.array(second) / 1000, equal_var=False)
        found = difference(sums_of(first), sums_of(second))
        assert found is not None
        assert found.p == pytest.approx(wanted.pvalue, abs=1e-9)
        confidence = wanted.confidence_interval(0.95)
        assert found.interval == pytest.approx((confidence.low, confidence.high), rel=1e-6, abs=1e-6)


def test_a_difference_within_the_same_answers_is_the_paired_test() -> None:
    importance, level = [75, 100, 100, 50, 75, 100], [50, 75, 100, 25, 25, 75]
    gaps = [(a - b) * 1000 for a, b in zip(importance, level, strict=True)]
    found = paired(sums_of(gaps))
    assert found is not None
    assert found.p == pytest.approx(stats.ttest_rel(importance, level).pvalue)
    assert found.value == pytest.approx(np.mean(gaps) / 1000)


def test_of_one_answer_nothing_is_said_but_the_mean() -> None:
    assert interval(Sums(1, 50_000, 50_000**2)) is None
    assert difference(Sums(1, 1, 1), sums_of([1, 2])) is None
    assert math.isclose(Sums(1, 50_000, 50_000**2).mean, 50)
