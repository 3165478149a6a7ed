"""Routes of confirmation links, and of the versions an agreement has gone through."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request, Response
from pydantic import BaseModel

from services.agreements.commands import agreements as agreement_commands
from services.agreements.commands import confirmations as commands
from services.agreements.queries import agreements as queries
from services.agreements.tables.agreements import AgreementRow
from shared.contracts.agreements import AgreementState
from shared.errors import NotFound
from shared.persistence.pages import one_state
from shared.persistence.unit_of_work import Database
from shared.scope import EDUCATION, SYSTEM, Role
from shared.web.edge import Edge, Revealed, json_response

PERMISSIONS: dict[str, frozenset[Role]] = {
    "link.make": EDUCATION,
    "version.read": EDUCATION | {Role.ENTERPRISE, Role.SERVICE},
}
Token = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{32}$")]
Key = Annotated[str, Header(alias="Idempotency-Key", max_length=200)]

router = APIRouter(prefix="/v1")


class ShownLink(BaseModel):
    """A new link; its token is in this answer and nowhere else."""

    party_id: str
    expires_at: str
    token: str


class Links(BaseModel):
    """An agreement's links, without their tokens."""

    items: list[dict[str, Any]]


class Confirmation(BaseModel):
    """What a link signs: form, category of the party, validity – nothing that names a person."""

    form: str
    category: str
    opportunities: list[str]
    parties: list[str]
    valid_from: str
    valid_until: str
    expires_at: str
    signed_on: str | None
    status: str


class Version(BaseModel):
    """An agreement as it stood with one amendment in force."""

    amendment: int
    since: str
    state: AgreementState


class Versions(BaseModel):
    """Versions in the order in which they took effect."""

    items: list[Version]


@router.post("/agreements/{id_}/links", tags=["agreements"], status_code=201, response_model=ShownLink)
async def make_link(edge: Edge, id_: str, body: commands.MakeLink) -> Response:
    """Make a single-use link by which a party without an account confirms; its token is shown this once."""

    async def use_case(uow: Any) -> Revealed:
        link = await commands.make_link(uow, id_, body)
        return Revealed({"party_id": link.party_id, "expires_at": link.expires_at.isoformat()}, {"token": link.token})

    return await edge.command("link.make", use_case, status=201)


@router.post("/agreements/{id_}/links/revoke", tags=["agreements"])
async def revoke_link(edge: Edge, id_: str, body: commands.RevokeLink) -> Response:
    """A party's link is no longer to be used."""
    return await edge.command("link.make", lambda uow: commands.revoke_link(uow, id_, body))


@router.get("/agreements/{id_}/links", tags=["agreements"], response_model=Links)
async def list_links(edge: Edge, id_: str) -> Response:
    """An agreement's links without their tokens: made, used, revoked, expired."""
    edge.allow("link.make")
    async with edge.database.unit_of_work(edge.principal) as uow:
        await agreement_commands.load_agreement(uow, id_)
        return json_response({"items": await commands.links_of(uow, id_)})


@router.get("/agreements/{id_}/versions", tags=["agreements"], response_model=Versions)
async def list_versions(edge: Edge, id_: str) -> Response:
    """Every version of an agreement: as signed, and as each amendment made it, with the day from which it held."""
    async with edge.reading("version.read") as session:
        if await one_state(session, AgreementRow, id_, edge.principal.scope) is None:
            raise NotFound(what="agreement", id=id_[:100])
    async with edge.database.reading(SYSTEM) as session:
        return json_response({"items": await queries.versions(session, id_)})


# -- for people without an account: the token is the permission


@router.get("/confirmations/{token}", tags=["confirmations"], response_model=Confirmation)
async def show_confirmation(request: Request, token: Token) -> Response:
    """What the link signs; changes nothing."""
    database: Database = request.app.state.database
    async with database.unit_of_work() as uow:
        return json_response(await commands.look(uow, token))


@router.post("/confirmations/{token}", tags=["confirmations"], response_model=Confirmation)
async def confirm(request: Request, token: Token, key: Key = "") -> Response:
    """Sign by the link, once; the same Idempotency-Key again gets the same answer."""
    database: Database = request.app.state.database
    async with database.unit_of_work() as uow:
        return json_response(await commands.confirm(uow, token, key))
