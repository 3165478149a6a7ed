"""Use cases of Boards of Trustees (R12), and what passing time and merged enterprises do to them."""

from datetime import datetime

from sqlalchemy import ColumnElement, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import col

from services.agreements.commands.final_stage import check_evidence, details_of, record_change, require_free
from services.agreements.commands.references import living_enterprise, require_institution
from services.agreements.domain.boards import commands, rules
from services.agreements.domain.boards.commands import BoardDetails
from services.agreements.tables.final_stage import BoardRow, DocumentRow
from shared.clock import local_day
from shared.contracts.events import EventType
from shared.contracts.final_stage import BoardState, BoardStatus, DocumentKind
from shared.errors import FieldError, InvalidInput
from shared.ids import new_id
from shared.persistence.scheduler import Passage
from shared.persistence.unit_of_work import UnitOfWork


async def establish_board(uow: UnitOfWork, command: commands.EstablishBoard) -> BoardState:
    """Establish the board of an institution that has none."""
    institution = await require_institution(uow, command.institution_id)
    await require_free(
        uow, BoardRow, "board", institution_id=command.institution_id, status=BoardStatus.ESTABLISHED.value
    )
    await _check_regulation(uow, command.institution_id, command.regulation_document_id)
    members = list(command.members)
    # Locked in the order of ids, as drafts of agreements do.
    named = [index for index, member in enumerate(members) if member.enterprise_id is not None]
    for index in sorted(named, key=lambda index: str(members[index].enterprise_id)):
        members[index] = await _of_the_living(uow, members[index], f"members.{index}.enterprise_id")
    command = command.model_copy(update={"members": tuple(members)})
    event_type, state = rules.establish(new_id(), command, local_day(uow.now))
    texts = tuple(
        commands.MemberText(member_id=member.member_id, name=text.name, position=text.position)
        for member, text in zip(state.members, members, strict=True)
    )
    return await uow.record(
        BoardRow,
        event_type,
        state,
        key=state.institution_id,
        org_path=institution.path,
        details=BoardDetails(member_texts=texts),
    )


async def amend_board(uow: UnitOfWork, id_: str, command: commands.AmendBoard) -> BoardState:
    """Another chair, regulation or quorum."""
    state = await _present(uow, id_)
    await _check_regulation(uow, state.institution_id, command.regulation_document_id)
    return await record_change(uow, BoardRow, rules.amend(state, command, local_day(uow.now)))


async def join_board(uow: UnitOfWork, id_: str, command: commands.MemberInput) -> BoardState:
    """Another member, or another term of one."""
    # Before the board is locked: a merge locks enterprise and board in this order too.
    command = await _of_the_living(uow, command, "enterprise_id")
    outcome = rules.join(await _present(uow, id_), command, local_day(uow.now))
    before = await details_of(uow, BoardRow, BoardDetails, id_)
    member_id = outcome[1].members[-1].member_id
    text = commands.MemberText(member_id=member_id, name=command.name, position=command.position)
    details = before.model_copy(update={"member_texts": (*before.member_texts, text)})
    return await record_change(uow, BoardRow, outcome, details)


async def end_term(uow: UnitOfWork, id_: str, member_id: str, command: commands.EndTerm) -> BoardState:
    """A member's term ends on a day."""
    state = await _present(uow, id_)
    return await record_change(uow, BoardRow, rules.leave(state, member_id, command, local_day(uow.now)))


async def plan_meeting(uow: UnitOfWork, id_: str, command: commands.PlanMeeting) -> BoardState:
    """Call a meeting."""
    outcome = rules.plan(await _present(uow, id_), new_id(), command)
    before = await details_of(uow, BoardRow, BoardDetails, id_)
    text = commands.MeetingText(meeting_id=outcome[1].meetings[-1].meeting_id, agenda=command.agenda)
    details = before.model_copy(update={"meeting_texts": (*before.meeting_texts, text)})
    return await record_change(uow, BoardRow, outcome, details)


async def hold_meeting(uow: UnitOfWork, id_: str, meeting_id: str, command: commands.HoldMeeting) -> BoardState:
    """It came together, with or without a quorum."""
    outcome = rules.hold(await _present(uow, id_), meeting_id, command, local_day(uow.now))
    before = await details_of(uow, BoardRow, BoardDetails, id_)
    texts = tuple(
        text.model_copy(update={"protocol": command.protocol}) if text.meeting_id == meeting_id else text
        for text in before.meeting_texts
    )
    return await record_change(uow, BoardRow, outcome, before.model_copy(update={"meeting_texts": texts}))


async def cancel_meeting(uow: UnitOfWork, id_: str, meeting_id: str) -> BoardState:
    """It will not take place."""
    return await record_change(uow, BoardRow, rules.cancel_meeting(await _present(uow, id_), meeting_id))


async def take_decision(uow: UnitOfWork, id_: str, meeting_id: str, command: commands.TakeDecision) -> BoardState:
    """What a meeting with a quorum voted on."""
    outcome = rules.decide(await _present(uow, id_), meeting_id, command)
    before = await details_of(uow, BoardRow, BoardDetails, id_)
    meeting = next(each for each in outcome[1].meetings if each.meeting_id == meeting_id)
    text = commands.DecisionText(
        meeting_id=meeting_id, decision_id=meeting.decisions[-1].decision_id, text=command.text
    )
    details = before.model_copy(update={"decision_texts": (*before.decision_texts, text)})
    return await record_change(uow, BoardRow, outcome, details)


async def carry_out_decision(
    uow: UnitOfWork, id_: str, meeting_id: str, decision_id: str, command: commands.CarryOutDecision
) -> BoardState:
    """A decision is followed up; the entries named as evidence are the institution's own."""
    state = await _present(uow, id_)
    outcome = rules.carry_out(state, meeting_id, decision_id, command, local_day(uow.now))
    await check_evidence(uow, state.institution_id, command.evidence)
    return await record_change(uow, BoardRow, outcome)


async def cancel_decision(uow: UnitOfWork, id_: str, meeting_id: str, decision_id: str) -> BoardState:
    """It will not be followed up."""
    return await record_change(uow, BoardRow, rules.cancel_decision(await _present(uow, id_), meeting_id, decision_id))


async def dissolve_board(uow: UnitOfWork, id_: str, command: commands.DissolveBoard) -> BoardState:
    """The board is no more."""
    return await record_change(uow, BoardRow, rules.dissolve(await _present(uow, id_), command, local_day(uow.now)))


async def follow_merge(uow: UnitOfWork, merged_id: str, living: str) -> None:
    """Every board with a member of the merged enterprise, in term or not, names the living one from now on."""
    named = literal({"members": [{"enterprise_id": merged_id}]}, JSONB)
    query = select(col(BoardRow.id)).where(col(BoardRow.state).op("@>")(named))
    for id_ in (await uow.session.execute(query.order_by(col(BoardRow.id)).with_for_update())).scalars():
        await record_change(uow, BoardRow, rules.reassign(await _load(uow, id_), merged_id, living))


async def _load(uow: UnitOfWork, id_: str) -> BoardState:
    return await uow.load(BoardRow, BoardState, id_, what="board")


async def _present(uow: UnitOfWork, id_: str) -> BoardState:
    """A board as it is today: commands don't depend on when the scheduler last came by."""
    state = await _load(uow, id_)
    for outcome in rules.passed(state, local_day(uow.now)):
        state = await record_change(uow, BoardRow, outcome)
    return state


async def _of_the_living(uow: UnitOfWork, member: commands.MemberInput, field: str) -> commands.MemberInput:
    if member.enterprise_id is None:
        return member
    living = await living_enterprise(uow, member.enterprise_id, field, at_work=True)
    return member.model_copy(update={"enterprise_id": living})


async def _check_regulation(uow: UnitOfWork, institution_id: str, document_id: str | None) -> None:
    if document_id is None:
        return
    query = select(col(DocumentRow.id)).where(
        col(DocumentRow.id) == document_id,
        col(DocumentRow.institution_id) == institution_id,
        col(DocumentRow.kind) == DocumentKind.BOARD_REGULATION,
    )
    if (await uow.session.execute(query)).scalar_one_or_none() is None:
        raise InvalidInput(FieldError("regulation_document_id", "unknown_regulation", {"value": document_id}))


def _due(now: datetime) -> ColumnElement[bool]:
    return col(BoardRow.next_due_on) < local_day(now)


async def _bring(uow: UnitOfWork, id_: str) -> list[EventType]:
    told = []
    for outcome in rules.passed(await _load(uow, id_), local_day(uow.now)):
        await record_change(uow, BoardRow, outcome)
        told.append(outcome[0])
    return told


BOARDS = Passage(BoardRow, _due, _bring)
