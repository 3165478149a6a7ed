"""Use cases of work plans (R10), and what passing time does to them."""

from datetime import datetime

from sqlalchemy import ColumnElement
from sqlmodel import col

from services.agreements.commands.final_stage import check_evidence, details_of, record_change, require_free
from services.agreements.commands.references import require_institution
from services.agreements.domain import work_plans as domain
from services.agreements.tables.final_stage import WorkPlanRow
from shared.clock import local_day
from shared.contracts.events import EventType
from shared.contracts.final_stage import WorkPlanState
from shared.ids import new_id
from shared.persistence.scheduler import Passage
from shared.persistence.unit_of_work import UnitOfWork


async def adopt_work_plan(uow: UnitOfWork, command: domain.AdoptWorkPlan) -> WorkPlanState:
    """Adopt the plan of an academic year that has none; what is due already and not done is overdue at once."""
    institution = await require_institution(uow, command.institution_id)
    key = {"institution_id": command.institution_id, "academic_year": command.academic_year}
    await require_free(uow, WorkPlanRow, "work_plan", **key)
    event_type, state = domain.adopt(new_id(), command, local_day(uow.now))
    state = await uow.record(
        WorkPlanRow,
        event_type,
        state,
        key=state.institution_id,
        org_path=institution.path,
        details=domain.texts(state, command.measures),
    )
    return await _let_time_pass(uow, state)


async def amend_work_plan(uow: UnitOfWork, id_: str, command: domain.AmendWorkPlan) -> WorkPlanState:
    """Add, change or give up measures."""
    outcome = domain.amend(await _present(uow, id_), command, local_day(uow.now))
    before = await details_of(uow, WorkPlanRow, domain.WorkPlanDetails, id_)
    details = domain.texts(outcome[1], command.add, domain.renamed(before, command.change))
    return await record_change(uow, WorkPlanRow, outcome, details)


async def carry_out_measure(
    uow: UnitOfWork, id_: str, measure_id: str, command: domain.CarryOutMeasure
) -> WorkPlanState:
    """A measure is done; the entries named as evidence are the institution's own."""
    state = await _present(uow, id_)
    outcome = domain.carry_out(state, measure_id, command, local_day(uow.now))
    await check_evidence(uow, state.institution_id, command.evidence)
    return await record_change(uow, WorkPlanRow, outcome)


async def reopen_measure(uow: UnitOfWork, id_: str, measure_id: str) -> WorkPlanState:
    """A measure was recorded as done in error."""
    return await record_change(uow, WorkPlanRow, domain.reopen(await _present(uow, id_), measure_id))


async def close_work_plan(uow: UnitOfWork, id_: str, command: domain.CloseWorkPlan) -> WorkPlanState:
    """The year's work is summed up."""
    return await record_change(uow, WorkPlanRow, domain.close(await _present(uow, id_), command, local_day(uow.now)))


async def _load(uow: UnitOfWork, id_: str) -> WorkPlanState:
    return await uow.load(WorkPlanRow, WorkPlanState, id_, what="work_plan")


async def _present(uow: UnitOfWork, id_: str) -> WorkPlanState:
    """A plan as it is today: commands don't depend on when the scheduler last came by."""
    return await _let_time_pass(uow, await _load(uow, id_))


async def _let_time_pass(uow: UnitOfWork, state: WorkPlanState) -> WorkPlanState:
    for outcome in domain.passed(state, local_day(uow.now)):
        state = await record_change(uow, WorkPlanRow, outcome)
    return state


def _due(now: datetime) -> ColumnElement[bool]:
    return col(WorkPlanRow.next_due_on) < local_day(now)


async def _bring(uow: UnitOfWork, id_: str) -> list[EventType]:
    told = []
    for outcome in domain.passed(await _load(uow, id_), local_day(uow.now)):
        await record_change(uow, WorkPlanRow, outcome)
        told.append(outcome[0])
    return told


WORK_PLANS = Passage(WorkPlanRow, _due, _bring)
