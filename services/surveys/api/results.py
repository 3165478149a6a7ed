"""HTTP routes of results: indices, distributions, gaps, comparison, free texts, exports."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from starlette.responses import StreamingResponse

from services.surveys.api.parts import After, Limit, Parts
from services.surveys.domain.waves import territory_path
from services.surveys.exports.gap_table import gap_codebook, gap_file
from services.surveys.exports.making import MEDIA
from services.surveys.exports.variables import variables_of
from services.surveys.queries import exports, gaps, intake, results, territories
from services.surveys.queries.territories import Chosen
from shared.clock import local_day, now
from shared.contracts.fields import AcademicYear
from shared.errors import FieldError, InvalidInput, NotFound
from shared.scope import EDUCATION, SYSTEM, TERRITORIAL, Role
from shared.web.edge import Edge, RequestEdge, json_response, page_response

PERMISSIONS: dict[str, frozenset[Role]] = {
    "results.read": EDUCATION | {Role.SERVICE},
    "results.read_territory": TERRITORIAL,
    "texts.read": frozenset({Role.INSTITUTION}),
    "answers.export": frozenset({Role.MINISTRY, Role.INSTITUTION}),
    "answers.count": frozenset({Role.OPERATOR, Role.SERVICE}),
}

router = APIRouter(prefix="/v1")
internal = APIRouter(prefix="/internal", tags=["internal"], include_in_schema=False)

Instrument = Annotated[str, Query(max_length=64, description="code of a questionnaire", examples=["S3"])]
Version = Annotated[int | None, Query(ge=1, description="its version; the newest unless named")]
Territory = Annotated[
    str | None, Query(max_length=7, description="SOATO code within the caller's territory", examples=["1708"])
]
EndedYear = Annotated[AcademicYear, Query(description="an academic year that has ended", examples=["2025-26"])]
Profession = Annotated[str, Path(max_length=8, description="code of a unit group of ISCO-08", examples=["7212"])]
From = Annotated[date | None, Query(alias="from", description="campaigns that end on this day or later")]
To = Annotated[date | None, Query(description="campaigns that begin on this day or earlier")]
Form = Annotated[Literal["csv", "xlsx", "parquet", "sav"], Query(alias="format", description="the kind of file")]


@router.get("/campaigns/{id_}/results", tags=["results"])
async def get_results(edge: Edge, parts: Parts, id_: str) -> Response:
    """Index, dimensions with reliability, competences with their gap and – for its institution – every question.

    Each figure moves in steps of k responses, and is null below k. Options are counted out once the campaign is over;
    small counts are hidden together with as many others as it takes that none can be computed.
    """
    edge.allow("results.read")
    return json_response(
        await results.campaign_results(edge.database, edge.principal, parts.library, id_, parts.privacy_k, edge.lang)
    )


@router.get("/results", tags=["results"])
async def get_territory_results(
    edge: Edge,
    parts: Parts,
    instrument: Instrument,
    version: Version = None,
    territory: Territory = None,
    wave: Annotated[str | None, Query(max_length=64)] = None,
    first: From = None,
    last: To = None,
) -> Response:
    """What many campaigns found together: of a questionnaire in a territory, of a wave or in a period, place by place.

    Options are counted out of a wave that is over, for the caller's whole territory.
    """
    edge.allow("results.read_territory")
    path = _path(edge, territory)
    async with edge.database.reading(edge.principal) as session:
        found = await parts.library.ensure(session, instrument, version, scope=edge.principal.scope)
    chosen = Chosen(path, found.code, found.version, wave, first, last)
    over = wave is not None and first is None and last is None and await exports.wave_is_over(edge.database, wave)
    return json_response(
        await territories.territory_results(
            edge.database, edge.principal, parts.library, chosen, parts.privacy_k, edge.lang, wave_over=over
        )
    )


@router.get("/trend", tags=["results"])
async def get_trend(
    edge: Edge,
    parts: Parts,
    instrument: Instrument,
    by: Literal["quarter", "wave", "campaign"] = "quarter",
    territory: Territory = None,
) -> Response:
    """Index and dimensions over quarters, waves or campaigns, with intervals.

    Points of an older version of the questionnaire are marked as not comparable: other questions, other index.
    """
    own = edge.principal.role is Role.INSTITUTION
    path = "" if own else _path(edge, territory)
    async with edge.reading("results.read") as session:
        if own:
            path = await exports.institution_path(session, edge.principal.org)
            by = "campaign"
        found = await territories.trend(
            session, edge.principal.scope, parts.library, path, instrument, by, parts.privacy_k, own=own
        )
        return json_response(found)


@router.get("/gaps", tags=["results"])
async def get_gaps(
    edge: Edge, parts: Parts, territory: Territory = None, first: From = None, last: To = None
) -> Response:
    """The competence gap: what employers require (S1) less the level acquired as S2, S3 and S4 see it, 0 to 100.

    With 95 % intervals, the chance of so large a gap without any (p, Welch), and the places right below.
    """
    edge.allow("results.read_territory")
    path = _path(edge, territory)
    found = await gaps.competence_gaps(
        edge.database, edge.principal, parts.library, path, first, last, parts.privacy_k, edge.lang
    )
    return json_response({"territory": territory, **found})


@router.get("/gaps/professions", tags=["results"])
async def get_gaps_by_profession(edge: Edge, parts: Parts, year: EndedYear, territory: Territory = None) -> Response:
    """The competence gap by profession (ISCO-08) in a territory, of an academic year that has ended."""
    edge.allow("results.read_territory")
    path = _path(edge, territory)
    found = await gaps.of_professions(parts.crossings, parts.library, path, _ended(year), edge.lang)
    return json_response({"year": year, "territory": territory, **found})


@router.get("/gaps/professions/{profession}", tags=["results"])
async def get_gaps_of_profession(
    edge: Edge, parts: Parts, profession: Profession, year: EndedYear, territory: Territory = None
) -> Response:
    """The competence gap of a profession in a territory and in the places right below, of a year that has ended."""
    edge.allow("results.read_territory")
    path = _path(edge, territory)
    found = await gaps.of_profession(parts.crossings, parts.library, path, _ended(year), profession, edge.lang)
    return json_response({"year": year, "territory": territory, **found})


@router.get("/gaps/table", tags=["results"])
async def get_gap_table(
    edge: Edge,
    parts: Parts,
    year: EndedYear,
    competence: Annotated[str, Query(max_length=64, description="its code", examples=["theory"])],
    territory: Territory = None,
) -> Response:
    """The gap of one competence by profession and place, of a year that has ended; place null: the whole territory.

    Cells that are not there are hidden: too few answered, or one of these could be computed from them.
    """
    edge.allow("results.read_territory")
    path = _path(edge, territory)
    found = await gaps.crossed(parts.crossings, parts.library, path, _ended(year), competence, edge.lang)
    if not found["competences"]:
        raise NotFound(what="competence", id=competence)
    return json_response({"year": year, "territory": territory, "hidden_below": parts.privacy_k, **found})


@router.get("/gaps/table/export", tags=["results"], response_class=StreamingResponse)
async def export_gap_table(
    edge: Edge,
    parts: Parts,
    year: EndedYear,
    territory: Territory = None,
    form: Annotated[Literal["csv", "xlsx"], Query(alias="format", description="the kind of file")] = "csv",
) -> Response:
    """All that may be shown of professions by places in a year that has ended, a row a competence and group."""
    edge.allow("results.read_territory")
    path = _path(edge, territory)
    found = await gaps.crossed(parts.crossings, parts.library, path, _ended(year), None, edge.lang)
    headers = {"Content-Disposition": f'attachment; filename="gaps-{year}-{territory or edge.principal.org}.{form}"'}
    return StreamingResponse(gap_file(found, form), media_type=MEDIA[form], headers=headers)


@router.get("/gaps/table/codebook", tags=["results"])
async def get_gap_codebook(edge: Edge, parts: Parts) -> Response:
    """The codebook of that file: what each column says, in four languages."""
    edge.allow("results.read_territory")
    return json_response({"variables": gap_codebook(parts.exports.catalogue)})


@router.get("/campaigns/{id_}/texts", tags=["results"])
async def get_texts(
    edge: Edge,
    id_: str,
    question: Annotated[str | None, Query(max_length=64)] = None,
    after: After = None,
    limit: Limit = 50,
) -> Response:
    """What respondents wrote, for their institution alone: k and more at once, in an order drawn by chance."""
    async with edge.reading("texts.read") as session:
        return page_response(*await results.texts(session, edge.principal, id_, question, after, limit))


@router.get("/campaigns/{id_}/export", tags=["results"], response_class=StreamingResponse)
async def export_campaign(edge: Edge, parts: Parts, id_: str, form: Form = "csv") -> Response:
    """The anonymous answers of the institution's own campaign that is over, a row a response.

    Days are coarsened to months, rare values withheld, texts left out, rows in an order drawn by chance.
    """
    edge.allow("answers.export")
    if edge.principal.role is not Role.INSTITUTION:
        raise NotFound(what="campaign", id=id_[:100])
    campaigns, instrument, hidden = await exports.of_campaign(
        edge.database, edge.principal, parts.library, id_, parts.privacy_k
    )
    return await _file(edge, parts, campaigns, instrument, hidden, form, f"campaign-{id_}", pooled=False)


@router.get("/answers/export", tags=["results"], response_class=StreamingResponse)
async def export_wave(
    edge: Edge, parts: Parts, wave: Annotated[str, Query(max_length=64)], form: Form = "csv"
) -> Response:
    """The anonymous answers of a whole wave that is over, for the ministry; as of a campaign, with the region.

    Professions are left out: by place they are counted of whole years (`/gaps/table/export`).
    """
    edge.allow("answers.export")
    if edge.principal.role is not Role.MINISTRY:
        raise NotFound(what="wave", id=wave)
    campaigns, instrument, hidden = await exports.of_wave(
        edge.database, edge.principal, parts.library, wave, parts.privacy_k
    )
    return await _file(edge, parts, campaigns, instrument, hidden, form, f"wave-{wave}", pooled=True)


@router.get("/instruments/{code}/codebook", tags=["results"])
async def get_codebook(edge: Edge, parts: Parts, code: str, version: Version = None) -> Response:
    """The codebook of a questionnaire's exports: variables, values and missing codes with labels in four languages."""
    async with edge.reading("results.read") as session:
        instrument = await parts.library.ensure(session, code, version, scope=edge.principal.scope)
    variables = [*parts.exports.general(), *variables_of(instrument, {})]
    return json_response(
        {
            "instrument": instrument.code,
            "version": instrument.version,
            "title": {lang.value: words for lang, words in instrument.title.items()},
            "variables": [
                {
                    "name": variable.name,
                    "kind": variable.kind,
                    "topic": variable.topic,
                    "label": variable.label,
                    "values": [
                        {"value": value, "number": number, "label": label}
                        for number, (value, label) in enumerate(variable.values, start=1)
                    ],
                }
                for variable in variables
            ],
            "missing": [{"number": int(number), "label": label} for number, label in parts.exports.missing().items()],
        }
    )


@internal.get("/answers")
async def count_answers(edge: Edge) -> Response:
    """How many answers are staged and how many have become responses: together, all that were acknowledged."""
    edge.allow("answers.count")
    async with edge.database.reading(SYSTEM) as session:
        return json_response(await intake.answers(session))


def _ended(year: str) -> str:
    """The year; raises InvalidInput before it has ended, and for a week: by then every campaign of it is over."""
    until = date(int(year[:4]) + 1, 9, 7)
    if local_day(now()) <= until:
        raise InvalidInput(FieldError("year", "year-not-ended", {"until": until.isoformat()}))
    return year


async def _file(
    edge: RequestEdge,
    parts: Parts,
    campaigns: list[str],
    instrument: Any,
    hidden: Any,
    form: str,
    name: str,
    *,
    pooled: bool,
) -> Response:
    variables = variables_of(instrument, hidden)
    if pooled:
        # Beside the region it would give the cells of professions by places that are hidden there.
        variables = [each for each in variables if each.kind != "profession"]
    pieces = await parts.exports.file(campaigns, instrument, variables, form, edge.lang, pooled=pooled)
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"', "Cache-Control": "no-store"}
    return StreamingResponse(pieces, media_type=MEDIA[form], headers=headers)


def _path(edge: RequestEdge, territory: str | None) -> str:
    """The path of a territory within the caller's; raises NotFound beyond it, InvalidInput for no territory."""
    own = territories.own_path(edge.principal)
    if territory is None:
        return own
    path = territory_path("territory", territory)
    if not path.startswith(own):
        raise NotFound(what="territory", id=territory)
    return path
