"""What agreements tells of the work under each form: placements, outcomes, specialists, trainings, sessions, income.

Students, graduates, teachers, specialists, trainees and examiners are opaque references given by the institution.

Each of these counts as an activity of its agreement's form (I5) on the day its docstring names, unless it is cancelled;
`ActivityState` is for what none of them describes. Institutions report, enterprises confirm: `confirmed_on` tells the
two apart.
"""

from datetime import date
from enum import StrEnum

from shared.contracts.events import State, Value, declare


class Mark(StrEnum):
    """How a side assesses what was done."""

    EXCELLENT = "excellent"
    GOOD = "good"
    SATISFACTORY = "satisfactory"
    UNSATISFACTORY = "unsatisfactory"


class PlacementStatus(StrEnum):
    """Complete when both sides have assessed it."""

    PLACED = "placed"
    COMPLETED = "completed"
    BROKEN_OFF = "broken_off"
    CANCELLED = "cancelled"


class BreakCause(StrEnum):
    """Why a placement, internship or training was broken off."""

    HEALTH = "health"
    FAMILY = "family"
    CONDUCT = "conduct"
    CONDITIONS = "conditions"
    ENTERPRISE = "enterprise"
    LEFT_STUDIES = "left_studies"
    FOUND_WORK = "found_work"
    OTHER = "other"


class Attendance(Value):
    """Totals of the logbook: days present, excused and absent, and hours."""

    present: int = 0
    excused: int = 0
    absent: int = 0
    hours: int = 0


class PlacementState(State):
    """AF1: a student's place in a term of the schedule. An activity on `starts_on`."""

    institution_id: str
    agreement_id: str
    enterprise_id: str
    term: str
    student_ref: str
    profession: str
    starts_on: date
    ends_on: date
    status: PlacementStatus
    confirmed_on: date | None = None
    attendance: Attendance = Attendance()
    institution_mark: Mark | None = None
    enterprise_mark: Mark | None = None
    completed_on: date | None = None
    broken_off_on: date | None = None
    cause: BreakCause | None = None


class OutcomeStatus(StrEnum):
    """What a graduate does; "unknown" was asked and not reached: that is not unemployment."""

    EMPLOYED = "employed"
    SELF_EMPLOYED = "self_employed"
    FURTHER_STUDY = "further_study"
    MILITARY = "military"
    PARENTAL = "parental"
    UNEMPLOYED = "unemployed"
    INACTIVE = "inactive"
    UNKNOWN = "unknown"


class OutcomeMatch(StrEnum):
    """How far study and job match."""

    FULL = "full"
    PARTIAL = "partial"
    NONE = "none"


class OutcomeState(State):
    """I1: a graduate's status `months` (6 or 12) after graduation; one per graduate and point in time.

    `withdrawn` takes back what was reported in error.
    """

    institution_id: str
    graduate_ref: str
    graduated_on: date
    months: int
    status: OutcomeStatus
    surveyed_on: date
    occupation: str | None = None
    profession: str | None = None
    match: OutcomeMatch | None = None
    enterprise_id: str | None = None
    employment_id: str | None = None
    confirmed_on: date | None = None
    withdrawn: bool = False


class EngagementStatus(StrEnum):
    """Of a specialist who teaches."""

    ENGAGED = "engaged"
    ENDED = "ended"
    CANCELLED = "cancelled"


class MonthHours(Value):
    """Hours taught in a month ("2026-11")."""

    month: str
    hours: int


class SpecialistState(State):
    """AF8, F4: an enterprise's specialist in teaching. An activity in every month with hours."""

    institution_id: str
    agreement_id: str
    enterprise_id: str
    specialist_ref: str
    subject: str
    since: date
    until: date | None = None
    hours: tuple[MonthHours, ...] = ()
    status: EngagementStatus
    confirmed_on: date | None = None


class CourseStatus(StrEnum):
    """Of an internship or training of one person."""

    STARTED = "started"
    COMPLETED = "completed"
    BROKEN_OFF = "broken_off"
    CANCELLED = "cancelled"


class StaffInternshipState(State):
    """AF4, F5: a teacher's internship at an enterprise. An activity on `starts_on`."""

    institution_id: str
    agreement_id: str
    enterprise_id: str
    teacher_ref: str
    profession: str | None = None
    starts_on: date
    ends_on: date
    hours: int
    status: CourseStatus
    confirmed_on: date | None = None
    completed_on: date | None = None
    cause: BreakCause | None = None


class TrainingKind(StrEnum):
    """F6: kinds of training of unemployed people."""

    TRAINING = "training"
    RETRAINING = "retraining"
    FURTHER_TRAINING = "further_training"


class TrainingState(State):
    """AF6, F6: an unemployed person's training, referred by a labour body. An activity on `starts_on`."""

    institution_id: str
    agreement_id: str
    trainee_ref: str
    kind: TrainingKind
    profession: str
    referred_by: str
    starts_on: date
    ends_on: date
    hours: int
    status: CourseStatus
    completed_on: date | None = None
    cause: BreakCause | None = None


class HeldStatus(StrEnum):
    """Of what took place on a day, or did not after all."""

    RECORDED = "recorded"
    CANCELLED = "cancelled"


class Examiner(Value):
    """An examiner an enterprise sent."""

    enterprise_id: str
    examiner_ref: str


class CertificationState(State):
    """AF7, F7: a session of the final state certification. An activity on `held_on` if an enterprise examines.

    `agreement_id` is None for a session without enterprises: it counts in the denominator all the same.
    """

    institution_id: str
    agreement_id: str | None = None
    profession: str
    held_on: date
    students: int
    passed: int
    examiners: tuple[Examiner, ...] = ()
    status: HeldStatus


class ProjectKind(StrEnum):
    """O7: joint commercial projects."""

    SHORT_COURSES = "short_courses"
    JOINT_WORKSHOP = "joint_workshop"
    SERVICE_CENTRE = "service_centre"
    PRODUCTION = "production"
    OTHER = "other"


class ProjectStatus(StrEnum):
    """Of a joint project."""

    RUNNING = "running"
    ENDED = "ended"
    CANCELLED = "cancelled"


class ProjectState(State):
    """AF5: a joint commercial project. An activity on `starts_on`."""

    institution_id: str
    agreement_id: str
    enterprise_id: str | None = None
    kind: ProjectKind
    starts_on: date
    ends_on: date | None = None
    status: ProjectStatus


class IncomePurpose(StrEnum):
    """What extra-budgetary income was earned with."""

    PAID_TRAINING = "paid_training"
    PRODUCTION = "production"
    SERVICES = "services"
    RENT = "rent"
    SPONSORSHIP = "sponsorship"
    OTHER = "other"


class IncomeItem(Value):
    """An amount in tiyin (1/100 soʻm) with its purpose, and the project it came from."""

    purpose: IncomePurpose
    amount_tiyin: int
    project_id: str | None = None


class IncomeState(State):
    """I3: an institution's extra-budgetary income of a month ("2026-11"); one per institution and month.

    No items is a report of zero; a month that was never reported, or was withdrawn, is null.
    """

    institution_id: str
    month: str
    items: tuple[IncomeItem, ...]
    total_tiyin: int
    withdrawn: bool = False


class ReviewedKind(StrEnum):
    """AF3: what an enterprise examines."""

    CURRICULUM = "curriculum"
    PROGRAMME = "programme"
    TEXTBOOK = "textbook"
    METHODICAL_GUIDE = "methodical_guide"
    TEST_MATERIAL = "test_material"
    STANDARD = "standard"


class Verdict(StrEnum):
    """What the review came to."""

    APPROVED = "approved"
    APPROVED_WITH_REMARKS = "approved_with_remarks"
    RETURNED = "returned"


class ExpertReviewStatus(StrEnum):
    """Requested until there is a verdict."""

    REQUESTED = "requested"
    REVIEWED = "reviewed"
    CANCELLED = "cancelled"


class ExpertReviewState(State):
    """AF3: an enterprise's expert review of an educational or methodical document. An activity on `reviewed_on`."""

    institution_id: str
    agreement_id: str
    enterprise_id: str
    kind: ReviewedKind
    document_ref: str
    requested_on: date
    status: ExpertReviewStatus
    reviewed_on: date | None = None
    verdict: Verdict | None = None


(
    PLACEMENT_PLACED,
    PLACEMENT_CORRECTED,
    PLACEMENT_CONFIRMED,
    PLACEMENT_LOGGED,
    PLACEMENT_ASSESSED,
    PLACEMENT_COMPLETED,
) = declare(
    "agreements", "placement", PlacementState, "placed", "corrected", "confirmed", "logged", "assessed", "completed"
)
PLACEMENT_BROKEN_OFF, PLACEMENT_CANCELLED, PLACEMENT_REASSIGNED = declare(
    "agreements", "placement", PlacementState, "broken_off", "cancelled", "reassigned"
)
OUTCOME_REPORTED, OUTCOME_CORRECTED, OUTCOME_CONFIRMED, OUTCOME_WITHDRAWN, OUTCOME_REASSIGNED = declare(
    "agreements", "outcome", OutcomeState, "reported", "corrected", "confirmed", "withdrawn", "reassigned"
)
SPECIALIST_ENGAGED, SPECIALIST_TAUGHT, SPECIALIST_CONFIRMED, SPECIALIST_ENDED, SPECIALIST_CANCELLED = declare(
    "agreements", "specialist", SpecialistState, "engaged", "taught", "confirmed", "ended", "cancelled"
)
(SPECIALIST_REASSIGNED,) = declare("agreements", "specialist", SpecialistState, "reassigned")
(
    STAFF_INTERNSHIP_STARTED,
    STAFF_INTERNSHIP_CONFIRMED,
    STAFF_INTERNSHIP_COMPLETED,
    STAFF_INTERNSHIP_BROKEN_OFF,
    STAFF_INTERNSHIP_CANCELLED,
    STAFF_INTERNSHIP_REASSIGNED,
) = declare(
    "agreements",
    "staff_internship",
    StaffInternshipState,
    "started",
    "confirmed",
    "completed",
    "broken_off",
    "cancelled",
    "reassigned",
)
TRAINING_STARTED, TRAINING_COMPLETED, TRAINING_BROKEN_OFF, TRAINING_CANCELLED = declare(
    "agreements", "training", TrainingState, "started", "completed", "broken_off", "cancelled"
)
CERTIFICATION_RECORDED, CERTIFICATION_CORRECTED, CERTIFICATION_CANCELLED, CERTIFICATION_REASSIGNED = declare(
    "agreements", "certification", CertificationState, "recorded", "corrected", "cancelled", "reassigned"
)
PROJECT_STARTED, PROJECT_ENDED, PROJECT_CANCELLED, PROJECT_REASSIGNED = declare(
    "agreements", "project", ProjectState, "started", "ended", "cancelled", "reassigned"
)
INCOME_REPORTED, INCOME_CORRECTED, INCOME_WITHDRAWN = declare(
    "agreements", "income", IncomeState, "reported", "corrected", "withdrawn"
)
EXPERT_REVIEW_REQUESTED, EXPERT_REVIEW_REVIEWED, EXPERT_REVIEW_CANCELLED, EXPERT_REVIEW_REASSIGNED = declare(
    "agreements", "expert_review", ExpertReviewState, "requested", "reviewed", "cancelled", "reassigned"
)
