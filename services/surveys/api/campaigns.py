"""HTTP routes of campaigns and their codes."""

import csv
import io
import json
from typing import Any

from fastapi import APIRouter, Request, Response

from services.surveys.api.parts import After, Limit, Parts, Reference, Surveys, looked_at
from services.surveys.commands import campaigns
from services.surveys.domain.campaigns import Campaign, CampaignStatus, IssueCodes, PlanCampaign
from services.surveys.domain.codes import shown
from services.surveys.form.pages import link_of
from services.surveys.queries import campaigns as queries
from shared.scope import EDUCATION, Role
from shared.web.edge import Edge, RequestEdge, json_response, page_response, state_dict_response

PERMISSIONS: dict[str, frozenset[Role]] = {
    "campaign.read": EDUCATION | {Role.SERVICE},
    "campaign.plan": EDUCATION,
    "campaign.open": EDUCATION,
    "campaign.close": EDUCATION,
    # Whoever could answer k - 1 times beside one person would read that one's answers from the results.
    "campaign.issue_codes": frozenset({Role.INSTITUTION}),
}

router = APIRouter(prefix="/v1")


@router.post("/campaigns", tags=["campaigns"], status_code=201, response_model=Campaign)
async def plan_campaign(edge: Edge, parts: Parts, body: PlanCampaign) -> Response:
    """Plan to ask an instrument at an institution in a period."""
    return await edge.command(
        "campaign.plan", lambda uow: campaigns.plan(uow, parts.library, body, parts.interview_days), status=201
    )


@router.get("/campaigns", tags=["campaigns"])
async def list_campaigns(
    edge: Edge,
    institution: Reference = None,
    instrument: Reference = None,
    wave: Reference = None,
    status: CampaignStatus | None = None,
    after: After = None,
    limit: Limit = 50,
) -> Response:
    """Campaigns of the caller's scope, newest first."""
    async with edge.reading("campaign.read") as session:
        return page_response(
            *await queries.campaigns(
                session,
                edge.principal.scope,
                institution=institution,
                instrument=instrument,
                wave=wave,
                status=status,
                after=after,
                limit=limit,
            )
        )


@router.get("/campaigns/{id_}", tags=["campaigns"])
async def get_campaign(edge: Edge, parts: Parts, id_: str) -> Response:
    """One campaign with the number of its codes; its version is the ETag."""
    async with edge.reading("campaign.read") as session:
        found = await queries.campaign(session, edge.principal.scope, id_, parts.privacy_k)
        return state_dict_response(found, "campaign", id_)


@router.post("/campaigns/{id_}/open", tags=["campaigns"], response_model=Campaign)
async def open_campaign(edge: Edge, parts: Parts, id_: str) -> Response:
    """Let the campaign take answers in its period."""
    return await edge.command("campaign.open", lambda uow: campaigns.open_(uow, id_, parts.privacy_k))


@router.post("/campaigns/{id_}/close", tags=["campaigns"], response_model=Campaign)
async def close_campaign(edge: Edge, parts: Parts, id_: str) -> Response:
    """End the campaign for good."""
    answer = await edge.command("campaign.close", lambda uow: campaigns.close(uow, id_, parts.privacy_k))
    parts.wake_flusher()
    return answer


@router.post("/campaigns/{id_}/codes", tags=["campaigns"], status_code=201)
async def issue_codes(edge: Edge, parts: Parts, request: Request, id_: str, body: IssueCodes) -> Response:
    """Single-use codes that name nobody, shown this once: as JSON, as text/csv, or as text/html to print.

    The same request with the same Idempotency-Key shows the same codes for a few days, in any of the forms.
    """
    key = request.headers.get("idempotency-key", "").strip()
    answer = await edge.command(
        "campaign.issue_codes",
        lambda uow: campaigns.issue_codes(uow, parts.vault, id_, body, key),
        status=201,
    )
    await looked_at(edge, id_)
    batch = json.loads(bytes(answer.body))
    codes = parts.vault.codes(batch["batch"], key, batch["count"])
    links = [(shown(code), link_of(parts.public_url, code)) for code in codes]
    result = await _codes_in(edge, parts, request.headers.get("accept", ""), batch, links)
    result.status_code = answer.status_code
    if "Idempotency-Replayed" in answer.headers:
        result.headers["Idempotency-Replayed"] = "true"
    result.headers["Cache-Control"] = "no-store"
    return result


async def _codes_in(
    edge: RequestEdge, parts: Surveys, accept: str, batch: dict[str, Any], links: list[tuple[str, str]]
) -> Response:
    wanted = accept.partition(",")[0].partition(";")[0].strip().lower()
    if wanted == "text/csv":
        buffer = io.StringIO()
        csv.writer(buffer).writerows([("code", "url"), *links])
        return Response(buffer.getvalue(), media_type="text/csv; charset=utf-8")
    if wanted == "text/html":
        async with edge.reading("campaign.read") as session:
            found = await queries.campaign(session, edge.principal.scope, batch["campaign"], parts.privacy_k)
        campaign = Campaign.model_validate(found)
        instrument = parts.library.get(campaign.instrument, campaign.instrument_version)
        return parts.pages.slips(edge.lang, instrument, campaign, links)
    return json_response({**batch, "items": [{"code": code, "url": url} for code, url in links]})
