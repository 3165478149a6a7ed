"""HTTP routes of monitoring: values, series, lineage, places, changes – within the caller's part of the territory."""

import json
from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from sse_starlette import EventSourceResponse

from services.monitoring import LISTENS_TO, queries, stages
from services.monitoring.changes import HEARTBEAT_S, Changes
from services.monitoring.directory import Directory, described, name_of
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Indicator
from services.monitoring.domain.measures import COLUMNS, MEASURES
from services.monitoring.domain.periods import BadPeriod, Period, PeriodKind, month_of, parse, period_at, text_of
from services.monitoring.domain.territory import Level, Place
from services.monitoring.domain.values import Value
from shared.clock import Clock, local_day
from shared.contracts.events import SERVICES
from shared.errors import FieldError, Forbidden, InvalidInput, NotFound
from shared.i18n import Catalogue, Lang
from shared.messaging.inbox import read_positions
from shared.persistence.engine import raw_connection
from shared.scope import EDUCATION, SYSTEM, Role
from shared.web.cursors import decode_cursor, encode_cursor
from shared.web.edge import Edge, RequestEdge, json_response

PERMISSIONS: dict[str, frozenset[Role]] = {
    "indicator.read": EDUCATION | {Role.SERVICE},
    "cell.read": frozenset({Role.SERVICE, Role.OPERATOR}),
}
MOST_POINTS = 120

Code = Annotated[str, Query(max_length=64)]
OptionalCode = Annotated[str | None, Query(max_length=64)]


class Reading:
    """The routes with what they stand on; `clock` says which period is the present one."""

    def __init__(self, directory: Directory, changes: Changes, catalogue: Catalogue, clock: Clock, k: int) -> None:
        self.directory = directory
        self.changes = changes
        self.catalogue = catalogue
        self.clock = clock
        self.k = k

    @property
    def this_month(self) -> int:
        """The present month in Tashkent."""
        return month_of(local_day(self.clock()))

    def router(self) -> APIRouter:
        """All routes."""
        router = APIRouter()
        for path, route in (
            ("/v1/indicators", self.indicators),
            ("/v1/scope", self.scope),
            ("/v1/places/{code}", self.place),
            ("/v1/institutions/{id}/stage", self.stage),
            ("/v1/values", self.values),
            ("/v1/series", self.series),
            ("/v1/lineage", self.lineage),
            ("/v1/changes", self.stream),
        ):
            router.add_api_route(path, route, methods=["GET"], tags=["indicators"])
        router.add_api_route("/internal/cells", self.cells, methods=["GET"], include_in_schema=False)
        return router

    async def indicators(self, edge: Edge) -> Response:
        """Every indicator with its texts in the caller's language."""
        edge.allow("indicator.read")
        items = [_declared(indicator, self.catalogue, edge.lang) for indicator in INDICATORS.values()]
        return Response(json.dumps(items, ensure_ascii=False), media_type="application/json")

    async def scope(self, edge: Edge) -> Response:
        """The place at the top of what the caller sees."""
        async with edge.reading("indicator.read") as session:
            await self.directory.look(await raw_connection(session))
        return json_response({"place": described(self.directory.root(edge.principal), edge.lang)})

    async def place(self, edge: Edge, code: str) -> Response:
        """A place, the way up to it, and how many places lie directly below."""
        async with edge.reading("indicator.read") as session:
            await self.directory.look(await raw_connection(session))
        found = self.directory.seen(code, edge.principal)
        above = self.directory.ancestors(found, edge.principal)
        children = self.directory.below(found, self.this_month, edge.principal)
        return json_response(
            {
                **described(found, edge.lang),
                "active": found.active,
                "parent": above[-1].code if above else None,
                "ancestors": [described(each, edge.lang) for each in above],
                "children": sum(child.active for child in children),
            }
        )

    async def stage(self, edge: Edge, id: str) -> Response:  # noqa: A002 - the path's parameter
        """The stage an institution has reached today, and R1–R13 with state, dates and the evidence behind each.

        `lapses_on` is the day on which a met gate lapses if nothing is done. Evidence names the service and the
        aggregate it comes from; what counts in months, or would tell of single answers, is summed up under `asks`.
        """
        today = local_day(self.clock())
        async with edge.reading("indicator.read") as session:
            connection = await raw_connection(session)
            await self.directory.look(connection)
            institution = self.directory.seen(id, edge.principal)
            if institution.level is not Level.INSTITUTION:
                raise NotFound(what="institution", id=id[:100])
            stage, gates = await stages.standing(connection, institution.id, institution.code, today)
        return json_response(
            {
                "institution": described(institution, edge.lang),
                "on": today.isoformat(),
                "stage": stage,
                "gates": [self._gate(each, edge.lang) for each in gates],
            }
        )

    def _gate(self, stand: stages.Stand, lang: Lang) -> dict[str, Any]:
        def named(evidence: str) -> dict[str, str]:
            return {"evidence": evidence, "name": self.catalogue.text(f"evidence.{evidence}", lang)}

        return {
            "code": stand.gate.code,
            "name": self.catalogue.text(f"indicator.{stand.gate.code}.name", lang),
            "help": self.catalogue.text(f"indicator.{stand.gate.code}.help", lang),
            "stage": stand.gate.stage,
            "state": stand.state,
            "state_name": self.catalogue.text(f"gate_state.{stand.state}", lang),
            "since": _day(stand.since),
            "lapses_on": _day(stand.lapses_on),
            "asks": [
                {
                    "answered": asked.answered,
                    "any_of": [
                        named(name) | {"found": have, "needed": least} for name, have, least in asked.alternatives
                    ],
                }
                for asked in stand.asks
            ],
            "evidence": [
                named(piece.evidence)
                | {
                    "service": piece.service,
                    "aggregate": piece.aggregate,
                    "id": piece.id,
                    "from": piece.since.isoformat(),
                    "until": _day(piece.until),
                }
                for piece in stand.evidence
            ],
        }

    async def values(
        self,
        edge: Edge,
        indicator: Code,
        place: OptionalCode = None,
        period: OptionalCode = None,
        children: bool = False,
    ) -> Response:
        """The indicator's value at a place, and at the places directly below where `children` is true."""
        asked = _indicator(indicator)
        when = self._period(asked, period)
        async with edge.reading("indicator.read") as session:
            connection = await raw_connection(session)
            await self.directory.look(connection)
            root = self._place(edge, place)
            below: list[Place] = []
            if children:
                until = queries.end_of(when, self.this_month)
                below = self.directory.below(root, until, edge.principal)
            own = await queries.values(connection, asked, [root], when, self.this_month, self.k)
            found = (
                await queries.values(connection, asked, below, when, self.this_month, self.k, parts=False)
                if below
                else []
            )
        answer: dict[str, Any] = {
            "indicator": asked.code,
            "period": when.text,
            "value": _valued(own[0], edge.lang),
        }
        if children:
            answer["children"] = [
                _valued(each, edge.lang) for each in found if each.place.active or each.value.numerator
            ]
        return json_response(answer)

    async def series(
        self,
        edge: Edge,
        indicator: Code,
        place: OptionalCode = None,
        kind: PeriodKind = PeriodKind.MONTH,
        first: Annotated[str | None, Query(alias="from", max_length=10)] = None,
        last: Annotated[str | None, Query(alias="to", max_length=10)] = None,
    ) -> Response:
        """The indicator at a place in consecutive periods: by default the last 24 months or six years."""
        asked = _indicator(indicator)
        if kind not in asked.period_kinds:
            raise InvalidInput(_wrong_kind("kind", asked, kind))
        end = _period("to", last) if last else period_at(kind, self.this_month)
        months = {PeriodKind.MONTH: 1, PeriodKind.QUARTER: 3, PeriodKind.ACADEMIC_YEAR: 12}[kind]
        default = period_at(kind, end.last - (5 if kind is PeriodKind.ACADEMIC_YEAR else 23) * months)
        begin = _period("from", first) if first else default
        if begin.first > end.last:
            raise InvalidInput(FieldError("from", "period_order", {"value": begin.text}))
        if (end.last - begin.first) // months >= MOST_POINTS:
            raise InvalidInput(FieldError("from", "too_many_points", {"limit": MOST_POINTS}))
        periods = queries.consecutive(kind, begin, end, MOST_POINTS)
        async with edge.reading("indicator.read") as session:
            connection = await raw_connection(session)
            await self.directory.look(connection)
            root = self._place(edge, place)
            found = await queries.series(connection, asked, root, periods, self.this_month, self.k)
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
        return json_response(
            {"indicator": asked.code, "place": described(root, edge.lang), "kind": kind, "points": points}
        )

    async def lineage(
        self,
        edge: Edge,
        indicator: Code,
        place: OptionalCode = None,
        period: OptionalCode = None,
        after: Annotated[str | None, Query(max_length=300)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        """Why this number: the aggregates behind it with their events, `limit` aggregates a page."""
        asked = _indicator(indicator)
        when = self._period(asked, period)
        cursor = _cursor(after) if after else queries.START
        async with edge.reading("indicator.read") as session:
            connection = await raw_connection(session)
            await self.directory.look(connection)
            root = self._place(edge, place)
            pages = queries.Lineage(self.directory, asked, root, when, self.this_month, self.k)
            found, following = await pages.page(connection, edge.principal, cursor, limit)
        return json_response(
            {
                "indicator": asked.code,
                "period": when.text,
                "items": [_contributed(each, edge.lang) for each in found],
                "next": encode_cursor(*following) if following else None,
            }
        )

    async def stream(self, edge: Edge, place: OptionalCode = None) -> EventSourceResponse:
        """Server-sent events "changed" with the places and indicators that moved, at a place and below."""
        async with edge.reading("indicator.read") as session:
            await self.directory.look(await raw_connection(session))
        root = self._place(edge, place)
        return EventSourceResponse(
            self.changes.stream(root),
            ping=HEARTBEAT_S,
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def cells(self, edge: Edge, request: Request) -> Response:
        """For `verify`: a line with the positions applied and the events logged, then every amount other than zero.

        Stocks come as the changes they are stored as.
        """
        if edge.principal.role not in PERMISSIONS["cell.read"]:
            raise Forbidden(role=edge.principal.role.value)
        return StreamingResponse(_lines(request), media_type="application/x-ndjson")

    def _place(self, edge: RequestEdge, code: str | None) -> Place:
        if code is None:
            return self.directory.root(edge.principal)
        return self.directory.seen(code, edge.principal)

    def _period(self, indicator: Indicator, text: str | None) -> Period:
        if text is None:
            kind = indicator.period_kinds[0]
            return period_at(kind, self.this_month)
        found = _period("period", text)
        if found.kind not in indicator.period_kinds:
            raise InvalidInput(_wrong_kind("period", indicator, text))
        return found


def _indicator(code: str) -> Indicator:
    found = INDICATORS.get(code)
    if found is None:
        known = ", ".join(INDICATORS)
        raise InvalidInput(FieldError("indicator", "unknown_indicator", {"value": code, "known": known}))
    return found


def _period(field: str, text: str) -> Period:
    try:
        return parse(text)
    except BadPeriod:
        raise InvalidInput(FieldError(field, "period", {"value": text})) from None


def _wrong_kind(field: str, indicator: Indicator, value: str) -> FieldError:
    known = ", ".join(indicator.period_kinds)
    return FieldError(field, "period_kind", {"value": value, "indicator": indicator.code, "known": known})


def _cursor(text: str) -> queries.Cursor:
    place, kind, id_ = decode_cursor(text, 3)
    if not isinstance(place, int) or not isinstance(kind, int) or not queries.is_id(id_):
        raise InvalidInput(FieldError("after", "cursor"))
    return place, kind, id_


def _declared(indicator: Indicator, catalogue: Catalogue, lang: Lang) -> dict[str, Any]:
    def say(what: str) -> str:
        return catalogue.text(f"indicator.{indicator.code}.{what}", lang)

    return {
        "code": indicator.code,
        "name": say("name"),
        "help": say("help"),
        "formula": say("formula"),
        "unit": indicator.unit,
        "direction": indicator.direction,
        "period_kinds": list(indicator.period_kinds),
        "group": indicator.group,
        "roll_up": indicator.roll_up,
        "source": indicator.source,
    }


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


async def _lines(request: Request) -> AsyncIterator[bytes]:
    """One snapshot: at first how far it reaches, then the cells."""
    async with request.app.state.database.reading(SYSTEM) as session:
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        applied = {source: await read_positions(session, source) for source in LISTENS_TO}
        connection = await raw_connection(session)
        logged: dict[str, dict[int, int]] = {source: {} for source in LISTENS_TO}
        for source, shard, count in await connection.fetch(
            "select source, shard, count(*) from event_seen group by source, shard"
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


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
