"""Use cases of calendars: known events of either side, and what stands in the way of a meeting (B1, B3 prevented)."""

from collections.abc import Iterable

from sqlalchemy import and_, or_, select, text
from sqlmodel import col

from services.partners.commands.enterprises import FOLLOWERS, living_enterprise
from services.partners.commands.preparation import open_institution
from services.partners.commands.territory import require_territory
from services.partners.domain.visits import calendars
from services.partners.domain.visits.calendars import Busy, Engagement
from services.partners.tables.registers import EnterpriseRow
from services.partners.tables.visits import EventTitle, KnownEventRow, VisitRow
from shared.contracts.partners import InstitutionState
from shared.contracts.visits import EventOwner, KnownEventKind, KnownEventState, VisitPlace, VisitState
from shared.errors import FieldError, Forbidden, InvalidInput
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import SOATO_LENGTHS, Principal, Role, path_of

_LOCK = text("select pg_advisory_xact_lock(hashtextextended('calendar ' || :owner, 0))")


async def record_known_event(uow: UnitOfWork, command: calendars.RecordKnownEvent) -> KnownEventState:
    """Enter what keeps an institution, an enterprise or a territory from receiving visits."""
    path, key = await _calendar_of(uow, command.owner, command.owner_ref)
    # Where an enterprise was merged, the event is the living one's.
    command = command.model_copy(update={"owner_ref": key})
    event_type, state = calendars.record(new_id(), command, _who(uow.principal))
    await uow.session.execute(_LOCK, {"owner": key})
    return await uow.record(
        KnownEventRow,
        event_type,
        state,
        key=_stream_of(state),
        org_path=path,
        details=EventTitle(title=command.title),
    )


async def cancel_known_event(uow: UnitOfWork, event_id: str) -> KnownEventState:
    """It does not take place."""
    state = await uow.load(KnownEventRow, KnownEventState, event_id, what="known_event")
    uow.expected_version = None
    path, _ = await _calendar_of(uow, state.owner, state.owner_ref)
    return await uow.record(KnownEventRow, *calendars.cancel(state), key=_stream_of(state), org_path=path)


async def _calendar_of(uow: UnitOfWork, owner: EventOwner, ref: str) -> tuple[str, str]:
    """Where an owner's events lie and their stream's key, if the caller may write in that calendar."""
    principal = uow.principal
    if owner is EventOwner.INSTITUTION:
        institution = await open_institution(uow, ref)
        return institution.path, institution.id
    if owner is EventOwner.ENTERPRISE:
        id_ = await living_enterprise(uow, ref, "owner_ref")
        enterprise = await uow.session.get_one(EnterpriseRow, id_)
        if principal.role is Role.INSTITUTION or not principal.scope.sees(enterprise.org_path, [id_]):
            raise Forbidden(role=principal.role.value)
        return enterprise.org_path, id_
    if not (ref.isascii() and ref.isdigit()) or len(ref) not in SOATO_LENGTHS:
        raise InvalidInput(FieldError("owner_ref", "soato", {"value": ref[:20]}))
    await require_territory(uow, ref, "owner_ref")
    if not principal.scope.sees(path_of(ref)):
        raise Forbidden(role=principal.role.value)
    return path_of(ref), ref


async def check_calendars(
    uow: UnitOfWork, institution: InstitutionState, enterprise: EnterpriseRow | None, visit: VisitState
) -> None:
    """Raise Clash where either side is busy. Both calendars are locked: of two plans at once, one sees the other."""
    # A partner that is no enterprise goes by the institution's own reference: another's may be the same word.
    owners = {institution.id, *([visit.enterprise_id] if visit.enterprise_id else ())}
    # In the order of names, so that two plans cannot wait for each other in a ring.
    for owner in sorted(owners):
        await uow.session.execute(_LOCK, {"owner": owner})
    async with uow.beyond_scope():
        others = await _visits(uow, institution.id, visit)
        events = await _events(uow, institution, enterprise, visit)
    calendars.check_free(visit.planned_start, visit.planned_end, [*others, *events])


async def _visits(uow: UnitOfWork, institution_id: str, visit: VisitState) -> Iterable[Engagement]:
    """Other visits at that time: at the enterprise by anybody, the institution's own by the same envoy, at the same
    partner, or to itself."""
    here = col(VisitRow.institution_id) == institution_id
    if visit.enterprise_id:
        here = or_(here, col(VisitRow.partner) == visit.enterprise_id)
    rows = await uow.session.execute(
        select(VisitRow).where(
            col(VisitRow.status).in_(["planned", "prepared"]),
            col(VisitRow.planned_start) < visit.planned_end,
            col(VisitRow.planned_end) > visit.planned_start,
            col(VisitRow.id) != visit.id,
            here,
        )
    )
    found = []
    for row in rows.scalars():
        if row.partner == (visit.enterprise_id or visit.partner_ref):
            who = Busy.PARTNER
        elif row.envoy_ref == visit.envoy_ref:
            who = Busy.ENVOY
        elif visit.place is VisitPlace.AT_INSTITUTION and row.state["place"] == VisitPlace.AT_INSTITUTION:
            who = Busy.INSTITUTION
        else:
            continue
        seen = uow.principal.scope.sees(row.org_path)
        ref = row.id if seen else None
        found.append(Engagement(who, row.planned_start, row.planned_end, ref=ref, hidden=not seen))
    return found


async def _events(
    uow: UnitOfWork, institution: InstitutionState, enterprise: EnterpriseRow | None, visit: VisitState
) -> Iterable[Engagement]:
    """Known events of either side, and of the territories they lie in."""
    own = calendars.territories(institution.path)
    territories = own | (calendars.territories(enterprise.org_path) if enterprise is not None else set())
    owners = [
        and_(col(KnownEventRow.owner) == EventOwner.INSTITUTION, col(KnownEventRow.owner_ref) == institution.id),
        and_(col(KnownEventRow.owner) == EventOwner.TERRITORY, col(KnownEventRow.owner_ref).in_(territories)),
    ]
    if enterprise is not None:
        owners.append(
            and_(col(KnownEventRow.owner) == EventOwner.ENTERPRISE, col(KnownEventRow.owner_ref) == enterprise.id)
        )
    rows = await uow.session.execute(
        select(KnownEventRow).where(
            col(KnownEventRow.status) == "expected",
            col(KnownEventRow.starts_at) < visit.planned_end,
            col(KnownEventRow.ends_at) > visit.planned_start,
            or_(*owners),
        )
    )
    found = []
    for row in rows.scalars():
        ours = row.owner_ref == institution.id or row.owner_ref in own
        who = Busy.INSTITUTION if ours else Busy.PARTNER
        told = None if row.owner == EventOwner.ENTERPRISE else row.id
        found.append(Engagement(who, row.starts_at, row.ends_at, KnownEventKind(row.state["kind"]), told))
    return found


async def reassign_events(uow: UnitOfWork, old: str, new: str) -> None:
    """Known events of a merged enterprise follow: they stand in the way at the one that lives on."""
    ids = await uow.session.execute(
        select(col(KnownEventRow.id))
        .where(col(KnownEventRow.owner) == EventOwner.ENTERPRISE, col(KnownEventRow.owner_ref) == old)
        .order_by(col(KnownEventRow.id))
    )
    for id_ in ids.scalars().all():
        state = await uow.load(KnownEventRow, KnownEventState, id_, what="known_event")
        row = await uow.session.get_one(KnownEventRow, id_)
        await uow.record(KnownEventRow, *calendars.reassign(state, new), key=_stream_of(state), org_path=row.org_path)


FOLLOWERS.append(reassign_events)


def _stream_of(state: KnownEventState) -> str:
    """The stream that tells of an event: its owner's, or its own – enterprises come and go by merging."""
    return state.id if state.owner is EventOwner.ENTERPRISE else state.owner_ref


def _who(principal: Principal) -> str:
    """Role and organisation, no person."""
    return f"{principal.role.value}:{principal.org}" if principal.org else principal.role.value
