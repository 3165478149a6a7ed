"""What the agreements service tells: agreements with their internship schedules, activities, employments."""

from datetime import date
from enum import StrEnum

from shared.contracts.events import State, Value, declare
from shared.contracts.vocabulary import Form, Opportunity, PartyCategory


class AgreementStatus(StrEnum):
    """Life of an agreement; services/agreements/domain.py holds the table of transitions."""

    DRAFT = "draft"
    SIGNED = "signed"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class SignatureKind(StrEnum):
    """A paper signature counts as much as an electronic one."""

    PAPER = "paper"
    ELECTRONIC = "electronic"


class Signature(Value):
    """How and when a party signed; `scan_ref` points to the scan of a paper signature."""

    kind: SignatureKind
    signed_on: date
    scan_ref: str | None = None


class Party(Value):
    """One of two to six signatories; `ref` is an opaque reference: an institution's or enterprise's id, a
    register number of an authority, or a student's opaque number. Never a name."""

    party_id: str
    category: PartyCategory
    ref: str
    signature: Signature | None = None


class ActivePeriod(Value):
    """The agreement was active from `since` up to, not including, `until` (None: still is)."""

    since: date
    until: date | None = None


class InternshipTerm(Value):
    """A term of the schedule: profession by ISCO-08 unit group, seats planned, filled and completed."""

    term: str
    starts_on: date
    ends_on: date
    profession: str
    seats: int
    filled: int = 0
    completed: int = 0


class Renewal(Value):
    """Renewed by itself for `months` at a time, unless notice is given `notice_days` before the last day."""

    months: int
    notice_days: int


class PartyWord(Value):
    """A party agreed to an amendment, and how."""

    party_id: str
    signature: Signature


class PendingAmendment(Value):
    """An amendment that takes effect on a day to come, but not before all have agreed; what is None stays as it is.

    `awaits` are the parties whose word is awaited still: while there are any, no day brings it into effect. What they
    signed on paper has its `scan_ref` instead of their words.
    """

    agreed_on: date
    effective_on: date
    valid_until: date | None = None
    opportunities: tuple[Opportunity, ...] | None = None
    schedule: tuple[InternshipTerm, ...] | None = None
    awaits: tuple[str, ...] = ()
    words: tuple[PartyWord, ...] = ()
    scan_ref: str | None = None


class AgreementState(State):
    """An agreement; `active_periods` are what stocks are counted from, `amendment` counts amendments in force.

    `valid_until` is its last day, `ended_on` the first day on which it is no longer in force, however it ended;
    `suspended_on` stands while it is suspended, `amended_on` is the day the last amendment took effect, by the
    parties' `amendment_words` or on paper (`amendment_scan_ref`); `pending` is the next one. With a `renewal` it goes
    on after its last day until notice is given: `renewals` times yet.
    """

    institution_id: str
    form: Form
    opportunities: tuple[Opportunity, ...]
    status: AgreementStatus
    parties: tuple[Party, ...]
    valid_from: date
    valid_until: date
    signed_on: date | None = None
    ended_on: date | None = None
    suspended_on: date | None = None
    amendment: int = 0
    amended_on: date | None = None
    amendment_words: tuple[PartyWord, ...] = ()
    amendment_scan_ref: str | None = None
    active_periods: tuple[ActivePeriod, ...] = ()
    schedule: tuple[InternshipTerm, ...] = ()
    schedule_complete: bool = False
    pending: PendingAmendment | None = None
    renewal: Renewal | None = None
    renewals: int = 0
    notice_given_on: date | None = None


class ActivityStatus(StrEnum):
    """A cancelled activity counts nowhere."""

    RECORDED = "recorded"
    CANCELLED = "cancelled"


class OtherPurpose(StrEnum):
    """AF9: what is done under an agreement of no other form."""

    CAREER_GUIDANCE = "career_guidance"
    EXCURSION = "excursion"
    EQUIPMENT = "equipment"
    BUILDINGS = "buildings"
    SCHOLARSHIPS = "scholarships"
    CONTESTS = "contests"
    RESEARCH = "research"
    SOCIAL_SUPPORT = "social_support"
    EVENTS = "events"


class ActivityState(State):
    """Something done under an agreement on a day; under one of form AF9 with its purpose."""

    institution_id: str
    agreement_id: str
    form: Form
    status: ActivityStatus
    held_on: date
    participants: int
    purpose: OtherPurpose | None = None


class EmploymentStatus(StrEnum):
    """Reported by the institution, confirmed by the enterprise: the two are told apart."""

    REPORTED = "reported"
    CONFIRMED = "confirmed"
    ENDED = "ended"
    CANCELLED = "cancelled"


class EmploymentState(State):
    """A graduate's employment; `graduate_ref` is an opaque number given by the institution."""

    institution_id: str
    graduate_ref: str
    enterprise_id: str
    agreement_id: str | None = None
    profession: str
    status: EmploymentStatus
    started_on: date
    confirmed_on: date | None = None
    ended_on: date | None = None


(
    AGREEMENT_DRAFTED,
    AGREEMENT_SIGNED,
    AGREEMENT_ACTIVATED,
    AGREEMENT_AMENDED,
    AGREEMENT_SUSPENDED,
    AGREEMENT_RESUMED,
    AGREEMENT_ENDED,
    AGREEMENT_EXPIRED,
    AGREEMENT_CANCELLED,
    AGREEMENT_SCHEDULED,
    AGREEMENT_REASSIGNED,
    AGREEMENT_AMENDMENT_AGREED,
    AGREEMENT_NOTICE_GIVEN,
    AGREEMENT_RENEWED,
) = declare(
    "agreements",
    "agreement",
    AgreementState,
    "drafted",
    "signed",
    "activated",
    "amended",
    "suspended",
    "resumed",
    "ended",
    "expired",
    "cancelled",
    "scheduled",
    "reassigned",
    "amendment_agreed",
    "notice_given",
    "renewed",
)
ACTIVITY_RECORDED, ACTIVITY_CANCELLED = declare("agreements", "activity", ActivityState, "recorded", "cancelled")
(
    EMPLOYMENT_REPORTED,
    EMPLOYMENT_CORRECTED,
    EMPLOYMENT_CONFIRMED,
    EMPLOYMENT_ENDED,
    EMPLOYMENT_CANCELLED,
    EMPLOYMENT_REASSIGNED,
) = declare(
    "agreements",
    "employment",
    EmploymentState,
    "reported",
    "corrected",
    "confirmed",
    "ended",
    "cancelled",
    "reassigned",
)
