"""HTTP routes of the numbers: values, series, what is behind them, what has just changed."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sse_starlette import EventSourceResponse

from services.monitoring import queries
from services.monitoring.api.ground import Code, Grounded, OptionalCode, indicator_of, period_of, wrong_kind
from services.monitoring.changes import HEARTBEAT_S
from services.monitoring.directory import described, name_of
from services.monitoring.domain.periods import STEPS, PeriodKind, period_at, text_of
from services.monitoring.domain.territory import Place
from services.monitoring.domain.values import Value
from shared.errors import FieldError, InvalidInput
from shared.i18n import Lang
from shared.scope import Role
from shared.web.cursors import decode_cursor, encode_cursor
from shared.web.edge import Edge, json_response

PERMISSIONS: dict[str, frozenset[Role]] = {}
MOST_POINTS = 120
router = APIRouter()


@router.get("/v1/values", tags=["indicators"])
async def values(
    edge: Edge,
    ground: Grounded,
    indicator: Code,
    place: OptionalCode = None,
    period: OptionalCode = None,
    children: bool = False,
) -> Response:
    """The indicator's value at a place, and at the places directly below where `children` is true."""
    asked = indicator_of(indicator)
    when = ground.period(asked, period)
    until = queries.end_of(when, ground.this_month)
    async with edge.querying("indicator.read") as connection:
        await ground.directory.look(connection)
        root = ground.place(edge, place, until)
        below: list[Place] = []
        if children:
            below = ground.directory.below(root, until, edge.principal)
        own = await queries.values(connection, asked, [root], when, ground.this_month, ground.k)
        found = (
            await queries.values(connection, asked, below, when, ground.this_month, ground.k, parts=False)
            if below
            else []
        )
    answer: dict[str, Any] = {
        "indicator": asked.code,
        "period": when.text,
        "value": _valued(own[0], edge.lang),
    }
    if children:
        answer["children"] = [_valued(each, edge.lang) for each in found if each.place.active or each.value.numerator]
    return json_response(answer)


@router.get("/v1/series", tags=["indicators"])
async def series(
    edge: Edge,
    ground: Grounded,
    indicator: Code,
    place: OptionalCode = None,
    kind: PeriodKind = PeriodKind.MONTH,
    first: Annotated[str | None, Query(alias="from", max_length=16)] = None,
    last: Annotated[str | None, Query(alias="to", max_length=16)] = None,
) -> Response:
    """The indicator at a place in consecutive periods: by default the last 24 months or quarters, or six years."""
    asked = indicator_of(indicator)
    if kind not in asked.period_kinds:
        raise InvalidInput(wrong_kind("kind", asked, kind))
    end = period_of("to", last) if last else period_at(kind, ground.this_month)
    months = STEPS[kind]
    default = period_at(kind, end.last - (5 if months == 12 else 23) * months)
    begin = period_of("from", first) if first else default
    if begin.first > end.last:
        raise InvalidInput(FieldError("from", "period_order", {"value": begin.text}))
    if (end.last - begin.last) // months >= MOST_POINTS:
        raise InvalidInput(FieldError("from", "too_many_points", {"limit": MOST_POINTS}))
    periods = queries.consecutive(kind, begin, end, MOST_POINTS)
    async with edge.querying("indicator.read") as connection:
        await ground.directory.look(connection)
        root = ground.place(edge, place)
        found = await queries.series(connection, asked, root, periods, ground.this_month, ground.k)
    points = [
        {
            "period": each.text,
            "value": value.value,
            "numerator": value.numerator,
            "denominator": value.denominator,
            "suppressed": value.suppressed,
        }
        for each, value in zip(periods, found, strict=True)
    ]
    return json_response({"indicator": asked.code, "place": described(root, edge.lang), "kind": kind, "points": points})


@router.get("/v1/lineage", tags=["indicators"])
async def lineage(
    edge: Edge,
    ground: Grounded,
    indicator: Code,
    place: OptionalCode = None,
    period: OptionalCode = None,
    after: Annotated[str | None, Query(max_length=300)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Why this number: the aggregates behind it with their events, `limit` aggregates a page.

    A page may hold fewer, even none, although there is more: it goes on while there is a `next`.
    Behind counts of persons stand the institutions whose own value is shown; records are for the institution itself.
    """
    asked = indicator_of(indicator)
    when = ground.period(asked, period)
    cursor = _cursor(after) if after else queries.START
    async with edge.querying("indicator.read") as connection:
        await ground.directory.look(connection)
        root = ground.place(edge, place, queries.end_of(when, ground.this_month))
        own = edge.principal.role is Role.INSTITUTION
        pages = queries.Lineage(ground.directory, asked, root, when, ground.this_month, ground.k, own=own)
        found, following = await pages.page(connection, cursor, limit)
    return json_response(
        {
            "indicator": asked.code,
            "period": when.text,
            "items": [_contributed(each, edge.lang) for each in found],
            "next": encode_cursor(*following) if following else None,
        }
    )


@router.get("/v1/changes", tags=["indicators"])
async def stream(edge: Edge, ground: Grounded, place: OptionalCode = None) -> EventSourceResponse:
    """Server-sent events "changed" with the places and indicators that moved, at a place and below.

    `as_of` is the time of the latest event behind them; null where anything may have moved: look at all again.
    """
    async with edge.querying("indicator.read") as connection:
        await ground.directory.look(connection)
    root = ground.place(edge, place)
    return EventSourceResponse(
        ground.changes.stream(root),
        ping=HEARTBEAT_S,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _cursor(text: str) -> queries.Cursor:
    place, kind, id_ = decode_cursor(text, 3)
    if not isinstance(place, int) or not isinstance(kind, int) or not queries.is_id(id_):
        raise InvalidInput(FieldError("after", "cursor"))
    return place, kind, id_


def _valued(found: queries.PlaceValue, lang: Lang) -> dict[str, Any]:
    value: Value = found.value
    return {
        "place": described(found.place, lang),
        "value": value.value,
        "numerator": value.numerator,
        "denominator": value.denominator,
        "coverage": value.coverage,
        "suppressed": value.suppressed,
        "as_of": _text(found.as_of),
        "parts": value.parts,
    }


def _contributed(found: queries.Contribution, lang: Lang) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "aggregate": found.aggregate,
        "id": found.id,
        "institution": {"code": found.institution.code, "name": name_of(found.institution, lang)},
        "part": found.part,
        "amount": found.amount,
        "month": text_of(found.month),
        "version": found.version,
        "events": [
            {
                "id": event.id,
                "type": event.type,
                "time": event.time.isoformat(),
                "source": event.source,
                "shard": event.shard,
                "position": event.position,
            }
            for event in found.events
        ],
    }
    if found.member is not None:
        answer["member"] = found.member
    return answer


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
