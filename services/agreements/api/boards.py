"""HTTP routes of Boards of Trustees (R12): one line a command; what may be done by whom stands in one table."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from sqlmodel import col

from services.agreements.commands import boards
from services.agreements.domain.boards import commands as domain
from services.agreements.tables.agreements import own_paths
from services.agreements.tables.final_stage import BoardRow
from shared.contracts.final_stage import BoardState, BoardStatus
from shared.scope import EDUCATION, Role
from shared.web.edge import Edge
from shared.web.registers import Creation, Filter, Reference, Register, add_register

PERMISSIONS: dict[str, frozenset[Role]] = {
    "board.read": EDUCATION | {Role.ENTERPRISE, Role.SERVICE},
    "board.establish": EDUCATION,
    "board.change": EDUCATION,
    "board.meet": EDUCATION,
}


class BoardFilter(Filter):
    """What the list of boards is narrowed by."""

    institution_id: Reference = None
    enterprise_id: Reference = None
    status: BoardStatus | None = None


BOARDS = Register(
    name="boards",
    what="board",
    row=BoardRow,
    state=BoardState,
    shown=domain.BoardShown,
    read="board.read",
    own_paths=own_paths,
    filters=BoardFilter,
    conditions={"enterprise_id": lambda id_: col(BoardRow.enterprise_ids).contains([id_])},
    create=Creation("board.establish", domain.EstablishBoard, boards.establish_board),
)
REGISTERS = (BOARDS,)

router = APIRouter(prefix="/v1")
for _register in REGISTERS:
    add_register(router, _register)
MemberId = Annotated[str, Path(max_length=64, description="a member's id: p1, p2 …")]
MeetingId = Annotated[str, Path(max_length=64, description="a meeting's id")]
DecisionId = Annotated[str, Path(max_length=64, description="a decision's id within its meeting: d1, d2 …")]


@router.post("/boards/{id_}/amend", tags=["boards"], response_model=domain.BoardShown)
async def amend_board(edge: Edge, id_: str, body: domain.AmendBoard) -> Response:
    """Another chair, regulation or quorum."""
    return await edge.command("board.change", lambda uow: boards.amend_board(uow, id_, body), versioned=True)


@router.post("/boards/{id_}/members", tags=["boards"], response_model=domain.BoardShown)
async def join_board(edge: Edge, id_: str, body: domain.MemberInput) -> Response:
    """Another member, or another term of one."""
    return await edge.command("board.change", lambda uow: boards.join_board(uow, id_, body), versioned=True)


@router.post("/boards/{id_}/members/{member_id}/end", tags=["boards"], response_model=domain.BoardShown)
async def end_term(edge: Edge, id_: str, member_id: MemberId, body: domain.EndTerm) -> Response:
    """A member's term ends on a day."""
    return await edge.command("board.change", lambda uow: boards.end_term(uow, id_, member_id, body), versioned=True)


@router.post("/boards/{id_}/dissolve", tags=["boards"], response_model=domain.BoardShown)
async def dissolve_board(edge: Edge, id_: str, body: domain.DissolveBoard) -> Response:
    """The board is no more; another may be established."""
    return await edge.command("board.change", lambda uow: boards.dissolve_board(uow, id_, body), versioned=True)


@router.post("/boards/{id_}/meetings", tags=["boards"], response_model=domain.BoardShown)
async def plan_meeting(edge: Edge, id_: str, body: domain.PlanMeeting) -> Response:
    """Call a meeting."""
    return await edge.command("board.meet", lambda uow: boards.plan_meeting(uow, id_, body), versioned=True)


@router.post("/boards/{id_}/meetings/{meeting_id}/hold", tags=["boards"], response_model=domain.BoardShown)
async def hold_meeting(edge: Edge, id_: str, meeting_id: MeetingId, body: domain.HoldMeeting) -> Response:
    """It came together; whether it had a quorum is computed from who was present."""
    return await edge.command("board.meet", lambda uow: boards.hold_meeting(uow, id_, meeting_id, body), versioned=True)


@router.post("/boards/{id_}/meetings/{meeting_id}/cancel", tags=["boards"], response_model=domain.BoardShown)
async def cancel_meeting(edge: Edge, id_: str, meeting_id: MeetingId) -> Response:
    """It will not take place."""
    return await edge.command("board.meet", lambda uow: boards.cancel_meeting(uow, id_, meeting_id), versioned=True)


@router.post("/boards/{id_}/meetings/{meeting_id}/decisions", tags=["boards"], response_model=domain.BoardShown)
async def take_decision(edge: Edge, id_: str, meeting_id: MeetingId, body: domain.TakeDecision) -> Response:
    """What a meeting with a quorum voted on, with its follow-up."""
    return await edge.command(
        "board.meet", lambda uow: boards.take_decision(uow, id_, meeting_id, body), versioned=True
    )


@router.post(
    "/boards/{id_}/meetings/{meeting_id}/decisions/{decision_id}/done",
    tags=["boards"],
    response_model=domain.BoardShown,
)
async def carry_out_decision(
    edge: Edge, id_: str, meeting_id: MeetingId, decision_id: DecisionId, body: domain.CarryOutDecision
) -> Response:
    """The follow-up of a decision is done."""
    return await edge.command(
        "board.meet",
        lambda uow: boards.carry_out_decision(uow, id_, meeting_id, decision_id, body),
        versioned=True,
    )


@router.post(
    "/boards/{id_}/meetings/{meeting_id}/decisions/{decision_id}/cancel",
    tags=["boards"],
    response_model=domain.BoardShown,
)
async def cancel_decision(edge: Edge, id_: str, meeting_id: MeetingId, decision_id: DecisionId) -> Response:
    """A decision is not to be followed up any more."""
    return await edge.command(
        "board.meet", lambda uow: boards.cancel_decision(uow, id_, meeting_id, decision_id), versioned=True
    )
