"""The rules of a Board of Trustees: (state, command, today) -> (event type, new state) or a DomainError."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from services.agreements.domain.boards.commands import (
    AmendBoard,
    CarryOutDecision,
    DissolveBoard,
    EndTerm,
    EstablishBoard,
    HoldMeeting,
    MemberInput,
    PlanMeeting,
    TakeDecision,
)
from services.agreements.domain.final_stage import refuse
from services.agreements.domain.inputs import check_day
from shared.contracts.events import EventType
from shared.contracts.final_stage import (
    BOARD_AMENDED,
    BOARD_DECISION_CANCELLED,
    BOARD_DECISION_DONE,
    BOARD_DECISION_OVERDUE,
    BOARD_DECISION_TAKEN,
    BOARD_DISSOLVED,
    BOARD_ESTABLISHED,
    BOARD_MEETING_CANCELLED,
    BOARD_MEETING_HELD,
    BOARD_MEETING_PLANNED,
    BOARD_MEMBER_JOINED,
    BOARD_MEMBER_LEFT,
    BOARD_REASSIGNED,
    BoardState,
    BoardStatus,
    Decision,
    DecisionStatus,
    Meeting,
    MeetingStatus,
    Member,
)
from shared.errors import FieldError, InvalidInput

Outcome = tuple[EventType, BoardState]
ONE_DAY = timedelta(days=1)
# Events carry the whole board: these keep one far below the size an event may have.
MAX_EVER_MEMBERS = 500
MAX_MEETINGS = 500
MAX_DECISIONS = 1_500


class MeetingStep(StrEnum):
    """What can happen to a meeting."""

    HOLD = "hold"
    CANCEL = "cancel"
    DECIDE = "decide"


class DecisionStep(StrEnum):
    """What can happen to a decision."""

    DO = "done"
    CANCEL = "cancel"
    OVERDUE = "overdue"  # by the calendar


MEETINGS: dict[tuple[MeetingStatus, MeetingStep], MeetingStatus] = {
    (MeetingStatus.PLANNED, MeetingStep.HOLD): MeetingStatus.HELD,  # NOT_QUORATE where too few came
    (MeetingStatus.PLANNED, MeetingStep.CANCEL): MeetingStatus.CANCELLED,
    (MeetingStatus.HELD, MeetingStep.DECIDE): MeetingStatus.HELD,
}
"""The life of a meeting: only one held with a quorum decides."""

DECISIONS: dict[tuple[DecisionStatus, DecisionStep], DecisionStatus] = {
    (DecisionStatus.OPEN, DecisionStep.DO): DecisionStatus.DONE,
    (DecisionStatus.OPEN, DecisionStep.CANCEL): DecisionStatus.CANCELLED,
    (DecisionStatus.OPEN, DecisionStep.OVERDUE): DecisionStatus.OVERDUE,
    #
    (DecisionStatus.OVERDUE, DecisionStep.DO): DecisionStatus.DONE,
    (DecisionStatus.OVERDUE, DecisionStep.CANCEL): DecisionStatus.CANCELLED,
}
"""The life of a decision that was adopted."""

BOARDS: dict[tuple[BoardStatus, str], BoardStatus] = {
    (BoardStatus.ESTABLISHED, step): BoardStatus.ESTABLISHED
    for step in ("amend", "join", "leave", "plan", "hold", "cancel", "decide", "done")
} | {(BoardStatus.ESTABLISHED, "dissolve"): BoardStatus.DISSOLVED}
"""The life of a board."""


def needed_for_quorum(in_term: int, quorum_percent: int) -> int:
    """The fewest members who are more than `quorum_percent` per cent of those in term; with nobody in term, one."""
    return in_term * quorum_percent // 100 + 1


def in_term(board: BoardState, day: date) -> set[str]:
    """The members in term on `day`."""
    return {
        member.member_id
        for member in board.members
        if member.since <= day and (member.until is None or day < member.until)
    }


def establish(id_: str, command: EstablishBoard, today: date) -> Outcome:
    """A new board; raises InvalidInput with every fault of its members."""
    check_day("established_on", command.established_on, first=date.min, today=today)
    members: list[Member] = []
    for index, each in enumerate(command.members):
        members.append(_admitted(each, tuple(members), f"members.{index}."))
    chair = None
    if command.chair_ref is not None:
        chair = next((member.member_id for member in members if member.ref == command.chair_ref), None)
        if chair is None:
            raise InvalidInput(FieldError("chair_ref", "unknown_member", {"value": command.chair_ref}))
    return BOARD_ESTABLISHED, BoardState(
        id=id_,
        version=1,
        institution_id=command.institution_id,
        status=BoardStatus.ESTABLISHED,
        established_on=command.established_on,
        regulation_document_id=command.regulation_document_id,
        quorum_percent=command.quorum_percent,
        chair=chair,
        members=_by(today, members),
    )


def amend(state: BoardState, command: AmendBoard, today: date) -> Outcome:
    """Another chair, regulation or quorum; raises InvalidInput for a chair who is not in term, WrongState."""
    _require(state, "amend")
    if command.chair is not None:
        _member(state, command.chair, "chair")
        if command.chair not in in_term(state, today):
            raise InvalidInput(FieldError("chair", "not_in_term", {"value": command.chair, "day": today.isoformat()}))
    return BOARD_AMENDED, _next(state, **command.model_dump(exclude_none=True))


def join(state: BoardState, command: MemberInput, today: date) -> Outcome:
    """Another member, or another term of one; raises InvalidInput for a term that overlaps an earlier one."""
    _require(state, "join")
    _room("members", len(state.members), MAX_EVER_MEMBERS)
    joined = (*state.members, _admitted(command, state.members, ""))
    return BOARD_MEMBER_JOINED, _next(state, members=_by(today, joined))


def leave(state: BoardState, member_id: str, command: EndTerm, today: date) -> Outcome:
    """A term ends; who was in the chair leaves it. Raises InvalidInput for a day before the term began, WrongState."""
    _require(state, "leave")
    member = _member(state, member_id, "member_id")
    until = command.until or today
    if until <= member.since:
        raise InvalidInput(FieldError("until", "not_after", {"limit": member.since.isoformat()}))
    left = member.model_copy(update={"until": until})
    members = _by(today, [left if each is member else each for each in state.members])
    return BOARD_MEMBER_LEFT, _next(state, members=members, chair=_chair(state, members))


def plan(state: BoardState, meeting_id: str, command: PlanMeeting) -> Outcome:
    """A meeting is called; raises InvalidInput for a day before the board was, WrongState."""
    _require(state, "plan")
    _room("planned_on", len(state.meetings), MAX_MEETINGS)
    if command.planned_on < state.established_on:
        raise InvalidInput(FieldError("planned_on", "earlier_than", {"limit": state.established_on.isoformat()}))
    meeting = Meeting(meeting_id=meeting_id, planned_on=command.planned_on, status=MeetingStatus.PLANNED)
    return BOARD_MEETING_PLANNED, _next(state, meetings=(*state.meetings, meeting))


def hold(state: BoardState, meeting_id: str, command: HoldMeeting, today: date) -> Outcome:
    """It came together: held with a quorum, else not quorate.

    Raises InvalidInput for a day in the future or before the board was, and for whoever was not in term that day;
    WrongState.
    """
    _require(state, "hold")
    meeting = _meeting(state, meeting_id)
    status = _stepped(meeting, MeetingStep.HOLD)
    held_on = command.held_on or meeting.planned_on
    check_day("held_on", held_on, first=state.established_on, today=today)
    eligible = in_term(state, held_on)
    present = tuple(sorted(set(command.present), key=lambda id_: (len(id_), id_)))
    faults = [
        FieldError(f"present.{index}", "not_in_term", {"value": id_, "day": held_on.isoformat()})
        for index, id_ in enumerate(command.present)
        if id_ not in eligible
    ]
    if faults:
        raise InvalidInput(*faults)
    needed = needed_for_quorum(len(eligible), state.quorum_percent)
    quorate = len(present) >= needed
    held = meeting.model_copy(
        update={
            "status": status if quorate else MeetingStatus.NOT_QUORATE,
            "held_on": held_on,
            "present": present,
            "in_term": len(eligible),
            "needed": needed,
        }
    )
    last = max(filter(None, (state.last_held_on, held_on))) if quorate else state.last_held_on
    return BOARD_MEETING_HELD, _next(state, meetings=_with(state, held), last_held_on=last)


def cancel_meeting(state: BoardState, meeting_id: str) -> Outcome:
    """It will not take place; raises WrongState."""
    _require(state, "cancel")
    meeting = _meeting(state, meeting_id)
    cancelled = meeting.model_copy(update={"status": _stepped(meeting, MeetingStep.CANCEL)})
    return BOARD_MEETING_CANCELLED, _next(state, meetings=_with(state, cancelled))


def decide(state: BoardState, meeting_id: str, command: TakeDecision) -> Outcome:
    """What a quorate meeting voted on: adopted by more than half of those present, else rejected.

    Raises InvalidInput for more votes than members present or a due day before the meeting, WrongState for a meeting
    without a quorum.
    """
    _require(state, "decide")
    meeting = _meeting(state, meeting_id)
    _stepped(meeting, MeetingStep.DECIDE)
    assert meeting.held_on is not None
    _room("text", sum(len(each.decisions) for each in state.meetings), MAX_DECISIONS)
    votes = command.votes_for + command.votes_against + command.abstained
    if votes > len(meeting.present):
        raise InvalidInput(FieldError("votes_for", "more_votes_than_present", {"limit": len(meeting.present)}))
    if command.due_on is not None and command.due_on < meeting.held_on:
        raise InvalidInput(FieldError("due_on", "earlier_than", {"limit": meeting.held_on.isoformat()}))
    adopted = command.votes_for * 2 > len(meeting.present)
    follow_up = adopted and command.due_on is not None
    decision = Decision(
        decision_id=f"d{len(meeting.decisions) + 1}",
        votes_for=command.votes_for,
        votes_against=command.votes_against,
        abstained=command.abstained,
        status=_outcome(adopted, follow_up),
        responsible=command.responsible,
        responsible_ref=command.responsible_ref,
        due_on=command.due_on,
        done_on=meeting.held_on if adopted and not follow_up else None,
    )
    return BOARD_DECISION_TAKEN, _next(
        state, meetings=_with(state, meeting.model_copy(update={"decisions": (*meeting.decisions, decision)}))
    )


def _outcome(adopted: bool, follow_up: bool) -> DecisionStatus:
    if not adopted:
        return DecisionStatus.REJECTED
    return DecisionStatus.OPEN if follow_up else DecisionStatus.DONE


def carry_out(state: BoardState, meeting_id: str, decision_id: str, command: CarryOutDecision, today: date) -> Outcome:
    """A decision is followed up; raises InvalidInput for a day before the meeting or in the future, WrongState."""
    _require(state, "done")
    meeting, decision = _decision(state, meeting_id, decision_id)
    done_on = command.done_on or today
    assert meeting.held_on is not None
    check_day("done_on", done_on, first=meeting.held_on, today=today)
    evidence = tuple(dict.fromkeys(each.told() for each in command.evidence))
    changes = {"done_on": done_on, "evidence": evidence, "overdue_since": None}
    return BOARD_DECISION_DONE, _decided(state, meeting, decision, DecisionStep.DO, **changes)


def cancel_decision(state: BoardState, meeting_id: str, decision_id: str) -> Outcome:
    """Not to be followed up any more; raises WrongState."""
    _require(state, "cancel")
    meeting, decision = _decision(state, meeting_id, decision_id)
    return BOARD_DECISION_CANCELLED, _decided(state, meeting, decision, DecisionStep.CANCEL, overdue_since=None)


def dissolve(state: BoardState, command: DissolveBoard, today: date) -> Outcome:
    """The board is no more; raises InvalidInput for a day before it was or in the future, WrongState."""
    _require(state, "dissolve")
    dissolved_on = command.dissolved_on or today
    check_day("dissolved_on", dissolved_on, first=state.established_on, today=today)
    return BOARD_DISSOLVED, _next(state, status=BoardStatus.DISSOLVED, dissolved_on=dissolved_on)


def passed(state: BoardState, today: date) -> Iterator[Outcome]:
    """What passing time has done by `today`: terms are over, and decisions not followed up overdue the day after."""
    members = _by(today, state.members)
    if members != state.members:
        state = _next(state, members=members, chair=_chair(state, members))
        yield BOARD_MEMBER_LEFT, state
    if state.status is not BoardStatus.ESTABLISHED:
        return
    for meeting_id in [meeting.meeting_id for meeting in state.meetings]:
        for decision in _meeting(state, meeting_id).decisions:
            if (decision.status, DecisionStep.OVERDUE) in DECISIONS and decision.due_on and decision.due_on < today:
                since = decision.due_on + ONE_DAY
                meeting = _meeting(state, meeting_id)
                state = _decided(state, meeting, decision, DecisionStep.OVERDUE, overdue_since=since)
                yield BOARD_DECISION_OVERDUE, state


def next_due(state: BoardState) -> date | None:
    """The day after which the calendar has something to say, or None."""
    days = [member.until - ONE_DAY for member in state.members if member.until and not member.left]
    if state.status is BoardStatus.ESTABLISHED:
        days += [
            decision.due_on
            for meeting in state.meetings
            for decision in meeting.decisions
            if (decision.status, DecisionStep.OVERDUE) in DECISIONS and decision.due_on
        ]
    return min(days, default=None)


def reassign(state: BoardState, merged_id: str, living_id: str) -> Outcome:
    """References follow a merged enterprise."""
    members = tuple(
        member.model_copy(update={"enterprise_id": living_id}) if member.enterprise_id == merged_id else member
        for member in state.members
    )
    return BOARD_REASSIGNED, _next(state, members=members)


def _admitted(command: MemberInput, others: tuple[Member, ...], path: str) -> Member:
    if command.until is not None and command.until <= command.since:
        raise InvalidInput(FieldError(path + "until", "not_after", {"limit": command.since.isoformat()}))
    for other in others:
        apart = (other.until is not None and other.until <= command.since) or (
            command.until is not None and command.until <= other.since
        )
        if other.ref == command.ref and not apart:
            raise InvalidInput(FieldError(path + "ref", "duplicate", {"value": command.ref}))
    return Member(member_id=f"p{len(others) + 1}", **command.model_dump(exclude={"name", "position"}))


def _by(today: date, members: Iterable[Member]) -> tuple[Member, ...]:
    """The members as they are on `today`: with a term that is over they have left."""
    return tuple(
        member.model_copy(update={"left": member.until is not None and member.until <= today}) for member in members
    )


def _chair(state: BoardState, members: Iterable[Member]) -> str | None:
    """The chair, unless that member has left."""
    return None if any(member.left and member.member_id == state.chair for member in members) else state.chair


def _member(state: BoardState, member_id: str, field: str) -> Member:
    member = next((each for each in state.members if each.member_id == member_id), None)
    if member is None:
        raise InvalidInput(FieldError(field, "unknown_member", {"value": member_id[:64]}))
    return member


def _meeting(state: BoardState, meeting_id: str) -> Meeting:
    meeting = next((each for each in state.meetings if each.meeting_id == meeting_id), None)
    if meeting is None:
        raise InvalidInput(FieldError("meeting_id", "unknown_meeting", {"value": meeting_id[:64]}))
    return meeting


def _decision(state: BoardState, meeting_id: str, decision_id: str) -> tuple[Meeting, Decision]:
    meeting = _meeting(state, meeting_id)
    decision = next((each for each in meeting.decisions if each.decision_id == decision_id), None)
    if decision is None:
        raise InvalidInput(FieldError("decision_id", "unknown_decision", {"value": decision_id[:64]}))
    return meeting, decision


def _stepped(meeting: Meeting, step: MeetingStep) -> MeetingStatus:
    status = MEETINGS.get((meeting.status, step))
    if status is None:
        raise refuse(meeting.status, step, MEETINGS)
    return status


def _decided(state: BoardState, meeting: Meeting, decision: Decision, step: DecisionStep, **changes: Any) -> BoardState:
    status = DECISIONS.get((decision.status, step))
    if status is None:
        offered = {key: value for key, value in DECISIONS.items() if key[1] is not DecisionStep.OVERDUE}
        raise refuse(decision.status, step, offered)
    changed = decision.model_copy(update={**changes, "status": status})
    decisions = tuple(changed if each.decision_id == decision.decision_id else each for each in meeting.decisions)
    return _next(state, meetings=_with(state, meeting.model_copy(update={"decisions": decisions})))


def _with(state: BoardState, changed: Meeting) -> tuple[Meeting, ...]:
    return tuple(changed if each.meeting_id == changed.meeting_id else each for each in state.meetings)


def _room(field: str, there: int, limit: int) -> None:
    if there >= limit:
        raise InvalidInput(FieldError(field, "too_long", {"max_length": limit}))


def _require(state: BoardState, step: str) -> None:
    if (state.status, step) not in BOARDS:
        raise refuse(state.status, step, BOARDS)


def _next(state: BoardState, **changes: Any) -> BoardState:
    return state.model_copy(update={**changes, "version": state.version + 1})
