"""Use cases of institutions."""

from typing import Any

from sqlalchemy import select, text, update
from sqlmodel import col

from services.partners.commands.territory import require_territory
from services.partners.domain import institutions as domain
from services.partners.tables.api_keys import ApiKeyRow
from services.partners.tables.preparation import (
    InterestRow,
    MarketAssessmentRow,
    MarketReviewRow,
    NeedRow,
    OfferRow,
    OrientationRow,
    SectorReviewRow,
    SelfAssessmentRow,
)
from services.partners.tables.registers import EnrolmentRow, InstitutionRow, PartnershipRow
from services.partners.tables.visits import DossierRow, KnownEventRow, NextActionRow, VisitRow
from services.partners.tables.webhooks import WebhookRow
from shared.clock import local_day
from shared.contracts.events import EventType
from shared.contracts.partners import EnrolmentState, InstitutionState
from shared.errors import AlreadyExists, FieldError, InvalidInput, NotFound
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork

FOLLOWING: tuple[Any, ...] = (
    ApiKeyRow,
    EnrolmentRow,
    PartnershipRow,
    SelfAssessmentRow,
    OrientationRow,
    InterestRow,
    MarketReviewRow,
    SectorReviewRow,
    MarketAssessmentRow,
    NeedRow,
    OfferRow,
    VisitRow,
    DossierRow,
    NextActionRow,
)
"""Rows that lie where their institution lies."""
# Mergers, and moves that take merged institutions along, one after the other: nobody waits in a ring.
_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtextextended('institution mergers', 0))")


async def register_institution(uow: UnitOfWork, command: domain.RegisterInstitution) -> InstitutionState:
    """Enter an institution into a district of the caller's territory; raises AlreadyExists for a taken code."""
    district = await require_territory(uow, command.district, "district")
    if not uow.principal.scope.sees(district.path):
        raise NotFound(what="district", id=command.district)
    taken = await uow.session.execute(select(col(InstitutionRow.id)).where(col(InstitutionRow.code) == command.code))
    if (existing := taken.scalar_one_or_none()) is not None:
        raise AlreadyExists(what="institution", key=command.code, id=existing)
    return await _record(uow, *domain.register(new_id(), command, local_day(uow.now)))


async def update_institution(
    uow: UnitOfWork, institution_id: str, command: domain.UpdateInstitution
) -> InstitutionState:
    """Change name, kind or sector."""
    return await _record(uow, *domain.update(await _load(uow, institution_id), command))


async def set_programmes(uow: UnitOfWork, institution_id: str, command: domain.SetProgrammes) -> InstitutionState:
    """Replace the list of programmes."""
    return await _record(uow, *domain.set_programmes(await _load(uow, institution_id), command))


async def move_institution(uow: UnitOfWork, institution_id: str, command: domain.MoveInstitution) -> InstitutionState:
    """Move to another district of the caller's territory; enrolment reports move along, and who was merged into it."""
    await uow.session.execute(_ONE_AT_A_TIME)
    state = await _load(uow, institution_id)
    district = await require_territory(uow, command.district, "district")
    if not uow.principal.scope.sees(district.path):
        raise NotFound(what="district", id=command.district)
    return await _settle(uow, domain.move(state, command, local_day(uow.now)))


async def close_institution(uow: UnitOfWork, institution_id: str, command: domain.CloseInstitution) -> InstitutionState:
    """End the institution's work."""
    return await _record(uow, *domain.close(await _load(uow, institution_id), command, local_day(uow.now)))


async def merge_institution(uow: UnitOfWork, institution_id: str, command: domain.MergeInstitution) -> InstitutionState:
    """End the institution's work, which another of the caller's territory goes on with; raises InvalidInput."""
    await uow.session.execute(_ONE_AT_A_TIME)
    state = await _load(uow, institution_id)
    uow.expected_version = None  # If-Match named the version of this institution alone
    successor = await named_institution(uow, command.successor_id, "successor_id")
    return await _settle(uow, domain.merge(state, successor, command, local_day(uow.now)))


async def reopen_institution(uow: UnitOfWork, institution_id: str) -> InstitutionState:
    """It was closed or merged by mistake: it is again where it was, with those that were merged into it."""
    await uow.session.execute(_ONE_AT_A_TIME)
    return await _settle(uow, domain.reopen(await _load(uow, institution_id)))


async def report_enrolment(
    uow: UnitOfWork, institution_id: str, year: str, command: domain.ReportEnrolment
) -> EnrolmentState:
    """Report or correct the figures of an academic year."""
    institution = await _load(uow, institution_id)
    try:
        existing: EnrolmentState | None = await uow.load(
            EnrolmentRow, EnrolmentState, domain.enrolment_id(institution_id, year), what="enrolment"
        )
    except NotFound:
        existing = None
    event_type, state = domain.report_enrolment(institution, existing, year, command)
    return await uow.record(EnrolmentRow, event_type, state, key=institution.id, org_path=institution.path)


async def report_figures(uow: UnitOfWork, command: domain.ReportFigures) -> EnrolmentState:
    """Report or correct the figures of the institution and the academic year that the row names."""
    return await report_enrolment(uow, command.institution_id, command.academic_year, command)


async def named_institution(uow: UnitOfWork, institution_id: str, field: str) -> InstitutionState:
    """The institution that a field of a command names; raises InvalidInput where the caller sees none."""
    try:
        return await _load(uow, institution_id)
    except NotFound:
        raise InvalidInput(FieldError(field, "unknown_institution", {"value": institution_id})) from None


async def _load(uow: UnitOfWork, institution_id: str) -> InstitutionState:
    return await uow.load(InstitutionRow, InstitutionState, institution_id, what="institution")


async def _record(uow: UnitOfWork, event_type: EventType, state: InstitutionState) -> InstitutionState:
    return await uow.record(InstitutionRow, event_type, state, key=state.id, org_path=state.path)


async def _settle(uow: UnitOfWork, outcome: domain.Outcome) -> InstitutionState:
    """An institution that may lie elsewhere now: its rows go along, and those that were merged into it.

    They lay below it, so its caller sees them.
    """
    settled = await _record(uow, *outcome)
    await _follow(uow, settled)
    uow.expected_version = None  # If-Match named the version of the first one alone
    merged = select(col(InstitutionRow.id)).where(InstitutionRow.merged_into(settled.id))
    for id_ in (await uow.session.execute(merged.order_by(col(InstitutionRow.id)))).scalars().all():
        gone_along = domain.follow(await _load(uow, id_), settled)
        if gone_along is not None:
            await _settle(uow, gone_along)
    return settled


async def _follow(uow: UnitOfWork, institution: InstitutionState) -> None:
    """Rows of an institution lie at its path, so that they are seen where it is seen."""
    own_events = (col(KnownEventRow.owner) == "institution") & (col(KnownEventRow.owner_ref) == institution.id)
    owned: list[tuple[Any, Any]] = [
        *((table, col(table.institution_id) == institution.id) for table in FOLLOWING),
        (WebhookRow, col(WebhookRow.owner) == institution.id),
        (KnownEventRow, own_events),
    ]
    for table, own in owned:
        elsewhere = own & (col(table.org_path) != institution.path)
        await uow.session.execute(update(table).where(elsewhere).values(org_path=institution.path))
