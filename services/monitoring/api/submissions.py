"""HTTP routes of reporting: reports on their way up the tree, how far a period is reported, the calendar."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field
from sqlalchemy import select
from sqlmodel import col

from services.monitoring.api.ground import Grounded, OptionalCode, period_of, step
from services.monitoring.directory import described
from services.monitoring.domain.periods import PeriodKind, parse
from services.monitoring.reporting import freezes, lifecycle, queries
from services.monitoring.reporting.calendar import Deadline
from services.monitoring.reporting.commands import Reports
from services.monitoring.reporting.lifecycle import Plain, Reasoned
from services.monitoring.reporting.tables import SubmissionRow
from shared.clock import local_day
from shared.contracts.events import State
from shared.contracts.monitoring import OfficeLevel
from shared.contracts.reporting import SubmissionState, SubmissionStatus
from shared.errors import FieldError, InvalidInput, NotFound
from shared.persistence.engine import raw_connection
from shared.persistence.pages import page_of_states
from shared.persistence.unit_of_work import UnitOfWork, could_be_id
from shared.scope import EDUCATION, TERRITORIAL, Role
from shared.web.edge import Edge, RequestEdge, json_response, page_response, state_dict_response
from shared.web.registers import Filter, Reference

PERMISSIONS: dict[str, frozenset[Role]] = {
    "submission.read": EDUCATION | {Role.SERVICE},
    "submission.submit": frozenset({Role.INSTITUTION, Role.DISTRICT, Role.REGION}),
    "submission.return": TERRITORIAL,
    "submission.approve": TERRITORIAL,
    "submission.reopen": TERRITORIAL,
    "submission.lock": frozenset({Role.MINISTRY}),
    "reporting_calendar.read": EDUCATION | {Role.SERVICE},
    "reporting_calendar.set": frozenset({Role.MINISTRY}),
}
router = APIRouter(prefix="/v1", tags=["reporting"])


class SubmissionFilter(Filter):
    """What the list of reports is narrowed by."""

    period: str | None = Field(default=None, max_length=16, description="2026-Q3, 2025-26 …")
    status: SubmissionStatus | None = None
    level: OfficeLevel | None = None
    place: Reference = None
    parent: Reference = Field(default=None, description="code of the unit right above")


async def _reports(request: Request) -> Reports:
    reports: Reports = request.app.state.reports
    return reports


Reporting = Annotated[Reports, Depends(_reports)]
Id = Annotated[str, Path(max_length=64, description="a report's id")]


@router.get("/submissions")
async def submissions(edge: Edge, ground: Grounded, asked: Annotated[SubmissionFilter, Query()]) -> Response:
    """Reports of the caller's scope, a page at a time; each with the steps the caller may take (`may`)."""
    async with edge.reading("submission.read") as session:
        await ground.directory.look(await raw_connection(session))
        query = select(SubmissionRow).where(SubmissionRow.visible(edge.principal.scope))
        for name in ("period", "status", "level", "place", "parent"):
            value = getattr(asked, name)
            if value is not None:
                query = query.where(col(getattr(SubmissionRow, name)) == str(value))
        by, names = (col(SubmissionRow.period), col(SubmissionRow.id)), ("period", "id")
        states, cursor = await page_of_states(
            session, query, by=by, names=names, after=asked.after, limit=asked.limit, scope=edge.principal.scope
        )
    return page_response([_shown(state, ground, edge) for state in states], cursor)


@router.get("/submissions/{id_}")
async def submission(edge: Edge, ground: Grounded, id_: Id) -> Response:
    """A report with its steps and notes; its version is the ETag."""
    async with edge.reading("submission.read") as session:
        await ground.directory.look(await raw_connection(session))
        row = await _row(edge, session, id_)
    return state_dict_response(_shown(row.shown(), ground, edge), "submission", id_)


@router.get("/submissions/{id_}/figures")
async def figures(edge: Edge, ground: Grounded, id_: Id) -> Response:
    """The figures as last submitted beside those known now; `changed` says where later events moved them."""
    async with edge.reading("submission.read") as session:
        connection = await raw_connection(session)
        await ground.directory.look(connection)
        row = await _row(edge, session, id_)
        state = SubmissionState.model_validate(row.state)
        place = ground.directory.by_code(state.place)
        if place is None:
            raise NotFound(what="place", id=state.place)
        found = (
            await queries.compared(
                connection, state.figures, [place], parse(state.period), ground.sight(edge), ground.k
            )
            if state.figures
            else []
        )
    items = [compared(each, ground, edge) for each in found]
    return json_response({"period": state.period, "place": described(place, edge.lang), "items": items})


@router.post("/submissions/{id_}/submit", response_model=SubmissionState)
async def submit(edge: Edge, ground: Grounded, reports: Reporting, id_: Id, body: Plain) -> Response:
    """Submit the report with the figures as they are known now. An office first settles what waits from below."""
    edge.allow("submission.submit")
    async with edge.reading("submission.read") as session:
        await ground.directory.look(await raw_connection(session))
        state = SubmissionState.model_validate((await _row(edge, session, id_)).state)
    place = ground.directory.by_code(state.place)
    if place is None:
        raise NotFound(what="place", id=state.place)
    async with freezes.snapshot(edge.database, [place], parse(state.period), ground.this_month, ground.k) as moment:
        rows = [row async for some in moment.figures() for row in some]

    async def act(uow: UnitOfWork) -> State:
        return await reports.submit(uow, id_, body, rows, moment.positions)

    return await edge.command("submission.submit", act, versioned=True)


@router.post("/submissions/{id_}/return", response_model=SubmissionState)
async def send_back(edge: Edge, reports: Reporting, id_: Id, body: Reasoned) -> Response:
    """Return a submitted report with a reason; its place submits it again."""
    return await step(edge, "submission.return", lambda uow: reports.send_back(uow, id_, body))


@router.post("/submissions/{id_}/approve", response_model=SubmissionState)
async def approve(edge: Edge, reports: Reporting, id_: Id, body: Plain) -> Response:
    """Approve a submitted report: its figures stand. Approved reports right below it are locked with it."""
    return await step(edge, "submission.approve", lambda uow: reports.approve(uow, id_, body))


@router.post("/submissions/{id_}/lock", response_model=SubmissionState)
async def lock(edge: Edge, reports: Reporting, id_: Id, body: Plain) -> Response:
    """Lock an approved report: from then on the ministry alone reopens it."""
    return await step(edge, "submission.lock", lambda uow: reports.lock(uow, id_, body))


@router.post("/submissions/{id_}/reopen", response_model=SubmissionState)
async def reopen(edge: Edge, reports: Reporting, id_: Id, body: Reasoned) -> Response:
    """Reopen an approved or locked report for a correction, with a reason; what was approved stays readable."""
    return await step(edge, "submission.reopen", lambda uow: reports.reopen(uow, id_, body))


@router.get("/reporting/progress")
async def progress(
    edge: Edge,
    ground: Grounded,
    place: OptionalCode = None,
    period: Annotated[str | None, Query(max_length=16)] = None,
) -> Response:
    """How far a period is reported at a place and below: reports by level and status, and those that are overdue."""
    asked = period_of("period", period).text if period else None
    async with edge.querying("submission.read") as connection:
        await ground.directory.look(connection)
        root = ground.place(edge, place)
        known = sorted(await queries.periods(connection, root), key=lambda text: (-parse(text).last, text))
        chosen = asked or (known[0] if known else None)
        levels = (
            await queries.progress(connection, root, chosen, local_day(ground.clock())) if chosen is not None else {}
        )
    return json_response({"place": described(root, edge.lang), "period": chosen, "periods": known, "levels": levels})


@router.get("/reporting/calendar")
async def calendar(edge: Edge, reports: Reporting) -> Response:
    """By when reports are due: days after the end of a period, by kind and level."""
    async with edge.querying("reporting_calendar.read") as connection:
        found = await reports.calendar(connection)
    days = [
        {"kind": kind.value, "level": level.value, "days": number} for (kind, level), number in found.due_days.items()
    ]
    return json_response({"due_days": days, "remind_days": list(found.remind_days), "grace_days": found.grace_days})


@router.put("/reporting/calendar/{kind}/{level}")
async def set_deadline(
    edge: Edge, reports: Reporting, kind: PeriodKind, level: OfficeLevel, body: Deadline
) -> Response:
    """Reports opened from now on are due so many days after their period; those that are open keep their day."""

    async def act(uow: UnitOfWork) -> Mapping[str, Any]:
        known = await reports.calendar(await raw_connection(uow.session))
        if (kind, level) not in known.due_days:
            kinds = ", ".join(known.kinds)
            raise InvalidInput(FieldError("kind", "reporting_kind", {"value": f"{kind}/{level}", "known": kinds}))
        await reports.set_deadline(uow, kind, level, body)
        return {"kind": kind.value, "level": level.value, "days": body.days}

    return await edge.command("reporting_calendar.set", act)


async def _row(edge: RequestEdge, session: Any, id_: str) -> SubmissionRow:
    if could_be_id(id_):
        query = select(SubmissionRow).where(col(SubmissionRow.id) == id_, SubmissionRow.visible(edge.principal.scope))
        row: SubmissionRow | None = (await session.execute(query)).scalar_one_or_none()
        if row is not None:
            return row
    raise NotFound(what="submission", id=id_[:100])


def _shown(state: Mapping[str, Any], ground: Any, edge: RequestEdge) -> dict[str, Any]:
    """The state with the place's name, whether it is overdue, and what the caller may do next."""
    model = SubmissionState.model_validate(state)
    place = ground.directory.by_code(model.place)
    overdue = model.status in lifecycle.WAITS and model.due_on < local_day(ground.clock())
    named = described(place, edge.lang)["name"] if place else model.place
    return {**state, "name": named, "overdue": overdue, "may": lifecycle.possible(edge.principal, model)}


def compared(each: queries.Compared, ground: Any, edge: RequestEdge) -> dict[str, Any]:
    """A frozen figure beside what is known now."""
    _, code, value, numerator, denominator, coverage, suppressed = each.frozen
    return {
        "indicator": code,
        "name": ground.catalogue.text(f"indicator.{code}.name", edge.lang),
        "unit": each.indicator.unit,
        "place": described(each.place, edge.lang),
        "published": {
            "value": value,
            "numerator": numerator,
            "denominator": denominator,
            "coverage": coverage,
            "suppressed": suppressed,
        },
        "now": {
            "value": each.now.value,
            "numerator": each.now.numerator,
            "denominator": each.now.denominator,
            "coverage": each.now.coverage,
            "suppressed": each.now.suppressed,
        },
        "changed": each.changed,
    }
