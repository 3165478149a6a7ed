"""HTTP routes of work plans (R10): one line a command; what may be done by whom stands in one table."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from services.agreements.commands import work_plans
from services.agreements.domain import work_plans as domain
from services.agreements.tables.agreements import own_paths
from services.agreements.tables.final_stage import WorkPlanRow
from shared.contracts.fields import AcademicYear
from shared.contracts.final_stage import WorkPlanState, WorkPlanStatus
from shared.scope import EDUCATION, Role
from shared.web.edge import Edge
from shared.web.registers import Creation, Filter, Reference, Register, add_register

PERMISSIONS: dict[str, frozenset[Role]] = {
    "work_plan.read": EDUCATION | {Role.SERVICE},
    "work_plan.adopt": EDUCATION,
    "work_plan.carry_out": EDUCATION,
}


class WorkPlanFilter(Filter):
    """What the list of work plans is narrowed by."""

    institution_id: Reference = None
    academic_year: AcademicYear | None = None
    status: WorkPlanStatus | None = None


WORK_PLANS = Register(
    name="work-plans",
    what="work_plan",
    row=WorkPlanRow,
    state=WorkPlanState,
    shown=domain.WorkPlanShown,
    read="work_plan.read",
    own_paths=own_paths,
    filters=WorkPlanFilter,
    create=Creation("work_plan.adopt", domain.AdoptWorkPlan, work_plans.adopt_work_plan),
)
REGISTERS = (WORK_PLANS,)

router = APIRouter(prefix="/v1")
for _register in REGISTERS:
    add_register(router, _register)
MeasureId = Annotated[str, Path(max_length=64, description="a measure's id: m1, m2 …")]


@router.post("/work-plans/{id_}/amend", tags=["work-plans"], response_model=domain.WorkPlanShown)
async def amend_work_plan(edge: Edge, id_: str, body: domain.AmendWorkPlan) -> Response:
    """Add, change or give up measures."""
    return await edge.command("work_plan.adopt", lambda uow: work_plans.amend_work_plan(uow, id_, body), versioned=True)


@router.post("/work-plans/{id_}/close", tags=["work-plans"], response_model=domain.WorkPlanShown)
async def close_work_plan(edge: Edge, id_: str, body: domain.CloseWorkPlan) -> Response:
    """The year's work is summed up."""
    return await edge.command("work_plan.adopt", lambda uow: work_plans.close_work_plan(uow, id_, body), versioned=True)


@router.post("/work-plans/{id_}/measures/{measure_id}/done", tags=["work-plans"], response_model=domain.WorkPlanShown)
async def carry_out_measure(edge: Edge, id_: str, measure_id: MeasureId, body: domain.CarryOutMeasure) -> Response:
    """A measure is done, with its evidence."""
    return await edge.command(
        "work_plan.carry_out",
        lambda uow: work_plans.carry_out_measure(uow, id_, measure_id, body),
        versioned=True,
    )


@router.post("/work-plans/{id_}/measures/{measure_id}/reopen", tags=["work-plans"], response_model=domain.WorkPlanShown)
async def reopen_measure(edge: Edge, id_: str, measure_id: MeasureId) -> Response:
    """A measure was recorded as done in error."""
    return await edge.command(
        "work_plan.carry_out", lambda uow: work_plans.reopen_measure(uow, id_, measure_id), versioned=True
    )
