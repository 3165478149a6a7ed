"""What the monitoring service tells: recommendations and what becomes of them."""

from datetime import date
from enum import StrEnum

from shared.contracts.events import State, Value, declare


class OfficeLevel(StrEnum):
    """Where a recommendation is made: at an institution, or at the office of a district, a region or the nation."""

    INSTITUTION = "institution"
    DISTRICT = "district"
    REGION = "region"
    NATION = "nation"


class Severity(StrEnum):
    """How much a recommendation presses."""

    NOTICE = "notice"
    IMPORTANT = "important"
    URGENT = "urgent"


class AdviceOwner(StrEnum):
    """Whose work a recommendation is."""

    LEADERSHIP = "leadership"
    COORDINATOR = "coordinator"
    TEACHERS = "teachers"
    BOARD = "board"
    DISTRICT_OFFICE = "district_office"
    REGION_OFFICE = "region_office"
    MINISTRY = "ministry"


class RecommendationStatus(StrEnum):
    """Open and accepted ones are worked on; the others are closed."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DONE = "done"
    DISMISSED = "dismissed"
    RESOLVED = "resolved"
    EXPIRED = "expired"


class DismissalReason(StrEnum):
    """Why a recommendation is not followed."""

    NOT_APPLICABLE = "not_applicable"
    DATA_WRONG = "data_wrong"
    PLANNED_OTHERWISE = "planned_otherwise"
    NO_CAPACITY = "no_capacity"
    OTHER = "other"


class Evidence(Value):
    """The very numbers by which a rule fired; what a rule does not use, or privacy withholds, is null.

    `threshold` is what the value was held against; `before` the value of the period it was compared with; `median` and
    `quantile` are those of `peers` places of like kind and size, rounded; `p_value` is the chance of such a difference
    by mere noise, after correction for how many places were looked at.
    """

    indicator: str
    period: str
    value: float | None = None
    numerator: int | None = None
    denominator: int | None = None
    coverage: float | None = None
    threshold: float | None = None
    before: float | None = None
    before_period: str | None = None
    median: float | None = None
    quantile: float | None = None
    peers: int | None = None
    p_value: float | None = None
    state: str | None = None
    count: int | None = None


class RecommendationStep(Value):
    """One step of a recommendation's life: who took it is a role, never a person; null where time or data did."""

    status: RecommendationStatus
    on: date
    role: str | None = None


class RecommendationState(State):
    """What a rule recommends at one place, with its evidence as of the last step and all steps so far.

    `element` is the part of the method it rests on (R…, V…, I…, F…, S…, A…, B…). `district` and `region` are those of
    the place; `territory` is the place's code where it is a unit of the territory.
    """

    rule: str
    element: str
    severity: Severity
    level: OfficeLevel
    place: str
    status: RecommendationStatus
    owner: AdviceOwner
    due_on: date
    evidence: Evidence
    steps: tuple[RecommendationStep, ...]
    institution_id: str | None = None
    district: str | None = None
    region: str | None = None
    territory: str | None = None
    reason: DismissalReason | None = None


(
    RECOMMENDATION_MADE,
    RECOMMENDATION_ACCEPTED,
    RECOMMENDATION_DONE,
    RECOMMENDATION_DISMISSED,
    RECOMMENDATION_RESOLVED,
    RECOMMENDATION_EXPIRED,
) = declare(
    "monitoring",
    "recommendation",
    RecommendationState,
    "made",
    "accepted",
    "done",
    "dismissed",
    "resolved",
    "expired",
)
