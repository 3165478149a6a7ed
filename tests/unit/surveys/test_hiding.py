"""No small count is recovered from a question's options with its mean and spread: attacked with integer programming."""

import random
from collections.abc import Collection, Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from services.surveys.domain.answers import Answers
from services.surveys.domain.hiding import hidden_choices, hidden_ratings, moments
from services.surveys.domain.instruments import CompetencePair, Likert, PairPart, SingleChoice
from services.surveys.domain.results import Released, Sums, results
from services.surveys.domain.tallies import added
from services.surveys.instruments import InstrumentLibrary
from shared.i18n import Lang
from tests.support.disclosure import Attack, Known

K = 10
RATED = range(5)
LIBRARY = InstrumentLibrary.load()


def pinned(counts: Sequence[int], hidden: Collection[int], number: int) -> list[int]:
    """Small hidden places whose count follows from the rest, the total and so many moments."""
    places = sorted(hidden)
    if not places:
        return []
    rows = np.array([[place**power for place in places] for power in range(number + 1)], dtype=float)
    right = rows @ np.array([counts[place] for place in places], dtype=float)
    limits = LinearConstraint(rows, right, right)
    found = []
    for position, place in enumerate(places):
        if counts[place] >= K:
            continue
        ends = set()
        for sign in (1, -1):
            aim = np.zeros(len(places))
            aim[position] = sign
            answer = milp(aim, constraints=limits, integrality=np.ones(len(places)), bounds=Bounds(0, np.inf))
            ends.add(None if answer.x is None else round(answer.x[position]))
        if len(ends) == 1 and None not in ends:
            found.append(place)
    return found


COUNTS = st.lists(st.one_of(st.just(0), st.integers(0, 12), st.integers(0, 300)), min_size=2, max_size=7).filter(
    lambda counts: sum(counts) >= K
)


@settings(max_examples=20, deadline=None)
@given(COUNTS)
def test_ratings_stay_hidden_beside_their_mean_and_spread(counts: list[int]) -> None:
    number = moments(counts, K)
    everything = set(range(len(counts)))
    assert pinned(counts, everything, number) == []  # while the campaign runs: no option is shown
    hidden = hidden_ratings(counts, K, number)
    assert {place for place, count in enumerate(counts) if count < K} <= hidden
    assert pinned(counts, hidden, number) == []


def test_spread_is_kept_back_where_those_of_all_releases_together_pin_a_count() -> None:
    counts = [3, 15, 30, 28, 24]
    assert moments(counts, K) == moments(counts, K, [counts]) == 2
    assert moments(counts, K, [[0, 0, 0, 8, 12], [3, 15, 30, 20, 12]]) == 2  # others fit the second step
    alike = [[3, 15, 0, 0, 0], [0, 0, 30, 0, 0], [0, 0, 0, 28, 0], [0, 0, 0, 0, 24]]
    assert moments(counts, K, alike) == 1  # with every step's spread only these counts fit


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 12), min_size=5, max_size=5).filter(lambda step: sum(step) >= K), min_size=1))
def test_never_are_fewer_moments_shown_after_a_further_release(steps: list[list[int]]) -> None:
    shown = [
        moments([sum(each) for each in zip(*steps[:number], strict=True)], K, steps[:number])
        for number in range(1, len(steps) + 1)
    ]
    assert shown == sorted(shown)


@settings(max_examples=40, deadline=None)
@given(COUNTS)
def test_choices_stay_hidden_beside_their_total(counts: list[int]) -> None:
    named = {f"option{number}": count for number, count in enumerate(counts)}
    hidden = hidden_choices(named, K, several=False, base=sum(counts))
    assert pinned(counts, {int(name.removeprefix("option")) for name in hidden}, 0) == []
    shown = set(named) - hidden
    assert all(named[name] >= K for name in shown)


def test_of_several_answers_those_that_nearly_all_gave_are_hidden_too() -> None:
    assert hidden_choices({"a": 95, "b": 40, "c": 3}, K, several=True, base=100) == {"a", "c"}


def test_spread_is_kept_back_where_it_would_say_that_nobody_chose_an_answer() -> None:
    assert moments([0, 0, 0, 20, 20], K) == 1  # with the spread only these counts fit
    assert moments([0, 0, 0, 0, 40], K) == 0  # the mean alone says that all chose the highest
    assert moments([12, 15, 30, 44, 25], K) == 2


def many(seed: int, count: int) -> list[Answers]:
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        answers: dict[str, object] = {}
        for question in LIBRARY.get("S3", 1).questions:
            if isinstance(question, SingleChoice):
                answers[question.code] = chance.choices(question.options, [8, *[1] * (len(question.options) - 1)])[
                    0
                ].code
            elif isinstance(question, Likert):
                answers[question.code] = chance.choice([2, 3, 4, 5])
            elif isinstance(question, CompetencePair):
                answers[question.code] = {part.value: chance.choice([3, 4, 5]) for part in PairPart}
        found.append(answers)
    return found  # type: ignore[return-value]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(K, 90))
def test_whole_results_show_no_small_count(seed: int, count: int) -> None:
    instrument = LIBRARY.get("S3", 1)
    tallied = added(instrument, many(seed, count))
    counts: dict[str, dict[str, int]] = {}
    for (topic, option), number in tallied.counts.items():
        counts.setdefault(topic, {})[option] = number
    sums = {topic: Sums(*each) for topic, each in tallied.sums.items()}
    found = results(instrument, Released(sums, counts), K, Lang.EN, options_shown=True)
    seen = 0
    for question in found["questions"]:
        for topic in question["topics"]:
            if topic["suppressed"]:
                assert (topic["count"], topic["options"]) == (None, None)
                continue
            seen += 1
            hidden = [option for option in topic["options"] if option["suppressed"]]
            assert len(hidden) != 1
            assert all(option["count"] >= K for option in topic["options"] if not option["suppressed"])
            if hidden and not topic["several"]:
                shown = sum(option["count"] for option in topic["options"] if not option["suppressed"])
                assert topic["count"] - shown >= K
    assert seen > 10


def watched(seed: int, *, naive: bool = False, forgetful: bool = False) -> list[str]:
    """What a coordinator finds out of a rated question who looks after every release, and at the end at the options."""
    chance = random.Random(seed)
    taste = [chance.random() ** chance.choice([1, 3, 6]) + 0.001 for _ in RATED]
    known: list[Known] = []
    counts = [0] * len(RATED)
    steps: list[list[int]] = []
    weighed = [] if forgetful else steps
    releases = chance.choice([1, 2, 3, 4, 4, 12])
    for release in range(releases):
        drawn = chance.choices(RATED, taste, k=chance.randint(K, 25))
        steps.append([drawn.count(rating) for rating in RATED])
        counts = [sum(each) for each in zip(*steps, strict=True)]
        inside = tuple((before, rating) for before in range(release + 1) for rating in RATED)
        for power in range(1 + (2 if naive else moments(counts, K, weighed))):
            total = sum(rating**power * count for rating, count in enumerate(counts))
            known.append(Known(inside, total, weights=tuple(float(rating**power) for _, rating in inside)))
    small = {rating for rating, count in enumerate(counts) if count < K}
    hidden = small if naive else hidden_ratings(counts, K, moments(counts, K, weighed), weighed)
    whole = {rating: tuple((release, rating) for release in range(releases)) for rating in RATED}
    known += [Known(whole[rating], counts[rating]) for rating in RATED if rating not in hidden]
    return Attack(known, {str(rating): (whole[rating], counts[rating], 0) for rating in hidden}, K).pinned()


def test_who_watches_every_release_of_a_campaign_finds_nothing() -> None:
    assert not [found for seed in range(1000) if (found := watched(seed))]


def test_who_would_be_shown_what_fits_the_last_release_alone_finds_some() -> None:
    assert any(watched(seed, forgetful=True) for seed in range(1000))


def test_who_would_be_shown_all_moments_and_all_but_the_small_counts_finds_many() -> None:
    assert sum(bool(watched(seed, naive=True)) for seed in range(20)) > 10
