"""The statistics of comparison: against known values, and by the properties that make a ranking fair."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from services.monitoring.comparison.breakdown import rounded
from services.monitoring.comparison.course import Course, outlook
from services.monitoring.comparison.effectiveness import (
    Component,
    WrongIndex,
    composed,
    composition,
    drawn,
    load,
    parts_of,
)
from services.monitoring.comparison.keeping import Kept
from services.monitoring.comparison.noise import (
    Noise,
    Seen,
    estimated,
    growth_deviation,
    mean_prior,
    noise_of,
    pooled_deviation,
    proportion_prior,
    rate_prior,
)
from services.monitoring.comparison.peers import members
from services.monitoring.comparison.ranking import Band, ranks
from services.monitoring.comparison.spread import Rule, limits, spread
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.territory import Level


def seen_of(tops: list[float], sizes: list[float]) -> Seen:
    top, size = np.asarray(tops, dtype=float), np.asarray(sizes, dtype=float)
    return Seen(top / size, top, size)


def schools(seed: int, count: int, a: float = 14, b: float = 6) -> tuple[list[float], list[float], list[float]]:
    """(true share, employed, graduates) of schools from very small to large."""
    random = np.random.default_rng(seed)
    truth = random.beta(a, b, count)
    sizes = random.integers(2, 400, count)
    return truth.tolist(), random.binomial(sizes, truth).astype(float).tolist(), sizes.astype(float).tolist()


def test_three_of_three_do_not_beat_480_of_500() -> None:
    _, tops, sizes = schools(1, 150)
    found = estimated(Noise.PROPORTION, seen_of([3, 480, *tops], [3, 500, *sizes]))
    order = ranks(found.value, found.draw)
    assert found.value[0] < found.value[1]
    assert order.rank[1] < order.rank[0]
    assert order.worst[0] - order.best[0] > 5 * (order.worst[1] - order.best[1])
    assert order.band(1) is Band.UPPER
    assert order.band(0) is Band.OPEN


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([Noise.PROPORTION, Noise.RATE]))
def test_the_more_are_counted_the_less_a_value_is_drawn_to_the_mean(seed: int, noise: Noise) -> None:
    _, tops, sizes = schools(seed, 40)
    found = estimated(noise, seen_of(tops, sizes))
    order = np.argsort(sizes)
    assert np.all(np.diff(found.weight[order]) >= 0)
    assert found.prior is not None
    value = np.asarray(tops) / np.asarray(sizes)
    # Between the own value and the mean, as far from the own one as the weight says.
    assert found.value == pytest.approx(found.prior.mean + found.weight * (value - found.prior.mean))
    assert np.all(found.low <= found.value)
    assert np.all(found.value <= found.high)


def test_priors_are_found_again_in_what_was_drawn_from_them() -> None:
    random = np.random.default_rng(7)
    sizes = random.integers(5, 120, 4_000).astype(float)
    beta = proportion_prior(random.binomial(sizes.astype(int), random.beta(12, 8, 4_000)).astype(float), sizes)
    assert beta.mean == pytest.approx(0.6, abs=0.01)
    assert beta.strength == pytest.approx(20, rel=0.1)
    gamma = rate_prior(random.poisson(sizes * random.gamma(30, 1 / 25, 4_000)).astype(float), sizes)
    assert gamma.mean == pytest.approx(30 / 25, rel=0.02)
    assert gamma.strength == pytest.approx(25, rel=0.15)
    truth = random.normal(60, 5, 4_000)
    normal = mean_prior(random.normal(truth, 20 / np.sqrt(sizes)), sizes, 20.0)
    assert normal.mean == pytest.approx(60, abs=0.5)
    assert normal.strength == pytest.approx(16, rel=0.15)
    growth = random.normal(random.normal(0.1, 0.05, 4_000), 0.4 / np.sqrt(sizes))
    assert growth_deviation(growth, sizes) == pytest.approx(0.4, rel=0.2)


def test_the_posterior_is_scipys_beta() -> None:
    found = estimated(Noise.PROPORTION, seen_of([3, 40, 60, 9], [5, 80, 75, 30]))
    assert found.prior is not None
    a, b = found.prior.mean * found.prior.strength, (1 - found.prior.mean) * found.prior.strength
    exact = stats.beta(a + 40, b + 40)
    assert (found.value[1], found.low[1], found.high[1]) == pytest.approx((exact.mean(), *exact.interval(0.9)))


def test_true_ranks_lie_within_nine_of_ten_intervals_and_shrinking_orders_better() -> None:
    inside = total = 0
    better = []
    for seed in range(12):
        truth, tops, sizes = schools(seed, 120)
        seen = seen_of(tops, sizes)
        found = estimated(Noise.PROPORTION, seen)
        own = ranks(found.value, found.draw)
        true = stats.rankdata(-np.asarray(truth))
        inside += int(np.sum((own.best <= true) & (true <= own.worst)))
        total += len(truth)
        raw = ranks(seen.value, None).rank
        better.append(float(np.sum((raw - true) ** 2) - np.sum((own.rank - true) ** 2)))
    assert 0.86 < inside / total < 0.94
    assert sum(better) > 0
    assert sum(each > 0 for each in better) >= 9


def test_ranks_are_the_same_each_time_and_equals_share_the_better_one() -> None:
    _, tops, sizes = schools(3, 60)
    first, again = (estimated(Noise.PROPORTION, seen_of(tops, sizes)) for _ in range(2))
    assert (ranks(first.value, first.draw).worst == ranks(again.value, again.draw).worst).all()
    tied = ranks(np.asarray([2.0, 5.0, 5.0, 1.0]), None)
    assert tied.rank.tolist() == [3, 1, 1, 4]
    assert tied.worst.tolist() == [3, 2, 2, 4]
    assert ranks(np.asarray([2.0, 5.0, 1.0]), None, up=False).rank.tolist() == [2, 3, 1]


@pytest.mark.parametrize(
    ("tops", "sizes"),
    [([0, 0, 0], [5, 9, 2]), ([5, 9, 2], [5, 9, 2]), ([1], [1]), ([1, 0, 1, 1], [1, 1, 1, 1]), ([7, 7], [7, 7])],
)
@pytest.mark.parametrize("noise", [Noise.PROPORTION, Noise.RATE])
def test_nothing_and_everything_and_few_places_are_estimated(
    tops: list[float], sizes: list[float], noise: Noise
) -> None:
    found = estimated(noise, seen_of(tops, sizes))
    order = ranks(found.value, found.draw)
    for each in (found.value, found.low, found.high):
        assert np.all(np.isfinite(each))
        assert np.all(each >= 0)
    assert set(order.rank.tolist()) <= set(range(1, len(tops) + 1))


def test_means_and_growth_are_shrunk_by_their_size_and_inventories_not_at_all() -> None:
    random = np.random.default_rng(4)
    sizes = np.asarray([3.0, 300.0, *random.integers(3, 200, 60)])
    values = random.normal(60, 3, 62)
    values[:2] = 85
    deviation = pooled_deviation(np.full(62, 15.0), sizes)
    assert deviation == pytest.approx(15.0 * np.sqrt(sizes.sum() / (sizes.sum() - 62)))
    found = estimated(Noise.MEAN, Seen(values, values * sizes, sizes, deviation))
    assert found.value[0] < found.value[1] < 85
    growth = estimated(Noise.GROWTH, Seen(values / 100, values, sizes * 1e9))
    assert growth.weight[1] >= growth.weight[0]
    plain = estimated(Noise.NONE, seen_of([3, 4], [8, 8]))
    assert plain.draw is None
    assert plain.value.tolist() == [3 / 8, 4 / 8]
    assert estimated(Noise.PROPORTION, seen_of([], [])).value.tolist() == []


def test_every_indicator_has_a_noise_that_fits_its_unit() -> None:
    of = {code: noise_of(indicator, Level.INSTITUTION) for code, indicator in INDICATORS.items()}
    assert of["I1"] is Noise.PROPORTION
    assert of["I2"] is Noise.RATE
    assert of["I3"] is Noise.GROWTH
    assert of["F3"] is Noise.RATE
    assert of["S4"] is Noise.MEAN
    assert {code for code, noise in of.items() if noise is Noise.NONE} == {
        "I4", "I5", "STAGE", *(f"R{number}" for number in range(1, 14))
    }  # fmt: skip
    assert noise_of(INDICATORS["R1"], Level.DISTRICT) is Noise.PROPORTION


# -- spread


def test_a_spread_is_numpys_and_its_bins_hold_every_place_once() -> None:
    random = np.random.default_rng(2)
    values = random.gamma(4, 2, 500)
    found = spread(values)
    assert found is not None
    assert found.quantiles[0.5] == pytest.approx(np.median(values))
    assert found.box.upper - found.box.lower == pytest.approx(stats.iqr(values))
    assert sum(count for *_, count in found.bins) == 500
    assert (found.bins[0][0], found.bins[-1][1]) == (values.min(), values.max())
    assert found.box.beyond == int(np.sum((values < found.box.low) | (values > found.box.high)))


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 3)), min_size=1, max_size=80))
def test_a_spread_of_anything_is_in_order(values: list[float]) -> None:
    found = spread(np.asarray(values))
    assert found is not None
    assert sum(count for *_, count in found.bins) == len(values)
    ordered = [found.least, *found.quantiles.values(), found.most]
    assert ordered == sorted(ordered)
    assert found.box.low <= found.box.median <= found.box.high
    assert spread(np.asarray([])) is None


def test_a_funnel_lets_small_schools_swing_and_catches_a_large_one() -> None:
    random = np.random.default_rng(9)
    sizes = random.integers(4, 300, 200).astype(float)
    tops = random.binomial(sizes.astype(int), 0.7).astype(float)
    sizes[0], tops[0] = 4, 4
    sizes[1], tops[1] = 300, 150
    found = limits(Noise.PROPORTION, seen_of(tops.tolist(), sizes.tolist()))
    assert found.rule is Rule.FUNNEL
    assert found.out[0] == 0
    assert found.out[1] == -1
    assert int(np.sum(found.out != 0)) <= 4
    assert found.low[1] > found.low[0]
    assert found.high[0] >= 0.99


def test_a_large_place_that_stands_out_does_not_make_the_others_seem_to() -> None:
    sizes = [2.0, 600.0, *[100.0] * 15]
    tops = [5.0, 1200.0, *(97.0 + number for number in range(15))]
    found = limits(Noise.RATE, seen_of(tops, sizes))
    assert np.flatnonzero(found.out).tolist() == [1]
    assert not found.widened
    assert found.centre == pytest.approx(1.06, abs=0.03)


def test_a_funnel_is_widened_where_places_differ_by_nature() -> None:
    _, tops, sizes = schools(5, 300, 4, 3)
    found = limits(Noise.PROPORTION, seen_of(tops, sizes))
    assert found.widened
    assert int(np.sum(found.out != 0)) <= 6


def test_of_values_without_a_size_the_median_tells_and_of_few_places_nothing() -> None:
    random = Random(1)
    values = np.asarray([random.gauss(0.1, 0.02) for _ in range(40)] + [3.0])
    found = limits(Noise.GROWTH, Seen(values, values, np.ones(41)))
    assert found.rule is Rule.MAD
    assert np.flatnonzero(found.out).tolist() == [40]
    assert limits(Noise.RATE, seen_of([1, 2, 90], [1, 1, 1])).rule is Rule.FEW
    same = limits(Noise.NONE, Seen(np.ones(9), np.ones(9), np.ones(9)))
    assert not np.any(same.out)


# -- targets


@pytest.mark.parametrize(
    ("value", "target", "series", "course"),
    [
        (0.8, 0.75, [0.7, 0.72, 0.74, 0.8], Course.MET),
        (0.6, 0.75, [0.4, 0.45, 0.5, 0.55, 0.6], Course.ON_COURSE),
        (0.6, 0.75, [0.5, 0.62, 0.51, 0.63, 0.52, 0.6], Course.POSSIBLE),
        (0.6, 0.75, [0.6, 0.6, 0.6, 0.6, 0.6], Course.OFF_COURSE),
        (0.6, 0.75, [None, 0.5, None, 0.6], Course.UNKNOWN),
        (None, 0.75, [0.5, 0.5, 0.5, 0.5], Course.NONE),
    ],
)
def test_a_target_is_reached_if_all_goes_on(
    value: float | None, target: float, series: list[float | None], course: Course
) -> None:
    assert outlook(value, target, series, 4, up=True).course is course


def test_of_problems_fewer_are_better_and_one_odd_month_bends_no_trend() -> None:
    steady = [20.0 - month for month in range(10)]
    odd = [*steady[:4], 90.0, *steady[5:]]
    found = outlook(11.0, 6.0, odd, 6, up=False)
    assert found.course is Course.ON_COURSE
    assert found.left == 5
    assert found.projected == pytest.approx(5.0, abs=1.0)


# -- the index, peers, what is kept


def test_what_is_missing_lowers_the_coverage_and_not_the_index() -> None:
    declared = composition()
    whole = np.full((1, len(declared.component)), 0.6)
    part = whole.copy()
    part[0, :3] = np.nan
    little = np.full_like(whole, np.nan)
    little[0, 0] = 1.0
    found = composed(np.concatenate([whole, part, little]), declared)
    assert found.index[:2] == pytest.approx([60, 60])
    assert np.isnan(found.index[2])
    assert found.coverage == pytest.approx([1, 1 - declared.weights[:3].sum(), declared.weights[0]])
    told = parts_of(declared, part[0].tolist())
    assert [each["score"] for each in told[:3]] == [None, None, None]
    assert sum(each["adds"] for each in told[3:]) == pytest.approx(60)
    other = drawn(np.concatenate([whole, part]), declared, np.random.default_rng(1), 50)
    assert other == pytest.approx(np.full((50, 2), 60.0))


def test_scores_end_at_their_bounds_which_may_differ_at_institutions() -> None:
    forms = next(each for each in composition().component if each.indicator == "I5")
    assert [forms.score(value, Level.DISTRICT) for value in (-1, 0, 0.4, 0.8, 1)] == [0, 0, 0.5, 1, 1]
    assert forms.score(0.25, Level.INSTITUTION) == 0.5
    fewer = Component(indicator="I4_ON_TIME", weight=1, low=1.0, goal=0.0)
    assert fewer.score(0.25, Level.NATION) == 0.75


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("least_coverage = 2\n", "line 1: least_coverage"),
        ("least_coverage = 0.5\n[[component]]\nindicator = 'I1'\nweight = 0\nlow = 0\ngoal = 1\n", "line 4"),
        ("least_coverage = 0.5\n[[component]]\nindicator = 'I9'\nweight = 1\nlow = 0\ngoal = 1\n", "I9"),
        ("least_coverage = 0.5\n[[component]]\nindicator = 'F1'\nweight = 1\nlow = 0\ngoal = 1\n", "per"),
        ("least_coverage = 0.5\n[[component]\n", "not TOML"),
    ],
)
def test_an_index_declared_wrong_stops_the_start_and_names_the_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "effectiveness.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(WrongIndex, match=said):
        load(file)


def test_peers_are_of_like_kind_and_size_else_of_like_kind_else_nobody() -> None:
    schools_of_8 = [(number, ("school", 8)) for number in range(10)]
    others = [(20, ("school", 5)), (21, ("college", 8))]
    assert members(("school", 8), [*schools_of_8, *others]) == (("school", 8), list(range(10)))
    assert members(("school", 5), [*schools_of_8, *others]) == (("school", None), [*range(10), 20])
    assert members(("college", 8), [*schools_of_8, *others]) == (None, [])


def test_a_table_serves_as_long_as_it_was_worth_and_a_slow_one_while_the_next_is_made() -> None:
    quick, slow = Kept(None, 100.0, 0.01), Kept(None, 100.0, 2.0)  # type: ignore[arg-type]  # no table is looked at
    assert quick.fresh(100.1)
    assert not quick.fresh(100.5)
    assert not quick.usable(100.5)
    assert slow.fresh(139.0)
    assert not slow.fresh(141.0)
    assert slow.usable(141.0)
    assert not slow.usable(800.0)


@pytest.mark.parametrize(("persons", "told"), [(0, None), (9, None), (10, 10), (14, 10), (15, 20), (104, 100)])
def test_persons_are_told_in_steps(persons: int, told: int | None) -> None:
    assert rounded(persons, 10) == told
