"""Which answers may be exported, and which of their options are hidden in the results too."""

from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.surveys.domain.instruments import Instrument
from services.surveys.domain.results import Released, Sums, hidden_options
from services.surveys.exports.making import NothingToExport
from services.surveys.instruments import InstrumentLibrary
from services.surveys.queries.campaigns import find
from services.surveys.queries.results import released_counts, released_steps, released_sums
from services.surveys.tables import CampaignRow, InstitutionRow, WaveRow, intake
from shared.contracts.surveys import WaveStatus
from shared.errors import NotFound
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM, Principal

Hidden = dict[str, frozenset[str]]

_COUNTS = text(
    "select measure, option, sum(count) from released_choice where campaign_id = any(:ids) group by measure, option"
).bindparams(bindparam("ids"))
_POOLS = text("select id from pool where wave_id = :wave")


async def wave_is_over(database: Database, wave: str) -> bool:
    """Whether a wave is closed for good."""
    async with database.reading(SYSTEM) as session:
        row = await session.get(WaveRow, wave)
        return row is not None and row.status == WaveStatus.CLOSED


async def institution_path(session: AsyncSession, id_: str) -> str:
    """The path of the caller's institution; raises NotFound where it is not known."""
    query = select(col(InstitutionRow.org_path)).where(col(InstitutionRow.id) == id_)
    path: str | None = (await session.execute(query)).scalar_one_or_none()
    if path is None:
        raise NotFound(what="institution", id=id_)
    return path


async def of_campaign(
    database: Database, principal: Principal, library: InstrumentLibrary, id_: str, k: int
) -> tuple[list[str], Instrument, Hidden]:
    """A campaign of the caller's that is over; raises NotFound, or NothingToExport while answers still come."""
    async with database.reading(principal) as session:
        row, _ = await find(session, principal.scope, id_)
        over = (await session.execute(select(intake.c.over).where(intake.c.campaign_id == id_))).scalar_one_or_none()
        instrument = await library.ensure(session, row.instrument, row.instrument_version)
    if not over:
        raise NothingToExport(k=k)
    sums, counts = await _released(database, [id_])
    released = Released(sums, counts, await released_steps(database, id_))
    return [id_], instrument, hidden_options(instrument, released, k)


async def of_wave(
    database: Database, principal: Principal, library: InstrumentLibrary, wave: str, k: int
) -> tuple[list[str], Instrument, Hidden]:
    """The campaigns of a wave that is over; raises NotFound, or NothingToExport while answers still come."""
    async with database.reading(principal) as session:
        query = (
            select(CampaignRow, intake.c.over)
            .outerjoin(intake, intake.c.campaign_id == col(CampaignRow.id))
            .where(col(CampaignRow.wave_id) == wave, CampaignRow.visible(principal.scope))
        )
        found = (await session.execute(query)).all()
        if not found:
            raise NotFound(what="wave", id=wave)
        first = found[0][0]
        instrument = await library.ensure(session, first.instrument, first.instrument_version)
        pools = list((await session.execute(_POOLS, {"wave": wave})).scalars())
    if not all(over for _, over in found) or not await wave_is_over(database, wave) or not pools:
        raise NothingToExport(k=k)
    released = Released(*await _released(database, pools))
    return [row.id for row, _ in found], instrument, hidden_options(instrument, released, k)


async def _released(
    database: Database, ids: Sequence[str]
) -> tuple[Mapping[str, Sums], Mapping[str, Mapping[str, int]]]:
    """Sums by topic, and counts by topic and option, of campaigns or of pools together."""
    async with database.reading(SYSTEM) as session:
        sums = await released_sums(session, ids)
    return sums, await released_counts(database, _COUNTS.bindparams(ids=list(ids)))
