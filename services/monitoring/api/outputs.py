"""HTTP routes of what leaves the system: the report of a period, the data dictionary, the export to DHIS2."""

import json
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from services.monitoring import queries
from services.monitoring.api.ground import Ground, Grounded, indicator_of, period_of, wrong_kind
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Indicator
from services.monitoring.domain.periods import Period
from services.monitoring.outputs import dictionary
from services.monitoring.outputs.dhis2 import reading
from services.monitoring.outputs.dhis2.mapping import NoSuchPeriod, Scheme
from services.monitoring.outputs.dhis2.mapping import period_of as dhis2_period
from services.monitoring.outputs.dhis2.metadata import Metadata
from services.monitoring.outputs.editions import Published, edition_of
from services.monitoring.outputs.printing.press import Page, printed
from services.monitoring.outputs.report.content import content
from services.monitoring.outputs.report.gathering import Gathering
from shared.errors import FieldError, InvalidInput
from shared.i18n import Lang
from shared.persistence.engine import raw_connection
from shared.scope import EDUCATION, Role
from shared.web.edge import Edge, RequestEdge, json_response
from shared.web.tabular import BOM, csv_text

PERMISSIONS: dict[str, frozenset[Role]] = {
    "report.read": EDUCATION | {Role.SERVICE},
    "dictionary.read": EDUCATION | {Role.SERVICE},
    "dhis2.export": EDUCATION | {Role.SERVICE},
}
router = APIRouter(prefix="/v1", tags=["outputs"])

Language = Annotated[
    Lang | None, Query(description="uz, uz-Cyrl, ru or en; without it, the language that Accept-Language asks for")
]
Asked = Annotated[
    str, Query(max_length=16, description="2026-09, 2026-Q3, 2025-26, 2026 or 2026-09-R12", examples=["2026-Q3"])
]
PlaceCode = Annotated[
    str | None,
    Query(
        max_length=64,
        description="17, a region's or district's SOATO code, an institution's id; else all that the caller sees",
        examples=["1708"],
    ),
]
Depth = Annotated[int, Query(ge=0, le=3, description="levels below the place that come along: 1 is those right below")]


class Format(StrEnum):
    """How the dictionary can be had."""

    JSON = "json"
    CSV = "csv"
    MARKDOWN = "md"
    PDF = "pdf"


PDF_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/pdf": {}}, "description": "a tagged PDF"}
}

_VALUE = {"dataElement": "HPkRRd4XUhl", "period": "2026Q3", "orgUnit": "jazBVJc5oxe", "value": "187"}
VALUES_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": {"dataValues": [_VALUE]}}}, "description": "a data value set"},
}
METADATA_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/json": {
                "example": {
                    "organisationUnits": [
                        {
                            "id": "jazBVJc5oxe",
                            "code": "17",
                            "name": "Republic of Uzbekistan",
                            "shortName": "Republic of Uzbekistan",
                            "path": "/jazBVJc5oxe",
                            "openingDate": "1991-09-01T00:00:00.000",
                        }
                    ]
                }
            }
        },
        "description": "metadata as DHIS2 imports it",
    },
}
DICTIONARY_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/json": {}, "text/csv": {}, "text/markdown": {}, "application/pdf": {}},
        "description": "the dictionary in the format asked for",
    },
}


@router.get("/report.pdf", response_class=Response, responses=PDF_RESPONSE)
async def report(
    edge: Edge, ground: Grounded, period: Asked, place: PlaceCode = None, lang: Language = None
) -> Response:
    """The report of a period at a place as PDF: summary, map, indicators, places below, trends, recommendations.

    Where the period is published, its figures are those of the last edition; else they are as known now. It says so.
    """
    when = period_of("period", period)
    language = lang or edge.lang
    async with edge.reading("report.read") as session:
        await _one_moment(session)
        await ground.directory.look(await raw_connection(session))
        root = ground.place(edge, place, queries.end_of(when, ground.this_month))
        gathering = Gathering(ground.directory, ground.clock, ground.this_month, ground.k, edge.principal)
        told = await gathering.gather(session, root, when)
    pdf = await printed(Page.REPORT, content(told, ground.catalogue, language))
    return _file(pdf, "application/pdf", f"hamkor-{root.code}-{when.text}-{language}.pdf", language)


@router.get("/dictionary", responses=DICTIONARY_RESPONSE)
async def data_dictionary(
    edge: Edge,
    ground: Grounded,
    lang: Language = None,
    format_: Annotated[Format, Query(alias="format", description="json, csv, md (Markdown) or pdf")] = Format.JSON,
) -> Response:
    """The data dictionary: every indicator with definition, formula, unit, roll-up, sources, privacy and standard."""
    edge.allow("dictionary.read")
    language = lang or edge.lang
    catalogue, k = ground.catalogue, ground.k
    told = dictionary.entries(catalogue, language, k)
    name = f"hamkor-dictionary-{language}.{format_}"
    match format_:
        case Format.CSV:
            table = BOM + csv_text(dictionary.rows(told, catalogue, language))
            return _file(table.encode(), "text/csv; charset=utf-8", name, language)
        case Format.MARKDOWN:
            text = dictionary.markdown(told, catalogue, language, k)
            return _file(text.encode(), "text/markdown; charset=utf-8", name, language)
        case Format.PDF:
            page = dictionary.page_content(told, catalogue, language, k, ground.clock())
            return _file(await printed(Page.DICTIONARY, page), "application/pdf", name, language)
    fields = {field: catalogue.text(f"dictionary.field.{field}", language) for field in dictionary.FIELDS}
    answer = {"language": language, "k": k, "fields": fields, "items": [entry.shown() for entry in told]}
    return json_response(answer)


@router.get("/dhis2/metadata", responses=METADATA_RESPONSE)
async def dhis2_metadata(
    edge: Edge, ground: Grounded, place: PlaceCode = None, depth: Depth = 2, lang: Language = None
) -> Response:
    """What DHIS2 imports first (`POST /api/metadata`): organisation units, data elements, categories, indicators.

    Identifiers are made from our codes, so that a second import changes and never doubles. Academic years need DHIS2
    2.42 or later, which knows years from September.
    """
    language = lang or edge.lang
    async with edge.querying("dhis2.export") as connection:
        await ground.directory.look(connection)
        root = ground.place(edge, place)
        families = reading.families(ground.directory, root, depth, ground.this_month, edge.principal)
        above = reading.above(ground.directory, root)
        units = await reading.org_units(connection, [*above, *(each for family in families for each in family)])
    made = Metadata(ground.catalogue, language, ground.k).all(units)
    return _file(json.dumps(made, ensure_ascii=False).encode(), "application/json", f"dhis2-metadata-{root.code}.json")


@router.get("/dhis2/dataValueSets", responses=VALUES_RESPONSE)
async def dhis2_values(
    edge: Edge,
    ground: Grounded,
    period: Asked,
    place: PlaceCode = None,
    depth: Depth = 1,
    indicator: Annotated[list[str] | None, Query(max_length=100, description="these alone; else all")] = None,
    scheme: Annotated[Scheme, Query(description="uid, or code where your DHIS2 has its own UIDs")] = Scheme.UID,
    published: Annotated[bool, Query(description="as published, instead of as known now")] = False,
) -> StreamingResponse:
    """What DHIS2 imports then (`POST /api/dataValueSets`): the values of a period. What is withheld is left out.

    Periods are written as DHIS2 writes them: 202609, 2026Q3, 2026, and 2025Sep for the academic year 2025-26.
    """
    when = period_of("period", period)
    try:
        dhis2_period(when)
    except NoSuchPeriod:
        raise InvalidInput(FieldError("period", "dhis2_period", {"value": when.text})) from None
    wanted = _wanted(when, indicator)
    async with edge.reading("dhis2.export") as session:
        await ground.directory.look(await raw_connection(session))
        root = ground.place(edge, place, queries.end_of(when, ground.this_month))
        edition = await edition_of(session, ground.directory, root, when, ground.this_month) if published else None
    if published and edition is None:
        raise InvalidInput(FieldError("published", "unknown_edition", {"value": f"{root.code} {when.text}"}))
    families = reading.families(ground.directory, root, depth, queries.end_of(when, ground.this_month), edge.principal)
    return StreamingResponse(
        _values(edge, ground, wanted, families, when, scheme, edition),
        media_type="application/json",
        headers=_named(f"dhis2-{root.code}-{when.text}.json"),
    )


async def _values(
    edge: RequestEdge,
    ground: Ground,
    wanted: list[Indicator],
    families: list[Any],
    when: Period,
    scheme: Scheme,
    edition: Published | None,
) -> AsyncIterator[bytes]:
    head: dict[str, Any] = {"idScheme": scheme.upper()} if scheme is Scheme.CODE else {}
    yield (json.dumps(head)[:-1] + (", " if head else "") + '"dataValues": [').encode()
    first = True
    async with edge.reading("dhis2.export") as session:
        await _one_moment(session)
        connection = await raw_connection(session)
        frozen = edition.edition if edition else None
        async for values in reading.values(
            connection, wanted, families, when, ground.this_month, ground.k, scheme, frozen
        ):
            for value in values:
                yield (("" if first else ",") + "\n" + json.dumps(value, ensure_ascii=False)).encode()
                first = False
    yield b"\n]}\n"


async def _one_moment(session: AsyncSession) -> None:
    """All reads of the session see the same moment, however many there are: numbers side by side must agree."""
    await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def _wanted(when: Period, codes: list[str] | None) -> list[Indicator]:
    """The indicators asked for, or all that are computed for such a period; raises InvalidInput."""
    if not codes:
        return [each for each in INDICATORS.values() if when.kind in each.period_kinds]
    found = [indicator_of(code) for code in dict.fromkeys(codes)]
    wrong = [each for each in found if when.kind not in each.period_kinds]
    if wrong:
        raise InvalidInput(*(wrong_kind("period", each, when.text) for each in wrong))
    return found


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _file(body: bytes, media_type: str, name: str, lang: Lang | None = None) -> Response:
    headers = _named(name) | ({"Content-Language": lang} if lang else {})
    return Response(body, media_type=media_type, headers=headers)
