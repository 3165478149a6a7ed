"""Use cases of preparation (stage 1)."""

from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlmodel import col

from services.partners import analyses
from services.partners.commands.enterprises import FOLLOWERS, living_enterprise
from services.partners.domain import preparation as domain
from services.partners.tables.preparation import (
    InterestRow,
    Listing,
    MarketAssessmentRow,
    MarketReviewRow,
    NeedRow,
    OfferRow,
    OrientationRow,
    Owned,
    SectorReviewRow,
    SelfAssessmentRow,
)
from services.partners.tables.registers import EnterpriseRow, InstitutionRow, PartnershipRow
from shared.clock import local_day
from shared.contracts.events import EventType, State
from shared.contracts.partners import InstitutionState, InstitutionStatus, PartnershipState
from shared.contracts.preparation import (
    InterestState,
    ListingState,
    MarketAssessmentState,
    MarketReviewState,
    OrientationState,
    SectorReviewState,
    SelfAssessmentState,
)
from shared.errors import FieldError, Forbidden, InvalidInput
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import Role

S = TypeVar("S", bound=State)


async def open_institution(uow: UnitOfWork, institution_id: str) -> InstitutionState:
    """An institution at work within the caller's scope, locked until the end.

    Raises NotFound, or InvalidInput where it is closed.
    """
    return at_work(await uow.load(InstitutionRow, InstitutionState, institution_id, what="institution"))


def at_work(institution: InstitutionState) -> InstitutionState:
    """The institution; raises InvalidInput where it is closed."""
    if institution.status is InstitutionStatus.CLOSED:
        raise InvalidInput(FieldError("institution_id", "institution_closed", {"value": institution.id}))
    return institution


async def record_self_assessment(uow: UnitOfWork, command: domain.RecordSelfAssessment) -> SelfAssessmentState:
    """Answer Q1–Q4; the answers become the institution's next edition."""
    institution = await open_institution(uow, command.institution_id)
    for index, each in enumerate(command.main_partners):
        if each.partnership_id is not None:
            await _own_partnership(uow, institution.id, each.partnership_id, f"main_partners.{index}.partnership_id")
    # The institution is locked, so that two editions cannot get one number.
    last = await uow.session.execute(
        select(func.max(col(SelfAssessmentRow.edition))).where(
            col(SelfAssessmentRow.institution_id) == command.institution_id
        )
    )
    outcome = domain.assess(new_id(), (last.scalar() or 0) + 1, command, local_day(uow.now))
    return await _enter(uow, SelfAssessmentRow, outcome, institution, domain.Notes(notes=command.notes))


async def record_need(uow: UnitOfWork, command: domain.RecordListing) -> ListingState:
    """Publish what an institution or enterprise needs of a partner."""
    return await _list(uow, NeedRow, domain.NEEDS, command)


async def record_offer(uow: UnitOfWork, command: domain.RecordListing) -> ListingState:
    """Publish what an institution or enterprise offers a partner."""
    return await _list(uow, OfferRow, domain.OFFERS, command)


async def update_listing(
    uow: UnitOfWork, row: type[Listing], kind: domain.ListingKind, id_: str, command: domain.UpdateListing
) -> ListingState:
    """Change quantity, last day or notes of one's own need or offer."""
    state = await _own_listing(uow, row, kind, id_)
    details = None if command.notes is None else domain.Notes(notes=command.notes)
    return await _relist(uow, row, kind.update(state, command), details)


async def close_listing(
    uow: UnitOfWork, row: type[Listing], kind: domain.ListingKind, id_: str, command: domain.CloseListing
) -> ListingState:
    """One's own need or offer is no longer open."""
    state = await _own_listing(uow, row, kind, id_)
    return await _relist(uow, row, kind.close(state, command, local_day(uow.now)))


async def analyse_interests(uow: UnitOfWork, partnership_id: str, command: domain.AnalyseInterests) -> InterestState:
    """Say what a partner is interested in; the analysis of a partnership is replaced."""
    partnership = await uow.load(PartnershipRow, PartnershipState, partnership_id, what="partnership")
    institution = await open_institution(uow, partnership.institution_id)
    found = await uow.session.execute(
        select(col(InterestRow.id)).where(col(InterestRow.partnership_id) == partnership_id)
    )
    existing: InterestState | None = None
    if (id_ := found.scalar_one_or_none()) is not None:
        existing = await uow.load(InterestRow, InterestState, id_, what="interest")
    outcome = domain.analyse(new_id(), (partnership_id, institution.id), existing, command, local_day(uow.now))
    return await _enter(uow, InterestRow, outcome, institution, domain.Notes(notes=command.notes))


async def adopt_orientation(uow: UnitOfWork, command: domain.AdoptOrientation) -> OrientationState:
    """R1: enter the pedagogical council's decision to cooperate."""
    institution = await open_institution(uow, command.institution_id)
    details = domain.Responsible(responsible_name=command.responsible_name, notes=command.notes)
    return await _enter(uow, OrientationRow, domain.adopt(new_id(), command, local_day(uow.now)), institution, details)


async def revoke_orientation(uow: UnitOfWork, id_: str) -> OrientationState:
    """R1: the decision no longer holds."""
    state = await uow.load(OrientationRow, OrientationState, id_, what="orientation")
    event_type, revoked = domain.revoke(state, local_day(uow.now))
    row = await uow.session.get_one(OrientationRow, id_)
    return await uow.record(OrientationRow, event_type, revoked, key=state.institution_id, org_path=row.org_path)


async def review_market(uow: UnitOfWork, command: domain.ReviewMarket) -> MarketReviewState:
    """R3: look at who else trains for the same here; what is seen today is kept as evidence."""
    institution = await open_institution(uow, command.institution_id)
    async with uow.beyond_scope():
        rivals = await analyses.rivals(uow.session, institution, command.area)
    found = {"competitors": len(rivals), "professions": analyses.professions_of(institution)}
    outcome = domain.review_market(new_id(), command, found, local_day(uow.now))
    return await _enter(uow, MarketReviewRow, outcome, institution, domain.Notes(notes=command.notes))


async def review_sector(uow: UnitOfWork, command: domain.ReviewSector) -> SectorReviewState:
    """R5: look at the prospects of a sector in the institution's region; what is seen today is kept as evidence."""
    institution = await open_institution(uow, command.institution_id)
    section = command.isic_section or institution.sector
    if section is None:
        raise InvalidInput(FieldError("isic_section", "sector_unknown"))
    region = analyses.region_of(institution)
    async with uow.beyond_scope():
        seen = await analyses.sector_prospects(uow.session, region, section, local_day(uow.now).year)
    found = {
        "region": region,
        "isic_section": section,
        "trend": seen.trend,
        "plan_priority": seen.plan_priority,
        "enterprises": sum(seen.enterprises.values()),
    }
    outcome = domain.review_sector(new_id(), command, found, local_day(uow.now))
    return await _enter(uow, SectorReviewRow, outcome, institution, domain.Notes(notes=command.notes))


async def assess_market(uow: UnitOfWork, command: domain.AssessMarket) -> MarketAssessmentState:
    """R6: weigh demand for a profession against places, graduates and unemployed; kept as evidence."""
    institution = await open_institution(uow, command.institution_id)
    region = analyses.region_of(institution)
    today = local_day(uow.now)
    async with uow.beyond_scope():
        seen = await analyses.labour_market(uow.session, region, command.profession, command.qualification, today)
    found = {
        "region": region,
        "demand": seen.demand,
        "vacancies": seen.vacancies,
        "unemployed": seen.unemployed,
        "places": seen.places,
        "graduates": seen.graduates,
    }
    if seen.projection is not None:
        found |= {
            "graduation_year": seen.projection.year,
            "projected_demand": seen.projection.expected,
            "projected_low": seen.projection.low,
            "projected_high": seen.projection.high,
        }
    outcome = domain.assess_market(new_id(), command, found, today)
    return await _enter(uow, MarketAssessmentRow, outcome, institution, domain.Notes(notes=command.notes))


async def reassign_listings(uow: UnitOfWork, old: str, new: str) -> None:
    """Needs and offers of a merged enterprise follow to the one that lives on."""
    for row_type, kind in ((NeedRow, domain.NEEDS), (OfferRow, domain.OFFERS)):
        ids = await uow.session.execute(
            select(col(row_type.id)).where(col(row_type.enterprise_id) == old).order_by(col(row_type.id))
        )
        for id_ in ids.scalars():
            state = await uow.load(row_type, ListingState, id_, what=kind.what)
            event_type, moved = kind.reassign(state, new)
            row = await uow.session.get_one(row_type, id_)
            await uow.record(row_type, event_type, moved, key=_stream_of(moved), org_path=row.org_path)


FOLLOWERS.append(reassign_listings)


async def _list(
    uow: UnitOfWork, row: type[Listing], kind: domain.ListingKind, command: domain.RecordListing
) -> ListingState:
    details = domain.Notes(notes=command.notes)
    if command.institution_id is not None:
        institution = await open_institution(uow, command.institution_id)
        event_type, state = kind.record(new_id(), command, institution.membership[-1].district)
        return await uow.record(row, event_type, state, key=institution.id, org_path=institution.path, details=details)
    assert command.enterprise_id is not None
    id_ = await living_enterprise(uow, command.enterprise_id, "enterprise_id")
    enterprise = await uow.session.get_one(EnterpriseRow, id_)
    _may_speak_for(uow, id_, enterprise.org_path)
    event_type, state = kind.record(
        new_id(), command.model_copy(update={"enterprise_id": id_}), enterprise.state["district"]
    )
    key = _stream_of(state)
    return await uow.record(row, event_type, state, key=key, org_path=enterprise.org_path, details=details)


async def _own_listing(uow: UnitOfWork, row: type[Listing], kind: domain.ListingKind, id_: str) -> ListingState:
    state = await uow.load(row, ListingState, id_, what=kind.what)
    entry = await uow.session.get_one(row, id_)
    if state.enterprise_id is not None:
        _may_speak_for(uow, state.enterprise_id, entry.org_path)
    elif not uow.principal.scope.sees(entry.org_path):
        raise Forbidden(role=uow.principal.role.value)
    return state


async def _relist(
    uow: UnitOfWork, row: type[Listing], outcome: tuple[EventType, ListingState], details: BaseModel | None = None
) -> ListingState:
    event_type, state = outcome
    entry = await uow.session.get_one(row, state.id)
    key = _stream_of(state)
    return await uow.record(row, event_type, state, key=key, org_path=entry.org_path, details=details)


def _stream_of(state: ListingState) -> str:
    """The stream that tells of a need or offer: its institution's, or its own – enterprises come and go by merging."""
    return state.institution_id or state.id


def _may_speak_for(uow: UnitOfWork, enterprise_id: str, org_path: str) -> None:
    """An enterprise speaks for itself, a territorial office for enterprises in its territory; institutions don't."""
    principal = uow.principal
    if principal.role is Role.INSTITUTION or not principal.scope.sees(org_path, [enterprise_id]):
        raise Forbidden(role=principal.role.value)


async def _own_partnership(uow: UnitOfWork, institution_id: str, id_: str, field: str) -> None:
    row = await uow.session.get(PartnershipRow, id_)
    if row is None or row.institution_id != institution_id:
        raise InvalidInput(FieldError(field, "unknown_partnership", {"value": id_}))


async def _enter(
    uow: UnitOfWork, row: type[Owned], outcome: tuple[EventType, S], institution: InstitutionState, details: BaseModel
) -> S:
    event_type, state = outcome
    return await uow.record(row, event_type, state, key=institution.id, org_path=institution.path, details=details)
