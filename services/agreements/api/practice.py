"""Routes of the work under each form of agreement (AF1–AF8): what institutions do, what enterprises confirm."""

from datetime import date

from fastapi import APIRouter, Response
from sqlmodel import col

from services.agreements.commands import practice as commands
from services.agreements.domain.practice import courses, outcomes, placements, projects, sessions, specialists
from services.agreements.tables.agreements import own_paths
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
from shared.contracts.practice import (
    CertificationState,
    ExpertReviewState,
    IncomeState,
    OutcomeState,
    PlacementState,
    ProjectState,
    SpecialistState,
    StaffInternshipState,
    TrainingState,
)
from shared.scope import EDUCATION, TERRITORIAL, Role
from shared.web.edge import Edge
from shared.web.registers import Creation, Filter, Reference, Register, add_register

READERS = EDUCATION | {Role.ENTERPRISE, Role.SERVICE}
READERS_OF_PERSONS = READERS - TERRITORIAL
"""Who reads the records of single persons: those whose persons they are. Offices above see counts of k or more, and
write none either: a command answers with the record it is about. Of placements they see where and when."""
PERMISSIONS: dict[str, frozenset[Role]] = {
    "practice.read": READERS,
    "person.read": READERS_OF_PERSONS,
    "practice.record": EDUCATION,
    "person.record": frozenset({Role.INSTITUTION}),
    "person.share": frozenset({Role.INSTITUTION, Role.ENTERPRISE}),
    "practice.confirm": frozenset({Role.ENTERPRISE}),
    "practice.share": EDUCATION | {Role.ENTERPRISE},
    "income.read": EDUCATION | {Role.SERVICE},
}


class ShownPlacement(PlacementState, placements.Logbook):
    """A placement with the days of its logbook; offices are shown neither days, totals, marks nor the cause."""


class PracticeFilter(Filter):
    """What these lists are narrowed by; `ref` is the person or thing it is about."""

    institution_id: Reference = None
    agreement_id: Reference = None
    enterprise_id: Reference = None
    ref: Reference = None
    status: Reference = None
    since: date | None = None
    until: date | None = None


def _register(
    name: str,
    what: str,
    row: type[PracticeRow],
    create: Creation,
    *,
    shown: type | None = None,
    read: str = "practice.read",
) -> Register:
    return Register(
        name=name,
        what=what,
        row=row,
        state=row.STATE,
        shown=shown,
        read=read,
        own_paths=own_paths,
        filters=PracticeFilter,
        conditions={
            "enterprise_id": lambda id_: col(row.enterprise_ids).contains([id_]),
            "since": lambda day: col(row.on_day) >= day,
            "until": lambda day: col(row.on_day) <= day,
        },
        create=create,
    )


RECORD = "practice.record"
RECORD_PERSON = "person.record"
REGISTERS = (
    _register(
        "placements",
        "placement",
        PlacementRow,
        Creation(RECORD_PERSON, placements.PlaceStudent, commands.place_student),
        shown=ShownPlacement,
    ),
    _register(
        "outcomes",
        "outcome",
        OutcomeRow,
        Creation(RECORD_PERSON, outcomes.ReportOutcome, commands.report_outcome),
        read="person.read",
    ),
    _register(
        "specialists",
        "specialist",
        SpecialistRow,
        Creation(RECORD_PERSON, specialists.EngageSpecialist, commands.engage_specialist),
        read="person.read",
    ),
    _register(
        "staff-internships",
        "staff_internship",
        StaffInternshipRow,
        Creation(RECORD_PERSON, courses.StartStaffInternship, commands.start_internship),
        read="person.read",
    ),
    _register(
        "trainings",
        "training",
        TrainingRow,
        Creation(RECORD_PERSON, courses.StartTraining, commands.start_training),
        read="person.read",
    ),
    _register(
        "certifications",
        "certification",
        CertificationRow,
        Creation(RECORD, sessions.RecordCertification, commands.record_certification),
    ),
    _register("projects", "project", ProjectRow, Creation(RECORD, projects.StartProject, commands.start_project)),
    _register(
        "incomes",
        "income",
        IncomeRow,
        Creation(RECORD, projects.ReportIncome, commands.report_income),
        read="income.read",
    ),
    _register(
        "expert-reviews",
        "expert_review",
        ExpertReviewRow,
        Creation(RECORD, sessions.RequestReview, commands.request_review),
    ),
)

router = APIRouter(prefix="/v1")
for _each in REGISTERS:
    add_register(router, _each)


# -- AF1


@router.post("/placements/{id_}/correct", tags=["placements"], response_model=ShownPlacement)
async def correct_placement(edge: Edge, id_: str, body: placements.CorrectPlacement) -> Response:
    """Other days; the enterprise confirms anew."""
    return await edge.command(RECORD_PERSON, lambda uow: commands.correct_placement(uow, id_, body), versioned=True)


@router.post("/placements/{id_}/confirm", tags=["placements"], response_model=ShownPlacement)
async def confirm_placement(edge: Edge, id_: str, body: placements.ConfirmByEnterprise) -> Response:
    """The enterprise confirms the placement."""
    return await edge.command(
        "practice.confirm", lambda uow: commands.confirm_placement(uow, id_, body), versioned=True
    )


@router.put("/placements/{id_}/logbook", tags=["placements"], response_model=ShownPlacement)
async def keep_logbook(edge: Edge, id_: str, body: placements.KeepLogbook) -> Response:
    """Days of the logbook of attendance; a day given again is replaced."""
    return await edge.command("person.share", lambda uow: commands.keep_logbook(uow, id_, body), versioned=True)


@router.post("/placements/{id_}/assess", tags=["placements"], response_model=ShownPlacement)
async def assess_placement(edge: Edge, id_: str, body: placements.AssessPlacement) -> Response:
    """One's own side's assessment; with both sides' the placement is completed."""
    return await edge.command("person.share", lambda uow: commands.assess_placement(uow, id_, body), versioned=True)


@router.post("/placements/{id_}/break-off", tags=["placements"], response_model=ShownPlacement)
async def break_off_placement(edge: Edge, id_: str, body: placements.BreakOff) -> Response:
    """It ended before its time, and why."""
    return await edge.command(RECORD_PERSON, lambda uow: commands.break_off_placement(uow, id_, body), versioned=True)


@router.post("/placements/{id_}/cancel", tags=["placements"], response_model=ShownPlacement)
async def cancel_placement(edge: Edge, id_: str) -> Response:
    """Entered in error; the seat is free again."""
    return await edge.command(RECORD_PERSON, lambda uow: commands.cancel_placement(uow, id_), versioned=True)


# -- I1


@router.post("/outcomes/{id_}/confirm", tags=["outcomes"], response_model=OutcomeState)
async def confirm_outcome(edge: Edge, id_: str, body: placements.ConfirmByEnterprise) -> Response:
    """The employer confirms what the institution reported of its graduate."""
    return await edge.command("practice.confirm", lambda uow: commands.confirm_outcome(uow, id_, body), versioned=True)


@router.post("/outcomes/{id_}/withdraw", tags=["outcomes"], response_model=OutcomeState)
async def withdraw_outcome(edge: Edge, id_: str) -> Response:
    """It was reported in error."""
    return await edge.command(RECORD_PERSON, lambda uow: commands.withdraw_outcome(uow, id_), versioned=True)


# -- AF8


@router.put("/specialists/{id_}/hours", tags=["specialists"], response_model=SpecialistState)
async def tell_hours(edge: Edge, id_: str, body: specialists.TellHours) -> Response:
    """Hours taught in a month; the same month again replaces."""
    return await edge.command(RECORD_PERSON, lambda uow: commands.tell_hours(uow, id_, body), versioned=True)


@router.post("/specialists/{id_}/confirm", tags=["specialists"], response_model=SpecialistState)
async def confirm_specialist(edge: Edge, id_: str, body: placements.ConfirmByEnterprise) -> Response:
    """The enterprise confirms its specialist's teaching."""
    return await edge.command(
        "practice.confirm", lambda uow: commands.confirm_specialist(uow, id_, body), versioned=True
    )


@router.post("/specialists/{id_}/end", tags=["specialists"], response_model=SpecialistState)
async def end_engagement(edge: Edge, id_: str, body: specialists.EndEngagement) -> Response:
    """The specialist teaches no longer."""
    return await edge.command(RECORD_PERSON, lambda uow: commands.end_engagement(uow, id_, body), versioned=True)


@router.post("/specialists/{id_}/cancel", tags=["specialists"], response_model=SpecialistState)
async def cancel_engagement(edge: Edge, id_: str) -> Response:
    """Entered in error."""
    return await edge.command(RECORD_PERSON, lambda uow: commands.cancel_engagement(uow, id_), versioned=True)


# -- AF4


@router.post("/staff-internships/{id_}/confirm", tags=["staff-internships"], response_model=StaffInternshipState)
async def confirm_internship(edge: Edge, id_: str, body: placements.ConfirmByEnterprise) -> Response:
    """The enterprise confirms the teacher's internship."""
    return await edge.command(
        "practice.confirm", lambda uow: commands.confirm_internship(uow, id_, body), versioned=True
    )


@router.post("/staff-internships/{id_}/complete", tags=["staff-internships"], response_model=StaffInternshipState)
async def complete_internship(edge: Edge, id_: str, body: courses.CompleteCourse) -> Response:
    """The internship is completed."""
    return await edge.command(RECORD_PERSON, lambda uow: commands.complete_internship(uow, id_, body), versioned=True)


@router.post("/staff-internships/{id_}/break-off", tags=["staff-internships"], response_model=StaffInternshipState)
async def break_off_internship(edge: Edge, id_: str, body: placements.BreakOff) -> Response:
    """It ended before its time, and why."""
    return await edge.command(RECORD_PERSON, lambda uow: commands.break_off_internship(uow, id_, body), versioned=True)


@router.post("/staff-internships/{id_}/cancel", tags=["staff-internships"], response_model=StaffInternshipState)
async def cancel_internship(edge: Edge, id_: str) -> Response:
    """Entered in error."""
    return await edge.command(RECORD_PERSON, lambda uow: commands.cancel_internship(uow, id_), versioned=True)


# -- AF6


@router.post("/trainings/{id_}/complete", tags=["trainings"], response_model=TrainingState)
async def complete_training(edge: Edge, id_: str, body: courses.CompleteCourse) -> Response:
    """The training is completed."""
    return await edge.command(RECORD_PERSON, lambda uow: commands.complete_training(uow, id_, body), versioned=True)


@router.post("/trainings/{id_}/break-off", tags=["trainings"], response_model=TrainingState)
async def break_off_training(edge: Edge, id_: str, body: placements.BreakOff) -> Response:
    """It ended before its time, and why."""
    return await edge.command(RECORD_PERSON, lambda uow: commands.break_off_training(uow, id_, body), versioned=True)


@router.post("/trainings/{id_}/cancel", tags=["trainings"], response_model=TrainingState)
async def cancel_training(edge: Edge, id_: str) -> Response:
    """Entered in error."""
    return await edge.command(RECORD_PERSON, lambda uow: commands.cancel_training(uow, id_), versioned=True)


# -- AF7, AF3


@router.post("/certifications/{id_}/correct", tags=["certifications"], response_model=CertificationState)
async def correct_certification(edge: Edge, id_: str, body: sessions.CorrectCertification) -> Response:
    """Other numbers of students."""
    return await edge.command(RECORD, lambda uow: commands.correct_certification(uow, id_, body), versioned=True)


@router.post("/certifications/{id_}/cancel", tags=["certifications"], response_model=CertificationState)
async def cancel_certification(edge: Edge, id_: str) -> Response:
    """It was not held after all."""
    return await edge.command(RECORD, lambda uow: commands.cancel_certification(uow, id_), versioned=True)


@router.post("/expert-reviews/{id_}/review", tags=["expert-reviews"], response_model=ExpertReviewState)
async def give_verdict(edge: Edge, id_: str, body: sessions.GiveVerdict) -> Response:
    """The review's result; the enterprise gives it, or the institution enters what it was told."""
    return await edge.command("practice.share", lambda uow: commands.give_verdict(uow, id_, body), versioned=True)


@router.post("/expert-reviews/{id_}/cancel", tags=["expert-reviews"], response_model=ExpertReviewState)
async def cancel_review(edge: Edge, id_: str) -> Response:
    """No longer wanted, or entered in error."""
    return await edge.command(RECORD, lambda uow: commands.cancel_review(uow, id_), versioned=True)


# -- AF5, I3


@router.post("/projects/{id_}/end", tags=["projects"], response_model=ProjectState)
async def end_project(edge: Edge, id_: str, body: projects.EndProject) -> Response:
    """The project is over."""
    return await edge.command(RECORD, lambda uow: commands.end_project(uow, id_, body), versioned=True)


@router.post("/projects/{id_}/cancel", tags=["projects"], response_model=ProjectState)
async def cancel_project(edge: Edge, id_: str) -> Response:
    """Entered in error."""
    return await edge.command(RECORD, lambda uow: commands.cancel_project(uow, id_), versioned=True)


@router.post("/incomes/{id_}/withdraw", tags=["incomes"], response_model=IncomeState)
async def withdraw_income(edge: Edge, id_: str) -> Response:
    """It was reported in error: the month is unreported again."""
    return await edge.command(RECORD, lambda uow: commands.withdraw_income(uow, id_), versioned=True)
