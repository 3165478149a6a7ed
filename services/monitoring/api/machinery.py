"""HTTP routes of the machinery: everything that is counted, as `verify` reads it."""

import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from services.monitoring import LISTENS_TO
from services.monitoring.domain.measures import COLUMNS, MEASURES
from services.monitoring.domain.periods import text_of
from shared.contracts.events import SERVICES
from shared.errors import Forbidden
from shared.messaging.inbox import read_positions
from shared.persistence.engine import raw_connection
from shared.scope import SYSTEM, Role
from shared.web.edge import Edge

PERMISSIONS: dict[str, frozenset[Role]] = {"cell.read": frozenset({Role.SERVICE, Role.OPERATOR})}
router = APIRouter()


@router.get("/internal/cells", include_in_schema=False)
async def cells(edge: Edge, request: Request) -> Response:
    """For `verify`: a line with the positions applied and the events logged, then every amount other than zero.

    Stocks come as the changes they are stored as.
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
        codes = dict(await connection.fetch("select id, code from place"))
        rows = connection.cursor("select place, slot, period, v0, v1, v2, v3 from cell", prefetch=5000)
        lines: list[str] = []
        async for place, slot, period, *amounts in rows:
            for column, amount in enumerate(amounts):
                if amount:
                    measure = MEASURES[slot * COLUMNS + column].name
                    cell = {"place": codes[place], "measure": measure, "period": text_of(period), "value": amount}
                    lines.append(json.dumps(cell, separators=(",", ":")))
            if len(lines) > 1000:
                yield ("\n".join(lines) + "\n").encode()
                lines.clear()
        yield "".join(f"{line}\n" for line in lines).encode()
