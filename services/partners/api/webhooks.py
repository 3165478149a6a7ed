"""Routes of webhooks: registering, stopping and starting, secrets, the log of deliveries, test and replay."""

from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel, Field

from services.partners.commands import webhooks
from services.partners.domain import webhooks as domain
from services.partners.queries.webhooks import deliveries_of
from services.partners.tables.webhooks import WebhookRow
from services.partners.webhooks.addresses import Reachable
from shared.contracts.platform import WebhookState, WebhookStatus
from shared.errors import FieldError, InvalidInput, NotFound
from shared.persistence.pages import one_state
from shared.scope import EDUCATION, SYSTEM, Role
from shared.web.edge import Edge, RequestEdge, page_response
from shared.web.registers import Filter, Reference, Register, add_register

PERMISSIONS: dict[str, frozenset[Role]] = {
    "webhook.read": EDUCATION,
    "webhook.register": EDUCATION,
    "webhook.change": EDUCATION,
}


class ShownWebhook(WebhookState, domain.Endpoint):
    """A webhook without its secret."""


class RegisteredWebhook(ShownWebhook):
    """A webhook with a new secret: this once."""

    secret: str | None = Field(
        default=None, description="verifies signatures (Standard Webhooks); a repeated request no longer gets it"
    )


class WebhookFilter(Filter):
    """What the list of webhooks is narrowed by."""

    owner: Reference = None
    status: WebhookStatus | None = None


class Delivery(BaseModel):
    """One event on its way to a webhook."""

    id: str
    event_id: str = Field(description="the header webhook-id: the same at every attempt and replay")
    type: str
    time: datetime
    status: Literal["pending", "delivered", "failed"]
    attempts: int
    next_at: datetime | None = Field(description="when it is tried next, while pending")
    answered: int | None = Field(description="the last HTTP status")
    problem: str | None = Field(description="why the last attempt failed, in a word")
    delivered_at: datetime | None


class Deliveries(BaseModel):
    """A page of deliveries, newest first."""

    items: list[Delivery]
    next: str | None


class Tested(BaseModel):
    """The test that is on its way: look for it in the log of deliveries."""

    delivery: str
    event: str


class Replayed(BaseModel):
    """How many deliveries are on their way again."""

    replayed: int


WEBHOOKS = Register(
    name="webhooks",
    what="webhook",
    row=WebhookRow,
    state=WebhookState,
    shown=ShownWebhook,
    read="webhook.read",
    filters=WebhookFilter,
)
REGISTERS = (WEBHOOKS,)

router = APIRouter(prefix="/v1", tags=["webhooks"])
add_register(router, WEBHOOKS)


def _check(edge: RequestEdge, url: str | None) -> None:
    """Refuse early what would never be reached; names are looked up at every delivery."""
    parts = urlsplit(url or "https://-")
    reachable = Reachable(loopback=edge.request.app.state.chassis.settings.webhooks_loopback)
    try:
        address_fits = reachable.admits(ip_address(parts.hostname or ""))
    except ValueError:
        address_fits = True
    if not address_fits or (parts.scheme != "https" and not reachable.loopback):
        raise InvalidInput(FieldError("url", "webhook_url"))


@router.post("/webhooks", status_code=201, response_model=RegisteredWebhook)
async def register_webhook(edge: Edge, body: domain.RegisterWebhook) -> Response:
    """Register an endpoint; the secret that verifies its signatures is shown this once."""
    _check(edge, body.url)
    return await edge.command("webhook.register", lambda uow: webhooks.register_webhook(uow, body), status=201)


@router.patch("/webhooks/{id_}", response_model=ShownWebhook)
async def change_webhook(edge: Edge, id_: str, body: domain.ChangeWebhook) -> Response:
    """Another address, label or choice of events."""
    _check(edge, body.url)
    return await edge.command("webhook.change", lambda uow: webhooks.change_webhook(uow, id_, body), versioned=True)


@router.post("/webhooks/{id_}/rotate", response_model=RegisteredWebhook)
async def rotate_webhook_secret(edge: Edge, id_: str) -> Response:
    """Make a new secret; for a day deliveries are signed with the former one too."""
    return await edge.command("webhook.change", lambda uow: webhooks.rotate_secret(uow, id_), versioned=True)


@router.post("/webhooks/{id_}/disable", response_model=ShownWebhook)
async def disable_webhook(edge: Edge, id_: str) -> Response:
    """Send nothing for now; events of thirty days are kept."""
    return await edge.command("webhook.change", lambda uow: webhooks.disable_webhook(uow, id_), versioned=True)


@router.post("/webhooks/{id_}/enable", response_model=ShownWebhook)
async def enable_webhook(edge: Edge, id_: str) -> Response:
    """Send again, beginning with what was kept."""
    return await edge.command("webhook.change", lambda uow: webhooks.enable_webhook(uow, id_), versioned=True)


@router.post("/webhooks/{id_}/remove", response_model=ShownWebhook)
async def remove_webhook(edge: Edge, id_: str) -> Response:
    """End it for good."""
    return await edge.command("webhook.change", lambda uow: webhooks.remove_webhook(uow, id_), versioned=True)


@router.post("/webhooks/{id_}/test", status_code=202, response_model=Tested)
async def test_webhook(edge: Edge, id_: str) -> Response:
    """Send a signed event of the type `hamkor.webhook.test`; it is tried once."""
    return await edge.command("webhook.change", lambda uow: webhooks.test_webhook(uow, id_), status=202)


@router.post("/webhooks/{id_}/replay", status_code=202, response_model=Replayed)
async def replay_webhook(
    edge: Edge, id_: str, since: Annotated[AwareDatetime, Query(description="send everything since then again")]
) -> Response:
    """Send again what happened since a moment of the last thirty days, with the same ids."""
    return await edge.command("webhook.change", lambda uow: webhooks.replay(uow, id_, since), status=202)


@router.get("/webhooks/{id_}/deliveries", response_model=Deliveries)
async def list_webhook_deliveries(
    edge: Edge,
    id_: str,
    status: Literal["pending", "delivered", "failed"] | None = None,
    after: Annotated[str | None, Query(max_length=500, description="cursor of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="items a page")] = 50,
) -> Response:
    """What was sent, what was answered, and when it is tried again; newest first."""
    async with edge.reading("webhook.read") as session:
        if await one_state(session, WebhookRow, id_, edge.principal.scope) is None:
            raise NotFound(what="webhook", id=id_[:100])
    async with edge.database.reading(SYSTEM) as session:
        return page_response(*await deliveries_of(session, id_, status=status, after=after, limit=limit))
