"""Reads of recommendations: lists narrowed by place, state, weight and element; one with its life; how many wait."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Date, Select, cast, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.monitoring.advice.tables import RecommendationRow
from services.monitoring.domain.territory import Place
from shared.clock import Clock, local_day
from shared.persistence.unit_of_work import could_be_id
from shared.scope import Scope
from shared.web.cursors import decode_cursor, encode_cursor


async def page(
    session: AsyncSession,
    scope: Scope,
    place: Place,
    *,
    below: bool,
    narrowed: dict[str, Any],
    after: str | None,
    limit: int,
) -> tuple[list[RecommendationRow], str | None]:
    """Recommendations at a place – and below it – the most pressing first, then the newest; and the next cursor.

    Raises InvalidInput for a bad cursor.
    """
    query = _at(select(RecommendationRow), scope, place, below)
    for name, value in narrowed.items():
        column = col(getattr(RecommendationRow, name))
        query = query.where(column.in_(value) if isinstance(value, (tuple, list)) else column == value)
    if after is not None:
        severity, id_ = decode_cursor(after, 2)
        query = query.where(tuple_(col(RecommendationRow.severity), col(RecommendationRow.id)) < tuple_(severity, id_))
    query = query.order_by(col(RecommendationRow.severity).desc(), col(RecommendationRow.id).desc())
    rows: Sequence[RecommendationRow] = (await session.execute(query.limit(limit + 1))).scalars().all()
    more = len(rows) > limit
    rows = rows[:limit]
    return list(rows), encode_cursor(rows[-1].severity, rows[-1].id) if more else None


async def one(session: AsyncSession, scope: Scope, id_: str) -> RecommendationRow | None:
    """A recommendation within the scope."""
    if not could_be_id(id_):
        return None
    query = select(RecommendationRow).where(col(RecommendationRow.id) == id_, RecommendationRow.visible(scope))
    found: RecommendationRow | None = (await session.execute(query)).scalar_one_or_none()
    return found


async def counts(session: AsyncSession, scope: Scope, place: Place, clock: Clock) -> dict[str, Any]:
    """How many are worked on at a place itself and below it: by state and weight, and how many are overdue."""
    today = local_day(clock())
    due = cast(col(RecommendationRow.state)["due_on"].as_string(), Date)
    own = col(RecommendationRow.place) == place.code
    query = _at(
        select(
            own.label("own"),
            col(RecommendationRow.status),
            col(RecommendationRow.severity),
            func.count(),
            func.count().filter(due < today),
        ),
        scope,
        place,
        True,
    ).where(col(RecommendationRow.open))
    rows = (
        await session.execute(query.group_by(own, col(RecommendationRow.status), col(RecommendationRow.severity)))
    ).all()
    told: dict[str, Any] = {}
    for where in ("own", "below"):
        mine = [row for row in rows if row[0] == (where == "own")]
        told[where] = {
            "open": sum(row[3] for row in mine if row[1] == "open"),
            "accepted": sum(row[3] for row in mine if row[1] == "accepted"),
            "urgent": sum(row[3] for row in mine if row[2] == 3),
            "overdue": sum(row[4] for row in mine),
        }
    return told


def _at(query: Any, scope: Scope, place: Place, below: bool) -> "Select[Any]":
    where = (
        col(RecommendationRow.org_path).startswith(place.path, autoescape=True)
        if below
        else col(RecommendationRow.place) == place.code
    )
    narrowed: Select[Any] = query.where(RecommendationRow.visible(scope), where)
    return narrowed
