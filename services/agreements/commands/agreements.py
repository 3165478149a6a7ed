"""Use cases of agreements."""

from sqlalchemy import select
from sqlmodel import col

from services.agreements.commands.references import living_enterprise, require_institution
from services.agreements.domain import agreements as domain
from services.agreements.domain import schedules
from services.agreements.domain.lifecycle import Outcome
from services.agreements.tables.agreements import AgreementRow
from services.agreements.tables.practice import PlacementRow
from shared.clock import local_day
from shared.contracts.agreements import AgreementState
from shared.contracts.practice import PlacementStatus
from shared.contracts.vocabulary import PartyCategory
from shared.errors import FieldError, Forbidden, InvalidInput
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import Principal, Role

SIGNERS = {Role.INSTITUTION: PartyCategory.INSTITUTION, Role.ENTERPRISE: PartyCategory.ENTERPRISE}


async def draft_agreement(uow: UnitOfWork, command: domain.DraftAgreement) -> AgreementState:
    """Draw up an agreement of an institution in the caller's scope; a merged enterprise is stored as the living one."""
    institution = await require_institution(uow, command.institution_id)
    event_type, state = domain.draft(new_id(), await _with_living_enterprises(uow, command))
    return await uow.record(AgreementRow, event_type, state, key=state.institution_id, org_path=institution.path)


async def sign_agreement(uow: UnitOfWork, agreement_id: str, command: domain.SignAgreement) -> AgreementState:
    """Sign for the caller's party, or record a signature on paper; with the last one it may be in force at once."""
    state = await present_agreement(uow, agreement_id)
    today = local_day(uow.now)
    state = await record_outcome(uow, domain.sign(state, command, _signer(uow.principal, state), today))
    return await let_time_pass(uow, state)


async def amend_agreement(uow: UnitOfWork, agreement_id: str, command: domain.AmendAgreement) -> AgreementState:
    """Change last day, opportunities or schedule, by every party's word; terms with placements stay.

    Raises NotYourParty where an office records what the parties signed on paper.
    """
    state = await present_agreement(uow, agreement_id)
    if command.scan_ref is not None and uow.principal.role is not Role.INSTITUTION:
        raise domain.NotYourParty
    if command.schedule is not None:
        terms = schedules.counted(command.schedule, await placed_terms(uow, agreement_id), "schedule")
        command = command.model_copy(update={"schedule": terms})
    return await record_outcome(uow, domain.amend(state, command, local_day(uow.now)))


async def confirm_amendment(uow: UnitOfWork, agreement_id: str, command: domain.SignAgreement) -> AgreementState:
    """Agree to an amendment for the caller's party, or record that on paper; with the last one it may count at once."""
    state = await present_agreement(uow, agreement_id)
    outcome = domain.confirm_amendment(state, command, _signer(uow.principal, state), local_day(uow.now))
    return await let_time_pass(uow, await record_outcome(uow, outcome))


async def give_notice(uow: UnitOfWork, agreement_id: str) -> AgreementState:
    """It will not be renewed by itself any more."""
    state = await present_agreement(uow, agreement_id)
    return await record_outcome(uow, domain.give_notice(state, local_day(uow.now)))


async def suspend_agreement(uow: UnitOfWork, agreement_id: str, command: domain.SuspendAgreement) -> AgreementState:
    """Interrupt an active agreement."""
    state = await present_agreement(uow, agreement_id)
    return await record_outcome(uow, domain.suspend(state, command, local_day(uow.now)))


async def resume_agreement(uow: UnitOfWork, agreement_id: str, command: domain.ResumeAgreement) -> AgreementState:
    """Go on with a suspended agreement."""
    state = await present_agreement(uow, agreement_id)
    return await record_outcome(uow, domain.resume(state, command, local_day(uow.now)))


async def end_agreement(uow: UnitOfWork, agreement_id: str, command: domain.EndAgreement) -> AgreementState:
    """End an agreement before its time."""
    state = await present_agreement(uow, agreement_id)
    return await record_outcome(uow, domain.end(state, command, local_day(uow.now)))


async def cancel_agreement(uow: UnitOfWork, agreement_id: str) -> AgreementState:
    """Give up a draft."""
    return await record_outcome(uow, domain.cancel(await present_agreement(uow, agreement_id)))


async def set_schedule(uow: UnitOfWork, agreement_id: str, command: schedules.SetSchedule) -> AgreementState:
    """Set the whole internship schedule; terms with placements stay, with the numbers that follow from these.

    Raises SomebodySigned, ScheduleAgreed where the plan differs from one that was signed.
    """
    state = await present_agreement(uow, agreement_id)
    terms = schedules.counted(command.terms, await placed_terms(uow, agreement_id), "terms")
    return await record_outcome(uow, schedules.set_schedule(state, command.model_copy(update={"terms": terms})))


async def report_term(uow: UnitOfWork, agreement_id: str, term: str, command: schedules.ReportTerm) -> AgreementState:
    """Report seats filled and completed in a term that has no placements."""
    if term in await placed_terms(uow, agreement_id):
        raise InvalidInput(FieldError("term", "counted_from_placements", {"value": term}))
    return await record_outcome(uow, schedules.report_term(await present_agreement(uow, agreement_id), term, command))


async def placed_terms(uow: UnitOfWork, agreement_id: str) -> dict[str, schedules.ReportTerm]:
    """What placements say of the terms that have any: numbers reported by hand don't stand beside them."""
    rows = await uow.session.execute(
        select(col(PlacementRow.state)).where(
            col(PlacementRow.agreement_id) == agreement_id, col(PlacementRow.status) != PlacementStatus.CANCELLED
        )
    )
    found: dict[str, list[bool]] = {}
    for state in rows.scalars():
        found.setdefault(state["term"], []).append(state["status"] == PlacementStatus.COMPLETED)
    return {
        term: schedules.ReportTerm(filled=len(completed), completed=sum(completed)) for term, completed in found.items()
    }


async def present_agreement(uow: UnitOfWork, agreement_id: str) -> AgreementState:
    """An agreement as it is today, locked until the end: commands don't depend on when the scheduler last came by."""
    return await let_time_pass(uow, await load_agreement(uow, agreement_id))


async def load_agreement(uow: UnitOfWork, agreement_id: str) -> AgreementState:
    """An agreement within the caller's scope as it was last recorded, locked until the end."""
    return await uow.load(AgreementRow, AgreementState, agreement_id, what="agreement")


async def record_outcome(uow: UnitOfWork, outcome: Outcome) -> AgreementState:
    """Record what came of a loaded agreement; it stays where it lies."""
    event_type, state = outcome
    path = await path_of_agreement(uow, state.id)
    return await uow.record(AgreementRow, event_type, state, key=state.institution_id, org_path=path)


async def path_of_agreement(uow: UnitOfWork, agreement_id: str) -> str:
    """Where a loaded agreement lies."""
    return (await uow.session.get_one(AgreementRow, agreement_id)).org_path


async def let_time_pass(uow: UnitOfWork, state: AgreementState) -> AgreementState:
    """Bring a loaded agreement to today."""
    for outcome in domain.passed(state, local_day(uow.now)):
        state = await record_outcome(uow, outcome)
    return state


async def _with_living_enterprises(uow: UnitOfWork, command: domain.DraftAgreement) -> domain.DraftAgreement:
    parties = list(command.parties)
    named = [index for index, party in enumerate(parties) if party.category is PartyCategory.ENTERPRISE]
    # Locked in the order of ids, so that two drafts and a merge cannot wait for each other in a ring.
    for index in sorted(named, key=lambda index: parties[index].ref):
        living = await living_enterprise(uow, parties[index].ref, f"parties.{index}.ref", at_work=True)
        parties[index] = parties[index].model_copy(update={"ref": living})
    return command.model_copy(update={"parties": tuple(parties)})


def _signer(principal: Principal, state: AgreementState) -> domain.Signer:
    category = SIGNERS.get(principal.role)
    if category is None:
        raise Forbidden(role=principal.role.value)
    # Of institutions it is the agreement's own alone that sees it, or the one that goes on with its work.
    ref = state.institution_id if category is PartyCategory.INSTITUTION else principal.org
    return domain.Signer(category, ref)
