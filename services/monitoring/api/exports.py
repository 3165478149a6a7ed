"""HTTP routes of tables to take away: values and rankings as CSV, XLSX and Parquet, in the caller's scope."""

from collections.abc import AsyncIterator, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from starlette.responses import StreamingResponse

from services.monitoring import queries
from services.monitoring.advice.lifecycle import LEVEL_NUMBERS, LEVELS
from services.monitoring.api.comparison import Compared, Questioned, row_of, table_of, targets_of
from services.monitoring.api.ground import Ground, Grounded, OptionalCode, indicator_of, period_of, wrong_kind
from services.monitoring.comparison.reading import places_of
from services.monitoring.directory import name_of
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Indicator
from services.monitoring.domain.periods import STEPS, Period
from services.monitoring.domain.territory import Level, Place
from shared.clock import local_day
from shared.contracts.monitoring import OfficeLevel
from shared.errors import FieldError, HamkorError, InvalidInput
from shared.scope import EDUCATION, Role
from shared.web.columnar import PARQUET, Typed, parquet_file
from shared.web.edge import Edge, RequestEdge
from shared.web.exchange import CSV, XLSX
from shared.web.tabular import MOST_SHEET_ROWS, csv_file, xlsx_file

PERMISSIONS: dict[str, frozenset[Role]] = {"export.read": EDUCATION | {Role.SERVICE}}
router = APIRouter(prefix="/v1", tags=["exports"])

CHUNK: Final = 500
MOST_ROWS: Final = 3_000_000
MOST_PERIODS: Final = 120
Pages = AsyncIterator[Sequence[Mapping[str, Any]]]


class Format(StrEnum):
    """Kinds of file."""

    CSV = "csv"
    XLSX = "xlsx"
    PARQUET = "parquet"


Formats = Annotated[Format, Query(alias="format", description="kind of file")]


class TableTooLarge(HamkorError):
    """More rows than one file takes."""

    status = 413
    code = "table-too-large"


_PLACE: Final = (
    Typed("place", "text"),
    Typed("place_name", "text"),
    Typed("level", "text"),
    Typed("region", "text"),
    Typed("district", "text"),
)
_NUMBERS: Final = (
    Typed("value", "number"),
    Typed("numerator", "integer"),
    Typed("denominator", "integer"),
    Typed("coverage", "number"),
    Typed("suppressed", "truth"),
)
VALUES: Final = (
    *_PLACE,
    Typed("indicator", "text"),
    Typed("indicator_name", "text"),
    Typed("unit", "text"),
    Typed("period", "text"),
    Typed("period_kind", "text"),
    *_NUMBERS,
    Typed("as_of", "text"),
)
RANKING: Final = (
    *_PLACE,
    Typed("indicator", "text"),
    Typed("unit", "text"),
    Typed("period", "text"),
    *_NUMBERS,
    Typed("rank", "integer"),
    Typed("rank_best", "integer"),
    Typed("rank_worst", "integer"),
    Typed("band", "text"),
    Typed("estimate", "number"),
    Typed("low", "number"),
    Typed("high", "number"),
    Typed("weight", "number"),
    Typed("per_institution", "number"),
    Typed("target", "number"),
    Typed("target_set_at", "text"),
    Typed("target_left", "number"),
    Typed("target_met", "truth"),
)
FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The file", "content": {CSV: {}, XLSX: {}, PARQUET: {}}}
}


@router.get("/values/export", response_class=Response, responses=FILE)
async def export_values(
    edge: Edge,
    ground: Grounded,
    indicator: Annotated[
        list[str] | None, Query(max_length=len(INDICATORS), description="codes; without any all of them")
    ] = None,
    place: OptionalCode = None,
    level: Annotated[
        list[OfficeLevel] | None, Query(max_length=4, description="levels; without any the place and those right below")
    ] = None,
    first: Annotated[str | None, Query(alias="from", max_length=16, description="the first period")] = None,
    last: Annotated[str | None, Query(alias="to", max_length=16, description="the last one; of the same kind")] = None,
    form: Formats = Format.CSV,
) -> Response:
    """Values of any indicators at all places of some levels below a place, in consecutive periods: a row a value.

    Without periods the present one of each indicator's first kind. Indicators that have no values for the periods' kind
    are left out if none was named. What is withheld has `suppressed` true and no numbers. Text that a spreadsheet would
    calculate begins with an apostrophe in CSV and XLSX.
    """
    edge.allow("export.read")
    indicators = [indicator_of(code) for code in dict.fromkeys(indicator)] if indicator else list(INDICATORS.values())
    wanted = _wanted(ground, indicators, first, last, chosen=bool(indicator))
    async with edge.database.querying(edge.principal) as connection:
        await ground.directory.look(connection)
        root = ground.place(edge, place)
        until = max((queries.end_of(period, ground.this_month) for _, period in wanted), default=ground.this_month)
        places = _places(edge, ground, root, level, until)
    _bounded(len(places) * len(wanted), form)
    pages = _values(edge, ground, places, wanted)
    return await _file(edge, form, VALUES, pages, "values")


def _wanted(
    ground: Ground, indicators: Sequence[Indicator], first: str | None, last: str | None, *, chosen: bool
) -> list[tuple[Indicator, Period]]:
    """Which indicator in which period, period by period; raises InvalidInput."""
    if first is None and last is None:
        return [(each, ground.period(each, None)) for each in indicators]
    begin = period_of("from", first or last or "")
    end = period_of("to", last or first or "")
    if begin.kind is not end.kind or begin.first > end.first:
        raise InvalidInput(FieldError("from", "period_order", {"value": begin.text}))
    if (end.last - begin.last) // STEPS[begin.kind] >= MOST_PERIODS:
        raise InvalidInput(FieldError("from", "too_many_points", {"limit": MOST_PERIODS}))
    without = next((each for each in indicators if begin.kind not in each.period_kinds), None)
    if chosen and without is not None:
        raise InvalidInput(wrong_kind("from", without, begin.text))
    periods = queries.consecutive(begin.kind, begin, end, MOST_PERIODS)
    return [(each, period) for period in periods for each in indicators if period.kind in each.period_kinds]


def _places(
    edge: RequestEdge, ground: Ground, root: Place, levels: Sequence[OfficeLevel] | None, until: int
) -> list[Place]:
    asked = (
        sorted({LEVEL_NUMBERS[each] for each in levels})
        if levels
        else [root.level, Level(min(root.level + 1, Level.INSTITUTION))]
    )
    above = next((each for each in asked if each < root.level), None)
    if above is not None:
        known = ", ".join(LEVELS[each] for each in Level if each >= root.level)
        raise InvalidInput(FieldError("level", "level_above", {"value": LEVELS[above].value, "known": known}))
    found: dict[int, Place] = {}
    for each in asked:
        found |= {place.id: place for place in places_of(ground.directory, root, each, until, edge.principal)}
    return list(found.values())


def _bounded(rows: int, form: Format) -> None:
    most = MOST_SHEET_ROWS - 1 if form is Format.XLSX else MOST_ROWS
    if rows > most:
        raise TableTooLarge(rows=rows, most=most)


async def _values(
    edge: RequestEdge, ground: Ground, places: Sequence[Place], wanted: Sequence[tuple[Indicator, Period]]
) -> Pages:
    """The rows, a chunk of places at a time, each read in a moment: a slow reader holds no transaction open."""
    names = {each.code: ground.catalogue.text(f"indicator.{each.code}.name", edge.lang) for each, _ in wanted}
    sight = ground.sight(edge)
    for indicator, period in wanted:
        left = (place for place in places if sight.sees(place, period))
        while chunk := list(islice(left, CHUNK)):
            async with edge.database.querying(edge.principal) as connection:
                found = await queries.values(
                    connection, indicator, chunk, period, ground.this_month, ground.k, parts=False
                )
            yield [
                {
                    **place_cells(each.place, period, ground, edge),
                    "indicator": indicator.code,
                    "indicator_name": names[indicator.code],
                    "unit": indicator.unit.value,
                    "period": period.text,
                    "period_kind": period.kind.value,
                    "value": each.value.value,
                    "numerator": each.value.numerator,
                    "denominator": each.value.denominator,
                    "coverage": each.value.coverage,
                    "suppressed": each.value.suppressed,
                    "as_of": each.as_of.isoformat() if each.as_of else None,
                }
                for each in found
            ]


def place_cells(place: Place, period: Period, ground: Ground, edge: RequestEdge) -> dict[str, Any]:
    """The cells that say which place it is, and where it lay at the end of a period."""
    above = ground.directory.above(place, queries.end_of(period, ground.this_month))
    units = {each.level: each.code for each in (place, *above)}
    return {
        "place": place.code,
        "place_name": name_of(place, edge.lang),
        "level": LEVELS[place.level].value,
        "region": units.get(Level.REGION),
        "district": units.get(Level.DISTRICT),
    }


@router.get("/ranking/export", response_class=Response, responses=FILE)
async def export_ranking(
    edge: Edge,
    ground: Grounded,
    tables: Compared,
    question: Questioned,
    form: Formats = Format.CSV,
) -> Response:
    """A ranking as a file: every place with value, rank and intervals, and its target; as `/v1/ranking` tells them."""
    edge.allow("export.read")
    async with edge.querying("comparison.read") as connection:
        table = await table_of(edge, connection, ground, tables, question)
        bound = await targets_of(connection, table, question, ground.sight(edge))
    asked = table.asked
    _bounded(len(table.shown), form)

    async def pages() -> Pages:
        for begin in range(0, len(table.shown), CHUNK):
            rows = []
            for index in range(begin, min(begin + CHUNK, len(table.shown))):
                row = row_of(table, index, bound, edge)
                target = row.pop("target", None) or {}
                rows.append(
                    {
                        **row,
                        **place_cells(table.shown[index].place, asked.period, ground, edge),
                        "indicator": asked.indicator.code,
                        "unit": asked.indicator.unit.value,
                        "period": asked.period.text,
                        "target": target.get("value"),
                        "target_set_at": target.get("set_at"),
                        "target_left": target.get("left"),
                        "target_met": target.get("met"),
                    }
                )
            yield rows

    return await _file(edge, form, RANKING, pages(), f"ranking-{asked.indicator.code}")


async def _file(edge: RequestEdge, form: Format, columns: Sequence[Typed], pages: Pages, name: str) -> Response:
    """The file as it is written; what cannot be read is a problem, not a broken file: the first page is read before."""
    first: Sequence[Mapping[str, Any]] = await anext(pages, [])

    async def whole() -> Pages:
        yield first
        async for page in pages:
            yield page

    plain = [column.plain for column in columns]
    if form is Format.PARQUET:
        content, media_type = parquet_file(columns, whole()), PARQUET
    elif form is Format.XLSX:
        content, media_type = xlsx_file(plain, whole()), XLSX
    else:
        content, media_type = csv_file(plain, whole()), f"{CSV}; charset=utf-8"
    day = local_day(edge.database.clock()).isoformat()
    headers = {"Content-Disposition": f'attachment; filename="{name}-{day}.{form.value}"'}
    return StreamingResponse(content, 200, headers, media_type)
