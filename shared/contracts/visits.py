"""What partners tells of contacts with partners: dossiers, visits with checklist and protocol, known events, actions.

Who goes and who receives are opaque references with their rank; agenda, notes and names are details, never told.
"""

from datetime import date, datetime
from enum import StrEnum

from shared.contracts.events import State, Value, declare
from shared.contracts.vocabulary import EnterpriseSize, Form, Opportunity, PartnerCategory


class Check(StrEnum):
    """The preparation checklist (DOMAIN.md, V1–V6)."""

    V1 = "V1"  # goals and tasks discussed at the institution's board
    V2 = "V2"  # dossier on the partner complete
    V3 = "V3"  # meeting agreed in advance
    V4 = "V4"  # envoy of matching standing
    V5 = "V5"  # presentation package and proposals prepared
    V6 = "V6"  # calm room and a break, where it is held at the institution


class ProtocolStep(StrEnum):
    """The negotiation protocol (DOMAIN.md, N1–N6)."""

    N1 = "N1"  # introduced, cards exchanged
    N2 = "N2"  # opened with the problem and its social side
    N3 = "N3"  # interest in this very partner and its benefit
    N4 = "N4"  # listened, remarks acknowledged
    N5 = "N5"  # topic held, main ideas developed
    N6 = "N6"  # concluded: results, next actions, thanks


class Cause(StrEnum):
    """Problems met (DOMAIN.md, A1–A4, B1–B3), none and other."""

    A1 = "A1"  # different values
    A2 = "A2"  # low socio-cultural level
    A3 = "A3"  # no analytical thinking about joint work
    A4 = "A4"  # personal traits
    B1 = "B1"  # wrong time of visit
    B2 = "B2"  # emergency before the visit
    B3 = "B3"  # another event at the same time
    NONE = "none"
    OTHER = "other"


class Rank(StrEnum):
    """Standing of an envoy or a host, from the lowest to the highest."""

    STUDENT = "student"
    TEACHER = "teacher"
    SPECIALIST = "specialist"
    HEAD_OF_UNIT = "head_of_unit"
    DEPUTY_HEAD = "deputy_head"
    HEAD = "head"


class VisitPlace(StrEnum):
    """Where the meeting is held."""

    AT_PARTNER = "at_partner"
    AT_INSTITUTION = "at_institution"
    ELSEWHERE = "elsewhere"
    ONLINE = "online"


class VisitStatus(StrEnum):
    """Life of a visit; services/partners/domain holds the table of transitions."""

    PLANNED = "planned"
    PREPARED = "prepared"
    HELD = "held"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """What came of the negotiation."""

    AGREEMENT_IN_PRINCIPLE = "agreement_in_principle"
    TO_BE_CONTINUED = "to_be_continued"
    REFUSED = "refused"


class Waiver(StrEnum):
    """Why an item of the checklist was waived."""

    NOT_APPLICABLE = "not_applicable"
    KNOWN_PARTNER = "known_partner"
    URGENT = "urgent"
    OTHER = "other"


class CheckAnswer(Value):
    """An item answered on a day: done, or waived with its reason."""

    check: Check
    answered_on: date
    waived: Waiver | None = None


class StepResult(StrEnum):
    """How far a step of the negotiation came."""

    ACHIEVED = "achieved"
    PARTLY = "partly"
    NOT_ACHIEVED = "not_achieved"


class StepTaken(Value):
    """A step of the negotiation and how far it came."""

    step: ProtocolStep
    result: StepResult


class Protocol(Value):
    """What the negotiation was like: the steps taken, how far they came, what came of it, the problems met."""

    steps: tuple[ProtocolStep, ...]
    outcome: Outcome
    causes: tuple[Cause, ...]
    recorded_on: date
    results: tuple[StepTaken, ...] = ()


class VisitState(State):
    """A visit to a partner, from plan to protocol.

    Moments are aware. `held_on` is the Tashkent day of the actual start; `punctual` says whether the planned start was
    kept to (V3). `follows` is the visit it continues.
    """

    institution_id: str
    category: PartnerCategory
    enterprise_id: str | None = None
    partner_ref: str | None = None
    partnership_id: str | None = None
    status: VisitStatus
    opportunities: tuple[Opportunity, ...]
    place: VisitPlace
    envoy_ref: str
    envoy_rank: Rank
    host_ref: str | None = None
    host_rank: Rank
    planned_start: datetime
    planned_end: datetime
    agreed_on: date | None = None
    checklist: tuple[CheckAnswer, ...] = ()
    actual_start: datetime | None = None
    actual_end: datetime | None = None
    held_on: date | None = None
    punctual: bool | None = None
    protocol: Protocol | None = None
    cancelled_on: date | None = None
    cancelled_for: tuple[Cause, ...] = ()
    follows: str | None = None


class DossierState(State):
    """V2: what an institution knows of a partner; `complete` when size, directions, union, interests are there."""

    institution_id: str
    category: PartnerCategory
    enterprise_id: str | None = None
    partner_ref: str | None = None
    size: EnterpriseSize | None = None
    directions: tuple[str, ...] = ()
    union_member: bool | None = None
    interests: tuple[Opportunity, ...] = ()
    forms: tuple[Form, ...] = ()
    updated_on: date
    complete: bool


class EventOwner(StrEnum):
    """Whose calendar a known event stands in."""

    INSTITUTION = "institution"
    ENTERPRISE = "enterprise"
    TERRITORY = "territory"


class KnownEventKind(StrEnum):
    """What keeps people from receiving a visit."""

    HOLIDAY = "holiday"
    EXAMS = "exams"
    INSPECTION = "inspection"
    STOCKTAKING = "stocktaking"
    MEETING = "meeting"
    REPAIR = "repair"
    OTHER = "other"


class KnownEventStatus(StrEnum):
    """A cancelled event stands in nobody's way."""

    EXPECTED = "expected"
    CANCELLED = "cancelled"


class KnownEventState(State):
    """A known event of an institution, an enterprise or a territory, from a moment to another.

    `recorded_by` is the role and organisation that entered it: `institution:<id>`, `region:1708`, `ministry`.
    """

    owner: EventOwner
    owner_ref: str
    kind: KnownEventKind
    starts_at: datetime
    ends_at: datetime
    status: KnownEventStatus
    recorded_by: str | None = None


class Side(StrEnum):
    """Whose turn it is."""

    INSTITUTION = "institution"
    PARTNER = "partner"


class ActionStatus(StrEnum):
    """Overdue is told once, by the calendar; done late stays late (`done_on` after `due_on`)."""

    AGREED = "agreed"
    OVERDUE = "overdue"
    DONE = "done"
    CANCELLED = "cancelled"


class NextActionState(State):
    """A joint next action agreed at a visit: who, by when."""

    institution_id: str
    visit_id: str
    enterprise_id: str | None = None
    side: Side
    owner_ref: str
    due_on: date
    status: ActionStatus
    overdue_since: date | None = None
    done_on: date | None = None


(
    VISIT_PLANNED,
    VISIT_RESCHEDULED,
    VISIT_AGREED,
    VISIT_CHECKED,
    VISIT_PREPARED,
    VISIT_HELD,
    VISIT_PROTOCOL_RECORDED,
    VISIT_CANCELLED,
    VISIT_REASSIGNED,
) = declare(
    "partners",
    "visit",
    VisitState,
    "planned",
    "rescheduled",
    "agreed",
    "checked",
    "prepared",
    "held",
    "protocol_recorded",
    "cancelled",
    "reassigned",
)
DOSSIER_RECORDED, DOSSIER_UPDATED, DOSSIER_REASSIGNED = declare(
    "partners", "dossier", DossierState, "recorded", "updated", "reassigned"
)
KNOWN_EVENT_RECORDED, KNOWN_EVENT_CANCELLED, KNOWN_EVENT_REASSIGNED = declare(
    "partners", "known_event", KnownEventState, "recorded", "cancelled", "reassigned"
)
NEXT_ACTION_AGREED, NEXT_ACTION_DONE, NEXT_ACTION_OVERDUE, NEXT_ACTION_CANCELLED, NEXT_ACTION_REASSIGNED = declare(
    "partners", "next_action", NextActionState, "agreed", "done", "overdue", "cancelled", "reassigned"
)
