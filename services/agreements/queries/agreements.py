"""Reads of agreements, each limited to the caller's scope in code (and by row-level security)."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.agreements.tables.agreements import ActivityRow
from shared.persistence.pages import page_of_states
from shared.scope import Scope

Page = tuple[list[dict[str, Any]], str | None]


async def activities(session: AsyncSession, scope: Scope, *, agreement_id: str, after: str | None, limit: int) -> Page:
    """The activities under an agreement in the order they were recorded."""
    query = select(ActivityRow).where(ActivityRow.visible(scope), col(ActivityRow.agreement_id) == agreement_id)
    return await page_of_states(session, query, by=(col(ActivityRow.id),), names=("id",), after=after, limit=limit)
