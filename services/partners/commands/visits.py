"""Use cases of contacts with partners (stage 2): dossiers, visits, known events, next actions."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy import ColumnElement, and_, or_, select, text
from sqlmodel import col

from services.partners.commands.enterprises import FOLLOWERS, living_enterprise
from services.partners.commands.preparation import open_institution
from services.partners.domain.visits import actions, calendars, dossiers, visits
from services.partners.domain.visits.calendars import Busy, Engagement
from services.partners.tables.registers import EnterpriseRow, PartnershipRow
from services.partners.tables.visits import DossierRow, EventTitle, KnownEventRow, NextActionRow, VisitRow
from shared.clock import local_day
from shared.contracts.events import EventType
from shared.contracts.partners import InstitutionState
from shared.contracts.visits import (
    Check,
    DossierState,
    EventOwner,
    KnownEventKind,
    KnownEventState,
    NextActionState,
    VisitPlace,
    VisitState,
)
from shared.contracts.vocabulary import EnterpriseSize
from shared.errors import FieldError, Forbidden, InvalidInput
from shared.ids import new_id
from shared.persistence.scheduler import Passage
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import SOATO_LENGTHS, Role, path_of

P = TypeVar("P", bound=dossiers.PartnerCommand)
_LOCK = text("select pg_advisory_xact_lock(hashtextextended('calendar ' || :owner, 0))")


# -- dossiers


async def keep_dossier(uow: UnitOfWork, command: dossiers.KeepDossier) -> DossierState:
    """Write down what is known of a partner (V2); there is one dossier for each partner, replaced as a whole."""
    institution = await open_institution(uow, command.institution_id)
    command, enterprise = await _with_living_partner(uow, command)
    found = await uow.session.execute(
        select(col(DossierRow.id)).where(
            col(DossierRow.institution_id) == institution.id, col(DossierRow.partner) == command.partner
        )
    )
    existing: DossierState | None = None
    if (id_ := found.scalar_one_or_none()) is not None:
        existing = await uow.load(DossierRow, DossierState, id_, what="dossier")
    event_type, state = dossiers.keep(new_id(), existing, command, _size(enterprise), local_day(uow.now))
    return await uow.record(
        DossierRow,
        event_type,
        state,
        key=institution.id,
        org_path=institution.path,
        details=dossiers.DossierDetails(contacts=command.contacts, notes=command.notes),
    )


# -- visits


async def plan_visit(uow: UnitOfWork, command: visits.PlanVisit) -> VisitState:
    """Plan a visit to a partner; a time that clashes with either side's calendar is refused with the clash named."""
    institution = await open_institution(uow, command.institution_id)
    command, enterprise = await _with_living_partner(uow, command)
    if command.partnership_id is not None:
        await _require_own(uow, PartnershipRow, institution.id, command.partnership_id, "partnership_id")
    if command.follows is not None:
        await _require_own(uow, VisitRow, institution.id, command.follows, "follows")
    event_type, state = visits.plan(new_id(), command, _size(enterprise), uow.now)
    await _check_calendars(uow, institution, enterprise, state)
    details = visits.VisitDetails(
        agenda=command.agenda, envoy_name=command.envoy_name, host_name=command.host_name, notes=command.notes
    )
    return await uow.record(VisitRow, event_type, state, key=institution.id, org_path=institution.path, details=details)


async def reschedule_visit(uow: UnitOfWork, visit_id: str, command: visits.RescheduleVisit) -> VisitState:
    """Another time, free in both calendars; the partner has to agree to it again."""
    state = await _own_visit(uow, visit_id)
    outcome = visits.reschedule(state, command, uow.now)
    uow.expected_version = None  # If-Match named the version of the visit alone
    institution = await open_institution(uow, state.institution_id)
    await _check_calendars(uow, institution, await _enterprise(uow, state.enterprise_id), outcome[1])
    return await _record_visit(uow, outcome)


async def agree_visit(uow: UnitOfWork, visit_id: str, command: visits.AgreeVisit) -> VisitState:
    """V3: the partner has agreed to the time; the enterprise may say so itself."""
    state = await uow.load(VisitRow, VisitState, visit_id, what="visit")
    return await _record_visit(uow, visits.agree(state, command, local_day(uow.now)))


async def answer_check(uow: UnitOfWork, visit_id: str, check: Check, command: visits.AnswerCheck) -> VisitState:
    """An item of the checklist (V1–V6) is done, or waived for a reason that is kept."""
    state = await _own_visit(uow, visit_id)
    outcome = visits.answer(state, check, command, local_day(uow.now))
    details = await _details(uow, visit_id)
    reasons = {each: reason for each, reason in details.waiver_reasons.items() if each is not check}
    if command.reason:
        reasons[check] = command.reason
    return await _record_visit(uow, outcome, details.model_copy(update={"waiver_reasons": reasons}))


async def prepare_visit(uow: UnitOfWork, visit_id: str) -> VisitState:
    """Prepared, if no item of the checklist is open."""
    state = await _own_visit(uow, visit_id)
    enterprise = await _enterprise(uow, state.enterprise_id)
    dossier = await uow.session.execute(
        select(DossierRow).where(
            col(DossierRow.institution_id) == state.institution_id,
            col(DossierRow.partner) == (state.enterprise_id or state.partner_ref),
        )
    )
    row = dossier.scalar_one_or_none()
    complete = row is not None and bool(row.state["complete"])
    return await _record_visit(uow, visits.prepare(state, _size(enterprise), dossier_complete=complete))


async def hold_visit(uow: UnitOfWork, visit_id: str, command: visits.HoldVisit) -> VisitState:
    """It took place: when it really began and ended."""
    return await _record_visit(uow, visits.hold(await _own_visit(uow, visit_id), command, uow.now))


async def record_protocol(uow: UnitOfWork, visit_id: str, command: visits.RecordProtocol) -> VisitState:
    """The negotiation (N1–N6) with its outcome, the problems met and the next actions agreed."""
    state = await _own_visit(uow, visit_id)
    outcome = visits.record_protocol(state, command, local_day(uow.now))
    details = (await _details(uow, visit_id)).model_copy(update={"step_notes": dict(command.step_notes)})
    recorded = await _record_visit(uow, outcome, details)
    path = (await uow.session.get_one(VisitRow, visit_id)).org_path
    for each in command.actions:
        event_type, action = actions.agree(new_id(), recorded, each)
        await uow.record(
            NextActionRow,
            event_type,
            action,
            key=action.institution_id,
            org_path=path,
            details=actions.ActionDetails(what=each.what),
        )
    return recorded


async def cancel_visit(uow: UnitOfWork, visit_id: str, command: visits.CancelVisit) -> VisitState:
    """It won't take place; the problems that prevented it are counted."""
    return await _record_visit(uow, visits.cancel(await _own_visit(uow, visit_id), command, local_day(uow.now)))


# -- known events


async def record_known_event(uow: UnitOfWork, command: calendars.RecordKnownEvent) -> KnownEventState:
    """Enter what keeps an institution, an enterprise or a territory from receiving visits."""
    path, key = await _calendar_of(uow, command.owner, command.owner_ref)
    event_type, state = calendars.record(new_id(), command)
    await uow.session.execute(_LOCK, {"owner": key})
    return await uow.record(
        KnownEventRow, event_type, state, key=key, org_path=path, details=EventTitle(title=command.title)
    )


async def cancel_known_event(uow: UnitOfWork, event_id: str) -> KnownEventState:
    """It does not take place."""
    state = await uow.load(KnownEventRow, KnownEventState, event_id, what="known_event")
    uow.expected_version = None
    path, key = await _calendar_of(uow, state.owner, state.owner_ref)
    return await uow.record(KnownEventRow, *calendars.cancel(state), key=key, org_path=path)


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
    if not principal.scope.sees(path_of(ref)):
        raise Forbidden(role=principal.role.value)
    return path_of(ref), ref


# -- next actions


async def finish_action(uow: UnitOfWork, action_id: str, command: actions.FinishAction) -> NextActionState:
    """It was done."""
    state = await uow.load(NextActionRow, NextActionState, action_id, what="next_action")
    return await _record_action(uow, actions.finish(state, command, local_day(uow.now)))


async def cancel_action(uow: UnitOfWork, action_id: str) -> NextActionState:
    """It is no longer wanted."""
    state = await uow.load(NextActionRow, NextActionState, action_id, what="next_action")
    return await _record_action(uow, actions.cancel(state))


async def remind(uow: UnitOfWork, action_id: str) -> list[EventType]:
    """Tell, once, that an action is overdue."""
    state = await uow.load(NextActionRow, NextActionState, action_id, what="next_action")
    outcome = actions.remind(state, local_day(uow.now))
    if outcome is None:
        return []
    await _record_action(uow, outcome)
    return [outcome[0]]


# -- calendars


async def _check_calendars(
    uow: UnitOfWork, institution: InstitutionState, enterprise: EnterpriseRow | None, visit: VisitState
) -> None:
    """Raise Clash where either side is busy. Both calendars are locked: of two plans at once, one sees the other."""
    partner = visit.enterprise_id or visit.partner_ref or ""
    # In the order of names, so that two plans cannot wait for each other in a ring.
    for owner in sorted({institution.id, partner}):
        await uow.session.execute(_LOCK, {"owner": owner})
    async with uow.beyond_scope():
        others = await _visits(uow, institution.id, partner, visit)
        events = await _events(uow, institution, enterprise, visit)
    calendars.check_free(visit.planned_start, visit.planned_end, [*others, *events])


async def _visits(uow: UnitOfWork, institution_id: str, partner: str, visit: VisitState) -> Iterable[Engagement]:
    """Other visits at that time: at the partner by anybody, by the same envoy, or to the institution itself."""
    rows = await uow.session.execute(
        select(VisitRow).where(
            col(VisitRow.status).in_(["planned", "prepared"]),
            col(VisitRow.planned_start) < visit.planned_end,
            col(VisitRow.planned_end) > visit.planned_start,
            col(VisitRow.id) != visit.id,
            or_(col(VisitRow.partner) == partner, col(VisitRow.institution_id) == institution_id),
        )
    )
    found = []
    for row in rows.scalars():
        own = row.institution_id == institution_id
        if row.partner == partner:
            who = Busy.PARTNER
        elif row.envoy_ref == visit.envoy_ref:
            who = Busy.ENVOY
        elif visit.place is VisitPlace.AT_INSTITUTION and row.state["place"] == VisitPlace.AT_INSTITUTION:
            who = Busy.INSTITUTION
        else:
            continue
        found.append(Engagement(who, row.planned_start, row.planned_end, ref=row.id if own else None))
    return found


async def _events(
    uow: UnitOfWork, institution: InstitutionState, enterprise: EnterpriseRow | None, visit: VisitState
) -> Iterable[Engagement]:
    """Known events of either side, and of the territories they lie in."""
    territories = _chain(institution.path) | (_chain(enterprise.org_path) if enterprise is not None else set())
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
        who = Busy.PARTNER if row.owner == EventOwner.ENTERPRISE else Busy.INSTITUTION
        told = None if row.owner == EventOwner.ENTERPRISE else row.id
        found.append(Engagement(who, row.starts_at, row.ends_at, KnownEventKind(row.state["kind"]), told))
    return found


def _chain(path: str) -> set[str]:
    """The territory codes of a path."""
    return {part for part in path.split("/") if part.isdigit() and len(part) in SOATO_LENGTHS}


# -- references follow merged enterprises


async def reassign_contacts(uow: UnitOfWork, old: str, new: str) -> None:
    """Visits, next actions and dossiers follow; where the institution has a dossier on both, each stays as it is."""
    for id_ in await _ids(uow, VisitRow, old):
        await _record_visit(uow, visits.reassign(await uow.load(VisitRow, VisitState, id_, what="visit"), new))
    for id_ in await _ids(uow, NextActionRow, old):
        action = await uow.load(NextActionRow, NextActionState, id_, what="next_action")
        await _record_action(uow, actions.reassign(action, new))
    taken = select(col(DossierRow.institution_id)).where(col(DossierRow.enterprise_id) == new)
    dossier_ids = await uow.session.execute(
        select(col(DossierRow.id))
        .where(col(DossierRow.enterprise_id) == old, col(DossierRow.institution_id).not_in(taken))
        .order_by(col(DossierRow.id))
    )
    for id_ in dossier_ids.scalars().all():
        dossier = await uow.load(DossierRow, DossierState, id_, what="dossier")
        row = await uow.session.get_one(DossierRow, id_)
        event_type, moved = dossiers.reassign(dossier, new)
        await uow.record(DossierRow, event_type, moved, key=dossier.institution_id, org_path=row.org_path)


FOLLOWERS.append(reassign_contacts)


async def _ids(uow: UnitOfWork, row: type[VisitRow] | type[NextActionRow], enterprise_id: str) -> list[str]:
    query = select(col(row.id)).where(col(row.enterprise_id) == enterprise_id).order_by(col(row.id))
    return list((await uow.session.execute(query)).scalars())


# -- what they share


async def _require_own(
    uow: UnitOfWork, row_type: type[PartnershipRow | VisitRow], institution_id: str, id_: str, field: str
) -> None:
    row: PartnershipRow | VisitRow | None = await uow.session.get(row_type, id_)
    if row is None or row.institution_id != institution_id:
        raise InvalidInput(FieldError(field, "unknown_entry", {"value": id_}))


async def _own_visit(uow: UnitOfWork, visit_id: str) -> VisitState:
    """A visit of an institution in the caller's territory: the visited enterprise only sees it and agrees."""
    state = await uow.load(VisitRow, VisitState, visit_id, what="visit")
    if uow.principal.role is Role.ENTERPRISE:
        raise Forbidden(role=uow.principal.role.value)
    return state


async def _details(uow: UnitOfWork, visit_id: str) -> visits.VisitDetails:
    return visits.VisitDetails.model_validate((await uow.session.get_one(VisitRow, visit_id)).details)


async def _record_visit(uow: UnitOfWork, outcome: visits.Result, details: BaseModel | None = None) -> VisitState:
    event_type, state = outcome
    row = await uow.session.get_one(VisitRow, state.id)
    return await uow.record(
        VisitRow, event_type, state, key=state.institution_id, org_path=row.org_path, details=details
    )


async def _record_action(uow: UnitOfWork, outcome: actions.Outcome) -> NextActionState:
    event_type, state = outcome
    row = await uow.session.get_one(NextActionRow, state.id)
    return await uow.record(NextActionRow, event_type, state, key=state.institution_id, org_path=row.org_path)


async def _with_living_partner(uow: UnitOfWork, command: P) -> tuple[P, EnterpriseRow | None]:
    if command.enterprise_id is None:
        return command, None
    living = await living_enterprise(uow, command.enterprise_id, "enterprise_id")
    return command.model_copy(update={"enterprise_id": living}), await uow.session.get_one(EnterpriseRow, living)


async def _enterprise(uow: UnitOfWork, enterprise_id: str | None) -> EnterpriseRow | None:
    return None if enterprise_id is None else await uow.session.get(EnterpriseRow, enterprise_id)


def _size(enterprise: EnterpriseRow | None) -> EnterpriseSize | None:
    return None if enterprise is None else EnterpriseSize(enterprise.state["size"])


def due(now: datetime) -> ColumnElement[bool]:
    """The next actions whose day has passed undone."""
    return and_(col(NextActionRow.status) == "agreed", col(NextActionRow.due_on) < local_day(now))


ACTIONS = Passage(NextActionRow, due, remind)
