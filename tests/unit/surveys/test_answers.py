"""Answers are kept or named with what is wrong, one by one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.surveys.domain.answers import check
from services.surveys.domain.instruments import UNSURE, Instrument
from services.surveys.instruments import InstrumentLibrary
from tests.unit.surveys.builders import Form, a_full_form

LIBRARY = InstrumentLibrary.load()
EACH = pytest.mark.parametrize("instrument", LIBRARY.latest, ids=lambda each: each.code)
S2, S3, S4 = (LIBRARY.get(code) for code in ("S2", "S3", "S4"))


def rules(instrument: Instrument, form: Form) -> dict[str, str]:
    return {fault.field: fault.rule for fault in check(instrument, form).faults}


@EACH
def test_a_complete_form_is_kept(instrument: Instrument) -> None:
    checked = check(instrument, a_full_form(instrument))
    assert checked.faults == ()
    assert checked.answers


@EACH
def test_an_empty_form_names_every_required_question(instrument: Instrument) -> None:
    found = rules(instrument, {})
    assert set(found.values()) == {"answer-required"}
    for question in instrument.questions:
        missing = {field for field in found if field.split(".")[0] == question.code}
        assert bool(missing) == (question.required and question.relevant is None)


WRONG: dict[str, tuple[Form, str, str]] = {
    "an option that is not offered": ({"duration": ["years"]}, "duration", "answer-not-offered"),
    "two answers to a single choice": ({"duration": ["weeks_2", "longer"]}, "duration", "answer-not-offered"),
    "a rating off the scale": ({"support": ["6"]}, "support", "answer-not-offered"),
    "a rating that is no number": ({"support": ["٣"]}, "support", "answer-not-offered"),
    "unsure where it is not offered": ({"support": [UNSURE]}, "support", "answer-not-offered"),
    "half a pair": ({"theory.importance": []}, "theory.importance", "answer-required"),
    "words for a number": ({"trainees": ["ten"]}, "trainees", "answer-not-whole-number"),
    "a fraction": ({"trainees": ["1.5"]}, "trainees", "answer-not-whole-number"),
    "below the range": ({"trainees": ["0"]}, "trainees", "answer-out-of-range"),
    "above the range": ({"trainees": ["1001"]}, "trainees", "answer-out-of-range"),
    "too many choices": (
        {"would_hire": ["few"], "why_not": ["knowledge", "skills", "discipline", "other"]},
        "why_not",
        "answer-too-many-choices",
    ),
    "a long text": ({"comment": ["x" * 501]}, "comment", "answer-too-long"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_named_and_costs_no_other(name: str) -> None:
    change, field, rule = WRONG[name]
    checked = check(S2, a_full_form(S2) | change)
    assert [(fault.field, fault.rule) for fault in checked.faults] == [(field, rule)]
    assert "task_match" in checked.answers


def test_an_exclusive_option_stands_alone() -> None:
    assert rules(S3, a_full_form(S3) | {"deficits": ["none", "safety"]}) == {"deficits": "answer-excludes-others"}
    assert rules(S3, a_full_form(S3) | {"deficits": ["none"]}) == {}


def test_a_question_that_is_not_asked_is_neither_required_nor_kept() -> None:
    form = a_full_form(S4) | {"status": ["studying"]}
    checked = check(S4, form)
    assert checked.faults == ()
    assert {"first_job", "job_match", "obstacles"}.isdisjoint(checked.answers)
    del form["job_match"]
    assert check(S4, form).faults == ()
    assert rules(S4, form | {"status": ["employed"]}) == {"job_match": "answer-required"}


def test_numbers_may_be_written_with_spaces() -> None:
    assert check(S2, a_full_form(S2) | {"trainees": [" 1 000 "]}).answers["trainees"] == 1000


def test_unknown_fields_are_left_out() -> None:
    assert "admin" not in check(S2, a_full_form(S2) | {"admin": ["1"]}).answers


# No deadline: on a loaded machine a single call may wait longer than any of them takes.
@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([question.code for question in S3.questions] + ["theory.importance", "theory.satisfaction"]),
        st.lists(st.one_of(st.text(max_size=8), st.sampled_from(["1", "5", "none", "safety", UNSURE])), max_size=3),
    )
)
def test_whatever_is_sent_is_kept_or_named(form: Form) -> None:
    checked = check(S3, form)
    again = check(S3, form)
    assert again == checked
    assert {fault.field.split(".")[0] for fault in checked.faults}.isdisjoint(checked.answers)
    assert all(code in {question.code for question in S3.questions} for code in checked.answers)
