"""What monitoring reads of the events: structs that declare the needed fields only, decoded without a detour.

A test holds every field against the contract's model; a field the contract doesn't have can't be read.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, ClassVar

import msgspec

from services.monitoring.domain.periods import first_month_of_year, parse
from shared.contracts.agreements import ActivityStatus, AgreementStatus, EmploymentStatus
from shared.contracts.catalogue import REGISTRY
from shared.contracts.events import Event, State
from shared.contracts.final_stage import (
    BoardStatus,
    DocumentKind,
    MeasureStatus,
    MeetingStatus,
    MemberCategory,
    WorkPlanStatus,
)
from shared.contracts.monitoring import OfficeLevel
from shared.contracts.partners import InstitutionStatus, PartnershipStage
from shared.contracts.practice import (
    CourseStatus,
    EngagementStatus,
    ExpertReviewStatus,
    HeldStatus,
    OutcomeStatus,
    PlacementStatus,
    ProjectStatus,
    TrainingKind,
)
from shared.contracts.preparation import OrientationStatus
from shared.contracts.reporting import SubmissionStatus
from shared.contracts.visits import ActionStatus, Cause, VisitStatus
from shared.contracts.vocabulary import Form, PartnerCategory, PartyCategory, RespondentGroup, TerritoryLevel

Code = Annotated[str, msgspec.Meta(pattern=r"^[\w.:-]{1,64}\Z")]
"""A code or an id that becomes a key; anything else would stop the batch it comes in."""
Path = Annotated[str, msgspec.Meta(pattern=r"^/([\w.:-]{1,64}/)+\Z")]
Count = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
Index = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
Tiyin = Annotated[int, msgspec.Meta(ge=-(2**53), lt=2**53)]
Month = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-(0[1-9]|1[0-2])\Z")]
Months = Annotated[int, msgspec.Meta(ge=0, le=120)]


class Unreadable(ValueError):
    """The event's data doesn't obey its contract, or its type is unknown."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What is read of any aggregate."""

    kind: ClassVar[int] = 0

    id: Code
    version: Count


class Plain(Reading, frozen=True, gc=False):
    """An aggregate that is kept in the log and measured by nothing yet."""


class Enterprise(Plain, frozen=True, gc=False):
    """An enterprise of the register: measured by nothing, but what is measured is broken down by its sector."""

    isic_section: str = ""
    merged_into: Code | None = None


class Owned(Reading, frozen=True, gc=False):
    """An aggregate of one institution; it never changes institution."""

    institution_id: Code


class Territory(Reading, frozen=True, gc=False):
    """A unit of the territory."""

    level: TerritoryLevel
    parent: Code | None
    path: Path
    names: dict[str, str]


class Membership(msgspec.Struct, frozen=True, gc=False):
    """From `since` on the institution belongs to `district`."""

    district: Code
    since: date


class Programme(msgspec.Struct, frozen=True, gc=False):
    """An educational programme."""

    code: str


class Institution(Reading, frozen=True, gc=False):
    """An institution: its place in the territory over time, its programmes, and from when to when it works."""

    kind: ClassVar[int] = 1

    name: str
    status: InstitutionStatus
    path: Path
    membership: list[Membership]
    programmes: list[Programme] = []
    opened_on: date | None = None
    closed_on: date | None = None
    sort: str = msgspec.field(name="kind", default="")


class Enrolment(Owned, frozen=True, gc=False):
    """An institution's figures of one academic year."""

    kind: ClassVar[int] = 2

    academic_year: str
    places: Count | None = None
    first_choice: Count | None = None
    teachers: Count | None = None

    def __post_init__(self) -> None:
        first_month_of_year(self.academic_year)


class Party(msgspec.Struct, frozen=True, gc=False):
    """A signatory."""

    category: PartyCategory
    ref: str


class ActivePeriod(msgspec.Struct, frozen=True, gc=False):
    """Active from `since` up to, not including, `until`."""

    since: date
    until: date | None = None


class Term(msgspec.Struct, frozen=True, gc=False):
    """A term of an internship schedule."""

    starts_on: date
    seats: Count
    filled: Count = 0
    completed: Count = 0


class Agreement(Owned, frozen=True, gc=False):
    """An agreement."""

    kind: ClassVar[int] = 3

    form: Form
    status: AgreementStatus
    parties: list[Party]
    signed_on: date | None = None
    ended_on: date | None = None
    active_periods: list[ActivePeriod] = []
    schedule: list[Term] = []
    schedule_complete: bool = False


class Activity(Owned, frozen=True, gc=False):
    """Something done under an agreement."""

    kind: ClassVar[int] = 4

    agreement_id: str
    form: Form
    status: ActivityStatus
    held_on: date


class Employment(Owned, frozen=True, gc=False):
    """A graduate's employment."""

    kind: ClassVar[int] = 5

    graduate_ref: str
    enterprise_id: str
    profession: str
    status: EmploymentStatus
    started_on: date
    confirmed_on: date | None = None


class Response(Owned, frozen=True, gc=False):
    """One answer to a questionnaire."""

    kind: ClassVar[int] = 6

    group: RespondentGroup
    month: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]
    index_thousandths: Index | None


# -- the practice: what is done under each form


class Practice(Owned, frozen=True, gc=False):
    """Something done under an agreement of one form, which counts as an activity of that form."""

    form: ClassVar[Form]

    agreement_id: str


class Placement(Practice, frozen=True, gc=False):
    """AF1: a student's placement."""

    kind: ClassVar[int] = 8
    form: ClassVar[Form] = Form.AF1

    starts_on: date
    status: PlacementStatus
    confirmed_on: date | None = None


class MonthHours(msgspec.Struct, frozen=True, gc=False):
    """Hours taught in a month."""

    month: Month
    hours: Count


class Specialist(Practice, frozen=True, gc=False):
    """AF8: an enterprise's specialist in teaching, with the hours of each month."""

    kind: ClassVar[int] = 9
    form: ClassVar[Form] = Form.AF8

    specialist_ref: str
    status: EngagementStatus
    hours: list[MonthHours] = []


class StaffInternship(Practice, frozen=True, gc=False):
    """AF4: a teacher's internship at an enterprise."""

    kind: ClassVar[int] = 10
    form: ClassVar[Form] = Form.AF4

    teacher_ref: str
    starts_on: date
    status: CourseStatus
    completed_on: date | None = None


class Training(Practice, frozen=True, gc=False):
    """AF6: an unemployed person's training."""

    kind: ClassVar[int] = 11
    form: ClassVar[Form] = Form.AF6

    trainee_ref: str
    training: TrainingKind = msgspec.field(name="kind")
    starts_on: date
    status: CourseStatus
    completed_on: date | None = None


class Project(Practice, frozen=True, gc=False):
    """AF5: a joint commercial project."""

    kind: ClassVar[int] = 12
    form: ClassVar[Form] = Form.AF5

    starts_on: date
    status: ProjectStatus


class ExpertReview(Practice, frozen=True, gc=False):
    """AF3: an enterprise's review of an educational or methodical document."""

    kind: ClassVar[int] = 13
    form: ClassVar[Form] = Form.AF3

    status: ExpertReviewStatus
    reviewed_on: date | None = None


class Examiner(msgspec.Struct, frozen=True, gc=False):
    """An examiner an enterprise sent."""

    enterprise_id: str


class Certification(Owned, frozen=True, gc=False):
    """AF7: a session of the final state certification."""

    kind: ClassVar[int] = 14

    held_on: date
    status: HeldStatus
    agreement_id: str | None = None
    examiners: list[Examiner] = []


class Outcome(Owned, frozen=True, gc=False):
    """What a graduate does some months after graduation (I1)."""

    kind: ClassVar[int] = 15

    graduate_ref: str
    graduated_on: date
    months: Months
    status: OutcomeStatus
    withdrawn: bool = False


class GraduateStatus(Owned, frozen=True, gc=False):
    """What a graduate says of the own status some months after graduation (I1), and the employment it confirms (F3)."""

    kind: ClassVar[int] = 30

    graduate_ref: str | None
    graduated_on: date | None
    months: Months
    status: OutcomeStatus | None
    employed_since: date | None = None
    withdrawn: bool = False


class Income(Owned, frozen=True, gc=False):
    """An institution's extra-budgetary income of a month (I3)."""

    kind: ClassVar[int] = 16

    month: Month
    total_tiyin: Tiyin
    withdrawn: bool = False


# -- preparation and contacts


class StageSince(msgspec.Struct, frozen=True, gc=False):
    """From `since` on a partnership is at `stage`."""

    stage: PartnershipStage
    since: date


class Partnership(Owned, frozen=True, gc=False):
    """A social partner of the institution (R2, R13); without `stages` it is at `stage` since `since`."""

    kind: ClassVar[int] = 17

    category: PartnerCategory
    stage: PartnershipStage
    since: date
    stages: list[StageSince] = []


class Orientation(Owned, frozen=True, gc=False):
    """The pedagogical council's decision (R1)."""

    kind: ClassVar[int] = 18

    decided_on: date
    valid_until: date
    status: OrientationStatus
    revoked_on: date | None = None


class MarketReview(Owned, frozen=True, gc=False):
    """Who else trains for the same sector here (R3)."""

    kind: ClassVar[int] = 19

    reviewed_on: date
    valid_until: date


class SectorReview(Owned, frozen=True, gc=False):
    """The sector's prospects (R5)."""

    kind: ClassVar[int] = 20

    reviewed_on: date
    valid_until: date


class MarketAssessment(Owned, frozen=True, gc=False):
    """Demand against supply of a profession (R6, R8)."""

    kind: ClassVar[int] = 21

    assessed_on: date
    valid_until: date


class Protocol(msgspec.Struct, frozen=True, gc=False):
    """What came of a visit."""

    causes: list[Cause]


class Visit(Owned, frozen=True, gc=False):
    """A visit to a partner."""

    kind: ClassVar[int] = 22

    category: PartnerCategory
    status: VisitStatus
    planned_start: Annotated[datetime, msgspec.Meta(tz=True)]
    enterprise_id: str | None = None
    partner_ref: str | None = None
    held_on: date | None = None
    punctual: bool | None = None
    protocol: Protocol | None = None
    cancelled_on: date | None = None
    cancelled_for: list[Cause] = []


class NextAction(Owned, frozen=True, gc=False):
    """What was agreed at a visit."""

    kind: ClassVar[int] = 23

    due_on: date
    status: ActionStatus
    done_on: date | None = None


# -- the final stage


class Edition(msgspec.Struct, frozen=True, gc=False):
    """From when until when a text is in force."""

    in_force_from: date
    in_force_until: date | None = None


class Instruction(Owned, frozen=True, gc=False):
    """Duties and job instructions (R9)."""

    kind: ClassVar[int] = 24

    editions: list[Edition]


class Measure(msgspec.Struct, frozen=True, gc=False):
    """A measure of a work plan."""

    due_on: date
    status: MeasureStatus = MeasureStatus.PLANNED
    done_on: date | None = None


class WorkPlan(Owned, frozen=True, gc=False):
    """The plan of an academic year (R10, I4)."""

    kind: ClassVar[int] = 25

    academic_year: str
    status: WorkPlanStatus
    adopted_on: date
    since: date
    until: date
    measures: list[Measure]

    def __post_init__(self) -> None:
        first_month_of_year(self.academic_year)


class Sample(Owned, frozen=True, gc=False):
    """A sample document (R11)."""

    kind: ClassVar[int] = 26

    document: DocumentKind = msgspec.field(name="kind")
    editions: list[Edition]


class BoardMember(msgspec.Struct, frozen=True, gc=False):
    """A member's term."""

    category: MemberCategory
    since: date
    until: date | None = None


class Meeting(msgspec.Struct, frozen=True, gc=False):
    """A meeting of the board."""

    status: MeetingStatus
    held_on: date | None = None


class Board(Owned, frozen=True, gc=False):
    """The Board of Trustees (R12)."""

    kind: ClassVar[int] = 27

    status: BoardStatus
    established_on: date
    dissolved_on: date | None = None
    members: list[BoardMember] = []
    meetings: list[Meeting] = []


# -- reporting


class Submission(Owned, frozen=True, gc=False):
    """The report of a place – an institution or an office above it – for a period (T1, T2)."""

    kind: ClassVar[int] = 28

    institution_id: Code = msgspec.field(name="place")
    level: OfficeLevel
    period: str
    status: SubmissionStatus
    due_on: date
    submitted_on: date | None = None

    def __post_init__(self) -> None:
        parse(self.period)


# -- derived aggregates: functions of what the others contribute, one of a kind per institution or join key

VARIETY = 7
"""Which forms of cooperation are alive in an institution (I5)."""
WORK = 40
"""In which months work was done under an agreement, by category of its partners (R13); one per agreement."""
CONVERSION = 41
"""Which visits to a partner an agreement with it followed; one per partner of an institution."""
GROWTH = 42
"""Months' income beside that of the same month of the year before (I3)."""
STANDING = 43
"""The stage reached, the required artefacts in force (I4)."""
GATE_KINDS = {f"R{number}": 50 + number for number in range(1, 14)}
"""One of a kind per gate and institution."""

READINGS: dict[tuple[str, str], type[Reading]] = {
    ("partners", "territory"): Territory,
    ("partners", "institution"): Institution,
    ("partners", "enrolment"): Enrolment,
    ("partners", "enterprise"): Enterprise,
    ("partners", "partnership"): Partnership,
    ("partners", "orientation"): Orientation,
    ("partners", "market_review"): MarketReview,
    ("partners", "sector_review"): SectorReview,
    ("partners", "market_assessment"): MarketAssessment,
    ("partners", "visit"): Visit,
    ("partners", "next_action"): NextAction,
    ("agreements", "agreement"): Agreement,
    ("agreements", "activity"): Activity,
    ("agreements", "employment"): Employment,
    ("agreements", "placement"): Placement,
    ("agreements", "specialist"): Specialist,
    ("agreements", "staff_internship"): StaffInternship,
    ("agreements", "training"): Training,
    ("agreements", "project"): Project,
    ("agreements", "expert_review"): ExpertReview,
    ("agreements", "certification"): Certification,
    ("agreements", "outcome"): Outcome,
    ("agreements", "income"): Income,
    ("agreements", "instruction"): Instruction,
    ("agreements", "work_plan"): WorkPlan,
    ("agreements", "sample"): Sample,
    ("agreements", "board"): Board,
    ("surveys", "response"): Response,
    ("surveys", "graduate_status"): GraduateStatus,
    ("monitoring", "submission"): Submission,
}
"""What is read of each (service, aggregate)."""

KIND_NAMES: dict[int, str] = {
    **{reading.kind: aggregate for (_, aggregate), reading in READINGS.items() if reading.kind},
    VARIETY: "variety",
    WORK: "work",
    CONVERSION: "conversion",
    GROWTH: "growth",
    STANDING: "standing",
    **{kind: gate for gate, kind in GATE_KINDS.items()},
}
SOURCE_OF_KIND: dict[int, str] = {reading.kind: service for (service, _), reading in READINGS.items() if reading.kind}


def _decoder(model: type[State], service: str, aggregate: str) -> Callable[[bytes], Reading]:
    reading = READINGS.get((service, aggregate))
    if reading is None:  # a contract that monitoring doesn't measure yet
        assert issubclass(model, State)
        reading = Plain
    return msgspec.json.Decoder(reading).decode


_DECODERS: dict[str, Callable[[bytes], Reading]] = {
    name: _decoder(each.model, each.service, each.aggregate) for name, each in REGISTRY.items()
}


_is_uuid = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
"""Whether PostgreSQL gives the text back as it is: ids are compared as text."""


def decode(event: Event) -> Reading:
    """What is read of the event; raises Unreadable with the field and the rule it breaks."""
    decoder = _DECODERS.get(event.type)
    if decoder is None:
        raise Unreadable(f"unknown event type {event.type}")
    if not _is_uuid(event.id) or "\0" in event.subject:
        raise Unreadable("the log keeps the event's id as a UUID and its subject as text without NUL")
    try:
        reading = decoder(event.data)
        if reading.kind and not _is_uuid(reading.id):
            raise Unreadable(f"{event.type}: id is not a UUID in lower case with hyphens")
        return reading
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unreadable(f"{event.type}: {error}") from error
