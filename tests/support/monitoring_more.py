"""Preparation, contacts, practice and the final stage in a story: random states of every kind that is measured."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any, Protocol

from shared.clock import TASHKENT
from shared.contracts.events import State
from shared.contracts.final_stage import (
    AdoptionStatus,
    BoardState,
    BoardStatus,
    DocumentKind,
    Duty,
    Edition,
    InstructionKind,
    InstructionState,
    Measure,
    MeasureStatus,
    Meeting,
    MeetingStatus,
    Member,
    MemberCategory,
    SampleState,
    WorkPlanState,
    WorkPlanStatus,
)
from shared.contracts.labour_market import Qualification, Trend
from shared.contracts.monitoring import OfficeLevel
from shared.contracts.partners import PartnershipStage, PartnershipState, StageSince
from shared.contracts.practice import (
    CertificationState,
    CourseStatus,
    EngagementStatus,
    Examiner,
    ExpertReviewState,
    ExpertReviewStatus,
    HeldStatus,
    IncomeState,
    MonthHours,
    OutcomeState,
    OutcomeStatus,
    PlacementState,
    PlacementStatus,
    ProjectKind,
    ProjectState,
    ProjectStatus,
    ReviewedKind,
    SpecialistState,
    StaffInternshipState,
    TrainingKind,
    TrainingState,
)
from shared.contracts.preparation import (
    MarketAssessmentState,
    MarketReviewState,
    OrientationState,
    OrientationStatus,
    SectorReviewState,
)
from shared.contracts.reporting import SubmissionState, SubmissionStatus
from shared.contracts.surveys import GraduateStatusState
from shared.contracts.visits import (
    ActionStatus,
    Cause,
    NextActionState,
    Outcome,
    Rank,
    Side,
    VisitPlace,
    VisitState,
    VisitStatus,
)
from shared.contracts.visits import Protocol as VisitProtocol
from shared.contracts.vocabulary import PartnerCategory


class Told(Protocol):
    """What a random state needs of the story it is told in."""

    random: Random
    enterprises: list[str]
    districts: list[str]
    latest: dict[str, State]

    def day(self) -> date:
        """Some day."""

    def an_agreement(self, institution: str) -> str:
        """Some agreement's ident."""


Base = dict[str, Any]
"""id, version and institution of the state."""


def maybe(story: Told, value: Any, chance: float = 0.5) -> Any:
    """The value, or None."""
    return value if story.random.random() < chance else None


def after(story: Told, day: date, most: int = 500) -> date:
    """Some day up to `most` days later, rarely before."""
    return day + timedelta(days=story.random.randrange(-20, most))


def month(story: Told) -> str:
    """Some month."""
    return f"{story.day():%Y-%m}"


def of_agreement(story: Told, base: Base) -> Base:
    """With an agreement and an enterprise."""
    agreement = story.an_agreement(base["institution_id"])
    return base | {"agreement_id": agreement, "enterprise_id": story.random.choice(story.enterprises)}


def placement(story: Told, base: Base) -> State:
    return PlacementState(
        **of_agreement(story, base),
        term="1",
        student_ref="7",
        profession="7212",
        starts_on=story.day(),
        ends_on=story.day(),
        status=story.random.choice(list(PlacementStatus)),
        confirmed_on=maybe(story, story.day()),
    )


def specialist(story: Told, base: Base) -> State:
    hours = tuple(MonthHours(month=month(story), hours=story.random.randrange(5)) for _ in range(3))
    return SpecialistState(
        **of_agreement(story, base),
        specialist_ref=str(story.random.randrange(3)),
        subject="x",
        since=story.day(),
        hours=hours,
        status=story.random.choice(list(EngagementStatus)),
    )


def staff_internship(story: Told, base: Base) -> State:
    return StaffInternshipState(
        **of_agreement(story, base),
        teacher_ref=str(story.random.randrange(3)),
        starts_on=story.day(),
        ends_on=story.day(),
        hours=72,
        status=story.random.choice(list(CourseStatus)),
        completed_on=maybe(story, story.day(), 0.8),
    )


def training(story: Told, base: Base) -> State:
    found = of_agreement(story, base)
    del found["enterprise_id"]
    return TrainingState(
        **found,
        trainee_ref=str(story.random.randrange(3)),
        kind=story.random.choice(list(TrainingKind)),
        profession="7212",
        referred_by="1",
        starts_on=story.day(),
        ends_on=story.day(),
        hours=72,
        status=story.random.choice(list(CourseStatus)),
        completed_on=maybe(story, story.day(), 0.8),
    )


def project(story: Told, base: Base) -> State:
    status = story.random.choice(list(ProjectStatus))
    return ProjectState(**of_agreement(story, base), kind=ProjectKind.PRODUCTION, starts_on=story.day(), status=status)


def expert_review(story: Told, base: Base) -> State:
    return ExpertReviewState(
        **of_agreement(story, base),
        kind=ReviewedKind.CURRICULUM,
        document_ref="1",
        requested_on=story.day(),
        status=story.random.choice(list(ExpertReviewStatus)),
        reviewed_on=maybe(story, story.day(), 0.8),
    )


def certification(story: Told, base: Base) -> State:
    examiners = tuple(
        Examiner(enterprise_id=story.random.choice(story.enterprises), examiner_ref="1")
        for _ in range(story.random.randrange(3))
    )
    return CertificationState(
        **base,
        agreement_id=maybe(story, story.an_agreement(base["institution_id"])),
        profession="7212",
        held_on=story.day(),
        students=20,
        passed=19,
        examiners=examiners,
        status=story.random.choice(list(HeldStatus)),
    )


def outcome(story: Told, base: Base) -> State:
    return OutcomeState(
        **base,
        graduate_ref=str(story.random.randrange(4)),
        graduated_on=story.day(),
        months=story.random.choice([6, 12, 3]),
        status=story.random.choice(list(OutcomeStatus)),
        surveyed_on=story.day(),
        withdrawn=story.random.random() < 0.1,
    )


def graduate_status(story: Told, base: Base) -> State:
    if story.random.random() < 0.1:
        gone: dict[str, Any] = {
            "graduate_ref": None,
            "graduated_on": None,
            "status": None,
            "told_on": None,
            "withdrawn": True,
        }
        return GraduateStatusState(**base, months=6, **gone)
    return GraduateStatusState(
        **base,
        graduate_ref=str(story.random.randrange(4)),
        graduated_on=story.day(),
        months=story.random.choice([6, 12]),
        status=story.random.choice(list(OutcomeStatus)),
        told_on=story.day(),
        employed_since=maybe(story, story.day()),
    )


def income(story: Told, base: Base) -> State:
    total = story.random.choice([0, story.random.randrange(10**12)])
    withdrawn = story.random.random() < 0.1
    return IncomeState(**base, month=month(story), items=(), total_tiyin=total, withdrawn=withdrawn)


def partnership(story: Told, base: Base) -> State:
    days = sorted({story.day() for _ in range(story.random.randint(1, 3))})
    stages = tuple(StageSince(stage=story.random.choice(list(PartnershipStage)), since=day) for day in days)
    return PartnershipState(
        **base,
        category=story.random.choice([PartnerCategory.ENTERPRISE, PartnerCategory.LABOUR_BODY]),
        stage=stages[-1].stage,
        forms=(),
        opportunities=(),
        since=days[0],
        stages=stages if story.random.random() < 0.8 else (),
    )


def orientation(story: Told, base: Base) -> State:
    day = story.day()
    revoked = maybe(story, after(story, day), 0.3)
    status = OrientationStatus.REVOKED if revoked else OrientationStatus.ADOPTED
    return OrientationState(
        **base,
        decision_ref="1",
        decided_on=day,
        responsible_ref="1",
        valid_until=after(story, day),
        status=status,
        revoked_on=revoked,
    )


def market_review(story: Told, base: Base) -> State:
    day = story.day()
    return MarketReviewState(**base, reviewed_on=day, valid_until=after(story, day), area="1700", competitors=1)


def sector_review(story: Told, base: Base) -> State:
    day = story.day()
    return SectorReviewState(
        **base, region="1700", isic_section="C", reviewed_on=day, valid_until=after(story, day), trend=Trend.STABLE
    )


def market_assessment(story: Told, base: Base) -> State:
    day = story.day()
    return MarketAssessmentState(
        **base,
        region="1700",
        profession="7212",
        qualification=Qualification.VOCATIONAL,
        assessed_on=day,
        valid_until=after(story, day),
    )


def visit(story: Told, base: Base) -> State:
    status = story.random.choice([*VisitStatus, VisitStatus.HELD, VisitStatus.HELD])
    start = datetime.combine(story.day(), time(story.random.randrange(24)), TASHKENT)
    causes = tuple(story.random.sample(list(Cause), 2))
    category = story.random.choice([PartnerCategory.ENTERPRISE, PartnerCategory.HOKIMIYAT])
    enterprise = category is PartnerCategory.ENTERPRISE
    return VisitState(
        **base,
        category=category,
        enterprise_id=story.random.choice(story.enterprises) if enterprise else None,
        partner_ref=None if enterprise else f"ref-{story.random.randrange(2, 5)}",
        status=status,
        opportunities=(),
        place=VisitPlace.AT_PARTNER,
        envoy_ref="1",
        envoy_rank=Rank.HEAD,
        host_rank=Rank.HEAD,
        planned_start=start,
        planned_end=start + timedelta(hours=1),
        held_on=story.day() if status is VisitStatus.HELD else None,
        punctual=maybe(story, True),
        protocol=maybe(
            story,
            VisitProtocol(steps=(), outcome=Outcome.TO_BE_CONTINUED, causes=causes, recorded_on=story.day()),
        ),
        cancelled_on=story.day() if status is VisitStatus.CANCELLED else None,
        cancelled_for=causes if status is VisitStatus.CANCELLED else (),
    )


def next_action(story: Told, base: Base) -> State:
    due = story.day()
    return NextActionState(
        **base,
        visit_id=base["id"],
        side=Side.PARTNER,
        owner_ref="1",
        due_on=due,
        status=story.random.choice(list(ActionStatus)),
        done_on=maybe(story, after(story, due, 30)),
    )


def editions(story: Told) -> tuple[Edition, ...]:
    """One or two editions, the first of which may have an end."""
    first = story.day()
    end = maybe(story, after(story, first), 0.7)
    found = [Edition(number=1, adopted_on=first, in_force_from=first, in_force_until=end)]
    if end and story.random.random() < 0.5:
        found.append(Edition(number=2, adopted_on=end, in_force_from=end))
    return tuple(found)


def instruction(story: Told, base: Base) -> State:
    return InstructionState(
        **base,
        kind=InstructionKind.DUTIES,
        duty=Duty.COORDINATOR,
        status=AdoptionStatus.ADOPTED,
        editions=editions(story),
    )


def sample(story: Told, base: Base) -> State:
    kind = story.random.choice(list(DocumentKind))
    return SampleState(**base, kind=kind, status=AdoptionStatus.ADOPTED, template="x/1", editions=editions(story))


def work_plan(story: Told, base: Base) -> State:
    measures = []
    for number in range(3):
        due = story.day()
        measures.append(
            Measure(
                measure_id=str(number),
                due_on=due,
                responsible_ref="1",
                opportunities=(),
                status=story.random.choice(list(MeasureStatus)),
                done_on=maybe(story, after(story, due, 30)),
            )
        )
    since = story.day()
    return WorkPlanState(
        **base,
        academic_year=story.random.choice(["2024-25", "2025-26", "2026-27"]),
        status=WorkPlanStatus.ADOPTED,
        adopted_on=story.day(),
        since=since,
        until=after(story, since),
        measures=tuple(measures),
    )


def board(story: Told, base: Base) -> State:
    established = story.day()
    dissolved = maybe(story, after(story, established), 0.3)
    members = tuple(
        Member(
            member_id=str(number),
            category=story.random.choice(list(MemberCategory)),
            ref="1",
            since=after(story, established, 100),
            until=maybe(story, after(story, established), 0.5),
        )
        for number in range(3)
    )
    meetings = []
    for number in range(2):
        status = story.random.choice([*MeetingStatus, MeetingStatus.HELD])
        held = after(story, established, 300) if status is not MeetingStatus.PLANNED else None
        meetings.append(Meeting(meeting_id=str(number), planned_on=established, status=status, held_on=held))
    return BoardState(
        **base,
        status=BoardStatus.DISSOLVED if dissolved else BoardStatus.ESTABLISHED,
        established_on=established,
        dissolved_on=dissolved,
        members=members,
        meetings=tuple(meetings),
    )


def submission(told: Told, base: Base) -> State:
    """The report of an institution or of an office above it, which it stays."""
    old = told.latest.get(base["id"])
    if isinstance(old, SubmissionState):
        place, level, period = old.place, old.level, old.period
    else:
        district = told.random.choice(told.districts)
        places = {
            OfficeLevel.INSTITUTION: base["institution_id"],
            OfficeLevel.DISTRICT: district,
            OfficeLevel.REGION: district[:4],
        }
        level = told.random.choice([*places, OfficeLevel.INSTITUTION])
        place, period = places[level], told.random.choice(["2026-Q1", "2026-Q2", "2025-26", "2025", "2026-03-R12"])
    return SubmissionState(
        id=base["id"],
        version=base["version"],
        place=place,
        level=level,
        period=period,
        status=told.random.choice(list(SubmissionStatus)),
        opened_on=told.day(),
        due_on=told.day(),
        submitted_on=told.random.choice([None, told.day()]),
        institution_id=place if level is OfficeLevel.INSTITUTION else None,
    )


MORE: dict[type[State], tuple[str, str, str, Callable[[Told, Base], State]]] = {
    PlacementState: ("agreements", "placement", "corrected", placement),
    SpecialistState: ("agreements", "specialist", "taught", specialist),
    StaffInternshipState: ("agreements", "staff_internship", "completed", staff_internship),
    TrainingState: ("agreements", "training", "completed", training),
    ProjectState: ("agreements", "project", "ended", project),
    ExpertReviewState: ("agreements", "expert_review", "reviewed", expert_review),
    CertificationState: ("agreements", "certification", "corrected", certification),
    OutcomeState: ("agreements", "outcome", "corrected", outcome),
    GraduateStatusState: ("surveys", "graduate_status", "corrected", graduate_status),
    IncomeState: ("agreements", "income", "corrected", income),
    InstructionState: ("agreements", "instruction", "revised", instruction),
    WorkPlanState: ("agreements", "work_plan", "amended", work_plan),
    SampleState: ("agreements", "sample", "revised", sample),
    BoardState: ("agreements", "board", "amended", board),
    PartnershipState: ("partners", "partnership", "updated", partnership),
    OrientationState: ("partners", "orientation", "adopted", orientation),
    MarketReviewState: ("partners", "market_review", "recorded", market_review),
    SectorReviewState: ("partners", "sector_review", "recorded", sector_review),
    MarketAssessmentState: ("partners", "market_assessment", "recorded", market_assessment),
    VisitState: ("partners", "visit", "held", visit),
    NextActionState: ("partners", "next_action", "done", next_action),
    SubmissionState: ("monitoring", "submission", "submitted", submission),
}
"""Each kind with its service and aggregate, a fact that carries it, and how a random state of it is made."""
