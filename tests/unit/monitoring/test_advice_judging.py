"""Verdicts: thresholds, trends beyond noise, peers, gates, reports, overdue work and causes – and what is not known."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from services.monitoring.advice import statistics
from services.monitoring.advice.declarations import _CONDITION
from services.monitoring.advice.judging import Verdict, judge, moved
from services.monitoring.advice.reading import Looked
from services.monitoring.domain.territory import Level, Place
from services.monitoring.domain.values import Value

FIRES, HOLDS, CLEAR, UNKNOWN = Verdict.FIRES, Verdict.HOLDS, Verdict.CLEAR, Verdict.UNKNOWN


def a_value(top: int | None = None, bottom: int | None = None, **more: Any) -> Value:
    value = top / bottom if top is not None and bottom else (float(top) if top is not None and bottom is None else None)
    told = {"coverage": None, "suppressed": False, "parts": {}} | more
    return Value(value, top, bottom, **told)


def seen(now: Value, before: Value | None = None, **more: Any) -> Looked:
    place = Place(1, "x", Level.INSTITUTION, None, "/17/x/", {})
    return Looked(place, "2026-27", now, before, "2025-26" if before else None, **more)


def condition(**told: Any) -> Any:
    return _CONDITION.validate_python(told)


def verdicts(asked: Any, *looked: Looked) -> list[Verdict]:
    return [each.verdict for each in judge(asked, looked)]


LOW = {"kind": "threshold", "indicator": "I2", "below": 0.5, "clear": 0.6, "least": 10}


def test_a_threshold_fires_below_holds_between_and_is_clear_above() -> None:
    found = verdicts(condition(**LOW), *(seen(a_value(top, 100)) for top in (49, 50, 59, 60)))
    assert found == [FIRES, HOLDS, HOLDS, CLEAR]


def test_what_is_hidden_small_or_not_reported_says_nothing() -> None:
    hidden = Value(None, None, None, None, True, {})
    found = verdicts(condition(**LOW), seen(hidden), seen(a_value()), seen(a_value(1, 9)), seen(a_value(0, 0)))
    assert found == [UNKNOWN] * 4


def test_a_sure_threshold_leaves_the_small_alone_and_names_the_large() -> None:
    asked = condition(**LOW, sure=True)
    assert verdicts(asked, seen(a_value(4, 10)), seen(a_value(400, 1000))) == [HOLDS, FIRES]


def test_a_threshold_can_be_about_a_part_of_a_part_or_of_the_numerator() -> None:
    asked = condition(kind="threshold", indicator="F2", part="filled", of="planned", below=0.6, clear=0.7, least=20)
    half, few = {"filled": 10, "planned": 20}, {"filled": 1, "planned": 3}
    assert verdicts(asked, seen(a_value(1, 1, parts=half)), seen(a_value(1, 1, parts=few))) == [FIRES, UNKNOWN]
    asked = condition(kind="threshold", indicator="F3", part="confirmed", of="numerator", below=0.5, clear=0.6)
    (found,) = judge(asked, [seen(a_value(40, parts={"confirmed": 10}))])
    assert (found.verdict, found.evidence.value, found.evidence.denominator) == (FIRES, 0.25, 40)
    assert verdicts(asked, seen(a_value(40, parts={"confirmed": None}))) == [UNKNOWN]


def test_above_is_the_mirror_of_below() -> None:
    asked = condition(kind="threshold", indicator="R12", part="lapsed", above=2, clear=1)
    found = verdicts(asked, *(seen(a_value(1, 9, parts={"lapsed": lapsed})) for lapsed in (3, 2, 1)))
    assert found == [FIRES, HOLDS, CLEAR]


FALL = {"kind": "trend", "indicator": "I1", "test": "proportions", "change": 0.1, "least": 10}


def test_a_fall_counts_when_it_is_large_and_more_than_noise() -> None:
    found = verdicts(
        condition(**FALL),
        seen(a_value(300, 1000), a_value(500, 1000)),  # large, and no chance
        seen(a_value(3, 10), a_value(5, 10)),  # as large, and chance
        seen(a_value(495, 1000), a_value(500, 1000)),  # nothing
        seen(a_value(600, 1000), a_value(500, 1000)),  # a rise
        seen(a_value(5, 9), a_value(5, 10)),  # too few to say anything
        seen(a_value(5, 10), Value(None, None, None, None, True, {})),
    )
    assert found == [FIRES, CLEAR, CLEAR, CLEAR, UNKNOWN, UNKNOWN]


def test_many_places_of_pure_noise_give_no_alarm_where_single_tests_would() -> None:
    # Each place falls by what happens to one in twenty: alone it would fire, among hundreds of its like it must not.
    noise = seen(a_value(41, 100), a_value(53, 100))
    alone = statistics.fewer_of_as_many([41], [100], [53], [100])[0]
    assert alone < 0.06
    quiet = [seen(a_value(50, 100), a_value(50, 100)) for _ in range(199)]
    assert FIRES not in verdicts(condition(**FALL, alpha=0.1), noise, *quiet)


def test_counts_and_rates_have_tests_of_their_own() -> None:
    counts = condition(kind="trend", indicator="F3", test="counts", change=0.2, least=20)
    assert verdicts(counts, seen(a_value(30), a_value(80)), seen(a_value(15), a_value(20))) == [FIRES, CLEAR]
    rates = condition(kind="trend", indicator="I2", test="rates", change=0.15, least=30)
    assert verdicts(rates, seen(a_value(150, 100), a_value(250, 100))) == [FIRES]


def test_a_steady_fall_is_told_from_one_bad_month() -> None:
    asked = condition(kind="trend", indicator="F1", test="steady", period="month", months=12, change=0.15, least=4)
    steady = [20.0 - step for step in range(12)]
    bad = [20.0] * 11 + [9.0]
    found = verdicts(asked, seen(a_value(9), a_value(20), series=steady), seen(a_value(9), a_value(20), series=bad))
    assert found[0] is FIRES
    assert found[1] is not FIRES


def test_the_last_among_its_peers_is_named_if_it_is_no_chance() -> None:
    asked = condition(kind="peers", indicator="I2", test="rates", least=10)
    peers = [seen(a_value(100 + step, 100), group=("college", 7)) for step in range(12)]
    (last, *others) = judge(asked, [seen(a_value(30, 100), group=("college", 7)), *peers])
    assert last.verdict is FIRES
    assert last.evidence.peers == 12
    assert last.evidence.median == pytest.approx(1.05)
    assert FIRES not in [each.verdict for each in others]
    # A school of another kind has too few of its like to be compared with; a tiny one may be last by chance.
    alone = seen(a_value(30, 100), group=("lyceum", 7))
    tiny = seen(a_value(9, 12), group=("college", 7))
    assert verdicts(asked, *peers, alone, tiny)[-2:] == [UNKNOWN, HOLDS]


def test_nobody_is_compared_with_a_few_that_whoever_reads_it_does_not_see() -> None:
    asked = condition(kind="peers", indicator="F1", test="counts", least=0)

    def at(path: str, value: int) -> Looked:
        place = Place(1, "x", Level.INSTITUTION, None, path, {})
        return Looked(place, "2026-11", a_value(value), group=("lyceum", 3))

    def said(here: int, region: int, elsewhere: int) -> list[Verdict]:
        peers = [at(f"/17/1708/1708201/{number}/", 50 + number) for number in range(here - 1)]
        peers += [at(f"/17/1708/1708204/{number}/", 50 + number) for number in range(region)]
        peers += [at(f"/17/1703/1703202/{number}/", 50 + number) for number in range(elsewhere)]
        return verdicts(asked, at("/17/1708/1708201/last/", 1), *peers)[:1]

    assert said(here=12, region=0, elsewhere=0) == [FIRES]
    assert said(here=12, region=0, elsewhere=1) == [UNKNOWN], "the office would learn the one that it does not see"
    assert said(here=12, region=3, elsewhere=9) == [UNKNOWN], "the district's sees twelve of 24, the region's all but 9"
    assert said(here=12, region=9, elsewhere=0) == [UNKNOWN]
    assert said(here=3, region=10, elsewhere=10) == [FIRES]
    assert said(here=1, region=0, elsewhere=10) == [FIRES]
    assert said(here=10, region=0, elsewhere=0) == [UNKNOWN], "nine others are too few"


@pytest.mark.parametrize("wrong", [{"peers": 9}, {"quantile": 0.0}, {"quantile": 1.0, "clear": 1.0}, {"clear": 1.0}])
def test_no_peers_are_told_from_their_extremes(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        condition(kind="peers", indicator="F1", test="counts", **wrong)


def gate(state: str, **more: Any) -> Looked:
    return seen(a_value(int(state == "met"), 1, parts={state: 1}), **more)


def test_a_gate_speaks_when_it_lapsed_and_when_its_turn_has_come() -> None:
    asked = condition(kind="gate", gate="R9", lapsed=True, wanted=True)
    found = verdicts(asked, gate("met"), gate("lapsed"), gate("missing", stage=1), gate("in_progress", stage=2))
    assert found == [CLEAR, FIRES, HOLDS, FIRES]
    soon = condition(kind="gate", gate="R9", soon=2)
    ends, lasts = a_value(0, 1, parts={"met": 0}), a_value(1, 1, parts={"met": 1})
    assert verdicts(soon, gate("met", later=ends), gate("met", later=lasts), gate("lapsed")) == [FIRES, CLEAR, CLEAR]


def test_missing_reports_overdue_work_and_recurring_causes() -> None:
    missing = condition(kind="missing", indicator="I2", below=0.9, clear=0.95)
    found = verdicts(missing, *(seen(a_value(coverage=share)) for share in (0.0, 0.92, 1.0, None)))
    assert found == [FIRES, HOLDS, CLEAR, UNKNOWN]
    overdue = condition(kind="overdue", indicator="I4_ON_TIME", count=2)
    found = verdicts(overdue, *(seen(a_value(1, due, parts={"done": 3})) for due in (5, 4, 3)), seen(a_value(0, 0)))
    assert found == [FIRES, HOLDS, CLEAR, CLEAR]
    causes = condition(kind="cause", causes=["B1", "B3"], count=3, clear=1, share=0.5)
    often, seldom = {"B1": 2, "B3": 1, "A1": 1, "none": 50}, {"B1": 2, "B3": 1, "A1": 9}
    assert verdicts(causes, seen(a_value(4, parts=often)), seen(a_value(12, parts=seldom))) == [FIRES, HOLDS]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60), st.integers(0, 60), st.integers(1, 60)), max_size=20))
def test_fishers_test_of_many_places_is_that_of_scipy(rows: list[tuple[int, int, int, int]]) -> None:
    rows = [(min(a, n), n, min(b, m), m) for a, n, b, m in rows]
    if not rows:
        return
    found = statistics.fewer_of_as_many(*zip(*rows, strict=True))
    for (a, n, b, m), chance in zip(rows, found, strict=True):
        assert chance == pytest.approx(
            stats.fisher_exact([[a, n - a], [b, m - b]], alternative="less").pvalue, abs=1e-9
        )


@given(st.integers(0, 200), st.integers(1, 200))
def test_the_interval_of_a_proportion_is_wilsons(found: int, of: int) -> None:
    found = min(found, of)
    low, high = statistics.interval(found, of)
    asked = stats.binomtest(found, of).proportion_ci(0.9, method="wilson")
    assert low == pytest.approx(asked.low, abs=1e-9)
    assert high == pytest.approx(asked.high, abs=1e-9)


@pytest.mark.parametrize(
    ("before", "after", "direction"),
    [
        (
            {"value": 0.3, "numerator": 30, "denominator": 100},
            {"value": 0.6, "numerator": 60, "denominator": 100},
            "better",
        ),
        (
            {"value": 0.6, "numerator": 60, "denominator": 100},
            {"value": 0.3, "numerator": 30, "denominator": 100},
            "worse",
        ),
        ({"value": 0.3, "numerator": 3, "denominator": 10}, {"value": 0.4, "numerator": 4, "denominator": 10}, "same"),
        ({"value": 20.0, "numerator": 20}, {"value": 60.0, "numerator": 60}, "better"),
        ({"state": "lapsed"}, {"state": "met"}, "better"),
        ({"state": "missing"}, {"state": "in_progress"}, "same"),
    ],
)
def test_moved_says_whether_it_is_more_than_noise(
    before: dict[str, Any], after: dict[str, Any], direction: str
) -> None:
    found = moved(before, after)
    assert found is not None
    assert found.direction == direction


def test_what_was_not_measured_did_not_move() -> None:
    assert moved({"value": None}, {"value": 0.5}) is None
