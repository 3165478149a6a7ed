"""Use cases of graduates' employments."""

from sqlalchemy import select, text
from sqlmodel import col

from services.agreements.commands.references import living_enterprise, require_institution
from services.agreements.domain import employments as domain
from services.agreements.tables.agreements import AgreementRow, EmploymentRow
from shared.clock import local_day
from shared.contracts.agreements import EmploymentState
from shared.errors import AlreadyExists, FieldError, InvalidInput
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork

_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtextextended(:graduate, 0))")


async def report_employment(uow: UnitOfWork, command: domain.ReportEmployment) -> EmploymentState:
    """Report that a graduate works at an enterprise; raises AlreadyExists where that is reported and still open."""
    institution = await require_institution(uow, command.institution_id)
    living = await living_enterprise(uow, command.enterprise_id, "enterprise_id")
    event_type, state = domain.report(
        new_id(), command.model_copy(update={"enterprise_id": living}), local_day(uow.now)
    )
    await _check(uow, state)
    return await uow.record(EmploymentRow, event_type, state, key=state.institution_id, org_path=institution.path)


async def correct_employment(uow: UnitOfWork, employment_id: str, command: domain.CorrectEmployment) -> EmploymentState:
    """Correct what was reported wrongly."""
    if command.enterprise_id is not None:
        # Before the employment is locked: a merge locks enterprise and employment in this order too.
        living = await living_enterprise(uow, command.enterprise_id, "enterprise_id")
        command = command.model_copy(update={"enterprise_id": living})
    outcome = domain.correct(await load_employment(uow, employment_id), command, local_day(uow.now))
    await _check(uow, outcome[1])
    return await record_outcome(uow, outcome)


async def confirm_employment(uow: UnitOfWork, employment_id: str, command: domain.ConfirmEmployment) -> EmploymentState:
    """The enterprise confirms what the institution reported."""
    state = await load_employment(uow, employment_id)
    return await record_outcome(uow, domain.confirm(state, command, local_day(uow.now)))


async def end_employment(uow: UnitOfWork, employment_id: str, command: domain.EndEmployment) -> EmploymentState:
    """The employment is over."""
    state = await load_employment(uow, employment_id)
    return await record_outcome(uow, domain.end(state, command, local_day(uow.now)))


async def cancel_employment(uow: UnitOfWork, employment_id: str) -> EmploymentState:
    """Take back a report."""
    return await record_outcome(uow, domain.cancel(await load_employment(uow, employment_id)))


async def load_employment(uow: UnitOfWork, employment_id: str) -> EmploymentState:
    """An employment within the caller's scope, locked until the end."""
    return await uow.load(EmploymentRow, EmploymentState, employment_id, what="employment")


async def record_outcome(uow: UnitOfWork, outcome: domain.Outcome) -> EmploymentState:
    """Record what came of a loaded employment; it stays where it lies."""
    event_type, state = outcome
    row = await uow.session.get_one(EmploymentRow, state.id)
    return await uow.record(EmploymentRow, event_type, state, key=state.institution_id, org_path=row.org_path)


async def _check(uow: UnitOfWork, state: EmploymentState) -> None:
    """One open employment per graduate and enterprise; the agreement it rests on is the institution's with that one."""
    await uow.session.execute(_ONE_AT_A_TIME, {"graduate": f"{state.institution_id}/{state.graduate_ref}"})
    open_ones = select(col(EmploymentRow.id)).where(
        col(EmploymentRow.institution_id) == state.institution_id,
        col(EmploymentRow.graduate_ref) == state.graduate_ref,
        col(EmploymentRow.enterprise_id) == state.enterprise_id,
        col(EmploymentRow.status).in_(domain.OPEN),
        col(EmploymentRow.id) != state.id,
    )
    if (existing := (await uow.session.execute(open_ones)).scalar_one_or_none()) is not None:
        raise AlreadyExists(what="employment", key=state.graduate_ref, id=existing)
    if state.agreement_id is None:
        return
    agreement = select(col(AgreementRow.enterprise_ids)).where(
        col(AgreementRow.id) == state.agreement_id,
        col(AgreementRow.institution_id) == state.institution_id,
        AgreementRow.visible(uow.principal.scope),
    )
    enterprises = (await uow.session.execute(agreement)).scalar_one_or_none()
    if enterprises is None:
        raise InvalidInput(FieldError("agreement_id", "unknown_agreement", {"value": state.agreement_id}))
    if state.enterprise_id not in enterprises:
        raise InvalidInput(FieldError("agreement_id", "agreement_of_another", {"value": state.agreement_id}))
