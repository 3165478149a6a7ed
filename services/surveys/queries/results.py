"""What campaigns found, as far as it is released."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.surveys.domain.results import Released, Sums, results, shown_count
from services.surveys.instruments import InstrumentLibrary
from services.surveys.queries.campaigns import find
from services.surveys.queries.intake import received
from services.surveys.tables import intake, released_choice, released_result, released_step, released_text
from shared.i18n import Lang
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM, Principal
from shared.web.cursors import decode_text_cursor, encode_cursor


async def campaign_results(
    database: Database, principal: Principal, library: InstrumentLibrary, id_: str, step: int, lang: Lang
) -> dict[str, Any]:
    """What a campaign found, as far as it is released; raises NotFound.

    What is of one question alone is for the institution that asked: those above it see it of many together, so that no
    institution's can be computed from the others'.
    """
    async with database.reading(principal) as session:
        row, _ = await find(session, principal.scope, id_)
        instrument = await library.ensure(session, row.instrument, row.instrument_version)
        sums = await released_sums(session, [id_])
        over = (await session.execute(select(intake.c.over).where(intake.c.campaign_id == id_))).scalar_one_or_none()
        came = await received(session, id_)
    released = Released(sums, await released_counts(database, select_one(id_)), await released_steps(database, id_))
    own = principal.scope.kind == "institution"
    return {
        "campaign": row.id,
        "instrument": row.instrument,
        "instrument_version": row.instrument_version,
        "title": row.title,
        "group": instrument.group.value,
        "institution_id": row.institution_id,
        "period": row.campaign().period.model_dump(mode="json"),
        "status": row.status,
        "over": bool(over),
        "received": shown_count(came, step),
        "released_in_steps_of": step,
        **results(instrument, released, step, lang, options_shown=bool(over) and own, items_shown=own),
    }


def select_one(campaign: str) -> Select[Any]:
    """Options of one campaign."""
    counts = released_choice.c
    return select(counts.measure, counts.option, counts["count"]).where(counts.campaign_id == campaign)


async def released_sums(session: AsyncSession, campaigns: Sequence[str]) -> dict[str, Sums]:
    """The released sums of one or more campaigns, by topic."""
    sums = released_result.c
    query = select(sums.measure, sums["count"], sums.total, sums.squares).where(sums.campaign_id.in_(campaigns))
    found: dict[str, Sums] = {}
    for measure, count, total, squares in await session.execute(query):
        one = Sums(int(count), int(total), int(squares))
        found[measure] = found[measure] + one if measure in found else one
    return found


async def released_counts(database: Database, query: Executable) -> Mapping[str, Mapping[str, int]]:
    """Counts by topic and option, small ones too: for `results`, which hides them, and for nobody else."""
    found: dict[str, dict[str, int]] = {}
    async with database.reading(SYSTEM) as session:
        for measure, option, count in await session.execute(query):
            options = found.setdefault(measure, {})
            options[option] = options.get(option, 0) + int(count)
    return found


async def released_steps(database: Database, campaign: str) -> Mapping[str, Sequence[Mapping[str, int]]]:
    """What each release of a campaign added to the counts of its rated topics: for `results` alone."""
    steps = released_step.c
    query = select(steps.measure, steps.counts).where(steps.campaign_id == campaign).order_by(steps.number)
    found: dict[str, list[Mapping[str, int]]] = {}
    async with database.reading(SYSTEM) as session:
        for measure, counts in await session.execute(query):
            found.setdefault(measure, []).append(counts)
    return found


async def texts(
    session: AsyncSession, principal: Principal, id_: str, question: str | None, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """Free texts of a campaign for its own institution, in an order drawn by chance; raises NotFound for others."""
    await find(session, principal.scope, id_)
    query = select(released_text).where(released_text.c.campaign_id == id_).order_by(released_text.c.id)
    if question:
        query = query.where(released_text.c.question == question)
    if after is not None:
        query = query.where(released_text.c.id > decode_text_cursor(after, 1)[0])
    rows = (await session.execute(query.limit(limit + 1))).all()
    items = [{"id": row.id, "question": row.question, "text": row.content} for row in rows[:limit]]
    return items, encode_cursor(rows[limit - 1].id) if len(rows) > limit else None
