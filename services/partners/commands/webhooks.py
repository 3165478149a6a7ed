"""Use cases of webhooks: register, change, rotate the secret, stop and start, test, replay."""

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from services.partners.domain import webhooks as domain
from services.partners.tables.registers import InstitutionRow
from services.partners.tables.webhooks import WebhookRow
from shared.contracts.partners import InstitutionState
from shared.contracts.platform import DisabledReason, WebhookState
from shared.errors import FieldError, Forbidden, InvalidInput, NotFound
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import TERRITORIAL, path_of
from shared.web.edge import Revealed

TEST_TYPE = "hamkor.webhook.test"
# Secrets and deliveries are shown to no scope: what changes those that are there goes beyond the caller's own.
_ADD_SECRET = text("insert into webhook_secret (webhook_id, secret, made_at) values (:id, :secret, :now)")
_END_SECRETS = text("update webhook_secret set ends_at = :ends where webhook_id = :id and ends_at is null")
_FORGET_SECRETS = text("delete from webhook_secret where webhook_id = :id")
_FORGET_DELIVERIES = text("delete from webhook_delivery where webhook_id = :id and status = 'pending'")
_TEST = text(
    "insert into webhook_delivery (id, webhook_id, event_id, type, time, body, status, next_at) "
    "values (:delivery, :id, :event, :type, :now, :body, 'pending', :now)"
)
_DUE_NOW = text(
    "update webhook_delivery set next_at = :now, attempts = 0 where webhook_id = :id and status = 'pending'"
)
_REPLAY = text(
    "update webhook_delivery set status = 'pending', next_at = :now, attempts = 0, delivered_at = null "
    "where webhook_id = :id and time >= :since and status <> 'pending'"
)


async def register_webhook(uow: UnitOfWork, command: domain.RegisterWebhook) -> Revealed:
    """Register an endpoint for an owner within the caller's scope; its secret is in this answer and nowhere else."""
    path = await _path(uow, command.owner)
    event_type, state = domain.register(new_id(), command)
    endpoint = domain.Endpoint(url=command.url, label=command.label)
    await uow.record(WebhookRow, event_type, state, key=state.owner, org_path=path, details=endpoint)
    return Revealed(state, {"secret": await _add_secret(uow, state.id)})


async def change_webhook(uow: UnitOfWork, id_: str, command: domain.ChangeWebhook) -> WebhookState:
    """Another address, label or choice of events."""
    state = await _load(uow, id_)
    row = await uow.session.get_one(WebhookRow, id_)
    endpoint = domain.Endpoint.model_validate(
        row.details | command.model_dump(include={"url", "label"}, exclude_none=True)
    )
    return await _record(uow, domain.change(state, command), endpoint)


async def rotate_secret(uow: UnitOfWork, id_: str) -> Revealed:
    """Another secret; the former signs along for a day, so that receivers can change over without a gap."""
    state = await _record(uow, domain.rotate(await _load(uow, id_)))
    async with uow.beyond_scope():
        await uow.session.execute(_END_SECRETS, {"id": id_, "ends": uow.now + domain.OVERLAP})
    return Revealed(state, {"secret": await _add_secret(uow, id_)})


async def disable_webhook(uow: UnitOfWork, id_: str, reason: DisabledReason = DisabledReason.OWNER) -> WebhookState:
    """Send nothing for now; what happens is kept for thirty days."""
    return await _record(uow, domain.disable(await _load(uow, id_), reason))


async def enable_webhook(uow: UnitOfWork, id_: str) -> WebhookState:
    """Send again, beginning with what was kept."""
    state = await _record(uow, domain.enable(await _load(uow, id_)))
    async with uow.beyond_scope():
        await uow.session.execute(_DUE_NOW, {"id": id_, "now": uow.now})
    return state


async def remove_webhook(uow: UnitOfWork, id_: str) -> WebhookState:
    """End it for good, with its secrets and whatever was still to be sent."""
    state = await _record(uow, domain.remove(await _load(uow, id_)))
    async with uow.beyond_scope():
        await uow.session.execute(_FORGET_SECRETS, {"id": id_})
        await uow.session.execute(_FORGET_DELIVERIES, {"id": id_})
    return state


async def test_webhook(uow: UnitOfWork, id_: str) -> dict[str, Any]:
    """Send a signed event of the type `hamkor.webhook.test`, as any other is sent."""
    domain.require(await _load(uow, id_), "test")
    delivery, event = new_id(), new_id()
    body = body_of(TEST_TYPE, uow.now, {"webhook": id_})
    values = {"delivery": delivery, "id": id_, "event": event, "type": TEST_TYPE, "now": uow.now, "body": body}
    await uow.session.execute(_TEST, values)
    return {"delivery": delivery, "event": event}


async def replay(uow: UnitOfWork, id_: str, since: datetime) -> dict[str, Any]:
    """Send everything since a moment again, with the same ids; deliveries are kept for thirty days."""
    domain.require(await _load(uow, id_), "replay")
    oldest = uow.now - timedelta(days=domain.KEPT_DAYS)
    if since < oldest:
        raise InvalidInput(FieldError("since", "earlier_than", {"limit": oldest.date().isoformat()}))
    async with uow.beyond_scope():
        done = await uow.session.execute(_REPLAY, {"id": id_, "now": uow.now, "since": since})
    return {"replayed": done.rowcount}  # type: ignore[attr-defined]  # of an update


def body_of(event_type: str, time: datetime, data: Any) -> str:
    """What is sent and signed: `type`, `timestamp` and `data`, as Standard Webhooks has it."""
    sent = {"type": event_type, "timestamp": time.isoformat(), "data": data}
    return json.dumps(sent, ensure_ascii=False, separators=(",", ":"))


async def _path(uow: UnitOfWork, owner: str) -> str:
    """The owner's path; raises InvalidInput unless the caller sees the whole of it, Forbidden for an office's caller
    where that is an institution."""
    unknown = InvalidInput(FieldError("owner", "unknown_owner", {"value": owner}))
    if domain.TERRITORY.fullmatch(owner):
        path = path_of(owner)
        if not uow.principal.scope.sees(path):
            raise unknown
        return path
    try:
        institution = await uow.load(InstitutionRow, InstitutionState, owner, what="institution")
    except NotFound:
        raise unknown from None
    if uow.principal.role in TERRITORIAL:
        raise Forbidden(role=uow.principal.role.value)
    return institution.path


async def _add_secret(uow: UnitOfWork, id_: str) -> str:
    secret = domain.new_secret()
    await uow.session.execute(_ADD_SECRET, {"id": id_, "secret": secret, "now": uow.now})
    return secret


async def _load(uow: UnitOfWork, id_: str) -> WebhookState:
    return await uow.load(WebhookRow, WebhookState, id_, what="webhook")


async def _record(uow: UnitOfWork, outcome: domain.Outcome, endpoint: domain.Endpoint | None = None) -> WebhookState:
    event_type, state = outcome
    row = await uow.session.get_one(WebhookRow, state.id)
    return await uow.record(WebhookRow, event_type, state, key=state.owner, org_path=row.org_path, details=endpoint)
