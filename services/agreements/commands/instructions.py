"""Use cases of instructions (R9)."""

from services.agreements.commands.final_stage import details_of, record_change, require_free
from services.agreements.commands.references import require_institution
from services.agreements.domain import instructions as domain
from services.agreements.domain.final_stage import Repeal
from services.agreements.tables.final_stage import InstructionRow
from shared.clock import local_day
from shared.contracts.final_stage import InstructionState
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork


async def adopt_instruction(uow: UnitOfWork, command: domain.AdoptInstruction) -> InstructionState:
    """Adopt the duties or the job instruction of a post that has none; a new edition of one is `revise`."""
    institution = await require_institution(uow, command.institution_id)
    key = {"institution_id": command.institution_id, "kind": command.kind.value, "duty": command.duty.value}
    await require_free(uow, InstructionRow, "instruction", **key)
    event_type, state = domain.adopt(new_id(), command, local_day(uow.now))
    return await uow.record(
        InstructionRow,
        event_type,
        state,
        key=state.institution_id,
        org_path=institution.path,
        details=domain.told_apart(state, command),
    )


async def revise_instruction(uow: UnitOfWork, id_: str, command: domain.ReviseInstruction) -> InstructionState:
    """Adopt its next edition."""
    outcome = domain.revise(await _load(uow, id_), command, local_day(uow.now))
    before = await details_of(uow, InstructionRow, domain.InstructionDetails, id_)
    return await record_change(uow, InstructionRow, outcome, domain.told_apart(outcome[1], command, before))


async def repeal_instruction(uow: UnitOfWork, id_: str, command: Repeal) -> InstructionState:
    """End its last edition."""
    return await record_change(uow, InstructionRow, domain.repeal(await _load(uow, id_), command, local_day(uow.now)))


async def _load(uow: UnitOfWork, id_: str) -> InstructionState:
    return await uow.load(InstructionRow, InstructionState, id_, what="instruction")
