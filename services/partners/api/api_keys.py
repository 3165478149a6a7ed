"""Routes of API keys, and the one by which the other services ask whom a key speaks for."""

from datetime import date

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from services.partners.commands import api_keys
from services.partners.domain import api_keys as domain
from services.partners.tables.api_keys import ApiKeyRow
from services.partners.tables.registers import own_paths
from shared.contracts.platform import ApiKeyState, ApiKeyStatus
from shared.errors import Forbidden, NotFound
from shared.scope import EDUCATION, Role
from shared.web.edge import Edge, json_response
from shared.web.registers import Filter, Reference, Register, add_register

PERMISSIONS: dict[str, frozenset[Role]] = {
    "api_key.read": EDUCATION,
    # A key may what the institution's own people may, records of single persons included: no office hands that out.
    "api_key.issue": frozenset({Role.INSTITUTION}),
    "api_key.revoke": EDUCATION,
}


class ShownApiKey(ApiKeyState, domain.Label):
    """A key without its secret."""

    last_used_on: date | None = Field(default=None, description="the last day on which it was used")


class IssuedApiKey(ShownApiKey):
    """A key with its secret: this once."""

    key: str | None = Field(
        default=None, description="send it as `Authorization: Bearer hk_…`; a repeated request no longer gets it"
    )


class ApiKeyFilter(Filter):
    """What the list of keys is narrowed by."""

    institution_id: Reference = None
    status: ApiKeyStatus | None = None


API_KEYS = Register(
    name="api-keys",
    what="api_key",
    row=ApiKeyRow,
    state=ApiKeyState,
    shown=ShownApiKey,
    read="api_key.read",
    own_paths=own_paths,
    filters=ApiKeyFilter,
)
REGISTERS = (API_KEYS,)

router = APIRouter(prefix="/v1")
add_register(router, API_KEYS)
internal = APIRouter(prefix="/internal", include_in_schema=False)


@router.post("/api-keys", tags=["api-keys"], status_code=201, response_model=IssuedApiKey)
async def issue_api_key(edge: Edge, body: domain.IssueApiKey) -> Response:
    """Issue a key with which an institution's own system acts for it; the secret is shown this once."""
    return await edge.command("api_key.issue", lambda uow: api_keys.issue_api_key(uow, body), status=201)


@router.post("/api-keys/{id_}/revoke", tags=["api-keys"], response_model=ShownApiKey)
async def revoke_api_key(edge: Edge, id_: str) -> Response:
    """End a key; within half a minute no service accepts it any more."""
    return await edge.command("api_key.revoke", lambda uow: api_keys.revoke_api_key(uow, id_), versioned=True)


class PresentedKey(BaseModel):
    """A key as a caller presented it to another service."""

    key: str = Field(max_length=200)


@internal.post("/api-keys/check")
async def check_api_key(edge: Edge, body: PresentedKey) -> Response:
    """For services: whom a key speaks for, and what it may do."""
    if edge.principal.role is not Role.SERVICE:
        raise Forbidden(role=edge.principal.role.value)
    principal = await api_keys.OwnApiKeys(edge.database).principal(body.key)
    if principal is None:
        raise NotFound(what="api_key")
    found = {"subject": principal.subject, "institution_id": principal.org, "scopes": sorted(principal.scopes or ())}
    return json_response(found)
