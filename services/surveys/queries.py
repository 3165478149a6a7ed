"""Reads of surveys, each limited to the caller's scope in code (and by row-level security)."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.surveys.domain.campaigns import Campaign, CampaignStatus
from services.surveys.domain.codes import AccessCode
from services.surveys.domain.results import Sums, results, shown_count
from services.surveys.instruments import InstrumentLibrary
from services.surveys.tables import (
    UNUSED,
    CampaignRow,
    CodeBatchRow,
    InstitutionRow,
    ResponseRow,
    access_code,
    released_result,
    staged_answer,
)
from services.surveys.vault import Vault
from shared.errors import NotFound
from shared.i18n import Lang
from shared.scope import Scope
from shared.web.cursors import decode_text_cursor, encode_cursor

Found = Select[CampaignRow, InstitutionRow]


async def campaigns(
    session: AsyncSession,
    scope: Scope,
    *,
    institution: str | None,
    instrument: str | None,
    status: CampaignStatus | None,
    after: str | None,
    limit: int,
) -> tuple[list[dict[str, Any]], str | None]:
    """Campaigns of the caller's scope, newest first."""
    query = _visible(scope).order_by(col(CampaignRow.id).desc()).limit(limit + 1)
    if institution:
        query = query.where(col(CampaignRow.institution_id) == institution)
    if instrument:
        query = query.where(col(CampaignRow.instrument) == instrument)
    if status:
        query = query.where(col(CampaignRow.status) == status.value)
    if after is not None:
        query = query.where(col(CampaignRow.id) < decode_text_cursor(after, 1)[0])
    rows = (await session.execute(query)).all()
    cursor = encode_cursor(rows[limit - 1][0].id) if len(rows) > limit else None
    return [_shown(campaign, institution_row) for campaign, institution_row in rows[:limit]], cursor


async def campaign(session: AsyncSession, scope: Scope, id_: str, step: int) -> dict[str, Any]:
    """One campaign with the number of its codes, issued and spent; raises NotFound."""
    row, institution = await _find(session, scope, id_)
    issued = select(func.coalesce(func.sum(CodeBatchRow.count), 0)).where(col(CodeBatchRow.campaign_id) == id_)
    codes = {
        "issued": (await session.execute(issued)).scalar_one(),
        "spent": shown_count(await _spent(session, id_), step),
    }
    return {**_shown(row, institution), "codes": codes}


async def campaign_results(
    session: AsyncSession, scope: Scope, library: InstrumentLibrary, id_: str, step: int, lang: Lang
) -> dict[str, Any]:
    """What a campaign found, as far as it is released; raises NotFound."""
    row, _ = await _find(session, scope, id_)
    instrument = library.get(row.instrument, row.instrument_version)
    sums = released_result.c
    found = await session.execute(
        select(sums.measure, sums["count"], sums.total, sums.squares).where(sums.campaign_id == id_)
    )
    released = {measure: Sums(count, total, squares) for measure, count, total, squares in found}
    return {
        "campaign": row.id,
        "instrument": row.instrument,
        "instrument_version": row.instrument_version,
        "group": instrument.group.value,
        "institution_id": row.institution_id,
        "status": row.status,
        "received": shown_count(await _spent(session, id_), step),
        "released_in_steps_of": step,
        **results(instrument, released, lang),
    }


@dataclass(frozen=True, slots=True)
class Door:
    """What stands behind an access code."""

    campaign: Campaign
    institution_name: str
    spent: bool


async def door(session: AsyncSession, vault: Vault, code: AccessCode) -> Door | None:
    """The campaign a code opens, or None for a code that was never issued; needs the service's own scope."""
    found = (
        await session.execute(
            select(CampaignRow, col(InstitutionRow.name), access_code.c.state)
            .join(access_code, access_code.c.campaign_id == CampaignRow.id)
            .join(InstitutionRow, col(InstitutionRow.id) == CampaignRow.institution_id)
            .where(access_code.c.fingerprint == vault.fingerprint(code))
        )
    ).one_or_none()
    if found is None:
        return None
    row, name, state = found
    return Door(row.campaign(), name, state != UNUSED)


async def waiting(session: AsyncSession, key_id: bytes) -> list[tuple[CampaignRow, int]]:
    """Campaigns with staged answers under our key, and how many; needs the service's own scope."""
    staged = (
        select(staged_answer.c.campaign_id, func.count().label("staged"))
        .where(staged_answer.c.key_id == key_id)
        .group_by(staged_answer.c.campaign_id)
        .subquery()
    )
    found = await session.execute(
        select(CampaignRow, staged.c.staged).join(staged, staged.c.campaign_id == CampaignRow.id)
    )
    return [(row, count) for row, count in found]


async def answers(session: AsyncSession) -> dict[str, int]:
    """How many answers were ever acknowledged: those on their way and those that arrived, in one look."""
    staged = select(func.count()).select_from(staged_answer).scalar_subquery()
    arrived = select(func.count()).select_from(ResponseRow).scalar_subquery()
    row = (await session.execute(select(staged, arrived))).one()
    return {"staged": row[0], "responses": row[1]}


async def sealed_otherwise(session: AsyncSession, key_id: bytes) -> int:
    """Staged answers that this key does not open; needs the service's own scope."""
    query = select(func.count()).select_from(staged_answer).where(staged_answer.c.key_id != key_id)
    return (await session.execute(query)).scalar_one()


def _visible(scope: Scope) -> Found:
    return (
        select(CampaignRow, InstitutionRow)
        .join(InstitutionRow, col(InstitutionRow.id) == CampaignRow.institution_id)
        .where(CampaignRow.visible(scope))
    )


async def _find(session: AsyncSession, scope: Scope, id_: str) -> tuple[CampaignRow, InstitutionRow]:
    found = (await session.execute(_visible(scope).where(col(CampaignRow.id) == id_))).one_or_none()
    if found is None:
        raise NotFound(what="campaign", id=id_[:100])
    return found[0], found[1]


async def _spent(session: AsyncSession, id_: str) -> int:
    query = (
        select(func.count())
        .select_from(access_code)
        .where(access_code.c.campaign_id == id_, access_code.c.state != UNUSED)
    )
    return (await session.execute(query)).scalar_one()


def _shown(row: CampaignRow, institution: InstitutionRow) -> dict[str, Any]:
    names = {"institution_name": institution.name, "institution_code": institution.code}
    return {**row.campaign().model_dump(mode="json"), **names}
