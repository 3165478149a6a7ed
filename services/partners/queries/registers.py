"""Reads of partners, each limited to the caller's scope in code (and by row-level security)."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.partners.tables.registers import EnrolmentRow, InstitutionRow, TerritoryRow
from shared.persistence.pages import page_of_states
from shared.scope import Scope, path_of

Page = tuple[list[dict[str, Any]], str | None]


async def territory(session: AsyncSession, scope: Scope) -> list[dict[str, Any]]:
    """All units of the territory, by code."""
    rows = await session.execute(select(TerritoryRow).where(TerritoryRow.visible(scope)).order_by(col(TerritoryRow.id)))
    return [row.state for row in rows.scalars()]


async def institutions(
    session: AsyncSession,
    scope: Scope,
    *,
    q: str | None,
    kind: str | None,
    district: str | None,
    code: str | None,
    successor: str | None,
    after: str | None,
    limit: int,
) -> Page:
    """Institutions by name; `district` may be any territory code, `q` a part of the name.

    `successor`: the institution they were merged into.
    """
    query = select(InstitutionRow).where(InstitutionRow.visible(scope))
    if q:
        query = query.where(col(InstitutionRow.name).icontains(q, autoescape=True))
    if kind:
        query = query.where(col(InstitutionRow.kind) == kind)
    if code:
        query = query.where(col(InstitutionRow.code) == code)
    if successor:
        query = query.where(InstitutionRow.merged_into(successor))
    if district:
        query = query.where(col(InstitutionRow.org_path).startswith(path_of(district), autoescape=True))
    by = (col(InstitutionRow.name), col(InstitutionRow.id))
    return await page_of_states(session, query, by=by, names=("name", "id"), after=after, limit=limit, scope=scope)


async def enrolments(session: AsyncSession, scope: Scope, institution_id: str) -> list[dict[str, Any]]:
    """An institution's reports, newest year first."""
    rows = await session.execute(
        select(EnrolmentRow)
        .where(EnrolmentRow.visible(scope), col(EnrolmentRow.institution_id) == institution_id)
        .order_by(col(EnrolmentRow.academic_year).desc())
    )
    return [row.state for row in rows.scalars()]
