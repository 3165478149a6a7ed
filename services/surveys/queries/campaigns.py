"""Campaigns of the caller's scope."""

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.surveys.domain.campaigns import CampaignStatus
from services.surveys.domain.results import shown_count
from services.surveys.queries.intake import received
from services.surveys.tables import CampaignRow, CodeBatchRow, InstitutionRow
from shared.errors import NotFound
from shared.scope import Scope
from shared.web.cursors import decode_text_cursor, encode_cursor

Found = Select[CampaignRow, InstitutionRow]


async def campaigns(
    session: AsyncSession,
    scope: Scope,
    *,
    institution: str | None,
    instrument: str | None,
    wave: str | None,
    status: CampaignStatus | None,
    after: str | None,
    limit: int,
) -> tuple[list[dict[str, Any]], str | None]:
    """Campaigns of the caller's scope, newest first."""
    query = visible(scope).order_by(col(CampaignRow.id).desc()).limit(limit + 1)
    if institution:
        query = query.where(col(CampaignRow.institution_id) == institution)
    if instrument:
        query = query.where(col(CampaignRow.instrument) == instrument)
    if wave:
        query = query.where(col(CampaignRow.wave_id) == wave)
    if status:
        query = query.where(col(CampaignRow.status) == status.value)
    if after is not None:
        query = query.where(col(CampaignRow.id) < decode_text_cursor(after, 1)[0])
    rows = (await session.execute(query)).all()
    cursor = encode_cursor(rows[limit - 1][0].id) if len(rows) > limit else None
    return [_shown(campaign, institution_row) for campaign, institution_row in rows[:limit]], cursor


async def campaign(session: AsyncSession, scope: Scope, id_: str, step: int) -> dict[str, Any]:
    """One campaign with the number of its codes, issued and spent; raises NotFound."""
    row, institution = await find(session, scope, id_)
    issued = select(func.coalesce(func.sum(CodeBatchRow.count), 0)).where(col(CodeBatchRow.campaign_id) == id_)
    codes = {
        "issued": (await session.execute(issued)).scalar_one(),
        "spent": shown_count(await received(session, id_), step),
    }
    return {**_shown(row, institution), "codes": codes}


def visible(scope: Scope) -> Found:
    return (
        select(CampaignRow, InstitutionRow)
        .join(InstitutionRow, col(InstitutionRow.id) == CampaignRow.institution_id)
        .where(CampaignRow.visible(scope))
    )


async def find(session: AsyncSession, scope: Scope, id_: str) -> tuple[CampaignRow, InstitutionRow]:
    found = (await session.execute(visible(scope).where(col(CampaignRow.id) == id_))).one_or_none()
    if found is None:
        raise NotFound(what="campaign", id=id_[:100])
    return found[0], found[1]


def _shown(row: CampaignRow, institution: InstitutionRow) -> dict[str, Any]:
    names = {"institution_name": institution.name, "institution_code": institution.code}
    return {**row.campaign().model_dump(mode="json"), **names}
