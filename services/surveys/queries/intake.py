"""What stands behind an access code, and the answers on their way; for the service's own scope alone."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.surveys.domain.campaigns import Campaign
from services.surveys.domain.codes import AccessCode
from services.surveys.tables import UNUSED, CampaignRow, InstitutionRow, ResponseRow, access_code, staged_answer
from services.surveys.vault import Vault


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
