"""The log of a webhook's deliveries."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.web.cursors import decode_text_cursor, encode_cursor

_LOG = text(
    "select id, event_id, type, time, status, attempts, next_at, answered, problem, delivered_at from webhook_delivery "
    "where webhook_id = :webhook and (cast(:status as text) is null or status = :status) "
    "and (cast(:after as text) is null or id < :after) order by id desc limit :limit"
)


async def deliveries_of(
    session: AsyncSession, webhook: str, *, status: str | None, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of deliveries, newest first, and the cursor of the next; raises InvalidInput for a bad cursor."""
    (before,) = decode_text_cursor(after, 1) if after is not None else (None,)
    values = {"webhook": webhook, "status": status, "after": before, "limit": limit + 1}
    rows = (await session.execute(_LOG, values)).mappings().all()
    cursor = encode_cursor(rows[limit - 1]["id"]) if len(rows) > limit else None
    return [_shown(dict(row)) for row in rows[:limit]], cursor


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    if row["status"] != "pending":
        row["next_at"] = None
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
