"""Keyset pages: stable under inserts and as fast on page 1,000 as on page 1."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from shared.persistence.aggregates import AggregateRow
from shared.persistence.unit_of_work import could_be_id
from shared.scope import Scope
from shared.web.cursors import decode_text_cursor, encode_cursor


async def page_of_states(
    session: AsyncSession,
    query: "Select[Any]",
    *,
    by: Sequence[Any],
    names: Sequence[str],
    after: str | None,
    limit: int,
    scope: Scope,
) -> tuple[list[dict[str, Any]], str | None]:
    """One page of aggregates, as they are shown, of `query`, ordered by text columns `by` (attributes `names`).

    The last column is unique.

    Returns the states and the cursor of the next page, or None at the end. Raises InvalidInput for a bad cursor.
    """
    if after is not None:
        query = query.where(tuple_(*by) > tuple_(*decode_text_cursor(after, len(by))))
    rows: list[AggregateRow] = list((await session.execute(query.order_by(*by).limit(limit + 1))).scalars())
    cursor = None
    if len(rows) > limit:
        rows = rows[:limit]
        cursor = encode_cursor(*(getattr(rows[-1], name) for name in names))
    return [row.shown_to(scope) for row in rows], cursor


async def one_state(
    session: AsyncSession, row_type: type[AggregateRow], id_: str, scope: Scope
) -> dict[str, Any] | None:
    """One aggregate, as it is shown, within `scope`, or None – also for what PostgreSQL would not take as text."""
    if not could_be_id(id_):
        return None
    query = select(row_type).where(col(row_type.id) == id_, row_type.visible(scope))
    row: AggregateRow | None = (await session.execute(query)).scalar_one_or_none()
    return row.shown_to(scope) if row is not None else None
