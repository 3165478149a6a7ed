"""HTTP routes of waves: one instrument asked in a whole territory, and how many take part."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from sqlmodel import col

from services.surveys.api.parts import Parts
from services.surveys.commands import waves
from services.surveys.domain.waves import AmendWave, PlanWave, Step
from services.surveys.queries import rates
from services.surveys.tables import WaveRow
from shared.contracts.surveys import WaveState, WaveStatus
from shared.contracts.vocabulary import InstitutionKind
from shared.scope import EDUCATION, TERRITORIAL, Role
from shared.web.edge import Edge, json_response
from shared.web.registers import Filter, Reference, Register, add_register

PERMISSIONS: dict[str, frozenset[Role]] = {
    "wave.read": EDUCATION | {Role.SERVICE},
    "wave.plan": TERRITORIAL,
    "wave.open": TERRITORIAL,
    "wave.close": TERRITORIAL,
    "rates.read": EDUCATION | {Role.SERVICE},
}

router = APIRouter(prefix="/v1")


class ShownWave(WaveState):
    """A wave with its title."""

    title: str | None = None


class WaveFilter(Filter):
    """What waves are narrowed by; `on` is a day of their period."""

    instrument: Reference = None
    territory: Reference = None
    status: WaveStatus | None = None
    on: date | None = None


WAVES = Register(
    name="waves",
    what="wave",
    row=WaveRow,
    state=WaveState,
    shown=ShownWave,
    read="wave.read",
    filters=WaveFilter,
    conditions={"on": lambda day: (col(WaveRow.first_day) <= day) & (col(WaveRow.last_day) >= day)},
)
add_register(router, WAVES)


class Rates(BaseModel):
    """How many of a stratum take part; counts of answers move in steps of k, and null hides fewer than k."""

    stratum: str = Field(description="SOATO code, institution's id, kind, or `<territory>/<kind>`")
    institutions: int = Field(description="institutions with a campaign")
    campaigns: int
    open: int = Field(description="campaigns that are open")
    full: int = Field(description="campaigns whose hard quota is full")
    invited: int = Field(description="invitations made and not withdrawn; of graduates, offices see floors too")
    redeemed: int = Field(description="of these, taken up; told in company of k or more")
    lapsed: int
    codes: int = Field(description="access codes given out")
    responses: int = Field(description="in steps of k, interviews among them")
    answering: int = Field(description="institutions with k responses or more")
    rate: float | None = Field(description="responses ÷ (invited + codes); null where nobody was asked")
    target: int | None = Field(description="responses wanted by the wave's quota of just this stratum")


class RatesPage(BaseModel):
    """Rates of every stratum, and of all of them together."""

    items: list[Rates]
    total: Rates
    steps_of: int = Field(description="k: counts of responses are floors in steps of it, campaign by campaign")


By = Annotated[
    Literal["region", "district", "kind", "region-kind", "district-kind", "institution"],
    Query(description="what makes a stratum"),
]


@router.post("/waves", tags=["waves"], status_code=201, response_model=ShownWave, summary="Plan a wave")
async def plan_wave(edge: Edge, parts: Parts, body: PlanWave) -> Response:
    """Ask an instrument at all institutions of some kinds in a territory of the caller's, in a period.

    It opens by itself on its first day and closes after its last; campaigns come one by one, and later for institutions
    that are registered, move in or begin to work while it is open. An institution that moves out keeps its campaign.
    """
    return await edge.command(
        "wave.plan", lambda uow: waves.plan(uow, parts.library, body, parts.privacy_k), status=201
    )


@router.patch("/waves/{id_}", tags=["waves"], response_model=ShownWave, summary="Amend a wave")
async def amend_wave(edge: Edge, parts: Parts, id_: str, body: AmendWave) -> Response:
    """Change aims, quotas, kinds or period of a wave that is planned; what is left out stays. Needs If-Match."""
    return await edge.command("wave.plan", lambda uow: waves.amend(uow, id_, body, parts.privacy_k), versioned=True)


@router.post("/waves/{id_}/open", tags=["waves"], response_model=ShownWave, summary="Open a wave")
async def open_wave(edge: Edge, id_: str) -> Response:
    """Open before its first day has come; answers are taken from that day on. Needs If-Match."""
    return await edge.command("wave.open", lambda uow: waves.move(uow, id_, Step.OPEN), versioned=True)


@router.post("/waves/{id_}/close", tags=["waves"], response_model=ShownWave, summary="Close a wave")
async def close_wave(edge: Edge, id_: str) -> Response:
    """Close for good, before the last day; its campaigns close with it. Needs If-Match."""
    return await edge.command("wave.close", lambda uow: waves.move(uow, id_, Step.CLOSE), versioned=True)


@router.post("/waves/{id_}/cancel", tags=["waves"], response_model=ShownWave, summary="Cancel a wave")
async def cancel_wave(edge: Edge, id_: str) -> Response:
    """Give up a wave that has asked nobody yet. Needs If-Match."""
    return await edge.command("wave.plan", lambda uow: waves.move(uow, id_, Step.CANCEL), versioned=True)


@router.get("/waves/{id_}/progress", tags=["waves"], summary="How far a wave's campaigns have come")
async def wave_progress(edge: Edge, id_: str) -> Response:
    """Institutions of the wave, and how many have their campaign, within the caller's scope."""
    async with edge.reading("wave.read") as session:
        return json_response(await rates.progress(session, edge.principal.scope, id_))


@router.get("/waves/{id_}/response", tags=["waves"], response_model=RatesPage, summary="Response rates of a wave")
async def wave_rates(edge: Edge, parts: Parts, id_: str, by: By = "region") -> Response:
    """Who was asked and who took part, by stratum, live: for non-response to be seen while there is time."""
    async with edge.reading("rates.read") as session:
        return json_response(await rates.of_wave(session, edge.principal.scope, id_, by, parts.privacy_k))


class RatesFilter(BaseModel):
    """Whose rates."""

    instrument: Reference = None
    wave: Reference = None
    campaign: Reference = None
    territory: Reference = None
    kind: InstitutionKind | None = None
    by: Literal["region", "district", "kind", "region-kind", "district-kind", "institution"] = "region"


@router.get("/response-rates", tags=["response-rates"], response_model=RatesPage, summary="Response rates")
async def list_rates(edge: Edge, parts: Parts, asked: Annotated[RatesFilter, Query()]) -> Response:
    """Response rates of all campaigns of the caller's scope, or of those of an instrument, wave, territory or kind."""
    async with edge.reading("rates.read") as session:
        narrowed: dict[str, Any] = asked.model_dump(exclude={"by"}, exclude_none=True)
        return json_response(await rates.of_scope(session, edge.principal.scope, asked.by, parts.privacy_k, **narrowed))
