"""Instruments as the caller sees them: the standard ones, and those of the offices and institutions around."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.surveys.domain.documents import document_of, summary_of
from services.surveys.domain.instruments import Instrument
from services.surveys.domain.publication import NATION, InstrumentStatus
from services.surveys.instruments import InstrumentLibrary
from services.surveys.tables import InstrumentRow
from shared.errors import NotFound
from shared.scope import Scope
from shared.web.cursors import decode_text_cursor, encode_cursor


async def instruments(
    session: AsyncSession,
    scope: Scope,
    library: InstrumentLibrary,
    *,
    status: InstrumentStatus,
    identified: bool,
    after: str | None,
    limit: int,
) -> tuple[list[dict[str, Any]], str | None]:
    """The newest version in `status` of each instrument, by code; standard ones are always published.

    `identified` ones, which no campaign may ask, are a list of their own.
    """
    behind = "" if after is None else decode_text_cursor(after, 1)[0]
    by_code = col(InstrumentRow.code).collate("C")
    query = (
        select(InstrumentRow)
        .ext(distinct_on(by_code))
        .where(
            InstrumentRow.visible(scope),
            col(InstrumentRow.status) == status.value,
            col(InstrumentRow.summary)["identified"].as_boolean() == identified,
            by_code > behind,
        )
        .order_by(by_code, col(InstrumentRow.instrument_version).desc())
        .limit(limit + 1)
    )
    rows = (await session.execute(query)).scalars().all()
    found = [{**row.summary, **_beside(row)} for row in rows]
    if status is InstrumentStatus.PUBLISHED:
        found += [
            {**summary_of(each), **STANDARD}
            for each in library.standard
            if each.code > behind and each.identified == identified
        ]
    found.sort(key=lambda each: str(each["code"]))
    cursor = encode_cursor(found[limit - 1]["code"]) if len(found) > limit else None
    return found[:limit], cursor


STANDARD: dict[str, Any] = {
    "status": InstrumentStatus.PUBLISHED.value,
    "owner": NATION,
    "edition": 1,
    "standard": True,
}
"""What is shown beside every standard instrument."""


async def instrument(
    session: AsyncSession, scope: Scope, library: InstrumentLibrary, code: str, version: int | None
) -> dict[str, Any]:
    """A whole instrument with its state; the newest published version, else the draft, unless one is named."""
    if any(each.code == code for each in library.standard):
        return {**document_of(library.get(code, version)), **STANDARD}
    row = await _row(session, scope, code, version)
    return {**row.document, **_beside(row)}


async def parsed(
    session: AsyncSession, scope: Scope, library: InstrumentLibrary, code: str, version: int | None
) -> Instrument:
    """The same as an instrument; raises NotFound."""
    if any(each.code == code for each in library.standard):
        return library.get(code, version)
    row = await _row(session, scope, code, version)
    return library.read(row.document)


async def _row(session: AsyncSession, scope: Scope, code: str, version: int | None) -> InstrumentRow:
    query = select(InstrumentRow).where(col(InstrumentRow.code) == code, InstrumentRow.visible(scope))
    if version is not None:
        query = query.where(col(InstrumentRow.instrument_version) == version)
    published = col(InstrumentRow.status) == InstrumentStatus.PUBLISHED.value
    query = query.order_by(published.desc(), col(InstrumentRow.instrument_version).desc()).limit(1)
    row = (await session.execute(query)).scalar_one_or_none()
    if row is None:
        raise NotFound(what="instrument", id=code[:100])
    return row


def _beside(row: InstrumentRow) -> dict[str, Any]:
    return {"status": row.status, "owner": row.org_path, "edition": row.edition, "standard": False}
