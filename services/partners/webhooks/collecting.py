"""Events in, deliveries out: each becomes a row for every webhook that wants and may see it, exactly once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.partners.commands.webhooks import body_of
from services.partners.domain.webhooks import NEVER_SENT, wants
from shared.contracts.events import Event
from shared.contracts.final_stage import DOCUMENT_HASHES, DOCUMENTS_OF_PERSONS
from shared.ids import new_id
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import path_of

LISTENS_TO = ("partners", "agreements", "monitoring")
"""Not surveys: their events come answer by answer."""
OF_PERSONS = tuple(
    f"hamkor.agreements.{aggregate}."
    for aggregate in ("placement", "employment", "outcome", "specialist", "staff_internship", "training")
)
"""Told to the institutions themselves alone: offices above see counts of persons, no single ones."""
_OF_DOCUMENTS = "hamkor.agreements.document."
_INSTITUTION_DEPTH = 5
_WEBHOOKS = text("select id, org_path, state->'types' as types from webhook where status <> 'removed'")
_PATHS = text("select id, org_path from institution where id = any(cast(:ids as text[]))")
_ADD = text(
    "insert into webhook_delivery (id, webhook_id, event_id, type, time, body, status, next_at) "
    "select *, 'pending', :now from unnest(cast(:ids as text[]), cast(:webhooks as text[]), cast(:events as text[]), "
    "cast(:types as text[]), cast(:times as timestamptz[]), cast(:bodies as text[])) on conflict do nothing"
)


class Placed(msgspec.Struct):
    """Where an event belongs that is no institution's, and of which kind it is."""

    district: str | None = None
    region: str | None = None
    territory: str | None = None
    kind: Any = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event for one webhook, an office's or an institution's own."""

    webhook: str
    event: Event
    office: bool


class Collecting:
    """The projection: what webhooks are to be sent. Disabled ones too, so that nothing is missing afterwards."""

    async def needs_any(self, session: AsyncSession) -> bool:
        """Whether there is any webhook."""
        return (await session.execute(_WEBHOOKS)).first() is not None

    def decode(self, event: Event) -> Placed | None:
        """Where the event belongs; None for what is never sent. Raises msgspec.ValidationError for what is no state."""
        return None if event.type.startswith(NEVER_SENT) else msgspec.json.decode(event.data, type=Placed)

    async def apply(self, uow: UnitOfWork, batch: Sequence[tuple[Event, Any]]) -> None:
        """Write the deliveries, inside the transaction that advances the positions."""
        webhooks = (await uow.session.execute(_WEBHOOKS)).all()
        if not webhooks:
            return
        keys = sorted({event.key for event, _ in batch})
        found = await uow.session.execute(_PATHS, {"ids": keys})
        paths = {row.id: row.org_path for row in found}
        due = [
            Delivery(webhook.id, event, office)
            for event, placed in batch
            if (path := paths.get(event.key) or _path_of(placed)) is not None
            for webhook in webhooks
            for office in [webhook.org_path.count("/") < _INSTITUTION_DEPTH]
            # Both ids begin with their time: what happened before a webhook was registered is not its business.
            if event.id > webhook.id and path.startswith(webhook.org_path) and wants(tuple(webhook.types), event.type)
            if not (office and _is_of_persons(event, placed))
        ]
        if due:
            await self._add(uow, due)

    async def _add(self, uow: UnitOfWork, due: Sequence[Delivery]) -> None:
        bodies = {(each.event.id, each.office): body_of(each.event.type, each.event.time, _told(each)) for each in due}
        values = {
            "now": uow.now,
            "ids": [new_id() for _ in due],
            "webhooks": [each.webhook for each in due],
            "events": [each.event.id for each in due],
            "types": [each.event.type for each in due],
            "times": [each.event.time for each in due],
            "bodies": [bodies[each.event.id, each.office] for each in due],
        }
        await uow.session.execute(_ADD, values)


def _is_of_persons(event: Event, placed: Placed) -> bool:
    if event.type.startswith(_OF_DOCUMENTS):
        return placed.kind in DOCUMENTS_OF_PERSONS
    return event.type.startswith(OF_PERSONS)


def _told(delivery: Delivery) -> Any:
    """What the event carries; offices are shown no hashes of documents."""
    data = msgspec.json.decode(delivery.event.data)
    if delivery.office and delivery.event.type.startswith(_OF_DOCUMENTS):
        return {name: value for name, value in data.items() if name not in DOCUMENT_HASHES}
    return data


def _path_of(placed: Placed) -> str | None:
    for code in (placed.district, placed.region, placed.territory):
        try:
            if code:
                return path_of(code)
        except ValueError:
            continue
    return None
