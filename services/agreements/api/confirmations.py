"""Routes of links by which parties without an account sign: made by the institution, used without a sign-in."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request, Response
from pydantic import BaseModel

from services.agreements.commands import links as commands
from services.agreements.domain import links as domain
from services.agreements.tables.agreements import AgreementRow
from shared.errors import NotFound
from shared.persistence.pages import one_state
from shared.persistence.unit_of_work import Database, UnitOfWork
from shared.scope import SYSTEM, Principal, Role
from shared.web.edge import Edge, RequestEdge, Revealed, json_response, page_response
from shared.web.guesses import WrongGuesses

PERMISSIONS: dict[str, frozenset[Role]] = {"link.keep": frozenset({Role.INSTITUTION})}
BY_LINK = {"link.use": frozenset({Role.SERVICE})}
"""Whoever holds a token acts for its party alone; nobody signed in has this permission."""
WRONG_TOKENS = WrongGuesses()
UNSTORED = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
Token = Annotated[str, Path(max_length=100, description="the secret part of the link")]

router = APIRouter(prefix="/v1")


@router.post(
    "/agreements/{id_}/confirmation-links",
    tags=["agreements"],
    status_code=201,
    response_model=domain.IssuedLink,
    response_model_exclude_none=True,
)
async def issue_link(edge: Edge, id_: str, body: domain.IssueLink) -> Response:
    """Make a link by which a party without an account signs; its token is shown this once."""

    async def use_case(uow: UnitOfWork) -> Revealed:
        link, token = await commands.issue_link(uow, id_, body)
        return Revealed(link, {"token": token, "path": f"/c/{token}"})

    return await edge.command("link.keep", use_case, status=201)


class Links(BaseModel):
    """All links of an agreement."""

    items: list[domain.Link]
    next: None = None


@router.get("/agreements/{id_}/confirmation-links", tags=["agreements"], response_model=Links)
async def list_links(edge: Edge, id_: str) -> Response:
    """An agreement's links without their tokens."""
    async with edge.reading("link.keep") as session:
        if await one_state(session, AgreementRow, id_, edge.principal.scope) is None:
            raise NotFound(what="agreement", id=id_[:100])
        links = await commands.links_of(session, id_, edge.database.clock())
        return page_response([link.model_dump(mode="json") for link in links], None)


@router.post("/agreements/{id_}/confirmation-links/{link_id}/revoke", tags=["agreements"], response_model=domain.Link)
async def revoke_link(edge: Edge, id_: str, link_id: str) -> Response:
    """Take a link back."""
    return await edge.command("link.keep", lambda uow: commands.revoke_link(uow, id_, link_id))


# -- without a sign-in: the token is the permission


@router.get("/confirmations/{token}", tags=["confirmations"], response_model=domain.Confirmation)
async def show_confirmation(request: Request, token: Token) -> Response:
    """What the link's party would sign; changes nothing."""
    database: Database = request.app.state.database

    async def look() -> Response:
        async with database.reading(SYSTEM) as session:
            shown = await commands.shown_by_link(session, token, database.clock())
            return json_response(shown.model_dump(mode="json"))

    return await _unguessed(look)


@router.post("/confirmations/{token}", tags=["confirmations"], response_model=domain.Confirmation)
async def confirm(request: Request, token: Token, body: domain.Confirm) -> Response:
    """Sign by the link, once; 409 where the agreement is no longer at the `version` that was shown."""
    holder = Principal(f"link:{commands.hash_of(token).hex()}", Role.SERVICE)
    edge = RequestEdge(request, holder, request.app.state.database, BY_LINK)

    async def use_case(uow: UnitOfWork) -> dict[str, object]:
        return (await commands.confirm_by_link(uow, token, body)).model_dump(mode="json")

    return await _unguessed(lambda: edge.command("link.use", use_case))


async def _unguessed(answer: Callable[[], Awaitable[Response]]) -> Response:
    try:
        response = await answer()
    except domain.UnknownLink:
        if WRONG_TOKENS.count():
            raise
        raise HTTPException(429, headers={"Retry-After": "60"}) from None
    response.headers.update(UNSTORED)
    return response
