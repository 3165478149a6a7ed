"""The index is the mean of scored answers in exact integers; what is not answered does not count."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.surveys.domain.answers import Answer, check
from services.surveys.domain.instruments import UNSURE, Dimension, Instrument
from services.surveys.domain.scoring import FULL, INDEX, rating_score, rounded, score
from services.surveys.domain.tallies import added
from services.surveys.instruments import InstrumentLibrary
from tests.unit.surveys.builders import a_full_form

LIBRARY = InstrumentLibrary.load()
EACH = pytest.mark.parametrize("instrument", LIBRARY.latest, ids=lambda each: each.code)
S1, S2, S3 = (LIBRARY.get(code) for code in ("S1", "S2", "S3"))
RATINGS = st.one_of(st.none(), st.just(UNSURE), st.integers(1, 5))


@st.composite
def some_answers(draw: st.DrawFn) -> dict[str, Answer]:
    """Answers to S2 as they are kept: each question answered, unsure or left out."""
    answers: dict[str, Answer] = {}
    for pair in S2.competences:
        parts = {part: draw(RATINGS) for part in ("importance", "satisfaction")}
        answers[pair.code] = {part: rating for part, rating in parts.items() if rating is not None}
    for code in ("task_match", "support"):
        rating = draw(RATINGS)
        if rating is not None:
            answers[code] = rating
    hire = draw(st.sampled_from([None, "all", "most", "half", "few", "none"]))
    return answers if hire is None else answers | {"would_hire": hire}


@given(some_answers())
def test_scores_stay_on_the_scale_and_add_up(answers: dict[str, Answer]) -> None:
    scored = score(S2, answers)
    for tally in scored.dimensions.values():
        assert tally.count >= 1
        assert 0 <= tally.total <= tally.count * FULL
    count = sum(tally.count for tally in scored.dimensions.values())
    total = sum(tally.total for tally in scored.dimensions.values())
    if scored.index is None:
        assert count == 0
    else:
        assert abs(Fraction(total, count) - scored.index) <= Fraction(1, 2)


@given(some_answers())
def test_unsure_counts_like_no_answer(answers: dict[str, Answer]) -> None:
    stripped: dict[str, Answer] = {}
    for code, answer in answers.items():
        if isinstance(answer, dict):
            stripped[code] = {part: rating for part, rating in answer.items() if rating != UNSURE}
        elif answer != UNSURE:
            stripped[code] = answer
    assert score(S2, stripped) == score(S2, answers)


@given(some_answers(), st.sampled_from([pair.code for pair in S2.competences]), st.integers(1, 4))
def test_a_better_answer_never_lowers_the_index(answers: dict[str, Answer], competence: str, rating: int) -> None:
    worse = score(S2, answers | {competence: {"satisfaction": rating}})
    better = score(S2, answers | {competence: {"satisfaction": rating + 1}})
    assert worse.index is not None
    assert better.index is not None
    assert better.index > worse.index


@given(some_answers(), st.integers(1, 5))
def test_what_is_not_scored_moves_nothing(answers: dict[str, Answer], rating: int) -> None:
    changed = {
        code: answer | {"importance": rating} if isinstance(answer, dict) else answer
        for code, answer in answers.items()
    }
    extra: dict[str, Answer] = {"trainees": 40, "comment": "x", "duration": "longer"}
    assert score(S2, changed | extra) == score(S2, answers)


@given(st.integers(0, 10**9), st.integers(1, 10**6))
def test_rounding_is_half_up(total: int, count: int) -> None:
    assert rounded(total, count) == int(Fraction(total, count) + Fraction(1, 2))


@EACH
@pytest.mark.parametrize("rating", range(1, 6))
def test_equal_ratings_give_their_place_on_the_scale(instrument: Instrument, rating: int) -> None:
    scored = score(instrument, check(instrument, a_full_form(instrument, rating)).answers)
    assert rating_score(rating, 5) == (rating - 1) * 25_000
    assert scored.dimensions[Dimension.KNOWLEDGE].mean == (rating - 1) * 25_000
    assert set(scored.dimensions) == set(instrument.dimensions)


def test_no_scored_answer_gives_no_index_instead_of_zero() -> None:
    scored = score(S3, {"phase": "completed"})
    assert scored.index is None
    assert scored.dimensions == {}
    assert set(added(S3, [{"phase": "completed"}]).sums) == {"phase"}


def test_employers_of_the_sector_score_what_is_required() -> None:
    answers: dict[str, Answer] = {"theory": {"importance": 5, "satisfaction": 1}}
    assert score(S1, answers).index == FULL
    assert score(S2, answers).index == 0
    sums = added(S2, [answers]).sums
    assert {topic: sums[topic][1] for topic in (INDEX, "knowledge", "theory.importance", "theory.satisfaction")} == {
        INDEX: 0,
        "knowledge": 0,
        "theory.importance": FULL,
        "theory.satisfaction": 0,
    }


@given(st.lists(some_answers(), max_size=8))
def test_equal_answers_counted_together_give_what_each_alone_gives(many: list[dict[str, Answer]]) -> None:
    together, each = added(S2, many), [added(S2, [answers]) for answers in many]
    topics = {topic for one in each for topic in one.sums}
    assert together.sums == {
        topic: [sum(one.sums.get(topic, [0, 0, 0])[place] for one in each) for place in range(3)] for topic in topics
    }
    cells = {cell for one in each for cell in one.counts}
    assert together.counts == {cell: sum(one.counts.get(cell, 0) for one in each) for cell in cells}
    for one, answers in zip(each, many, strict=True):
        scored = score(S2, answers)
        assert one.sums.get(INDEX, [0, None, None])[1] == scored.index
        assert {str(dimension): tally.mean for dimension, tally in scored.dimensions.items()} == {
            topic: one.sums[topic][1] for topic in map(str, Dimension) if topic in one.sums
        }
