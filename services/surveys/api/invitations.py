"""HTTP routes of invitations: what invites, who is invited, and the secrets that the coordinator hands over."""

import csv
import io
import json

from fastapi import APIRouter, Request, Response

from services.surveys.api.parts import Parts, looked_at
from services.surveys.commands import invitations
from services.surveys.domain.campaigns import Campaign
from services.surveys.domain.codes import shown
from services.surveys.domain.invitations import ADDRESS, HandOver, Rule, SetRule
from services.surveys.queries import campaigns as queries
from services.surveys.tables import InvitationRow, own_paths
from shared.contracts.surveys import InvitationState, InvitationStatus, Occasion, RespondentKind
from shared.errors import NotFound
from shared.scope import EDUCATION, Role
from shared.web.edge import Edge, json_response, page_response, state_dict_response
from shared.web.registers import Creation, Filter, Reference, Register, add_register

PERMISSIONS: dict[str, frozenset[Role]] = {
    # Each is of one person, a graduate's made by the record of an outcome that offices above may not read.
    "invitation.read": frozenset({Role.INSTITUTION, Role.SERVICE}),
    "invitation.make": frozenset({Role.INSTITUTION}),
    "invitation.withdraw": frozenset({Role.INSTITUTION}),
    "invitation.remind": frozenset({Role.INSTITUTION}),
    # Only who knows the people may have what opens their forms.
    "invitation.hand_over": frozenset({Role.INSTITUTION}),
    "invitation_rule.read": EDUCATION | {Role.SERVICE},
    "invitation_rule.set": frozenset({Role.MINISTRY}),
}

router = APIRouter(prefix="/v1")


class ShownInvitation(InvitationState):
    """An invitation; when it was handed over last, the next reminder is due, and somebody was spoken to last."""

    handed_on: str | None = None
    remind_on: str | None = None
    spoken_on: str | None = None


class InvitationFilter(Filter):
    """What invitations are narrowed by."""

    campaign_id: Reference = None
    institution_id: Reference = None
    instrument: Reference = None
    respondent: RespondentKind | None = None
    respondent_ref: Reference = None
    occasion: Occasion | None = None
    status: InvitationStatus | None = None


INVITATIONS = Register(
    name="invitations",
    what="invitation",
    row=InvitationRow,
    state=InvitationState,
    shown=ShownInvitation,
    read="invitation.read",
    own_paths=own_paths,
    filters=InvitationFilter,
    create=Creation("invitation.make", invitations.InviteListed, invitations.invite_listed),
)
add_register(router, INVITATIONS)


@router.post(
    "/invitations/{id_}/withdraw", tags=["invitations"], response_model=InvitationState, summary="Withdraw one"
)
async def withdraw_invitation(edge: Edge, id_: str) -> Response:
    """Take a pending invitation back; its secret opens nothing any more."""
    return await edge.command("invitation.withdraw", lambda uow: invitations.withdraw(uow, id_))


@router.post(
    "/invitations/{id_}/remind", tags=["invitations"], response_model=InvitationState, summary="Remind by hand"
)
async def remind(edge: Edge, id_: str) -> Response:
    """Note that the invited person was reminded: once a day at most, five times in all.

    Whether the person has answered is known to nobody; a reminder says "if you have not yet".
    """
    return await edge.command("invitation.remind", lambda uow: invitations.remind(uow, id_))


@router.post(
    "/campaigns/{id_}/invitations/hand-over",
    tags=["invitations"],
    status_code=201,
    summary="Secrets of invitations, shown this once",
    responses={201: {"content": {"application/json": {}, "text/csv": {}, "text/html": {}}}},
)
async def hand_over(edge: Edge, parts: Parts, request: Request, id_: str, body: HandOver) -> Response:
    """Secrets of a campaign's invitations as JSON, as text/csv, or as text/html to print; only hashes are kept.

    Without ids: of all pending invitations that have none yet. With ids: new ones, and what was handed over before
    opens nothing any more. The same request with the same Idempotency-Key shows the same secrets for a few days.
    """
    key = request.headers.get("idempotency-key", "").strip()
    async with edge.reading("invitation.hand_over") as session:
        found = await queries.campaign(session, edge.principal.scope, id_, parts.privacy_k)
        campaign = Campaign.model_validate(found)
        instrument = await parts.library.ensure(session, campaign.instrument, campaign.instrument_version)
    answer = await edge.command(
        "invitation.hand_over",
        lambda uow: invitations.hand_over(uow, parts.vault, id_, body, key),
        status=201,
    )
    await looked_at(edge, id_)
    batch = json.loads(bytes(answer.body))
    codes = [shown(code) for code in parts.vault.codes(batch["batch"], key, batch["count"])]
    links = [
        (each["respondent_ref"], code, f"{parts.public_url}{ADDRESS}{code}")
        for each, code in zip(batch["items"], codes, strict=True)
    ]
    wanted = request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip().lower()
    if wanted == "text/csv":
        buffer = io.StringIO()
        csv.writer(buffer).writerows([("respondent_ref", "code", "url"), *links])
        result = Response(buffer.getvalue(), media_type="text/csv; charset=utf-8")
    elif wanted == "text/html":
        result = parts.pages.invitation_slips(edge.lang, instrument, campaign, links)
    else:
        items = [{**each, "code": code, "url": url} for each, (_, code, url) in zip(batch["items"], links, strict=True)]
        result = json_response({**batch, "items": items})
    result.status_code = answer.status_code
    if "Idempotency-Replayed" in answer.headers:
        result.headers["Idempotency-Replayed"] = "true"
    result.headers["Cache-Control"] = "no-store"
    return result


@router.get("/invitation-rules", tags=["invitation-rules"], summary="What invites whom")
async def list_rules(edge: Edge) -> Response:
    """Which fact invites whom to which instrument, how often, for how long, and how often they are reminded."""
    async with edge.reading("invitation_rule.read") as session:
        known = await invitations.rules(session)
    return page_response([known[code].model_dump(mode="json") for code in sorted(known)], None)


@router.get("/invitation-rules/{code}", tags=["invitation-rules"], response_model=Rule, summary="One rule")
async def get_rule(edge: Edge, code: str) -> Response:
    """One rule; its version is the ETag."""
    async with edge.reading("invitation_rule.read") as session:
        known = await invitations.rules(session)
    if code not in known:
        raise NotFound(what="invitation-rule", id=code[:100])
    return state_dict_response(known[code].model_dump(mode="json"), "invitation-rule", code)


@router.put("/invitation-rules/{code}", tags=["invitation-rules"], response_model=Rule, summary="Change a rule")
async def set_rule(edge: Edge, parts: Parts, code: str, body: SetRule) -> Response:
    """Turn a rule on or off, or lead it to another instrument; the ministry alone. Needs If-Match."""
    return await edge.command(
        "invitation_rule.set", lambda uow: invitations.set_rule(uow, parts.library, code, body), versioned=True
    )
