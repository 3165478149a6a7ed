"""HTTP routes of instructions (R9): one line a command; what may be done by whom stands in one table."""

from fastapi import APIRouter, Response

from services.agreements.commands import instructions
from services.agreements.domain import instructions as domain
from services.agreements.domain.final_stage import Repeal
from services.agreements.tables.agreements import own_paths
from services.agreements.tables.final_stage import InstructionRow
from shared.contracts.final_stage import AdoptionStatus, Duty, InstructionKind, InstructionState
from shared.scope import EDUCATION, Role
from shared.web.edge import Edge
from shared.web.registers import Creation, Filter, Reference, Register, add_register

PERMISSIONS: dict[str, frozenset[Role]] = {
    "instruction.read": EDUCATION | {Role.SERVICE},
    "instruction.adopt": EDUCATION,
}


class InstructionFilter(Filter):
    """What the list of instructions is narrowed by."""

    institution_id: Reference = None
    kind: InstructionKind | None = None
    duty: Duty | None = None
    status: AdoptionStatus | None = None


INSTRUCTIONS = Register(
    name="instructions",
    what="instruction",
    row=InstructionRow,
    state=InstructionState,
    shown=domain.InstructionShown,
    read="instruction.read",
    own_paths=own_paths,
    filters=InstructionFilter,
    create=Creation("instruction.adopt", domain.AdoptInstruction, instructions.adopt_instruction),
)
REGISTERS = (INSTRUCTIONS,)

router = APIRouter(prefix="/v1")
for _register in REGISTERS:
    add_register(router, _register)


@router.post("/instructions/{id_}/revise", tags=["instructions"], response_model=domain.InstructionShown)
async def revise_instruction(edge: Edge, id_: str, body: domain.ReviseInstruction) -> Response:
    """Adopt the next edition; the one before ends on its first day. What was repealed is adopted anew like this."""
    return await edge.command(
        "instruction.adopt", lambda uow: instructions.revise_instruction(uow, id_, body), versioned=True
    )


@router.post("/instructions/{id_}/repeal", tags=["instructions"], response_model=domain.InstructionShown)
async def repeal_instruction(edge: Edge, id_: str, body: Repeal) -> Response:
    """End the last edition; none follows."""
    return await edge.command(
        "instruction.adopt", lambda uow: instructions.repeal_instruction(uow, id_, body), versioned=True
    )
