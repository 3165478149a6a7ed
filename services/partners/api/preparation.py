"""Routes of preparation (stage 1) and of the labour market."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel
from sqlmodel import col

from services.partners import analyses
from services.partners.commands import labour_market, preparation
from services.partners.domain import labour_market as market_domain
from services.partners.domain import preparation as domain
from services.partners.tables.labour_market import DemandReportRow, PlanPriorityRow, SupplyReportRow
from services.partners.tables.preparation import (
    InterestRow,
    MarketAssessmentRow,
    MarketReviewRow,
    NeedRow,
    OfferRow,
    OrientationRow,
    SectorReviewRow,
    SelfAssessmentRow,
)
from services.partners.tables.registers import InstitutionRow, own_paths
from shared.clock import local_day
from shared.contracts.fields import PLACE_PATTERN, REGION_PATTERN, IscoUnitGroup, IsicSection
from shared.contracts.labour_market import (
    DemandReportState,
    PlanPriorityState,
    Qualification,
    SupplyReportState,
)
from shared.contracts.partners import InstitutionState
from shared.contracts.preparation import (
    InterestState,
    ListingState,
    ListingStatus,
    MarketAssessmentState,
    MarketReviewState,
    OrientationState,
    SectorReviewState,
    SelfAssessmentState,
)
from shared.contracts.vocabulary import Form, Opportunity
from shared.errors import NotFound
from shared.persistence.pages import one_state
from shared.scope import EDUCATION, SYSTEM, TERRITORIAL, Role
from shared.web.edge import Edge, json_response
from shared.web.registers import Creation, Filter, Reference, Register, add_register

READERS = EDUCATION | {Role.SERVICE}
EVERYBODY = READERS | {Role.ENTERPRISE}
REGIONAL = frozenset({Role.MINISTRY, Role.REGION})
PERMISSIONS: dict[str, frozenset[Role]] = {
    "preparation.read": READERS,
    "preparation.record": EDUCATION,
    "listing.read": EVERYBODY,
    "listing.record": EDUCATION | {Role.ENTERPRISE},
    "market.read": EVERYBODY,
    "demand.report": REGIONAL | {Role.ENTERPRISE},
    "supply.report": REGIONAL,
    "plan.record": REGIONAL,
    "analysis.read": TERRITORIAL | {Role.INSTITUTION, Role.SERVICE},
}


class ShownSelfAssessment(SelfAssessmentState, domain.Notes):
    """A self-assessment with its notes."""


class ShownListing(ListingState, domain.Notes):
    """A need or an offer with its notes."""


class ShownInterest(InterestState, domain.Notes):
    """An analysis of interests with its notes."""


class ShownOrientation(OrientationState, domain.Responsible):
    """R1: a decision with the name of who is responsible."""


class ShownMarketReview(MarketReviewState, domain.Notes):
    """R3: a review with its notes."""


class ShownSectorReview(SectorReviewState, domain.Notes):
    """R5: a review with its notes."""


class ShownMarketAssessment(MarketAssessmentState, domain.Notes):
    """R6: an assessment with its notes."""


class ShownPlanPriority(PlanPriorityState, domain.Notes):
    """A sector's place in a plan with notes."""


class OwnedFilter(Filter):
    """What lists of institutions' own entries are narrowed by."""

    institution_id: Reference = None


class AssessmentFilter(OwnedFilter):
    """What the list of R6 assessments is narrowed by."""

    profession: Reference = None


class InterestFilter(OwnedFilter):
    """What the list of analysed interests is narrowed by."""

    partnership_id: Reference = None


class ListingFilter(Filter):
    """What the lists of needs and offers are narrowed by."""

    institution_id: Reference = None
    enterprise_id: Reference = None
    district: Reference = None
    opportunity: Opportunity | None = None
    form: Form | None = None
    profession: Reference = None
    status: ListingStatus | None = None


class SupplyFilter(Filter):
    """What figures of the labour market are narrowed by."""

    region: Reference = None
    profession: Reference = None
    qualification: Qualification | None = None
    year: int | None = None


class DemandFilter(SupplyFilter):
    """What reports of demand are narrowed by."""

    enterprise_id: Reference = None


class PlanFilter(Filter):
    """What plans are narrowed by."""

    region: Reference = None
    isic_section: Reference = None
    enterprise_id: Reference = None


REGISTERS = (
    Register(
        name="self-assessments",
        what="self_assessment",
        row=SelfAssessmentRow,
        state=SelfAssessmentState,
        shown=ShownSelfAssessment,
        read="preparation.read",
        own_paths=own_paths,
        filters=OwnedFilter,
        create=Creation("preparation.record", domain.RecordSelfAssessment, preparation.record_self_assessment),
    ),
    Register(
        name="orientations",
        what="orientation",
        row=OrientationRow,
        state=OrientationState,
        shown=ShownOrientation,
        read="preparation.read",
        own_paths=own_paths,
        filters=OwnedFilter,
        create=Creation("preparation.record", domain.AdoptOrientation, preparation.adopt_orientation),
    ),
    Register(
        name="interests",
        what="interest",
        row=InterestRow,
        state=InterestState,
        shown=ShownInterest,
        read="preparation.read",
        own_paths=own_paths,
        filters=InterestFilter,
    ),
    Register(
        name="market-reviews",
        what="market_review",
        row=MarketReviewRow,
        state=MarketReviewState,
        shown=ShownMarketReview,
        read="preparation.read",
        own_paths=own_paths,
        filters=OwnedFilter,
        create=Creation("preparation.record", domain.ReviewMarket, preparation.review_market),
    ),
    Register(
        name="sector-reviews",
        what="sector_review",
        row=SectorReviewRow,
        state=SectorReviewState,
        shown=ShownSectorReview,
        read="preparation.read",
        own_paths=own_paths,
        filters=OwnedFilter,
        create=Creation("preparation.record", domain.ReviewSector, preparation.review_sector),
    ),
    Register(
        name="market-assessments",
        what="market_assessment",
        row=MarketAssessmentRow,
        state=MarketAssessmentState,
        shown=ShownMarketAssessment,
        read="preparation.read",
        own_paths=own_paths,
        filters=AssessmentFilter,
        create=Creation("preparation.record", domain.AssessMarket, preparation.assess_market),
    ),
    Register(
        name="needs",
        what="need",
        row=NeedRow,
        state=ListingState,
        shown=ShownListing,
        read="listing.read",
        filters=ListingFilter,
        create=Creation("listing.record", domain.RecordListing, preparation.record_need),
    ),
    Register(
        name="offers",
        what="offer",
        row=OfferRow,
        state=ListingState,
        shown=ShownListing,
        read="listing.read",
        filters=ListingFilter,
        create=Creation("listing.record", domain.RecordListing, preparation.record_offer),
    ),
    Register(
        name="demand-reports",
        what="demand_report",
        row=DemandReportRow,
        state=DemandReportState,
        read="market.read",
        filters=DemandFilter,
        create=Creation("demand.report", market_domain.ReportDemand, labour_market.report_demand),
    ),
    Register(
        name="supply-reports",
        what="supply_report",
        row=SupplyReportRow,
        state=SupplyReportState,
        read="market.read",
        filters=SupplyFilter,
        create=Creation("supply.report", market_domain.ReportSupply, labour_market.report_supply),
    ),
    Register(
        name="plan-priorities",
        what="plan_priority",
        row=PlanPriorityRow,
        state=PlanPriorityState,
        shown=ShownPlanPriority,
        read="market.read",
        filters=PlanFilter,
        conditions={"enterprise_id": lambda id_: col(PlanPriorityRow.enterprise_ids).contains([id_])},
        create=Creation("plan.record", market_domain.RecordPlanPriority, labour_market.record_priority),
    ),
)

router = APIRouter(prefix="/v1")
for _register in REGISTERS:
    add_register(router, _register)


@router.post("/orientations/{id_}/revoke", tags=["orientations"], response_model=ShownOrientation)
async def revoke_orientation(edge: Edge, id_: str) -> Response:
    """R1: the decision no longer holds."""
    return await edge.command(
        "preparation.record", lambda uow: preparation.revoke_orientation(uow, id_), versioned=True
    )


@router.put("/partnerships/{id_}/interests", tags=["interests"], response_model=ShownInterest)
async def analyse_interests(edge: Edge, id_: str, body: domain.AnalyseInterests) -> Response:
    """Say what a partner is interested in; the analysis is replaced."""
    return await edge.command("preparation.record", lambda uow: preparation.analyse_interests(uow, id_, body))


@router.patch("/needs/{id_}", tags=["needs"], response_model=ShownListing)
async def update_need(edge: Edge, id_: str, body: domain.UpdateListing) -> Response:
    """Change quantity, last day or notes of one's own need."""
    return await edge.command(
        "listing.record",
        lambda uow: preparation.update_listing(uow, NeedRow, domain.NEEDS, id_, body),
        versioned=True,
    )


@router.post("/needs/{id_}/close", tags=["needs"], response_model=ShownListing)
async def close_need(edge: Edge, id_: str, body: domain.CloseListing) -> Response:
    """The need is met, given up or out of date."""
    return await edge.command(
        "listing.record", lambda uow: preparation.close_listing(uow, NeedRow, domain.NEEDS, id_, body), versioned=True
    )


@router.patch("/offers/{id_}", tags=["offers"], response_model=ShownListing)
async def update_offer(edge: Edge, id_: str, body: domain.UpdateListing) -> Response:
    """Change quantity, last day or notes of one's own offer."""
    return await edge.command(
        "listing.record",
        lambda uow: preparation.update_listing(uow, OfferRow, domain.OFFERS, id_, body),
        versioned=True,
    )


@router.post("/offers/{id_}/close", tags=["offers"], response_model=ShownListing)
async def close_offer(edge: Edge, id_: str, body: domain.CloseListing) -> Response:
    """The offer is taken, given up or out of date."""
    return await edge.command(
        "listing.record", lambda uow: preparation.close_listing(uow, OfferRow, domain.OFFERS, id_, body), versioned=True
    )


# -- analyses: sums over all institutions of an area, and what is public of them

Area = Annotated[str, Query(pattern=PLACE_PATTERN, description="SOATO code of a region or district")]
Region = Annotated[str, Query(pattern=REGION_PATTERN, description="SOATO code of a region")]


class Overview(BaseModel):
    """Rows of an overview."""

    items: list[dict[str, Any]]


@router.get("/institutions/{id_}/rivals", tags=["analyses"], response_model=Overview)
async def list_rivals(edge: Edge, id_: str, area: Area) -> Response:
    """R3: who else trains for the same sector and professions in an area."""
    async with edge.reading("analysis.read") as session:
        state = await one_state(session, InstitutionRow, id_, edge.principal.scope)
    if state is None:
        raise NotFound(what="institution", id=id_[:100])
    async with edge.database.reading(SYSTEM) as session:
        found = await analyses.rivals(session, InstitutionState.model_validate(state), area)
    return json_response({"items": [asdict(each) for each in found]})


@router.get("/analyses/partners", tags=["analyses"], response_model=Overview)
async def partner_overview(edge: Edge, institution_id: Annotated[str | None, Query(max_length=64)] = None) -> Response:
    """R2: partners by category, stage and form, within the caller's scope."""
    async with edge.reading("analysis.read") as session:
        return json_response({"items": await analyses.partner_overview(session, institution_id)})


@router.get("/analyses/programmes", tags=["analyses"], response_model=Overview)
async def programme_overview(edge: Edge, area: Area) -> Response:
    """R4: which professions are taught in an area, at which level, by how many institutions."""
    edge.allow("analysis.read")
    async with edge.database.reading(SYSTEM) as session:
        return json_response({"items": await analyses.programme_overview(session, area)})


@router.get("/analyses/sectors/{isic_section}", tags=["analyses"])
async def sector_prospects(
    edge: Edge, isic_section: Annotated[IsicSection, Path(description="ISIC Rev. 4 section")], region: Region
) -> Response:
    """R5: a sector's prospects in a region: trend of demand, the plan's priority, enterprises by size."""
    edge.allow("analysis.read")
    async with edge.database.reading(SYSTEM) as session:
        found = await analyses.sector_prospects(session, region, isic_section, local_day(edge.database.clock()).year)
    return json_response({**asdict(found), "confidence": market_domain.CONFIDENCE, "method": "slope_t_test"})


@router.get("/analyses/labour-market", tags=["analyses"])
async def labour_market_analysis(
    edge: Edge, region: Region, profession: IscoUnitGroup, qualification: Qualification
) -> Response:
    """R6: demand for a profession against places, graduates and unemployed, with gap, cover and projection.

    `projection` is null with fewer than three reported years. Null figures were not reported: that is not zero.
    """
    edge.allow("analysis.read")
    async with edge.database.reading(SYSTEM) as session:
        found = await analyses.labour_market(
            session, region, profession, qualification, local_day(edge.database.clock())
        )
    return json_response(
        {
            **asdict(found),
            "gap": found.gap,
            "cover": found.cover,
            "confidence": market_domain.CONFIDENCE,
            "method": "least_squares_prediction_interval",
            "demand_method": "larger_of_enterprises_and_labour_bodies",
            "supply_method": "even_spread_over_programmes",
        }
    )
