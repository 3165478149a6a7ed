"""Reads of agreements, each limited to the caller's scope in code (and by row-level security)."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.agreements.tables import ActivityRow, AgreementRow, EmploymentRow
from shared.persistence.pages import page_of_states
from shared.scope import Scope

Page = tuple[list[dict[str, Any]], str | None]


async def agreements(
    session: AsyncSession,
    scope: Scope,
    *,
    status: str | None,
    form: str | None,
    institution_id: str | None,
    enterprise_id: str | None,
    after: str | None,
    limit: int,
) -> Page:
    """Agreements in the order they were drafted."""
    query = select(AgreementRow).where(AgreementRow.visible(scope))
    if status:
        query = query.where(col(AgreementRow.status) == status)
    if form:
        query = query.where(col(AgreementRow.form) == form)
    if institution_id:
        query = query.where(col(AgreementRow.institution_id) == institution_id)
    if enterprise_id:
        query = query.where(col(AgreementRow.enterprise_ids).contains([enterprise_id]))
    return await page_of_states(session, query, by=(col(AgreementRow.id),), names=("id",), after=after, limit=limit)


async def activities(session: AsyncSession, scope: Scope, *, agreement_id: str, after: str | None, limit: int) -> Page:
    """The activities under an agreement in the order they were recorded."""
    query = select(ActivityRow).where(ActivityRow.visible(scope), col(ActivityRow.agreement_id) == agreement_id)
    return await page_of_states(session, query, by=(col(ActivityRow.id),), names=("id",), after=after, limit=limit)


async def employments(
    session: AsyncSession,
    scope: Scope,
    *,
    status: str | None,
    institution_id: str | None,
    enterprise_id: str | None,
    graduate_ref: str | None,
    after: str | None,
    limit: int,
) -> Page:
    """Employments in the order they were reported."""
    query = select(EmploymentRow).where(EmploymentRow.visible(scope))
    if status:
        query = query.where(col(EmploymentRow.status) == status)
    if institution_id:
        query = query.where(col(EmploymentRow.institution_id) == institution_id)
    if enterprise_id:
        query = query.where(col(EmploymentRow.enterprise_id) == enterprise_id)
    if graduate_ref:
        query = query.where(col(EmploymentRow.graduate_ref) == graduate_ref)
    return await page_of_states(session, query, by=(col(EmploymentRow.id),), names=("id",), after=after, limit=limit)
