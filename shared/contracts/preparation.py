"""What partners tells of an institution's preparation: self-assessment, needs and offers, interests, R1, R3, R5, R6.

`valid_until` is the last day on which evidence counts; free text and names are details, never told.
"""

from datetime import date
from enum import StrEnum

from shared.contracts.events import State, Value, declare
from shared.contracts.labour_market import Qualification, Trend
from shared.contracts.vocabulary import Form, Opportunity, PartnerCategory


class Problem(Value):
    """Q2: one of the institution's problems by the opportunity that can solve it; `weight` 1 (slight) to 5."""

    opportunity: Opportunity
    weight: int


class MainPartner(Value):
    """Q3: who can be the main partner: a category, and the partnership where there is one already."""

    category: PartnerCategory
    partnership_id: str | None = None


class Gift(Value):
    """Q4: what the institution can give its partners."""

    opportunity: Opportunity
    form: Form | None = None
    profession: str | None = None
    quantity: int | None = None


class SelfAssessmentState(State):
    """Q1–Q4 as answered on a day: `edition` counts the institution's assessments from 1, none is ever changed.

    Q1 `understanding` runs from 1 (not at all) to 5 (fully).
    """

    institution_id: str
    edition: int
    assessed_on: date
    understanding: int
    problems: tuple[Problem, ...]
    main_partners: tuple[MainPartner, ...]
    gifts: tuple[Gift, ...]


class ListingStatus(StrEnum):
    """A closed need or offer is met, given up or out of date."""

    OPEN = "open"
    CLOSED = "closed"


class ClosingReason(StrEnum):
    """Why a need or an offer is closed."""

    MET = "met"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class ListingState(State):
    """A need or an offer of an institution or of an enterprise – exactly one of the two – with what it is of.

    `quantity` counts places, positions or persons; it stands open from `since` to `until`, both included.
    """

    institution_id: str | None = None
    enterprise_id: str | None = None
    district: str
    opportunity: Opportunity
    form: Form | None = None
    profession: str | None = None
    quantity: int | None = None
    since: date
    until: date | None = None
    status: ListingStatus
    closed_on: date | None = None
    reason: ClosingReason | None = None


class InterestSource(StrEnum):
    """How a partner's interest is known."""

    STATED = "stated"
    OBSERVED = "observed"
    DOCUMENT = "document"
    ASSUMED = "assumed"


class Interest(Value):
    """What a partner is interested in, and how much: 1 (little) to 5 (very)."""

    opportunity: Opportunity
    strength: int
    source: InterestSource


class InterestState(State):
    """The analysis of one partner's interests: one per partnership."""

    institution_id: str
    partnership_id: str
    analysed_on: date
    interests: tuple[Interest, ...]


class OrientationStatus(StrEnum):
    """A revoked decision is evidence of nothing."""

    ADOPTED = "adopted"
    REVOKED = "revoked"


class OrientationState(State):
    """R1: the pedagogical council's decision to cooperate; who is responsible is an opaque reference."""

    institution_id: str
    decision_ref: str
    decided_on: date
    responsible_ref: str
    valid_until: date
    status: OrientationStatus
    revoked_on: date | None = None


class MarketReviewState(State):
    """R3: who else trains for the same sector and professions here, as seen on a day."""

    institution_id: str
    reviewed_on: date
    valid_until: date
    area: str
    competitors: int
    professions: tuple[str, ...] = ()


class SectorReviewState(State):
    """R5: the sector's prospects in the region, as the analysis showed them on a day."""

    institution_id: str
    region: str
    isic_section: str
    reviewed_on: date
    valid_until: date
    trend: Trend
    plan_priority: int | None = None
    enterprises: int = 0


class MarketAssessmentState(State):
    """R6: demand against supply for a profession and qualification in the region, as the analysis showed it on a day.

    None means that nobody reported it, which is not zero. `projected_demand` is for the year of graduation, between
    `projected_low` and `projected_high`.
    """

    institution_id: str
    region: str
    profession: str
    qualification: Qualification
    assessed_on: date
    valid_until: date
    demand: int | None = None
    vacancies: int | None = None
    unemployed: int | None = None
    places: int | None = None
    graduates: int | None = None
    graduation_year: int | None = None
    projected_demand: int | None = None
    projected_low: int | None = None
    projected_high: int | None = None


(SELF_ASSESSMENT_RECORDED,) = declare("partners", "self_assessment", SelfAssessmentState, "recorded")
NEED_RECORDED, NEED_UPDATED, NEED_CLOSED, NEED_REASSIGNED = declare(
    "partners", "need", ListingState, "recorded", "updated", "closed", "reassigned"
)
OFFER_RECORDED, OFFER_UPDATED, OFFER_CLOSED, OFFER_REASSIGNED = declare(
    "partners", "offer", ListingState, "recorded", "updated", "closed", "reassigned"
)
INTEREST_RECORDED, INTEREST_UPDATED = declare("partners", "interest", InterestState, "recorded", "updated")
ORIENTATION_ADOPTED, ORIENTATION_REVOKED = declare("partners", "orientation", OrientationState, "adopted", "revoked")
(MARKET_REVIEW_RECORDED,) = declare("partners", "market_review", MarketReviewState, "recorded")
(SECTOR_REVIEW_RECORDED,) = declare("partners", "sector_review", SectorReviewState, "recorded")
(MARKET_ASSESSMENT_RECORDED,) = declare("partners", "market_assessment", MarketAssessmentState, "recorded")
