"""What campaigns found, as far as it is released."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.surveys.domain.results import Sums, results, shown_count
from services.surveys.instruments import InstrumentLibrary
from services.surveys.queries.campaigns import find
from services.surveys.queries.intake import received
from services.surveys.tables import released_result
from shared.i18n import Lang
from shared.scope import Scope


async def campaign_results(
    session: AsyncSession, scope: Scope, library: InstrumentLibrary, id_: str, step: int, lang: Lang
) -> dict[str, Any]:
    """What a campaign found, as far as it is released; raises NotFound."""
    row, _ = await find(session, scope, id_)
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
        "received": shown_count(await received(session, id_), step),
        "released_in_steps_of": step,
        **results(instrument, released, lang),
    }
