"""Use cases of the labour market: figures that many report, and the regions' plans."""

import uuid

from sqlalchemy import select
from sqlmodel import col

from services.partners.commands.enterprises import FOLLOWERS, living_enterprise
from services.partners.commands.territory import require_territory
from services.partners.domain import labour_market as domain
from services.partners.domain.preparation import Notes
from services.partners.tables.labour_market import DemandReportRow, PlanPriorityRow, SupplyReportRow
from shared.contracts.labour_market import (
    DemandReportState,
    PlanPriorityState,
    ReporterKind,
    SupplyReportState,
)
from shared.errors import Forbidden, NotFound
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import Role, path_of

KEYS = uuid.UUID("0a3e8a4e-5d7a-5e0c-8a8e-5b8d1a6f7c21")


def _key(*parts: str | int) -> str:
    """The identity of a figure: what it is of, and who says so (UUIDv5)."""
    return str(uuid.uuid5(KEYS, "/".join(map(str, parts))))


async def report_demand(uow: UnitOfWork, command: domain.ReportDemand) -> DemandReportState:
    """Report or correct how many positions are wanted: an enterprise for itself, a region for its labour bodies."""
    await require_territory(uow, command.region, "region")
    if command.reporter is ReporterKind.ENTERPRISE:
        living = await living_enterprise(uow, command.reporter_ref, "reporter_ref")
        if uow.principal.role is Role.ENTERPRISE and uow.principal.org != living:
            raise Forbidden(role=uow.principal.role.value)
        command = command.model_copy(update={"reporter_ref": living})
    if uow.principal.role is not Role.ENTERPRISE:
        _within(uow, command.region)
    elif command.reporter is not ReporterKind.ENTERPRISE:
        raise Forbidden(role=uow.principal.role.value)
    id_ = _key("demand", command.reporter_ref, command.region, command.profession, command.qualification, command.year)
    try:
        existing: DemandReportState | None = await uow.load(
            DemandReportRow, DemandReportState, id_, what="demand_report"
        )
    except NotFound:
        existing = None
    event_type, state = domain.report_demand(id_, existing, command)
    return await uow.record(DemandReportRow, event_type, state, key=command.region, org_path=path_of(command.region))


async def report_supply(uow: UnitOfWork, command: domain.ReportSupply) -> SupplyReportState:
    """Report or correct registered unemployed."""
    await require_territory(uow, command.region, "region")
    _within(uow, command.region)
    id_ = _key("supply", command.reporter_ref, command.region, command.profession, command.qualification, command.year)
    try:
        existing: SupplyReportState | None = await uow.load(
            SupplyReportRow, SupplyReportState, id_, what="supply_report"
        )
    except NotFound:
        existing = None
    event_type, state = domain.report_supply(id_, existing, command)
    return await uow.record(SupplyReportRow, event_type, state, key=command.region, org_path=path_of(command.region))


async def record_priority(uow: UnitOfWork, command: domain.RecordPlanPriority) -> PlanPriorityState:
    """Enter or change a sector's place in the region's long-term plan."""
    await require_territory(uow, command.region, "region")
    _within(uow, command.region)
    named = []
    for index, each in enumerate(command.enterprises):
        living = await living_enterprise(uow, each.enterprise_id, f"enterprises.{index}.enterprise_id")
        named.append(each.model_copy(update={"enterprise_id": living}))
    command = command.model_copy(update={"enterprises": tuple(named)})
    id_ = _key("plan", command.region, command.isic_section, command.year_from)
    try:
        existing: PlanPriorityState | None = await uow.load(
            PlanPriorityRow, PlanPriorityState, id_, what="plan_priority"
        )
    except NotFound:
        existing = None
    event_type, state = domain.record_priority(id_, existing, command)
    return await uow.record(
        PlanPriorityRow,
        event_type,
        state,
        key=command.region,
        org_path=path_of(command.region),
        details=Notes(notes=command.notes),
    )


async def reassign_figures(uow: UnitOfWork, old: str, new: str) -> None:
    """Demand reports and plans follow a merged enterprise; a figure keeps its identity."""
    reports = await uow.session.execute(
        select(col(DemandReportRow.id))
        .where(col(DemandReportRow.enterprise_id) == old)
        .order_by(col(DemandReportRow.id))
    )
    for id_ in reports.scalars():
        report = await uow.load(DemandReportRow, DemandReportState, id_, what="demand_report")
        event_type, moved = domain.reassign_demand(report, new)
        await uow.record(DemandReportRow, event_type, moved, key=report.region, org_path=path_of(report.region))
    plans = await uow.session.execute(
        select(col(PlanPriorityRow.id))
        .where(col(PlanPriorityRow.enterprise_ids).contains([old]))
        .order_by(col(PlanPriorityRow.id))
    )
    for id_ in plans.scalars():
        plan = await uow.load(PlanPriorityRow, PlanPriorityState, id_, what="plan_priority")
        told, changed = domain.reassign_priority(plan, old, new)
        await uow.record(PlanPriorityRow, told, changed, key=plan.region, org_path=path_of(plan.region))


FOLLOWERS.append(reassign_figures)


def _within(uow: UnitOfWork, region: str) -> None:
    """The caller's territory holds the whole region."""
    if not uow.principal.scope.sees(path_of(region)):
        raise Forbidden(role=uow.principal.role.value)
