"""HTTP routes of publications: editions, the values as published, and how they were revised since."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from sqlalchemy import select
from sqlmodel import col

from services.monitoring import queries as value_queries
from services.monitoring.api.ground import Code, Ground, Grounded, OptionalCode, indicator_of, period_of
from services.monitoring.api.submissions import compared
from services.monitoring.directory import described
from services.monitoring.domain.periods import parse
from services.monitoring.domain.territory import Place
from services.monitoring.reporting import freezes, queries
from services.monitoring.reporting.lifecycle import Publish
from services.monitoring.reporting.publishing import Publications
from services.monitoring.reporting.tables import PublicationRow
from shared.contracts.events import State
from shared.contracts.reporting import Edition, PublicationState, PublicationStatus
from shared.errors import FieldError, InvalidInput, NotFound
from shared.persistence.engine import raw_connection
from shared.persistence.pages import page_of_states
from shared.persistence.unit_of_work import UnitOfWork, could_be_id
from shared.scope import EDUCATION, TERRITORIAL, Role
from shared.web.cursors import decode_cursor, encode_cursor
from shared.web.edge import Edge, RequestEdge, json_response, page_response, state_dict_response
from shared.web.registers import Filter, Reference
from shared.web.tabular import Cell, Column, Kind, cell_of, csv_text

PERMISSIONS: dict[str, frozenset[Role]] = {
    "publication.read": EDUCATION | {Role.SERVICE},
    "publication.order": TERRITORIAL,
}
router = APIRouter(prefix="/v1", tags=["publications"])
CHUNK = 100


class PublicationFilter(Filter):
    """What the list of publications is narrowed by."""

    period: str | None = Field(default=None, max_length=16)
    place: Reference = None
    status: PublicationStatus | None = None


async def _publications(request: Request) -> Publications:
    publications: Publications = request.app.state.publications
    return publications


Publishing = Annotated[Publications, Depends(_publications)]
Id = Annotated[str, Path(max_length=64, description="a publication's id")]
EditionNumber = Annotated[int | None, Query(ge=1, le=10_000, description="an edition; the last one by default")]


@router.get("/publications")
async def publications(edge: Edge, ground: Grounded, asked: Annotated[PublicationFilter, Query()]) -> Response:
    """Publications, a page at a time: those of other territories too, for what is published is no secret.

    Their values everybody sees within the own part of the territory.
    """
    async with edge.reading("publication.read") as session:
        await ground.directory.look(await raw_connection(session))
        query = select(PublicationRow)
        for name in ("period", "place", "status"):
            value = getattr(asked, name)
            if value is not None:
                query = query.where(col(getattr(PublicationRow, name)) == str(value))
        by, names = (col(PublicationRow.period), col(PublicationRow.id)), ("period", "id")
        states, cursor = await page_of_states(
            session, query, by=by, names=names, after=asked.after, limit=asked.limit, scope=edge.principal.scope
        )
    return page_response([_shown(state, ground, edge) for state in states], cursor)


@router.post("/publications", status_code=202, response_model=PublicationState)
async def order(edge: Edge, ground: Grounded, publishing: Publishing, body: Publish) -> Response:
    """Publish a period for a territory; the edition is made at once, in the background: ask again for its status.

    What is frozen is never changed. A further edition needs a reason and stands beside the former ones.
    """
    period = period_of("period", body.period)

    async def act(uow: UnitOfWork) -> State:
        await ground.directory.look(await raw_connection(uow.session))
        root = ground.place(edge, body.place)
        return await publishing.order(uow, root, period, body)

    return await edge.command("publication.order", act, status=202)


@router.get("/publications/{id_}")
async def publication(edge: Edge, ground: Grounded, id_: Id) -> Response:
    """A publication with all its editions, and the stream positions that the last one rests on."""
    async with edge.reading("publication.read") as session:
        await ground.directory.look(await raw_connection(session))
        row = await _row(session, id_)
    return state_dict_response(_shown(row.shown(), ground, edge, positions=True), "publication", id_)


@router.get("/publications/{id_}/values")
async def published_values(
    edge: Edge,
    ground: Grounded,
    id_: Id,
    edition: EditionNumber = None,
    place: OptionalCode = None,
    indicator: Annotated[str | None, Query(max_length=64)] = None,
    changed: Annotated[bool, Query(description="only those that are known otherwise now")] = False,
    after: Annotated[str | None, Query(max_length=300)] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="places looked at a page")] = 50,
) -> Response:
    """Values as published beside those known now: at a place and the places right below, within the caller's scope."""
    begin = _offset(after)
    async with edge.reading("publication.read") as session:
        connection = await raw_connection(session)
        await ground.directory.look(connection)
        state = PublicationState.model_validate((await _row(session, id_)).state)
        chosen = _edition(state, edition)
        within = _places(ground, edge, state, place)
        code = indicator_of(indicator).code if indicator else None
        found = await queries.compared(
            connection,
            chosen.figures,
            within[begin : begin + limit],
            parse(state.period),
            ground.sight(edge),
            ground.k,
            code,
        )
    items = [compared(each, ground, edge) for each in found if not changed or each.changed]
    following = encode_cursor(begin + limit) if begin + limit < len(within) else None
    return json_response(
        {
            "publication": state.id,
            "period": state.period,
            "edition": chosen.model_dump(mode="json"),
            "items": items,
            "next": following,
        }
    )


@router.get("/publications/{id_}/values.csv")
async def published_values_csv(edge: Edge, ground: Grounded, id_: Id, edition: EditionNumber = None) -> Response:
    """An edition as CSV: every place of the caller's scope, every indicator, as published."""
    async with edge.reading("publication.read") as session:
        await ground.directory.look(await raw_connection(session))
        state = PublicationState.model_validate((await _row(session, id_)).state)
    chosen = _edition(state, edition)
    root = ground.directory.by_code(state.place)
    if root is None:
        raise NotFound(what="publication", id=id_)
    month = value_queries.end_of(parse(state.period), ground.this_month)
    every = freezes.places_of(ground.directory, root, month)
    places = [place for place in every if ground.directory.sees(place, edge.principal, month)]
    name = f"{state.place}-{state.period}-{chosen.edition}.csv"
    return StreamingResponse(
        _csv(edge, chosen, places),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _csv(edge: RequestEdge, edition: Edition, places: list[Place]) -> AsyncIterator[bytes]:
    names = ("value", "numerator", "denominator", "coverage", "suppressed")
    yield csv_text([("place", "level", "name", "indicator", *names)]).encode()
    async with edge.querying("publication.read") as connection:
        for start in range(0, len(places), CHUNK):
            some = {place.id: described(place, edge.lang) for place in places[start : start + CHUNK]}
            rows = await freezes.read(connection, edition.figures, list(some))
            yield csv_text([(*_cells(some[place]), *figures) for place, *figures in rows]).encode()


@router.get("/published")
async def published(
    edge: Edge, ground: Grounded, indicator: Code, period: Code, place: OptionalCode = None
) -> Response:
    """One value as published: in the last edition of every publication that covers it, beside what is known now."""
    asked = indicator_of(indicator)
    when = ground.period(asked, period)
    until = value_queries.end_of(when, ground.this_month)
    async with edge.querying("publication.read") as connection:
        await ground.directory.look(connection)
        root = ground.place(edge, place, until)
        above = ground.directory.above(root, until)
        rows = await queries.published(connection, root, above, asked, when)
        now = (await value_queries.values(connection, asked, [root], when, ground.this_month, ground.k, parts=False))[0]
    items = []
    for row in rows:
        frozen = (root.id, asked.code, row["value"], row["numerator"], row["denominator"], row["coverage"])
        each = queries.Compared(root, asked, (*frozen, row["suppressed"]), now.value)
        items.append(
            {
                "publication": row["id"],
                "by": row["place"],
                "edition": Edition.model_validate(row["edition"]).model_dump(mode="json"),
                **compared(each, ground, edge),
            }
        )
    return json_response({"indicator": asked.code, "period": when.text, "items": items})


def _cells(about: dict[str, Any]) -> list[Cell]:
    return [about["code"], about["level"], cell_of(about["name"], _NAME)]


_NAME = Column(("name",), Kind.TEXT, required=True)


def _edition(state: PublicationState, number: int | None) -> Edition:
    if not state.editions:
        raise NotFound(what="edition", id="1")
    if number is None:
        return state.editions[-1]
    if number > len(state.editions):
        raise NotFound(what="edition", id=str(number))
    return state.editions[number - 1]


def _places(ground: Ground, edge: RequestEdge, state: PublicationState, code: str | None) -> list[Place]:
    """The place asked for – or the publication's own, or the caller's, whichever is smaller – and those right below."""
    until = value_queries.end_of(parse(state.period), ground.this_month)
    own = ground.directory.by_code(state.place)
    if code is None and own is not None and edge.principal.scope.sees(own.path):
        code = own.code
    root = ground.place(edge, code, until)
    return [root, *ground.directory.below(root, until, edge.principal)]


async def _row(session: Any, id_: str) -> PublicationRow:
    if could_be_id(id_):
        query = select(PublicationRow).where(col(PublicationRow.id) == id_)
        row: PublicationRow | None = (await session.execute(query)).scalar_one_or_none()
        if row is not None:
            return row
    raise NotFound(what="publication", id=id_[:100])


def _offset(after: str | None) -> int:
    if after is None:
        return 0
    (offset,) = decode_cursor(after, 1)
    if not isinstance(offset, int) or not 0 <= offset < 1_000_000:
        raise InvalidInput(FieldError("after", "cursor"))
    return offset


def _shown(state: dict[str, Any], ground: Ground, edge: RequestEdge, *, positions: bool = False) -> dict[str, Any]:
    place = ground.directory.by_code(str(state["place"]))
    shown = {**state, "name": described(place, edge.lang)["name"] if place else state["place"]}
    if not positions:
        shown.pop("positions", None)
    return shown
