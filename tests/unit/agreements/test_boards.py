"""R12: who is in term, when a meeting has a quorum, what it may decide, and what becomes of its decisions."""

from datetime import date, timedelta
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.agreements.domain.boards import commands, rules
from services.agreements.domain.boards.rules import DECISIONS, MEETINGS, DecisionStep, MeetingStep
from shared.contracts.final_stage import (
    BoardState,
    BoardStatus,
    Decision,
    DecisionStatus,
    MeetingStatus,
    MemberCategory,
)
from shared.errors import InvalidInput, WrongState
from tests.unit.agreements.builders import ENTERPRISE, INSTITUTION, OTHER

SINCE = date(2026, 1, 10)
MET = date(2026, 9, 10)
DUE = date(2026, 10, 1)
TODAY = date(2026, 11, 24)


def a_member(ref: str, since: date = SINCE, until: date | None = None) -> commands.MemberInput:
    return commands.MemberInput(
        category=MemberCategory.ENTERPRISE, ref=ref, name="A", since=since, until=until, enterprise_id=ENTERPRISE
    )


def a_board(*members: commands.MemberInput, quorum_percent: int = 50) -> BoardState:
    command = commands.EstablishBoard(
        institution_id=INSTITUTION,
        established_on=SINCE,
        members=members or tuple(a_member(f"P-{number}") for number in range(4)),
        quorum_percent=quorum_percent,
        chair_ref="P-1" if not members else None,
    )
    return rules.establish("b", command, TODAY)[1]


def planned(state: BoardState) -> BoardState:
    return rules.plan(state, "meeting", commands.PlanMeeting(planned_on=MET))[1]


def held(state: BoardState, *present: str, on: date = MET) -> BoardState:
    return rules.hold(planned(state), "meeting", commands.HoldMeeting(held_on=on, present=present), TODAY)[1]


def decided(state: BoardState, votes_for: int = 3, due_on: date | None = DUE) -> BoardState:
    command = commands.TakeDecision(
        text="Qaror", votes_for=votes_for, responsible=MemberCategory.ENTERPRISE, due_on=due_on
    )
    return rules.decide(state, "meeting", command)[1]


def decision_of(state: BoardState) -> Decision:
    return state.meetings[-1].decisions[-1]


QUORATE = held(a_board(), "p1", "p2", "p3")
DECIDED = decided(QUORATE)


@given(
    terms=st.lists(st.tuples(st.integers(0, 400), st.none() | st.integers(1, 400)), min_size=3, max_size=20),
    on=st.integers(0, 300),
    come=st.sets(st.integers(0, 19)),
    percent=st.integers(50, 99),
)
def test_meeting_is_quorate_exactly_when_more_than_the_share_of_those_in_term_came(
    terms: list[tuple[int, int | None]], on: int, come: set[int], percent: int
) -> None:
    members = [
        a_member(
            f"P-{index}",
            SINCE + timedelta(days=start),
            SINCE + timedelta(days=start + length) if length else None,
        )
        for index, (start, length) in enumerate(terms)
    ]
    day = SINCE + timedelta(days=on)
    state = a_board(*members, quorum_percent=percent)
    eligible = {
        f"p{index + 1}"
        for index, (start, length) in enumerate(terms)
        if start <= on and (length is None or on < start + length)
    }
    assert rules.in_term(state, day) == eligible
    present = [f"p{index + 1}" for index in sorted(come) if f"p{index + 1}" in eligible]
    state = held(state, *present, on=day)
    meeting = state.meetings[0]
    quorate = bool(eligible) and Fraction(len(present), len(eligible)) > Fraction(percent, 100)
    assert (meeting.status is MeetingStatus.HELD) == quorate
    assert state.last_held_on == (day if quorate else None)
    assert (meeting.in_term, meeting.needed) == (
        len(eligible),
        rules.needed_for_quorum(len(eligible), percent),
    )


def test_whoever_is_not_in_term_cannot_be_present() -> None:
    state = a_board(a_member("P-1"), a_member("P-2"), a_member("P-3", until=date(2026, 9, 1)))
    with pytest.raises(InvalidInput) as refused:
        held(state, "p1", "p3", "p9")
    assert [(error.field, error.rule) for error in refused.value.errors] == [
        ("present.1", "not_in_term"),
        ("present.2", "not_in_term"),
    ]


def test_member_named_twice_counts_once() -> None:
    assert held(a_board(), "p1", "p1", "p1").meetings[0].status is MeetingStatus.NOT_QUORATE


@pytest.mark.parametrize(
    ("votes_for", "due_on", "status"),
    [
        (3, DUE, DecisionStatus.OPEN),
        (2, None, DecisionStatus.DONE),
        (1, DUE, DecisionStatus.REJECTED),
        (0, None, DecisionStatus.REJECTED),
    ],
)
def test_decision_is_adopted_by_more_than_half_of_those_present(
    votes_for: int, due_on: date | None, status: DecisionStatus
) -> None:
    assert decision_of(decided(QUORATE, votes_for, due_on)).status is status


def test_more_votes_than_present_are_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        decided(QUORATE, 4)
    assert refused.value.errors[0].rule == "more_votes_than_present"


IN_MEETING = {
    MeetingStatus.PLANNED: planned(a_board()),
    MeetingStatus.HELD: QUORATE,
    MeetingStatus.NOT_QUORATE: held(a_board(), "p1", "p2"),
    MeetingStatus.CANCELLED: rules.cancel_meeting(planned(a_board()), "meeting")[1],
}


def meeting_step(state: BoardState, step: MeetingStep) -> BoardState:
    match step:
        case MeetingStep.HOLD:
            command = commands.HoldMeeting(held_on=MET, present=("p1", "p2", "p3"))
            return rules.hold(state, "meeting", command, TODAY)[1]
        case MeetingStep.CANCEL:
            return rules.cancel_meeting(state, "meeting")[1]
        case MeetingStep.DECIDE:
            return decided(state)


@pytest.mark.parametrize(("status", "step"), list(product(MeetingStatus, MeetingStep)))
def test_meeting_step_leads_where_the_table_says_or_is_refused(status: MeetingStatus, step: MeetingStep) -> None:
    state = IN_MEETING[status]
    assert state.meetings[0].status is status
    if (status, step) in MEETINGS:
        assert meeting_step(state, step).meetings[0].status is MEETINGS[status, step]
        return
    with pytest.raises(WrongState) as refused:
        meeting_step(state, step)
    assert refused.value.params["possible"] == (", ".join(each for from_, each in MEETINGS if from_ is status) or "–")


def done(state: BoardState) -> BoardState:
    return rules.carry_out(state, "meeting", "d1", commands.CarryOutDecision(), TODAY)[1]


IN_DECISION = {
    DecisionStatus.REJECTED: decided(QUORATE, 1),
    DecisionStatus.OPEN: DECIDED,
    DecisionStatus.OVERDUE: next(rules.passed(DECIDED, TODAY))[1],
    DecisionStatus.DONE: done(DECIDED),
    DecisionStatus.CANCELLED: rules.cancel_decision(DECIDED, "meeting", "d1")[1],
}


def decision_step(state: BoardState, step: DecisionStep) -> BoardState:
    match step:
        case DecisionStep.DO:
            return done(state)
        case DecisionStep.CANCEL:
            return rules.cancel_decision(state, "meeting", "d1")[1]
        case DecisionStep.OVERDUE:
            for _, passed in rules.passed(state, TODAY):
                return passed
            raise WrongState(state=decision_of(state).status, step=step)


@pytest.mark.parametrize(("status", "step"), list(product(DecisionStatus, DecisionStep)))
def test_decision_step_leads_where_the_table_says_or_is_refused(status: DecisionStatus, step: DecisionStep) -> None:
    state = IN_DECISION[status]
    assert decision_of(state).status is status
    if (status, step) in DECISIONS:
        assert decision_of(decision_step(state, step)).status is DECISIONS[status, step]
        return
    with pytest.raises(WrongState):
        decision_step(state, step)


def test_decision_is_overdue_from_the_day_after_its_last() -> None:
    assert rules.next_due(DECIDED) == DUE
    assert list(rules.passed(DECIDED, DUE)) == []
    _, overdue = next(rules.passed(DECIDED, DUE + timedelta(days=1)))
    assert decision_of(overdue).overdue_since == DUE + timedelta(days=1)
    assert rules.next_due(overdue) is None


def test_one_person_has_one_term_at_a_time() -> None:
    state = rules.leave(a_board(), "p1", commands.EndTerm(until=date(2026, 6, 1)), TODAY)[1]
    with pytest.raises(InvalidInput):
        rules.join(state, a_member("P-0", since=date(2026, 5, 31)), TODAY)
    again = rules.join(state, a_member("P-0", since=date(2026, 6, 1)), TODAY)[1]
    assert again.members[-1].member_id == "p5"


def test_chair_who_leaves_is_chair_no_more_and_another_must_be_in_term() -> None:
    state = a_board()
    assert state.chair == "p2"
    state = rules.leave(state, "p2", commands.EndTerm(), TODAY)[1]
    assert state.chair is None
    with pytest.raises(InvalidInput):
        rules.amend(state, commands.AmendBoard(chair="p2"), TODAY)
    assert rules.amend(state, commands.AmendBoard(chair="p3", quorum_percent=66), TODAY)[1].chair == "p3"


def test_dissolved_board_does_nothing_more() -> None:
    state = rules.dissolve(DECIDED, commands.DissolveBoard(), TODAY)[1]
    assert state.status is BoardStatus.DISSOLVED
    assert list(rules.passed(state, TODAY)) == []
    for step in (lambda: planned(state), lambda: rules.join(state, a_member("P-9"), TODAY), lambda: done(state)):
        with pytest.raises(WrongState) as refused:
            step()
        assert refused.value.params["possible"] == "–"


def test_members_follow_a_merged_enterprise() -> None:
    state = rules.reassign(a_board(), ENTERPRISE, OTHER)[1]
    assert {member.enterprise_id for member in state.members} == {OTHER}


def test_event_of_the_largest_board_is_far_below_what_an_event_may_have() -> None:
    members = tuple(a_member(f"P-{number}") for number in range(60))
    state = held(a_board(*members), *(f"p{number}" for number in range(1, 41)))
    for _ in range(3):
        state = decided(state, 21)
    meeting = state.meetings[0].model_copy(update={"meeting_id": "0" * 36})
    full = state.model_copy(
        update={
            "members": tuple(state.members[0] for _ in range(rules.MAX_EVER_MEMBERS)),
            "meetings": tuple(meeting for _ in range(rules.MAX_MEETINGS)),
        }
    )
    assert len(full.model_dump_json()) < 900_000


def test_members_have_left_when_their_term_is_over_and_the_chair_with_them() -> None:
    until = TODAY + timedelta(days=5)
    state = a_board()
    state = rules.leave(state, "p2", commands.EndTerm(until=until), TODAY)[1]
    state = rules.leave(state, "p3", commands.EndTerm(), TODAY)[1]
    assert [member.left for member in state.members] == [False, False, True, False]
    assert (state.chair, rules.next_due(state)) == ("p2", until - timedelta(days=1))
    assert list(rules.passed(state, until - timedelta(days=1))) == []
    ((_, over),) = rules.passed(state, until)
    assert [member.left for member in over.members] == [False, True, True, False]
    assert (over.chair, rules.next_due(over)) == (None, None)
    again = rules.leave(over, "p2", commands.EndTerm(until=until + timedelta(days=9)), until)[1]
    assert not again.members[1].left


def test_terms_end_in_a_dissolved_board_too() -> None:
    until = TODAY + timedelta(days=5)
    state = rules.leave(a_board(), "p2", commands.EndTerm(until=until), TODAY)[1]
    state = rules.dissolve(state, commands.DissolveBoard(), TODAY)[1]
    ((_, over),) = rules.passed(state, until)
    assert over.members[1].left
