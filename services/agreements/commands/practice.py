"""Use cases of the work under each form: begun under an agreement, confirmed by enterprises, completed, corrected."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import select
from sqlmodel import col

from services.agreements.commands.agreements import (
    path_of_agreement,
    placed_terms,
    present_agreement,
    record_outcome,
)
from services.agreements.commands.references import living_enterprise, require_institution
from services.agreements.domain import schedules
from services.agreements.domain.practice import courses, outcomes, placements, projects, sessions, specialists
from services.agreements.tables.agreements import EmploymentRow
from services.agreements.tables.practice import (
    CertificationRow,
    ExpertReviewRow,
    IncomeRow,
    OutcomeRow,
    PlacementRow,
    PracticeRow,
    ProjectRow,
    SpecialistRow,
    StaffInternshipRow,
    TrainingRow,
)
from shared.clock import local_day
from shared.contracts.agreements import AgreementState
from shared.contracts.events import EventType, State
from shared.contracts.practice import (
    CertificationState,
    ExpertReviewState,
    IncomeState,
    OutcomeState,
    PlacementState,
    PlacementStatus,
    ProjectState,
    SpecialistState,
    StaffInternshipState,
    TrainingState,
)
from shared.errors import AlreadyExists, FieldError, InvalidInput, NotFound
from shared.ids import new_id
from shared.persistence.following import Follow
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import Role

S = TypeVar("S", bound=State)
Result = tuple[EventType, S]


# -- AF1: placements


async def place_student(uow: UnitOfWork, command: placements.PlaceStudent) -> PlacementState:
    """Give a student a place in a term; the term's seats filled follow from its placements from now on."""
    agreement = await present_agreement(uow, command.agreement_id)
    in_term = await _in_term(uow, agreement.id, command.term)
    if (twin := next((each for each in in_term if each.student_ref == command.student_ref), None)) is not None:
        raise AlreadyExists(what="placement", key=command.student_ref, id=twin.id)
    outcome = placements.place(new_id(), agreement, command, len(in_term))
    state = await _begin(uow, PlacementRow, outcome, await path_of_agreement(uow, agreement.id))
    await _count_term(uow, agreement, command.term)
    return state


async def correct_placement(uow: UnitOfWork, id_: str, command: placements.CorrectPlacement) -> PlacementState:
    """Other days; the enterprise confirms anew."""
    state = await load_placement(uow, id_)
    agreement = await _agreement_of(uow, state.agreement_id)
    return await _go_on(uow, PlacementRow, placements.correct(state, agreement, command))


async def keep_logbook(uow: UnitOfWork, id_: str, command: placements.KeepLogbook) -> PlacementState:
    """Days of the logbook; the entry shows each day, its events the totals."""
    state = await load_placement(uow, id_)
    row = await uow.session.get_one(PlacementRow, id_)
    logbook = placements.Logbook.model_validate(row.details)
    outcome, kept = placements.log(state, logbook, command, local_day(uow.now))
    return await _go_on(uow, PlacementRow, outcome, kept)


async def assess_placement(uow: UnitOfWork, id_: str, command: placements.AssessPlacement) -> PlacementState:
    """One's own side's assessment; with the other side's the placement is completed."""
    state = await load_placement(uow, id_)
    by_enterprise = uow.principal.role is Role.ENTERPRISE
    outcome = placements.assess(state, command, by_enterprise=by_enterprise, today=local_day(uow.now))
    return await _placed(uow, outcome)


async def break_off_placement(uow: UnitOfWork, id_: str, command: placements.BreakOff) -> PlacementState:
    """It ended before its time."""
    return await _placed(uow, placements.break_off(await load_placement(uow, id_), command, local_day(uow.now)))


async def cancel_placement(uow: UnitOfWork, id_: str) -> PlacementState:
    """Entered in error; the seat is free again."""
    return await _placed(uow, placements.cancel(await load_placement(uow, id_)))


async def load_placement(uow: UnitOfWork, id_: str) -> PlacementState:
    """A placement within the caller's scope, locked until the end."""
    return await uow.load(PlacementRow, PlacementState, id_, what="placement")


async def _placed(uow: UnitOfWork, outcome: placements.Outcome) -> PlacementState:
    """Record what changes the term's seats filled or completed, and count them again."""
    agreement = await _agreement_of(uow, outcome[1].agreement_id)
    state = await _go_on(uow, PlacementRow, outcome)
    await _count_term(uow, agreement, state.term)
    return state


async def _in_term(uow: UnitOfWork, agreement_id: str, term: str) -> list[PlacementState]:
    """The placements of a term that were not cancelled; its agreement is locked, so that none slips in."""
    rows = await uow.session.execute(
        select(col(PlacementRow.state)).where(
            col(PlacementRow.agreement_id) == agreement_id, col(PlacementRow.status) != PlacementStatus.CANCELLED
        )
    )
    states = [PlacementState.model_validate(state) for state in rows.scalars()]
    return [state for state in states if state.term == term]


async def _count_term(uow: UnitOfWork, agreement: AgreementState, term: str) -> None:
    """Seats filled and completed of a term follow from its placements."""
    counted = (await placed_terms(uow, agreement.id)).get(term, schedules.ReportTerm(filled=0))
    planned = next((each for each in agreement.schedule if each.term == term), None)
    if planned is not None and (planned.filled, planned.completed) != (counted.filled, counted.completed):
        await record_outcome(uow, schedules.report_term(agreement, term, counted))


# -- I1: outcomes


async def report_outcome(uow: UnitOfWork, command: outcomes.ReportOutcome) -> OutcomeState:
    """Report or correct what a graduate does 6 or 12 months after graduation."""
    institution = await require_institution(uow, command.institution_id)
    if command.enterprise_id is not None:
        living = await living_enterprise(uow, command.enterprise_id, "enterprise_id")
        command = command.model_copy(update={"enterprise_id": living})
    if command.employment_id is not None:
        employment = await uow.session.get(EmploymentRow, command.employment_id)
        mine = (institution.id, command.graduate_ref)
        if employment is None or (employment.institution_id, employment.graduate_ref) != mine:
            fault = FieldError("employment_id", "unknown_entry", {"value": command.employment_id})
            raise InvalidInput(fault)
    id_ = outcomes.outcome_id(institution.id, command.graduate_ref, command.months)
    existing = await _existing(uow, OutcomeRow, OutcomeState, id_, "outcome")
    return await _begin(uow, OutcomeRow, outcomes.report(existing, command, local_day(uow.now)), institution.path)


async def withdraw_outcome(uow: UnitOfWork, id_: str) -> OutcomeState:
    """It was reported in error."""
    state = await uow.load(OutcomeRow, OutcomeState, id_, what="outcome")
    return await _go_on(uow, OutcomeRow, outcomes.withdraw(state))


# -- AF8: specialists


async def engage_specialist(uow: UnitOfWork, command: specialists.EngageSpecialist) -> SpecialistState:
    """A specialist of an enterprise begins to teach."""
    return await _under(uow, SpecialistRow, command, specialists.engage)


async def tell_hours(uow: UnitOfWork, id_: str, command: specialists.TellHours) -> SpecialistState:
    """Hours taught in a month; the enterprise confirms anew."""
    state = await uow.load(SpecialistRow, SpecialistState, id_, what="specialist")
    return await _go_on(uow, SpecialistRow, specialists.teach(state, command, local_day(uow.now)))


async def end_engagement(uow: UnitOfWork, id_: str, command: specialists.EndEngagement) -> SpecialistState:
    """The specialist teaches no longer."""
    state = await uow.load(SpecialistRow, SpecialistState, id_, what="specialist")
    return await _go_on(uow, SpecialistRow, specialists.end(state, command, local_day(uow.now)))


async def cancel_engagement(uow: UnitOfWork, id_: str) -> SpecialistState:
    """Entered in error."""
    state = await uow.load(SpecialistRow, SpecialistState, id_, what="specialist")
    return await _go_on(uow, SpecialistRow, specialists.cancel(state))


# -- AF4: staff internships, AF6: training of unemployed people


async def start_internship(uow: UnitOfWork, command: courses.StartStaffInternship) -> StaffInternshipState:
    """A teacher goes to an enterprise."""
    return await _under(uow, StaffInternshipRow, command, courses.start_internship)


async def start_training(uow: UnitOfWork, command: courses.StartTraining) -> TrainingState:
    """An unemployed person's training begins."""
    return await _under(uow, TrainingRow, command, courses.start_training)


async def complete_internship(uow: UnitOfWork, id_: str, command: courses.CompleteCourse) -> StaffInternshipState:
    """The internship is completed."""
    state = await _internship(uow, id_)
    return await _go_on(uow, StaffInternshipRow, courses.complete_internship(state, command, local_day(uow.now)))


async def break_off_internship(uow: UnitOfWork, id_: str, command: placements.BreakOff) -> StaffInternshipState:
    """The internship ended before its time."""
    state = await _internship(uow, id_)
    return await _go_on(uow, StaffInternshipRow, courses.break_off_internship(state, command, local_day(uow.now)))


async def cancel_internship(uow: UnitOfWork, id_: str) -> StaffInternshipState:
    """Entered in error."""
    return await _go_on(uow, StaffInternshipRow, courses.cancel_internship(await _internship(uow, id_)))


async def complete_training(uow: UnitOfWork, id_: str, command: courses.CompleteCourse) -> TrainingState:
    """The training is completed."""
    state = await _training(uow, id_)
    return await _go_on(uow, TrainingRow, courses.complete_training(state, command, local_day(uow.now)))


async def break_off_training(uow: UnitOfWork, id_: str, command: placements.BreakOff) -> TrainingState:
    """The training ended before its time."""
    state = await _training(uow, id_)
    return await _go_on(uow, TrainingRow, courses.break_off_training(state, command, local_day(uow.now)))


async def cancel_training(uow: UnitOfWork, id_: str) -> TrainingState:
    """Entered in error."""
    return await _go_on(uow, TrainingRow, courses.cancel_training(await _training(uow, id_)))


async def _internship(uow: UnitOfWork, id_: str) -> StaffInternshipState:
    return await uow.load(StaffInternshipRow, StaffInternshipState, id_, what="staff_internship")


async def _training(uow: UnitOfWork, id_: str) -> TrainingState:
    return await uow.load(TrainingRow, TrainingState, id_, what="training")


# -- AF7: certification, AF3: expert review


async def record_certification(uow: UnitOfWork, command: sessions.RecordCertification) -> CertificationState:
    """A session of the final state certification was held."""
    institution = await require_institution(uow, command.institution_id)
    agreement = None
    if command.agreement_id is not None:
        agreement = await _agreement_of(uow, command.agreement_id)
        if agreement.institution_id != institution.id:
            raise InvalidInput(FieldError("agreement_id", "unknown_agreement", {"value": command.agreement_id}))
    outcome = sessions.record_certification(new_id(), agreement, command, local_day(uow.now))
    return await _begin(uow, CertificationRow, outcome, institution.path)


async def correct_certification(
    uow: UnitOfWork, id_: str, command: sessions.CorrectCertification
) -> CertificationState:
    """Other numbers of students."""
    state = await uow.load(CertificationRow, CertificationState, id_, what="certification")
    return await _go_on(uow, CertificationRow, sessions.correct_certification(state, command))


async def cancel_certification(uow: UnitOfWork, id_: str) -> CertificationState:
    """It was not held after all."""
    state = await uow.load(CertificationRow, CertificationState, id_, what="certification")
    return await _go_on(uow, CertificationRow, sessions.cancel_certification(state))


async def request_review(uow: UnitOfWork, command: sessions.RequestReview) -> ExpertReviewState:
    """Ask an enterprise to review a document."""
    agreement = await present_agreement(uow, command.agreement_id)
    outcome = sessions.request_review(new_id(), agreement, command, local_day(uow.now))
    return await _begin(uow, ExpertReviewRow, outcome, await path_of_agreement(uow, agreement.id))


async def give_verdict(uow: UnitOfWork, id_: str, command: sessions.GiveVerdict) -> ExpertReviewState:
    """The review's result; the enterprise gives it, or the institution enters what it was told."""
    state = await uow.load(ExpertReviewRow, ExpertReviewState, id_, what="expert_review")
    return await _go_on(uow, ExpertReviewRow, sessions.give_verdict(state, command, local_day(uow.now)))


async def cancel_review(uow: UnitOfWork, id_: str) -> ExpertReviewState:
    """No longer wanted, or entered in error."""
    state = await uow.load(ExpertReviewRow, ExpertReviewState, id_, what="expert_review")
    return await _go_on(uow, ExpertReviewRow, sessions.cancel_review(state))


# -- AF5: projects, I3: income


async def start_project(uow: UnitOfWork, command: projects.StartProject) -> ProjectState:
    """A joint commercial project begins."""
    return await _under(uow, ProjectRow, command, projects.start)


async def end_project(uow: UnitOfWork, id_: str, command: projects.EndProject) -> ProjectState:
    """The project is over."""
    state = await uow.load(ProjectRow, ProjectState, id_, what="project")
    return await _go_on(uow, ProjectRow, projects.end(state, command, local_day(uow.now)))


async def cancel_project(uow: UnitOfWork, id_: str) -> ProjectState:
    """Entered in error."""
    state = await uow.load(ProjectRow, ProjectState, id_, what="project")
    return await _go_on(uow, ProjectRow, projects.cancel(state))


async def report_income(uow: UnitOfWork, command: projects.ReportIncome) -> IncomeState:
    """Report or correct the extra-budgetary income of a month; no items says that there was none."""
    institution = await require_institution(uow, command.institution_id)
    for index, item in enumerate(command.items):
        project = await uow.session.get(ProjectRow, item.project_id) if item.project_id else None
        if item.project_id is not None and (project is None or project.institution_id != institution.id):
            field = f"items.{index}.project_id"
            raise InvalidInput(FieldError(field, "unknown_entry", {"value": item.project_id}))
    id_ = projects.income_id(institution.id, command.month)
    existing = await _existing(uow, IncomeRow, IncomeState, id_, "income")
    outcome = projects.report_income(existing, command, local_day(uow.now))
    return await _begin(uow, IncomeRow, outcome, institution.path)


async def withdraw_income(uow: UnitOfWork, id_: str) -> IncomeState:
    """It was reported in error: the month is unreported again."""
    state = await uow.load(IncomeRow, IncomeState, id_, what="income")
    return await _go_on(uow, IncomeRow, projects.withdraw_income(state))


# -- confirmation by enterprises


async def confirm_placement(uow: UnitOfWork, id_: str, command: placements.ConfirmByEnterprise) -> PlacementState:
    """The enterprise confirms the placement."""
    outcome = placements.confirm(await load_placement(uow, id_), command, local_day(uow.now))
    return await _go_on(uow, PlacementRow, outcome)


async def confirm_outcome(uow: UnitOfWork, id_: str, command: placements.ConfirmByEnterprise) -> OutcomeState:
    """The employer confirms what the institution reported of its graduate."""
    state = await uow.load(OutcomeRow, OutcomeState, id_, what="outcome")
    return await _go_on(uow, OutcomeRow, outcomes.confirm(state, command, local_day(uow.now)))


async def confirm_specialist(uow: UnitOfWork, id_: str, command: placements.ConfirmByEnterprise) -> SpecialistState:
    """The enterprise confirms its specialist's teaching."""
    state = await uow.load(SpecialistRow, SpecialistState, id_, what="specialist")
    return await _go_on(uow, SpecialistRow, specialists.confirm(state, command, local_day(uow.now)))


async def confirm_internship(
    uow: UnitOfWork, id_: str, command: placements.ConfirmByEnterprise
) -> StaffInternshipState:
    """The enterprise confirms the teacher's internship."""
    state = await _internship(uow, id_)
    return await _go_on(uow, StaffInternshipRow, courses.confirm_internship(state, command, local_day(uow.now)))


# -- references follow merged enterprises


def _follow(row: type[PracticeRow], model: type[S], reassign: Callable[[S, str, str], Result[S]]) -> Follow:
    async def follow(uow: UnitOfWork, old: str, new: str) -> None:
        query = select(col(row.id)).where(col(row.enterprise_ids).contains([old])).order_by(col(row.id))
        for id_ in (await uow.session.execute(query.with_for_update())).scalars().all():
            state = await uow.load(row, model, id_, what=str(row.__tablename__))
            await _go_on(uow, row, reassign(state, old, new))

    return follow


FOLLOWERS: tuple[Follow, ...] = (
    _follow(PlacementRow, PlacementState, placements.reassign),
    _follow(OutcomeRow, OutcomeState, outcomes.reassign),
    _follow(SpecialistRow, SpecialistState, specialists.reassign),
    _follow(StaffInternshipRow, StaffInternshipState, courses.reassign_internship),
    _follow(CertificationRow, CertificationState, sessions.reassign_certification),
    _follow(ProjectRow, ProjectState, projects.reassign),
    _follow(ExpertReviewRow, ExpertReviewState, sessions.reassign_review),
)
"""How the references of practice follow a merged enterprise."""


# -- what they share


async def _under(
    uow: UnitOfWork, row: type[PracticeRow], command: Any, make: Callable[[str, AgreementState, Any], Result[S]]
) -> S:
    """Begin something under the agreement that the command names."""
    agreement = await present_agreement(uow, command.agreement_id)
    return await _begin(uow, row, make(new_id(), agreement, command), await path_of_agreement(uow, agreement.id))


async def _agreement_of(uow: UnitOfWork, agreement_id: str) -> AgreementState:
    """The agreement something rests on; If-Match named the version of that something, not of the agreement."""
    expected, uow.expected_version = uow.expected_version, None
    try:
        return await present_agreement(uow, agreement_id)
    finally:
        uow.expected_version = expected


async def _existing(uow: UnitOfWork, row: type[PracticeRow], model: type[S], id_: str, what: str) -> S | None:
    try:
        return await uow.load(row, model, id_, what=what)
    except NotFound:
        return None


async def _begin(uow: UnitOfWork, row: type[PracticeRow], outcome: Result[S], org_path: str) -> S:
    event_type, state = outcome
    key = str(row.columns(state)["institution_id"])
    return await uow.record(row, event_type, state, key=key, org_path=org_path)


async def _go_on(uow: UnitOfWork, row: type[PracticeRow], outcome: Result[S], details: BaseModel | None = None) -> S:
    event_type, state = outcome
    entry = await uow.session.get_one(row, state.id)
    return await uow.record(row, event_type, state, key=entry.institution_id, org_path=entry.org_path, details=details)
