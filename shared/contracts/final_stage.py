"""What the agreements service tells of the final stage (R9–R12): instructions, work plans, documents, boards, norms.

Every period here is half-open: `since` (or `in_force_from`) is its first day, `until` (`in_force_until`) the first day
on which it no longer holds, None where no end is known. Titles, texts and persons' names are details, never told.
"""

from datetime import date
from enum import StrEnum

from shared.contracts.events import State, Value, declare
from shared.contracts.vocabulary import Form, Opportunity, TerritoryLevel


class Edition(Value):
    """One version of something adopted: `number` counts from 1, `order_ref` is the adopting order's opaque number."""

    number: int
    adopted_on: date
    in_force_from: date
    in_force_until: date | None = None
    order_ref: str | None = None


class AdoptionStatus(StrEnum):
    """Repealed: the last edition ends on a known day and no other follows. Whether in force, the editions' days say."""

    ADOPTED = "adopted"
    REPEALED = "repealed"


class InstructionKind(StrEnum):
    """R9: functional duties of an office, or the job instruction of a post."""

    DUTIES = "duties"
    JOB_INSTRUCTION = "job_instruction"


class Duty(StrEnum):
    """R9: who works with partners."""

    DIRECTOR = "director"
    DEPUTY_DIRECTOR = "deputy_director"
    COORDINATOR = "coordinator"
    PRACTICE_SUPERVISOR = "practice_supervisor"
    DEPARTMENT_HEAD = "department_head"
    METHODOLOGIST = "methodologist"
    CAREER_COUNSELLOR = "career_counsellor"
    TEACHER = "teacher"


class InstructionState(State):
    """R9: an instruction of an institution for one duty, with its editions: in order, none overlaps another."""

    institution_id: str
    kind: InstructionKind
    duty: Duty
    status: AdoptionStatus
    editions: tuple[Edition, ...]


class MeasureStatus(StrEnum):
    """Overdue: the due day passed undone; done late stays late (`done_on` after `due_on`)."""

    PLANNED = "planned"
    OVERDUE = "overdue"
    DONE = "done"
    CANCELLED = "cancelled"


class EvidenceKind(StrEnum):
    """What shows that a measure was done."""

    AGREEMENT = "agreement"
    ACTIVITY = "activity"
    DOCUMENT = "document"
    MEETING = "meeting"
    FILE = "file"


class Evidence(Value):
    """The id of an entry here, or the opaque reference of a document kept elsewhere."""

    kind: EvidenceKind
    ref: str


class Measure(Value):
    """R10: a cooperation measure; `due_on` is the last day in time, `done_on <= due_on` is done on time."""

    measure_id: str
    due_on: date
    responsible_ref: str
    opportunities: tuple[Opportunity, ...]
    form: Form | None = None
    status: MeasureStatus = MeasureStatus.PLANNED
    done_on: date | None = None
    evidence: tuple[Evidence, ...] = ()
    overdue_since: date | None = None


class WorkPlanStatus(StrEnum):
    """A closed plan takes no more changes."""

    ADOPTED = "adopted"
    CLOSED = "closed"


class WorkPlanState(State):
    """R10: the institution's plan of an academic year ("2026-27"), in force from `since` to `until` at most."""

    institution_id: str
    academic_year: str
    status: WorkPlanStatus
    adopted_on: date
    since: date
    until: date
    measures: tuple[Measure, ...]
    amendment: int = 0
    amended_on: date | None = None
    closed_on: date | None = None


class DocumentKind(StrEnum):
    """R11: the sample documents the platform has templates of."""

    STUDENT_INTERNSHIP = "student_internship"
    TEACHER_INTERNSHIP = "teacher_internship"
    BOARD_REGULATION = "board_regulation"
    METHODICAL_REVIEW = "methodical_review"
    EMPLOYMENT_CONTRACT = "employment_contract"
    COOPERATION_REGULATION = "cooperation_regulation"


REQUIRED_SAMPLES = tuple(kind for kind in DocumentKind if kind is not DocumentKind.COOPERATION_REGULATION)
"""The kinds DOMAIN.md names under R11: each must be in force as a sample for R11 and I4."""


DOCUMENTS_OF_PERSONS = frozenset(
    {DocumentKind.STUDENT_INTERNSHIP, DocumentKind.TEACHER_INTERNSHIP, DocumentKind.EMPLOYMENT_CONTRACT}
)
"""Kinds of which each document may be one person's: a student's, a teacher's, a worker's. Whoever could list them could
count these persons. The others name officials, members and authors, and are made for an institution's work."""


class SampleState(State):
    """R11: a sample document the institution adopted; `template` names the platform's template and its version."""

    institution_id: str
    kind: DocumentKind
    status: AdoptionStatus
    template: str
    editions: tuple[Edition, ...]


class DocumentStatus(StrEnum):
    """An annulled document keeps its number and can still be verified."""

    ISSUED = "issued"
    ANNULLED = "annulled"


DOCUMENT_HASHES = ("content_sha256", "docx_sha256", "pdf_sha256")
"""The hashes of a document: with all else known, each tells whether a guessed name stands in it."""


class DocumentState(State):
    """R11: an issued document; `number` ("2026/AF1-0007") is unique in the institution, its series without gaps.

    `content_sha256` is of the canonical filled content, `docx_sha256` and `pdf_sha256` of the files as issued.
    `subject` is the id of the agreement, board or sample it was filled from, `enterprise_id` the party of the agreement
    that it is made with, if it is made with one.
    """

    institution_id: str
    kind: DocumentKind
    template_version: int
    language: str
    number: str
    series: str
    year: int
    sequence: int
    issued_on: date
    status: DocumentStatus
    content_sha256: str
    docx_sha256: str
    pdf_sha256: str
    subject: str | None = None
    form: Form | None = None
    annulled_on: date | None = None
    enterprise_id: str | None = None


class MemberCategory(StrEnum):
    """R12: whom a member of the Board of Trustees stands for."""

    INSTITUTION = "institution"
    ENTERPRISE = "enterprise"
    LABOUR_BODY = "labour_body"
    HOKIMIYAT = "hokimiyat"
    EDUCATION_MANAGEMENT = "education_management"
    TRADE_UNION = "trade_union"
    INDUSTRY_ASSOCIATION = "industry_association"
    PARENT = "parent"
    GRADUATE = "graduate"
    STUDENT = "student"


class Member(Value):
    """A member's term; `ref` is opaque, `enterprise_id` or `partner_ref` names the organisation stood for.

    `left`: the day `until` has come, as the calendar told.
    """

    member_id: str
    category: MemberCategory
    ref: str
    since: date
    until: date | None = None
    enterprise_id: str | None = None
    partner_ref: str | None = None
    left: bool = False


class DecisionStatus(StrEnum):
    """A decision without a due day is closed by being adopted."""

    REJECTED = "rejected"
    OPEN = "open"
    OVERDUE = "overdue"
    DONE = "done"
    CANCELLED = "cancelled"


class Decision(Value):
    """What a quorate meeting voted on, and the follow-up: which side is responsible, by when, done when."""

    decision_id: str
    votes_for: int
    votes_against: int
    abstained: int
    status: DecisionStatus
    responsible: MemberCategory | None = None
    responsible_ref: str | None = None
    due_on: date | None = None
    done_on: date | None = None
    overdue_since: date | None = None
    evidence: tuple[Evidence, ...] = ()


class MeetingStatus(StrEnum):
    """Not quorate: it came together, but could decide nothing; it does not count as held."""

    PLANNED = "planned"
    HELD = "held"
    NOT_QUORATE = "not_quorate"
    CANCELLED = "cancelled"


class Meeting(Value):
    """A meeting; `in_term` counts the members in term on its day, `needed` how many of them make a quorum."""

    meeting_id: str
    planned_on: date
    status: MeetingStatus
    held_on: date | None = None
    present: tuple[str, ...] = ()
    in_term: int | None = None
    needed: int | None = None
    decisions: tuple[Decision, ...] = ()


class BoardStatus(StrEnum):
    """An institution has one board at a time."""

    ESTABLISHED = "established"
    DISSOLVED = "dissolved"


class BoardState(State):
    """R12: the Board of Trustees.

    A quorum is more than `quorum_percent` per cent of the members in term on the meeting's day. `last_held_on` is the
    day of the latest quorate meeting; the gate lapses twelve months after it.
    """

    institution_id: str
    status: BoardStatus
    established_on: date
    dissolved_on: date | None = None
    regulation_document_id: str | None = None
    quorum_percent: int = 50
    chair: str | None = None
    members: tuple[Member, ...] = ()
    meetings: tuple[Meeting, ...] = ()
    last_held_on: date | None = None


class NormativeKind(StrEnum):
    """Kinds of normative document."""

    LAW = "law"
    DECREE = "decree"
    RESOLUTION = "resolution"
    ORDER = "order"
    REGULATION = "regulation"
    STANDARD = "standard"
    GUIDELINE = "guideline"


class NormativeDocumentState(State):
    """A norm in force from–to; it holds for everything at and below its issuer: a territory, or an institution.

    `level` is None for an institution's own. `replaces` is the id of the one it ended.
    """

    level: TerritoryLevel | None
    territory: str | None
    institution_id: str | None
    kind: NormativeKind
    number: str
    status: AdoptionStatus
    adopted_on: date
    in_force_from: date
    in_force_until: date | None = None
    replaces: str | None = None
    forms: tuple[Form, ...] = ()
    opportunities: tuple[Opportunity, ...] = ()


INSTRUCTION_ADOPTED, INSTRUCTION_REVISED, INSTRUCTION_REPEALED = declare(
    "agreements", "instruction", InstructionState, "adopted", "revised", "repealed"
)
(
    WORK_PLAN_ADOPTED,
    WORK_PLAN_AMENDED,
    WORK_PLAN_MEASURE_DONE,
    WORK_PLAN_MEASURE_REOPENED,
    WORK_PLAN_MEASURE_OVERDUE,
    WORK_PLAN_CLOSED,
) = declare(
    "agreements",
    "work_plan",
    WorkPlanState,
    "adopted",
    "amended",
    "measure_done",
    "measure_reopened",
    "measure_overdue",
    "closed",
)
SAMPLE_ADOPTED, SAMPLE_REVISED, SAMPLE_REPEALED = declare(
    "agreements", "sample", SampleState, "adopted", "revised", "repealed"
)
DOCUMENT_ISSUED, DOCUMENT_ANNULLED, DOCUMENT_REASSIGNED = declare(
    "agreements", "document", DocumentState, "issued", "annulled", "reassigned"
)
(
    BOARD_ESTABLISHED,
    BOARD_AMENDED,
    BOARD_MEMBER_JOINED,
    BOARD_MEMBER_LEFT,
    BOARD_MEETING_PLANNED,
    BOARD_MEETING_HELD,
    BOARD_MEETING_CANCELLED,
    BOARD_DECISION_TAKEN,
    BOARD_DECISION_DONE,
    BOARD_DECISION_OVERDUE,
    BOARD_DECISION_CANCELLED,
    BOARD_DISSOLVED,
    BOARD_REASSIGNED,
) = declare(
    "agreements",
    "board",
    BoardState,
    "established",
    "amended",
    "member_joined",
    "member_left",
    "meeting_planned",
    "meeting_held",
    "meeting_cancelled",
    "decision_taken",
    "decision_done",
    "decision_overdue",
    "decision_cancelled",
    "dissolved",
    "reassigned",
)
NORMATIVE_DOCUMENT_ADOPTED, NORMATIVE_DOCUMENT_REPEALED = declare(
    "agreements", "normative_document", NormativeDocumentState, "adopted", "repealed"
)
