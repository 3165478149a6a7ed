"""HTTP routes of the machinery: everything that is counted, as `verify` reads it."""

import json
from collections.abc import AsyncIterator

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from services.monitoring import LISTENS_TO
from shared.contracts.events import SERVICES
from shared.errors import Forbidden
from shared.messaging.inbox import read_positions
from shared.persistence.engine import raw_connection
from shared.scope import SYSTEM, Role
from shared.web.edge import Edge


class CellsOf(msgspec.Struct, frozen=True):
    """The cells of a place: (slot, period's code, an amount of each of the slot's measures)."""

    place: str
    level: int
    rows: list[tuple[int, ...]]


PERMISSIONS: dict[str, frozenset[Role]] = {"cell.read": frozenset({Role.SERVICE, Role.OPERATOR})}
router = APIRouter()


@router.get("/internal/cells", include_in_schema=False)
async def cells(edge: Edge, request: Request) -> Response:
    """For `verify`: a line with the positions applied and the events logged, then a line for each place that has cells.

    A place's line has its code, level and rows (slot, period, the amounts of the slot's measures), as they are stored.
    """
    if edge.principal.role not in PERMISSIONS["cell.read"]:
        raise Forbidden(role=edge.principal.role.value)
    return StreamingResponse(_lines(request), media_type="application/x-ndjson")


async def _lines(request: Request) -> AsyncIterator[bytes]:
    """One snapshot: at first how far it reaches, then the cells."""
    async with request.app.state.database.reading(SYSTEM) as session:
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        applied = {source: await read_positions(session, source) for source in LISTENS_TO}
        connection = await raw_connection(session)
        logged: dict[str, dict[int, int]] = {source: {} for source in LISTENS_TO}
        for source, shard, count in await connection.fetch(
            "select source, shard, sum(events)::bigint from (select source, shard, count(*) as events from event_seen "
            "group by source, shard union all select source, shard, events from archive_span) logged "
            "group by source, shard"
        ):
            logged[SERVICES[source]][shard] = count
        yield json.dumps({"applied": applied, "logged": logged}).encode() + b"\n"
        places = {
            id_: (code, level) for id_, code, level in await connection.fetch("select id, code, level from place")
        }
        encode = msgspec.json.Encoder().encode
        here: int | None = None
        found: list[tuple[int, ...]] = []
        query = "select place, slot, period, v0, v1, v2, v3 from cell order by place"
        async for place, *row in connection.cursor(query, prefetch=5000):
            if place != here:
                if here is not None:
                    yield encode(CellsOf(*places[here], found)) + b"\n"
                here, found = place, []
            found.append(tuple(row))
        if here is not None:
            yield encode(CellsOf(*places[here], found)) + b"\n"
