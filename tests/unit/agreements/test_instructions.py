"""R9: editions of an instruction follow one another; no day has two of them."""

from datetime import date, timedelta
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.agreements.domain import instructions
from services.agreements.domain.documents import samples
from services.agreements.domain.final_stage import ADOPTION, AdoptionStep, Repeal
from shared.contracts.final_stage import (
    INSTRUCTION_ADOPTED,
    INSTRUCTION_REPEALED,
    INSTRUCTION_REVISED,
    AdoptionStatus,
    DocumentKind,
    Duty,
    Edition,
    InstructionKind,
    InstructionState,
)
from shared.errors import DomainError, InvalidInput, WrongState
from tests.unit.agreements.builders import INSTITUTION, TODAY

FIRST = date(2026, 1, 5)
TEXT = {"title": "Yoʻriqnoma", "text": "1. …"}


def an_edition(from_: date, until: date | None = None) -> instructions.ReviseInstruction:
    return instructions.ReviseInstruction(
        adopted_on=min(from_, TODAY), in_force_from=from_, in_force_until=until, **TEXT
    )


def an_instruction(from_: date = FIRST, until: date | None = None) -> InstructionState:
    command = instructions.AdoptInstruction(
        institution_id=INSTITUTION,
        kind=InstructionKind.JOB_INSTRUCTION,
        duty=Duty.COORDINATOR,
        **an_edition(from_, until).model_dump(),
    )
    event_type, state = instructions.adopt("i", command, TODAY)
    assert event_type is INSTRUCTION_ADOPTED
    return state


def in_force(state: InstructionState, on: date) -> list[Edition]:
    return [
        edition
        for edition in state.editions
        if edition.in_force_from <= on and (edition.in_force_until is None or on < edition.in_force_until)
    ]


days = st.integers(0, 600).map(lambda offset: FIRST + timedelta(days=offset))
lengths = st.none() | st.integers(1, 200)


@given(st.lists(st.tuples(days, lengths, st.booleans()), max_size=8))
def test_editions_never_overlap_and_the_newest_one_counts(steps: list[tuple[date, int | None, bool]]) -> None:
    state = an_instruction()
    for from_, length, repealing in steps:
        until = from_ + timedelta(days=length) if length else None
        before = state
        try:
            if repealing:
                event_type, state = instructions.repeal(state, Repeal(repealed_from=from_), TODAY)
                assert event_type is INSTRUCTION_REPEALED
            else:
                event_type, state = instructions.revise(state, an_edition(from_, until), TODAY)
                assert event_type is INSTRUCTION_REVISED
        except DomainError:
            continue
        assert state.version == before.version + 1
    assert [edition.number for edition in state.editions] == list(range(1, len(state.editions) + 1))
    for earlier, later in pairwise(state.editions):
        assert earlier.in_force_until is not None
        assert earlier.in_force_from < earlier.in_force_until <= later.in_force_from
    for offset in range(0, 900, 7):
        on = FIRST + timedelta(days=offset)
        assert len(in_force(state, on)) <= 1


def test_new_edition_ends_the_one_before_on_its_first_day() -> None:
    _, state = instructions.revise(an_instruction(), an_edition(date(2026, 9, 1)), TODAY)
    assert state.editions[0].in_force_until == state.editions[1].in_force_from == date(2026, 9, 1)
    with pytest.raises(InvalidInput) as refused:
        instructions.revise(state, an_edition(date(2026, 9, 1)), TODAY)
    assert [error.rule for error in refused.value.errors] == ["not_after"]


def test_edition_that_ended_by_itself_keeps_its_end() -> None:
    _, state = instructions.revise(an_instruction(until=date(2026, 3, 1)), an_edition(date(2026, 9, 1)), TODAY)
    assert state.editions[0].in_force_until == date(2026, 3, 1)
    assert in_force(state, date(2026, 5, 1)) == []
    assert [edition.number for edition in in_force(state, TODAY)] == [2]


@pytest.mark.parametrize(
    ("adopted_on", "from_", "until", "field", "rule"),
    [
        (date(2026, 11, 24), FIRST, None, "adopted_on", "in_future"),
        (date(2026, 2, 1), date(2026, 1, 31), None, "in_force_from", "earlier_than"),
        (FIRST, FIRST, FIRST, "in_force_until", "not_after"),
    ],
)
def test_days_out_of_order_are_named(adopted_on: date, from_: date, until: date | None, field: str, rule: str) -> None:
    command = instructions.ReviseInstruction(adopted_on=adopted_on, in_force_from=from_, in_force_until=until, **TEXT)
    with pytest.raises(InvalidInput) as refused:
        instructions.revise(an_instruction(date(2025, 1, 1)), command, TODAY)
    assert [(error.field, error.rule) for error in refused.value.errors] == [(field, rule)]


def test_repeal_beyond_the_end_is_refused() -> None:
    with pytest.raises(InvalidInput):
        instructions.repeal(an_instruction(until=date(2026, 3, 1)), Repeal(repealed_from=date(2026, 3, 2)), TODAY)


@pytest.mark.parametrize(("status", "step"), list(product(AdoptionStatus, AdoptionStep)))
def test_step_leads_where_the_table_says_or_names_what_is_possible(status: AdoptionStatus, step: AdoptionStep) -> None:
    state = an_instruction()
    if status is AdoptionStatus.REPEALED:
        _, state = instructions.repeal(state, Repeal(repealed_from=date(2026, 6, 1)), TODAY)

    def taken() -> InstructionState:
        if step is AdoptionStep.REVISE:
            return instructions.revise(state, an_edition(date(2026, 9, 1)), TODAY)[1]
        return instructions.repeal(state, Repeal(repealed_from=date(2026, 5, 1)), TODAY)[1]

    if (status, step) in ADOPTION:
        assert taken().status is ADOPTION[status, step]
        return
    with pytest.raises(WrongState) as refused:
        taken()
    assert refused.value.params["possible"] == "revise"


def test_text_of_every_edition_is_kept() -> None:
    state = an_instruction()
    first = instructions.told_apart(state, an_edition(FIRST))
    _, state = instructions.revise(state, an_edition(date(2026, 9, 1)), TODAY)
    assert [text.edition for text in instructions.told_apart(state, an_edition(FIRST), first).texts] == [1, 2]


def test_sample_names_the_template_of_its_last_edition() -> None:
    command = samples.AdoptSample(
        institution_id=INSTITUTION, kind=DocumentKind.STUDENT_INTERNSHIP, adopted_on=FIRST, in_force_from=FIRST
    )
    _, state = samples.adopt("s", command, 1, TODAY)
    assert state.template == "student_internship.1"
    later = samples.ReviseSample(adopted_on=FIRST, in_force_from=date(2026, 9, 1))
    _, state = samples.revise(state, later, 2, TODAY)
    assert (state.template, len(state.editions)) == ("student_internship.2", 2)
