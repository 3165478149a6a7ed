"""What stands behind a code or a token, and the answers on their way; `received` apart for the service's own scope."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.surveys.domain.campaigns import Campaign, CampaignStatus
from services.surveys.domain.codes import AccessCode
from services.surveys.tables import (
    CampaignRow,
    InstitutionRow,
    ResponseRow,
    intake,
    staged_answer,
)
from services.surveys.vault import Vault
from shared.persistence.engine import raw_connection


@dataclass(frozen=True, slots=True)
class Door:
    """What stands behind an access code or a token."""

    campaign: Campaign
    institution_name: str
    spent: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What a code is one of, and the versions of campaign and institution that say whether anything changed since."""

    campaign_id: str
    versions: tuple[int, int]
    spent: bool


_FIND: Final = (
    # A full quota is no new version of the campaign, and yet it must be seen at the door at once.
    "select nr, c.id, 2 * c.version + (c.full_since is not null)::int as version, i.version as institution_version, "
    "exists (select from spent_mark m where m.mark = s.mark) as spent "
    "from unnest($1::bytea[], $2::bytea[]) with ordinality as s(fingerprint, mark, nr) "
    "join access_code a on a.fingerprint = s.fingerprint join campaign c on c.id = a.campaign_id "
    "join institution i on i.id = c.institution_id"
)


async def find_codes(session: AsyncSession, vault: Vault, codes: Sequence[AccessCode]) -> list[Found | None]:
    """What each code is one of, None for one that was never issued."""
    # Straight to the driver: everybody who answers passes here, twice.
    connection = await raw_connection(session)
    prints, marks = [vault.fingerprint(code) for code in codes], [vault.mark(code) for code in codes]
    found: list[Found | None] = [None] * len(codes)
    for nr, id_, version, institution_version, spent in await connection.fetch(_FIND, prints, marks):
        found[nr - 1] = Found(id_, (version, institution_version), spent)
    return found


async def places(session: AsyncSession, campaigns: set[str]) -> Mapping[str, tuple[Campaign, str]]:
    """Campaigns by id, each with its institution's name; those that there are."""
    if not campaigns:
        return {}
    found = await session.execute(
        select(CampaignRow, col(InstitutionRow.name))
        .join(InstitutionRow, col(InstitutionRow.id) == CampaignRow.institution_id)
        .where(col(CampaignRow.id).in_(campaigns))
    )
    return {row.id: (row.campaign(), name) for row, name in found}


async def waiting(session: AsyncSession, key_id: bytes) -> list[tuple[CampaignRow, int]]:
    """Campaigns with staged answers under our key, and how many."""
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


async def unwiped(session: AsyncSession, today: date, limit: int) -> list[str]:
    """Campaigns that are complete and whose marks may still be there."""
    query = (
        select(col(CampaignRow.id))
        .outerjoin(intake, intake.c.campaign_id == CampaignRow.id)
        .where(
            col(CampaignRow.status) == CampaignStatus.CLOSED.value,
            func.coalesce(intake.c.over, False).is_(False),
            or_(
                col(CampaignRow.interview_days) == 0,
                func.coalesce(col(CampaignRow.closed_on), col(CampaignRow.last_day)) + col(CampaignRow.interview_days)
                < today,
            ),
        )
        .limit(limit)
    )
    return list((await session.execute(query)).scalars())


async def received(session: AsyncSession, campaign_id: str) -> int:
    """How many answers a campaign got; within any scope that sees the campaign."""
    staged = select(func.count()).select_from(staged_answer).where(staged_answer.c.campaign_id == campaign_id)
    moved = select(func.coalesce(func.sum(intake.c.moved), 0)).where(intake.c.campaign_id == campaign_id)
    row = (await session.execute(select(staged.scalar_subquery(), moved.scalar_subquery()))).one()
    return int(row[0] + row[1])


async def answers(session: AsyncSession) -> dict[str, int]:
    """How many answers were ever acknowledged: those on their way and those that arrived, in one look."""
    staged = select(func.count()).select_from(staged_answer).scalar_subquery()
    arrived = select(func.count()).select_from(ResponseRow).scalar_subquery()
    row = (await session.execute(select(staged, arrived))).one()
    return {"staged": row[0], "responses": row[1]}


async def sealed_otherwise(session: AsyncSession, key_id: bytes) -> int:
    """Staged answers that this key does not open."""
    query = select(func.count()).select_from(staged_answer).where(staged_answer.c.key_id != key_id)
    return (await session.execute(query)).scalar_one()


_LOOK_AT_ALL: Final = (
    "select (select count(*) from access_code where campaign_id = $1), "
    "(select count(respondent_ref) from invitation where campaign_id = $1)"
)


async def look_at_all(session: AsyncSession, campaign_id: str) -> None:
    """Read every code and invitation of a campaign once, after they were written.

    PostgreSQL marks a row on its page when somebody reads it for the first time. Without this, raw pages would tell
    which codes were ever looked at, that is, who came to the door.
    """
    connection = await raw_connection(session)
    await connection.execute(_LOOK_AT_ALL, campaign_id)
