"""Who is asked and who takes part, by stratum: live, and in steps that single out nobody."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Row, Select, and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.surveys.domain.campaigns import CampaignStatus, stepped
from services.surveys.domain.waves import territory_path
from services.surveys.tables import CampaignRow, CodeBatchRow, InstitutionRow, InvitationRow, WaveRow, received_in
from shared.contracts.surveys import InvitationStatus, Quota, RespondentKind, WaveState
from shared.errors import NotFound
from shared.persistence.unit_of_work import could_be_id
from shared.scope import Scope

Chosen = Select[*tuple[Any, ...]]

STRATA: Final[Mapping[str, Callable[[Row[Any]], str]]] = {
    "region": lambda row: _part(row.org_path, 1),
    "district": lambda row: _part(row.org_path, 2),
    "kind": lambda row: str(row.kind),
    "region-kind": lambda row: f"{_part(row.org_path, 1)}/{row.kind}",
    "district-kind": lambda row: f"{_part(row.org_path, 2)}/{row.kind}",
    "institution": lambda row: str(row.institution_id),
}
"""What makes a stratum: of a campaign's row, the code of where it belongs."""


@dataclass
class _Sums:
    institutions: set[str] = field(default_factory=set)
    answering: set[str] = field(default_factory=set)
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("campaigns", "open", "full", "invited", "redeemed", "lapsed", "codes", "responses"), 0
        )
    )

    def shown(self, stratum: str, target: int | None) -> dict[str, Any]:
        asked = self.counts["invited"] + self.counts["codes"]
        return {
            "stratum": stratum,
            "institutions": len(self.institutions),
            **self.counts,
            "answering": len(self.answering),
            # Both are floors, of different things.
            "rate": min(1.0, round(self.counts["responses"] / asked, 4)) if asked else None,
            "target": target,
        }


async def of_wave(session: AsyncSession, scope: Scope, id_: str, by: str, step: int) -> dict[str, Any]:
    """Rates of a wave's campaigns that the scope sees; raises NotFound."""
    wave = await _wave(session, scope, id_)
    query = _campaigns(scope).where(col(CampaignRow.wave_id) == id_)
    return await _rates(session, scope, query, by, step, wave.quotas)


async def of_scope(
    session: AsyncSession,
    scope: Scope,
    by: str,
    step: int,
    *,
    instrument: str | None = None,
    wave: str | None = None,
    campaign: str | None = None,
    territory: str | None = None,
    kind: str | None = None,
) -> dict[str, Any]:
    """Rates of campaigns within the scope."""
    query = _campaigns(scope)
    for column, value in (
        (CampaignRow.instrument, instrument),
        (CampaignRow.wave_id, wave),
        (CampaignRow.id, campaign),
        (InstitutionRow.kind, kind),
    ):
        if value is not None:
            query = query.where(col(column) == value)
    if territory is not None:
        path = territory_path("territory", territory)
        query = query.where(col(CampaignRow.org_path).startswith(path, autoescape=True))
    return await _rates(session, scope, query, by, step, ())


async def progress(session: AsyncSession, scope: Scope, id_: str) -> dict[str, Any]:
    """How many of a wave's institutions have their campaign, and how many campaigns are open or closed."""
    wave = await _wave(session, scope, id_)
    row = await session.get_one(WaveRow, id_)
    matching = (
        select(func.count())
        .select_from(InstitutionRow)
        .where(
            InstitutionRow.visible(scope),
            col(InstitutionRow.org_path).startswith(row.org_path, autoescape=True),
            col(InstitutionRow.active),
        )
    )
    if wave.kinds:
        matching = matching.where(col(InstitutionRow.kind).in_([kind.value for kind in wave.kinds]))
    made = exists().where(
        and_(col(CampaignRow.wave_id) == id_, col(CampaignRow.institution_id) == col(InstitutionRow.id))
    )
    counts = (
        select(col(CampaignRow.status), func.count())
        .where(col(CampaignRow.wave_id) == id_, CampaignRow.visible(scope))
        .group_by(col(CampaignRow.status))
    )
    by_status = {status: int(count) for status, count in await session.execute(counts)}
    return {
        "wave": id_,
        "status": wave.status.value,
        "institutions": (await session.execute(matching)).scalar_one(),
        "waiting": (await session.execute(matching.where(~made))).scalar_one(),
        "campaigns": {status.value: by_status.get(status.value, 0) for status in CampaignStatus},
        "at_work": row.campaigns_due,
    }


def _campaigns(scope: Scope) -> Chosen:
    return (
        select(
            col(CampaignRow.id),
            col(CampaignRow.institution_id),
            col(CampaignRow.org_path),
            col(CampaignRow.status),
            col(CampaignRow.full_since),
            col(InstitutionRow.kind),
        )
        .join(InstitutionRow, col(InstitutionRow.id) == CampaignRow.institution_id)
        .where(CampaignRow.visible(scope))
    )


async def _rates(
    session: AsyncSession, scope: Scope, query: Chosen, by: str, step: int, quotas: Sequence[Quota]
) -> dict[str, Any]:
    rows = (await session.execute(query)).all()
    ids = query.with_only_columns(col(CampaignRow.id))  # a nation's are more than a statement has parameters
    invited = await _invitations(session, ids, 1 if scope.kind == "institution" else step)
    codes = await _codes(session, ids)
    received = await received_in(session, ids)
    strata: dict[str, _Sums] = defaultdict(_Sums)
    total = _Sums()
    for row in rows:
        asked = invited.get(row.id, Counter())
        # Floors of each campaign are summed, so that a sum over few tells no more than its parts do.
        responses = stepped(received[row.id], step)
        moved = {
            "campaigns": 1,
            "open": row.status == CampaignStatus.OPEN.value,
            "full": row.full_since is not None,
            "invited": asked[_INVITED],
            "redeemed": asked[InvitationStatus.REDEEMED.value],
            "lapsed": asked[InvitationStatus.LAPSED.value],
            "codes": codes.get(row.id, 0),
            "responses": responses,
        }
        for sums in (strata[STRATA[by](row)], total):
            sums.institutions.add(row.institution_id)
            if responses:
                sums.answering.add(row.institution_id)
            for name, amount in moved.items():
                sums.counts[name] += amount
    targets = {_stratum_of(quota): quota.responses for quota in quotas}
    return {
        "items": [strata[name].shown(name, targets.get(name)) for name in sorted(strata)],
        "total": total.shown("", targets.get("")),
        "steps_of": step,
    }


_INVITED = "invited"


async def _invitations(session: AsyncSession, ids: Chosen, step: int) -> dict[str, Counter[str]]:
    """By campaign: how many invitations were made and not withdrawn, and how many there are of each status.

    A graduate is invited by the record of an employment or an outcome: whoever may not count those sees floors here.
    """
    of_graduates = col(InvitationRow.respondent) == RespondentKind.GRADUATE.value
    query = (
        select(col(InvitationRow.campaign_id), of_graduates, col(InvitationRow.status), func.count())
        .where(col(InvitationRow.campaign_id).in_(ids), col(InvitationRow.status) != InvitationStatus.WITHDRAWN.value)
        .group_by(col(InvitationRow.campaign_id), of_graduates, col(InvitationRow.status))
    )
    counted: dict[tuple[str, bool], Counter[str]] = defaultdict(Counter)
    for campaign, graduates, status, count in await session.execute(query):
        counted[campaign, graduates][status] += count
        counted[campaign, graduates][_INVITED] += count
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for (campaign, graduates), counts in counted.items():
        found[campaign] += Counter({name: stepped(count, step if graduates else 1) for name, count in counts.items()})
    return found


async def _codes(session: AsyncSession, ids: Chosen) -> dict[str, int]:
    query = (
        select(col(CodeBatchRow.campaign_id), func.sum(CodeBatchRow.count))
        .where(col(CodeBatchRow.campaign_id).in_(ids))
        .group_by(col(CodeBatchRow.campaign_id))
    )
    return {campaign: int(count) for campaign, count in await session.execute(query)}


async def _wave(session: AsyncSession, scope: Scope, id_: str) -> WaveState:
    if could_be_id(id_):
        query = select(WaveRow).where(col(WaveRow.id) == id_, WaveRow.visible(scope))
        row: WaveRow | None = (await session.execute(query)).scalar_one_or_none()
        if row is not None:
            return WaveState.model_validate(row.state)
    raise NotFound(what="wave", id=id_[:100])


def _stratum_of(quota: Quota) -> str:
    return "/".join(part for part in (quota.territory, quota.kind) if part)


def _part(org_path: str, number: int) -> str:
    parts = org_path.strip("/").split("/")
    # nation, region, district, institution
    return parts[number] if len(parts) > number + 1 else ""
