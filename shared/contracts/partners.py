"""What the partners service tells: territory, institutions, their enrolment, enterprises, partnerships."""

from datetime import date
from enum import StrEnum

from shared.contracts.events import State, Value, declare
from shared.contracts.vocabulary import (
    EnterpriseSize,
    Form,
    InstitutionKind,
    Opportunity,
    PartnerCategory,
    TerritoryLevel,
)


class TerritoryState(State):
    """A unit of the territory; `id` is its SOATO code, `path` ends in "/" (/17/1708/1708201/)."""

    level: TerritoryLevel
    parent: str | None
    path: str
    names: dict[str, str]


class Programme(Value):
    """An educational programme: ISCED 2011 level (0–8), ISCED-F 2013 field, ISCO-08 occupations it trains for."""

    code: str
    title: str
    isced_level: int
    isced_field: str
    occupations: tuple[str, ...]


class Membership(Value):
    """From `since` on the institution belongs to `district`."""

    district: str
    since: date


class InstitutionStatus(StrEnum):
    """A closed institution keeps its history and takes no new work; one that was merged names its successor."""

    ACTIVE = "active"
    CLOSED = "closed"


class InstitutionState(State):
    """An educational institution; `membership` is ordered by date, `path` is the present one.

    One that was merged lies from that day on below its `successor_id`: what is still open there counts with it, and its
    people see what is there and go on with it.
    """

    code: str
    kind: InstitutionKind
    name: str
    status: InstitutionStatus
    path: str
    membership: tuple[Membership, ...]
    sector: str | None = None
    programmes: tuple[Programme, ...] = ()
    opened_on: date | None = None
    closed_on: date | None = None
    successor_id: str | None = None


class EnrolmentState(State):
    """An institution's figures of one academic year; None means not reported, which is not zero."""

    institution_id: str
    academic_year: str
    places: int | None = None
    first_choice: int | None = None
    graduates: int | None = None
    teachers: int | None = None


class EnterpriseStatus(StrEnum):
    """A merged enterprise names the one that lives on in `merged_into`."""

    ACTIVE = "active"
    CLOSED = "closed"
    MERGED = "merged"


class EnterpriseState(State):
    """An enterprise of the national register, identified by its tax number (STIR)."""

    stir: str
    name: str
    size: EnterpriseSize
    isic_section: str
    district: str
    union_affiliation: str | None = None
    status: EnterpriseStatus
    merged_into: str | None = None


class PartnershipStage(StrEnum):
    """R2: existing and future cooperation are told apart."""

    EXISTING = "existing"
    FUTURE = "future"
    ENDED = "ended"


class StageSince(Value):
    """From `since` on a partnership is at `stage`."""

    stage: PartnershipStage
    since: date


class PartnershipState(State):
    """An institution's social partner: category, forms and opportunities of the cooperation (R2).

    `stages`: each it was at, in order of time, the present one last; empty where it was told before they were kept:
    then it is at `stage` since `since`.
    """

    institution_id: str
    category: PartnerCategory
    enterprise_id: str | None = None
    partner_ref: str | None = None
    stage: PartnershipStage
    forms: tuple[Form, ...]
    opportunities: tuple[Opportunity, ...]
    since: date
    stages: tuple[StageSince, ...] = ()


(TERRITORY_RECORDED,) = declare("partners", "territory", TerritoryState, "recorded")
(
    INSTITUTION_REGISTERED,
    INSTITUTION_UPDATED,
    INSTITUTION_MOVED,
    INSTITUTION_CLOSED,
    INSTITUTION_MERGED,
    INSTITUTION_REOPENED,
) = declare(
    "partners", "institution", InstitutionState, "registered", "updated", "moved", "closed", "merged", "reopened"
)
ENROLMENT_REPORTED, ENROLMENT_CORRECTED = declare("partners", "enrolment", EnrolmentState, "reported", "corrected")
(
    ENTERPRISE_REGISTERED,
    ENTERPRISE_UPDATED,
    ENTERPRISE_MERGED,
    ENTERPRISE_UNMERGED,
    ENTERPRISE_CLOSED,
    ENTERPRISE_REOPENED,
) = declare(
    "partners", "enterprise", EnterpriseState, "registered", "updated", "merged", "unmerged", "closed", "reopened"
)
PARTNERSHIP_RECORDED, PARTNERSHIP_UPDATED, PARTNERSHIP_ENDED, PARTNERSHIP_REASSIGNED = declare(
    "partners", "partnership", PartnershipState, "recorded", "updated", "ended", "reassigned"
)
