"""Counts the tallies of all campaigns anew from their responses: for measures that are new, or to be sure.

    python -m services.surveys.recount

Responses may come in meanwhile: a campaign is counted under the lock that moves its answers on. What was released stays
as it is until the campaign moves by k responses again.
"""

import asyncio
import json
import sys

from sqlalchemy import select
from sqlmodel import col

from services.surveys.commands import tallying
from services.surveys.domain.tallies import Counting
from services.surveys.instruments import InstrumentLibrary
from services.surveys.tables import CampaignRow
from shared.persistence.engine import make_engine, raw_connection
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM
from shared.settings import load_settings

_ANSWERS = "select answers::text from response where campaign_id = $1"
PREFETCH = 2_000


async def recount(database: Database, library: InstrumentLibrary) -> int:
    """Count all campaigns that have responses; returns how many."""
    async with database.reading(SYSTEM) as session:
        campaigns = (await session.execute(select(CampaignRow).order_by(col(CampaignRow.id)))).scalars().all()
    counted = 0
    for campaign in campaigns:
        async with database.unit_of_work() as uow:
            # As whoever moves answers on holds it.
            await uow.session.execute(select(CampaignRow).where(col(CampaignRow.id) == campaign.id).with_for_update())
            instrument = await library.ensure(uow.session, campaign.instrument, campaign.instrument_version)
            connection = await raw_connection(uow.session)
            counting = Counting(instrument)
            any_ = False
            async for row in connection.cursor(_ANSWERS, campaign.id, prefetch=PREFETCH):
                counting.add(json.loads(row[0]))
                any_ = True
            if any_:
                await tallying.forget(connection, campaign.id)
                await tallying.add(connection, campaign.id, counting.added())
                counted += 1
    return counted


async def _main() -> None:
    settings = load_settings("surveys")
    engine = make_engine(settings.database_url, application="surveys recount", pool_size=2)
    try:
        counted = await recount(Database("surveys", engine), InstrumentLibrary.load())
    finally:
        await engine.dispose()
    sys.stdout.write(f"counted {counted} campaigns\n")


if __name__ == "__main__":
    asyncio.run(_main())
