"""HTTP route of what changed of a value between two moments."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from services.monitoring import queries
from services.monitoring.api.ground import Code, Grounded, OptionalCode, indicator_of
from services.monitoring.directory import described, name_of
from services.monitoring.domain.values import Value
from services.monitoring.reporting.changed import NOW, Comparison, Mover, moment
from shared.contracts.events import SERVICES
from shared.errors import FieldError, InvalidInput
from shared.i18n import Lang
from shared.persistence.engine import raw_connection
from shared.scope import Role
from shared.web.cursors import decode_cursor, encode_cursor
from shared.web.edge import Edge, json_response

PERMISSIONS: dict[str, frozenset[Role]] = {}
router = APIRouter(prefix="/v1", tags=["indicators"])
Moment = Annotated[
    str,
    Query(
        max_length=60,
        description="a time with its zone, `now`, or `figures:<id>` of an edition or a report",
        examples=["2026-10-15T12:00:00+05:00"],
    ),
]


@router.get("/changed")
async def changed(
    edge: Edge,
    ground: Grounded,
    indicator: Code,
    begin: Annotated[Moment, Query(alias="from")],
    place: OptionalCode = None,
    period: OptionalCode = None,
    end: Annotated[Moment, Query(alias="to")] = NOW,
    after: Annotated[str | None, Query(max_length=300)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """What changed of a value between two moments: both values, and the aggregates that moved it, by their effect.

    `effect` is how far the value would have moved by this one alone. Institutions whose own value is withheld are
    passed over; where the value itself is withheld at either moment nothing is told.
    """
    asked = indicator_of(indicator)
    when = ground.period(asked, period)
    skip = _skip(after)
    async with edge.reading("indicator.read") as session:
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        connection = await raw_connection(session)
        await ground.directory.look(connection)
        root = ground.place(edge, place, queries.end_of(when, ground.this_month))
        low, high = await moment(connection, "from", begin), await moment(connection, "to", end)
        comparison = Comparison(ground.directory, asked, root, when, ground.this_month, ground.k)
        change = await comparison.between(connection, edge.principal, low, high)
    items = [_moved(mover, edge.lang) for mover in change.movers[skip : skip + limit]]
    return json_response(
        {
            "indicator": asked.code,
            "place": described(root, edge.lang),
            "period": when.text,
            "before": _valued(change.before),
            "after": _valued(change.after),
            "moved_by": len(change.movers),
            "events": change.events,
            "items": items,
            "next": encode_cursor(skip + limit) if skip + limit < len(change.movers) else None,
        }
    )


def _valued(value: Value) -> dict[str, Any]:
    return {
        "value": value.value,
        "numerator": value.numerator,
        "denominator": value.denominator,
        "coverage": value.coverage,
        "suppressed": value.suppressed,
    }


def _moved(mover: Mover, lang: Lang) -> dict[str, Any]:
    id_ = mover.key[2]
    return {
        "aggregate": mover.aggregate,
        "id": mover.institution.code if not id_.replace("0", "").replace("-", "") else id_,
        "institution": {"code": mover.institution.code, "name": name_of(mover.institution, lang)},
        "numerator": mover.numerator,
        "denominator": mover.denominator,
        "effect": mover.effect,
        "parts": [{"part": each.part, "before": each.before, "after": each.after} for each in mover.parts],
        "events": [
            {
                "id": str(event.id),
                "type": event.type,
                "time": event.time.isoformat(),
                "source": SERVICES[event.source],
                "shard": event.shard,
                "position": event.position,
            }
            for event in mover.events
        ],
    }


def _skip(after: str | None) -> int:
    if after is None:
        return 0
    (skip,) = decode_cursor(after, 1)
    if not isinstance(skip, int) or not 0 <= skip < 1_000_000:
        raise InvalidInput(FieldError("after", "cursor"))
    return skip
