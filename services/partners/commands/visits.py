"""Use cases of contacts with partners (stage 2): dossiers, visits, known events, next actions."""

from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy import ColumnElement, and_, select
from sqlmodel import col

from services.partners.commands.calendars import check_calendars
from services.partners.commands.enterprises import FOLLOWERS, living_enterprise
from services.partners.commands.preparation import at_work, open_institution
from services.partners.domain.visits import actions, dossiers, visits
from services.partners.tables.registers import EnterpriseRow, InstitutionRow, PartnershipRow
from services.partners.tables.visits import DossierRow, NextActionRow, VisitRow
from shared.clock import local_day
from shared.contracts.events import EventType
from shared.contracts.partners import InstitutionState
from shared.contracts.visits import Check, DossierState, NextActionState, Side, VisitState, VisitStatus
from shared.contracts.vocabulary import EnterpriseSize
from shared.errors import FieldError, Forbidden, InvalidInput
from shared.ids import new_id
from shared.persistence.scheduler import Passage
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import Role

P = TypeVar("P", bound=dossiers.PartnerCommand)


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
    command, enterprise = await _with_living_partner(uow, command, at_work=True)
    if command.partnership_id is not None:
        await _own_partnership(uow, institution.id, command.partnership_id)
    if command.follows is not None:
        await _held_before(uow, command, command.follows)
    event_type, state = visits.plan(new_id(), command, _size(enterprise), uow.now)
    await check_calendars(uow, institution, enterprise, state)
    details = visits.VisitDetails(
        agenda=command.agenda, envoy_name=command.envoy_name, host_name=command.host_name, notes=command.notes
    )
    return await uow.record(VisitRow, event_type, state, key=institution.id, org_path=institution.path, details=details)


async def reschedule_visit(uow: UnitOfWork, visit_id: str, command: visits.RescheduleVisit) -> VisitState:
    """Another time, free in both calendars; the partner has to agree to it again."""
    state = await _own_visit(uow, visit_id)
    outcome = visits.reschedule(state, command, uow.now)
    # Not locked: whoever moves the institution holds it and waits for its visits. The calendars' locks are enough.
    row = await uow.session.get_one(InstitutionRow, state.institution_id)
    institution = at_work(InstitutionState.model_validate(row.state))
    await check_calendars(uow, institution, await _enterprise(uow, state.enterprise_id), outcome[1])
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


# -- next actions


async def finish_action(uow: UnitOfWork, action_id: str, command: actions.FinishAction) -> NextActionState:
    """It was done."""
    return await _record_action(uow, actions.finish(await _own_action(uow, action_id), command, local_day(uow.now)))


async def cancel_action(uow: UnitOfWork, action_id: str) -> NextActionState:
    """It is no longer wanted."""
    return await _record_action(uow, actions.cancel(await _own_action(uow, action_id)))


async def remind(uow: UnitOfWork, action_id: str) -> list[EventType]:
    """Tell, once, that an action is overdue."""
    state = await uow.load(NextActionRow, NextActionState, action_id, what="next_action")
    outcome = actions.remind(state, local_day(uow.now))
    if outcome is None:
        return []
    await _record_action(uow, outcome)
    return [outcome[0]]


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


async def _own_partnership(uow: UnitOfWork, institution_id: str, id_: str) -> None:
    row = await uow.session.get(PartnershipRow, id_)
    if row is None or row.institution_id != institution_id:
        raise InvalidInput(FieldError("partnership_id", "unknown_entry", {"value": id_}))


async def _held_before(uow: UnitOfWork, command: visits.PlanVisit, id_: str) -> None:
    row = await uow.session.get(VisitRow, id_)
    if row is None or row.institution_id != command.institution_id:
        raise InvalidInput(FieldError("follows", "unknown_entry", {"value": id_}))
    if row.status != VisitStatus.HELD or row.partner != command.partner:
        raise InvalidInput(FieldError("follows", "nothing_to_continue", {"value": id_}))


async def _own_visit(uow: UnitOfWork, visit_id: str) -> VisitState:
    """A visit of an institution in the caller's territory: the visited enterprise only sees it and agrees."""
    state = await uow.load(VisitRow, VisitState, visit_id, what="visit")
    if uow.principal.role is Role.ENTERPRISE:
        raise Forbidden(role=uow.principal.role.value)
    return state


async def _own_action(uow: UnitOfWork, action_id: str) -> NextActionState:
    """A next action; an enterprise answers for the partner's side alone."""
    state = await uow.load(NextActionRow, NextActionState, action_id, what="next_action")
    if uow.principal.role is Role.ENTERPRISE and state.side is not Side.PARTNER:
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


async def _with_living_partner(uow: UnitOfWork, command: P, *, at_work: bool = False) -> tuple[P, EnterpriseRow | None]:
    if command.enterprise_id is None:
        return command, None
    living = await living_enterprise(uow, command.enterprise_id, "enterprise_id", at_work=at_work)
    return command.model_copy(update={"enterprise_id": living}), await uow.session.get_one(EnterpriseRow, living)


async def _enterprise(uow: UnitOfWork, enterprise_id: str | None) -> EnterpriseRow | None:
    return None if enterprise_id is None else await uow.session.get(EnterpriseRow, enterprise_id)


def _size(enterprise: EnterpriseRow | None) -> EnterpriseSize | None:
    return None if enterprise is None else EnterpriseSize(enterprise.state["size"])


def due(now: datetime) -> ColumnElement[bool]:
    """The next actions whose day has passed undone."""
    return and_(col(NextActionRow.status) == "agreed", col(NextActionRow.due_on) < local_day(now))


ACTIONS = Passage(NextActionRow, due, remind)
