"""Reads of agreements, each limited to the caller's scope in code (and by row-level security)."""

import json
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.agreements.tables.agreements import ActivityRow
from shared.persistence.pages import page_of_states
from shared.scope import Scope

_VERSIONS = text("select data from event where subject = :subject order by position")

Page = tuple[list[dict[str, Any]], str | None]


async def activities(session: AsyncSession, scope: Scope, *, agreement_id: str, after: str | None, limit: int) -> Page:
    """The activities under an agreement in the order they were recorded."""
    query = select(ActivityRow).where(ActivityRow.visible(scope), col(ActivityRow.agreement_id) == agreement_id)
    return await page_of_states(
        session, query, by=(col(ActivityRow.id),), names=("id",), after=after, limit=limit, scope=scope
    )


async def versions(session: AsyncSession, agreement_id: str) -> list[dict[str, Any]]:
    """An agreement as it stood with each amendment, from the event log; the session sees all."""
    rows = await session.execute(_VERSIONS, {"subject": f"agreement/{agreement_id}"})
    found: dict[int, dict[str, Any]] = {}
    for data in rows.scalars():
        state = json.loads(data)
        if state["signed_on"] is None:
            continue
        number = state["amendment"]
        since = state["amended_on"] if number else state["signed_on"]
        found.setdefault(number, {"amendment": number, "since": since, "state": state})
    return list(found.values())
