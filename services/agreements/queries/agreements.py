"""Reads of agreements, each limited to the caller's scope in code (and by row-level security)."""

import json
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.agreements.tables.agreements import ActivityRow
from shared.clock import local_day
from shared.persistence.pages import page_of_states
from shared.scope import Scope

_VERSIONS = text("select type, time, data from event where subject = :subject order by position")
ONE_DAY = timedelta(days=1)
AGREED = ("amendment", "form", "opportunities", "valid_from", "valid_until", "renewal")
RESULTS = ("filled", "completed")

Page = tuple[list[dict[str, Any]], str | None]


async def activities(session: AsyncSession, scope: Scope, *, agreement_id: str, after: str | None, limit: int) -> Page:
    """The activities under an agreement in the order they were recorded."""
    query = select(ActivityRow).where(ActivityRow.visible(scope), col(ActivityRow.agreement_id) == agreement_id)
    return await page_of_states(
        session, query, by=(col(ActivityRow.id),), names=("id",), after=after, limit=limit, scope=scope
    )


async def versions(session: AsyncSession, agreement_id: str) -> list[dict[str, Any]]:
    """An agreement as it was signed and after each change of what is agreed, from the event log; the session sees all.

    `change` is the fact that told it, `since` the day from which it counted.
    """
    rows = await session.execute(_VERSIONS, {"subject": f"agreement/{agreement_id}"})
    found: list[dict[str, Any]] = []
    last: dict[str, Any] = {}
    for type_, time, data in rows:
        state = json.loads(data)
        if state["signed_on"] is None or _agreed(state) == last:
            continue
        change = type_.split(".")[3]
        match change:
            case "signed":
                since = state["signed_on"]
            case "amended":
                since = state["amended_on"]
            case "renewed":
                since = (date.fromisoformat(last["valid_until"]) + ONE_DAY).isoformat()
            case _:
                since = local_day(time).isoformat()
        found.append({"amendment": state["amendment"], "change": change, "since": since, "state": state})
        last = _agreed(state)
    return found


def _agreed(state: dict[str, Any]) -> dict[str, Any]:
    """What the parties are bound to: without signatures, without what became of terms."""
    parties = [(party["category"], party["ref"]) for party in state["parties"]]
    plan = [{name: value for name, value in term.items() if name not in RESULTS} for term in state["schedule"]]
    return {name: state.get(name) for name in AGREED} | {"parties": parties, "schedule": plan}
