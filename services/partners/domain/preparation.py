"""Stage 1 of the method, pure: self-assessment (Q1–Q4), needs and offers, interests, evidence of R1, R3, R5, R6."""

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.partners.domain.inputs import Day, Grade, Note, Quantity, RegionCode, evidence_until, not_before, refuse
from services.partners.domain.inputs import not_in_future as _not_in_future
from services.partners.domain.institutions import Command
from shared.contracts import preparation as told
from shared.contracts.events import EventType
from shared.contracts.fields import DistrictCode, Id, IscoUnitGroup, IsicSection, Name, Ref
from shared.contracts.labour_market import Qualification
from shared.contracts.preparation import (
    ClosingReason,
    InterestSource,
    InterestState,
    ListingState,
    ListingStatus,
    MarketAssessmentState,
    MarketReviewState,
    OrientationState,
    OrientationStatus,
    SectorReviewState,
    SelfAssessmentState,
)
from shared.contracts.vocabulary import Form, Opportunity, PartnerCategory
from shared.errors import BrokenRule, FieldError, InvalidInput


class Notes(BaseModel):
    """Details of an entry: what people wrote for themselves."""

    model_config = ConfigDict(frozen=True)

    notes: Note | None = None


class Responsible(BaseModel):
    """Details of R1: the name of who is responsible."""

    model_config = ConfigDict(frozen=True)

    responsible_name: Name | None = None
    notes: Note | None = None


# -- Q1–Q4


class ProblemInput(Command):
    """Q2: a problem of ours that cooperation can solve."""

    opportunity: Opportunity = Field(description="which opportunity of cooperation (O1–O7) would solve it")
    weight: Grade = Field(description="1 slight … 5 pressing")


class MainPartnerInput(Command):
    """Q3: who can be the main partner."""

    category: PartnerCategory
    partnership_id: Id | None = Field(default=None, description="the partnership, where there is one already")


class GiftInput(Command):
    """Q4: what we can give existing and future partners."""

    opportunity: Opportunity
    form: Form | None = None
    profession: IscoUnitGroup | None = Field(default=None, description="ISCO-08 unit group")
    quantity: Quantity | None = None


class RecordSelfAssessment(Command):
    """Answer Q1–Q4 as of a day; every answer is a new edition, earlier ones stay as they are."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "institution_id": "0199c8a4-3b1e-7c55-9d1f-2f6f0c8f1a11",
                    "assessed_on": "2026-09-10",
                    "understanding": 4,
                    "problems": [{"opportunity": "O4", "weight": 5}],
                    "main_partners": [{"category": "enterprise"}],
                    "gifts": [{"opportunity": "O7", "form": "AF5", "profession": "7212", "quantity": 20}],
                }
            ]
        }
    )

    institution_id: Id
    assessed_on: Day
    understanding: Grade = Field(description="Q1: how well we understand cooperation, 1 not at all … 5 fully")
    problems: Annotated[tuple[ProblemInput, ...], Field(min_length=1, max_length=20, description="Q2: our problems")]
    main_partners: Annotated[tuple[MainPartnerInput, ...], Field(min_length=1, max_length=20, description="Q3")]
    gifts: Annotated[tuple[GiftInput, ...], Field(max_length=40, description="Q4: what we can give")] = ()
    notes: Note | None = None


def assess(id_: str, edition: int, command: RecordSelfAssessment, today: date) -> tuple[EventType, SelfAssessmentState]:
    """The next edition; raises InvalidInput for a day in the future."""
    _not_in_future("assessed_on", command.assessed_on, today)
    state = SelfAssessmentState(id=id_, version=1, edition=edition, **command.model_dump(exclude={"notes"}))
    return told.SELF_ASSESSMENT_RECORDED, state


# -- needs and offers


class RecordListing(Command):
    """A need or an offer of an institution, or of the enterprise that publishes it – one of the two."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "institution_id": "0199c8a4-3b1e-7c55-9d1f-2f6f0c8f1a11",
                    "opportunity": "O4",
                    "form": "AF1",
                    "profession": "7212",
                    "quantity": 25,
                    "since": "2026-09-01",
                    "until": "2027-06-30",
                }
            ]
        }
    )

    institution_id: Id | None = None
    enterprise_id: Id | None = None
    opportunity: Opportunity
    form: Form | None = Field(default=None, description="the form of agreement it would take (AF1–AF9)")
    profession: IscoUnitGroup | None = Field(default=None, description="ISCO-08 unit group")
    quantity: Quantity | None = Field(default=None, description="places, positions or persons")
    since: Day
    until: Day | None = Field(default=None, description="last day; left out: until it is closed")
    notes: Note | None = None

    @model_validator(mode="after")
    def _one_side(self) -> "RecordListing":
        if (self.institution_id is None) == (self.enterprise_id is None):
            raise ValueError("one_side")
        return self


class UpdateListing(Command):
    """Change quantity, last day or notes; what is left out stays."""

    quantity: Quantity | None = None
    until: Day | None = None
    notes: Note | None = None


class CloseListing(Command):
    """It is met, given up or out of date."""

    reason: ClosingReason


class ListingKind:
    """The two registers of one shape: what a need tells, and what an offer tells."""

    def __init__(self, what: str, recorded: EventType, updated: EventType, closed: EventType, moved: EventType) -> None:
        self.what = what
        self._recorded, self._updated, self._closed, self._moved = recorded, updated, closed, moved

    def record(self, id_: str, command: RecordListing, district: str) -> tuple[EventType, ListingState]:
        """A new entry; raises InvalidInput for a last day before the first."""
        if command.until is not None:
            not_before("until", command.until, command.since)
        fields = command.model_dump(exclude={"notes"})
        return self._recorded, ListingState(id=id_, version=1, district=district, status=ListingStatus.OPEN, **fields)

    def update(self, state: ListingState, command: UpdateListing) -> tuple[EventType, ListingState]:
        """The changed fields; raises WrongState for a closed entry."""
        self._open(state, "update")
        if command.until is not None:
            not_before("until", command.until, state.since)
        changes = command.model_dump(exclude={"notes"}, exclude_none=True)
        return self._updated, _next(state, **changes)

    def close(self, state: ListingState, command: CloseListing, today: date) -> tuple[EventType, ListingState]:
        """No longer open; raises WrongState for a closed entry."""
        self._open(state, "close")
        return self._closed, _next(state, status=ListingStatus.CLOSED, closed_on=today, reason=command.reason)

    def reassign(self, state: ListingState, enterprise_id: str) -> tuple[EventType, ListingState]:
        """The reference follows a merged enterprise."""
        return self._moved, _next(state, enterprise_id=enterprise_id)

    def _open(self, state: ListingState, step: str) -> None:
        if state.status is not ListingStatus.OPEN:
            raise refuse(state.status.value, step, ())


NEEDS = ListingKind("need", told.NEED_RECORDED, told.NEED_UPDATED, told.NEED_CLOSED, told.NEED_REASSIGNED)
OFFERS = ListingKind("offer", told.OFFER_RECORDED, told.OFFER_UPDATED, told.OFFER_CLOSED, told.OFFER_REASSIGNED)


# -- interests of partners


class InterestInput(Command):
    """What a partner is interested in, how much, and how that is known."""

    opportunity: Opportunity
    strength: Grade = Field(description="1 little … 5 very")
    source: InterestSource


class AnalyseInterests(Command):
    """The analysis of one partner's interests as of a day; the whole list is replaced."""

    analysed_on: Day
    interests: Annotated[tuple[InterestInput, ...], Field(min_length=1, max_length=7)]
    notes: Note | None = None

    @model_validator(mode="after")
    def _once_each(self) -> "AnalyseInterests":
        if len({each.opportunity for each in self.interests}) < len(self.interests):
            raise BrokenRule("opportunity_twice", "interests")
        return self


def analyse(
    id_: str,
    partnership: tuple[str, str],
    state: InterestState | None,
    command: AnalyseInterests,
    today: date,
) -> tuple[EventType, InterestState]:
    """The analysis for `partnership` (its id, its institution's id); raises InvalidInput for a day in the future."""
    _not_in_future("analysed_on", command.analysed_on, today)
    fields: dict[str, Any] = {
        "analysed_on": command.analysed_on,
        "interests": tuple(told.Interest.model_validate(each.model_dump()) for each in command.interests),
    }
    if state is not None:
        return told.INTEREST_UPDATED, _next(state, **fields)
    return told.INTEREST_RECORDED, InterestState(
        id=id_, version=1, partnership_id=partnership[0], institution_id=partnership[1], **fields
    )


# -- R1


class AdoptOrientation(Command):
    """R1: the pedagogical council decided to cooperate and named who is responsible."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "institution_id": "0199c8a4-3b1e-7c55-9d1f-2f6f0c8f1a11",
                    "decision_ref": "PK-2026-03",
                    "decided_on": "2026-08-28",
                    "responsible_ref": "T-0017",
                    "valid_until": "2027-08-31",
                }
            ]
        }
    )

    institution_id: Id
    decision_ref: Ref = Field(description="number of the decision")
    decided_on: Day
    responsible_ref: Ref = Field(description="the institution's own number of the person; the name goes nowhere else")
    responsible_name: Name | None = None
    valid_until: Day
    notes: Note | None = None


def adopt(id_: str, command: AdoptOrientation, today: date) -> tuple[EventType, OrientationState]:
    """The decision in force; raises InvalidInput for a decision in the future or an end before it."""
    _not_in_future("decided_on", command.decided_on, today)
    not_before("valid_until", command.valid_until, command.decided_on)
    fields = command.model_dump(exclude={"notes", "responsible_name"})
    return told.ORIENTATION_ADOPTED, OrientationState(id=id_, version=1, status=OrientationStatus.ADOPTED, **fields)


def revoke(state: OrientationState, today: date) -> tuple[EventType, OrientationState]:
    """The decision no longer holds; raises WrongState where it was revoked before."""
    if state.status is not OrientationStatus.ADOPTED:
        raise refuse(state.status.value, "revoke", ())
    return told.ORIENTATION_REVOKED, _next(state, status=OrientationStatus.REVOKED, revoked_on=today)


# -- R3, R5, R6: an institution looks at what the registers say, and that is kept as evidence


class ReviewMarket(Command):
    """R3: look at who else trains for the same sector and professions in a district or region."""

    institution_id: Id
    area: DistrictCode | RegionCode = Field(description="SOATO code of the district or region looked at")
    reviewed_on: Day | None = Field(default=None, description="default: today")
    valid_until: Day | None = Field(default=None, description="default: a year later, and no later than that")
    notes: Note | None = None


class ReviewSector(Command):
    """R5: look at the prospects of a sector in the region."""

    institution_id: Id
    isic_section: IsicSection | None = Field(default=None, description="default: the institution's own sector")
    reviewed_on: Day | None = Field(default=None, description="default: today")
    valid_until: Day | None = None
    notes: Note | None = None


class AssessMarket(Command):
    """R6: weigh demand for a profession at a level of training against places, graduates and unemployed."""

    institution_id: Id
    profession: IscoUnitGroup
    qualification: Qualification
    assessed_on: Day | None = Field(default=None, description="default: today")
    valid_until: Day | None = None
    notes: Note | None = None


Numbers = dict[str, Any]
"""What an analysis found: fields of the state."""


def review_market(id_: str, command: ReviewMarket, found: Numbers, today: date) -> tuple[EventType, MarketReviewState]:
    """The review as evidence; raises InvalidInput for a day in the future or evidence for more than a year."""
    day, until = _evidence("reviewed_on", command.reviewed_on, command.valid_until, today)
    return told.MARKET_REVIEW_RECORDED, MarketReviewState(
        id=id_,
        version=1,
        institution_id=command.institution_id,
        area=command.area,
        reviewed_on=day,
        valid_until=until,
        **found,
    )


def review_sector(id_: str, command: ReviewSector, found: Numbers, today: date) -> tuple[EventType, SectorReviewState]:
    """The review as evidence; raises InvalidInput as review_market does."""
    day, until = _evidence("reviewed_on", command.reviewed_on, command.valid_until, today)
    return told.SECTOR_REVIEW_RECORDED, SectorReviewState(
        id=id_, version=1, institution_id=command.institution_id, reviewed_on=day, valid_until=until, **found
    )


WEIGHED = {"demand_unknown": ("demand", "vacancies"), "supply_unknown": ("unemployed", "places", "graduates")}
"""What is weighed against each other, and the rule that is broken where nothing of it is known."""


def assess_market(
    id_: str, command: AssessMarket, found: Numbers, today: date
) -> tuple[EventType, MarketAssessmentState]:
    """The assessment as evidence; raises InvalidInput as review_market does, or where a side is not known at all."""
    day, until = _evidence("assessed_on", command.assessed_on, command.valid_until, today)
    for rule, figures in WEIGHED.items():
        if all(found.get(name) is None for name in figures):
            raise InvalidInput(FieldError("profession", rule, {"value": command.profession}))
    return told.MARKET_ASSESSMENT_RECORDED, MarketAssessmentState(
        id=id_,
        version=1,
        institution_id=command.institution_id,
        profession=command.profession,
        qualification=command.qualification,
        assessed_on=day,
        valid_until=until,
        **found,
    )


def _evidence(field: str, given: date | None, until: date | None, today: date) -> tuple[date, date]:
    day = given or today
    _not_in_future(field, day, today)
    return day, evidence_until(day, until)


def _next(state: Any, **changes: Any) -> Any:
    return state.model_copy(update={**changes, "version": state.version + 1})
