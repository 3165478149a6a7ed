"""Routes of contacts with partners (stage 2): dossiers, visits, known events, next actions, calendars."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.partners.commands import calendars as calendar_commands
from services.partners.commands import visits as commands
from services.partners.domain.visits import actions, calendars, dossiers, standing
from services.partners.domain.visits import visits as domain
from services.partners.queries import calendars as queries
from services.partners.tables.registers import EnterpriseRow, InstitutionRow, own_paths
from services.partners.tables.visits import DossierRow, EventTitle, KnownEventRow, NextActionRow, VisitRow
from shared.contracts.visits import (
    ActionStatus,
    Check,
    DossierState,
    EventOwner,
    KnownEventState,
    KnownEventStatus,
    NextActionState,
    Rank,
    VisitState,
    VisitStatus,
)
from shared.contracts.vocabulary import EnterpriseSize
from shared.errors import FieldError, InvalidInput, NotFound
from shared.i18n import Catalogue, Lang
from shared.persistence.pages import one_state
from shared.scope import EDUCATION, Role
from shared.web.edge import Edge, json_response
from shared.web.registers import Creation, Filter, Reference, Register, add_register

READERS = EDUCATION | {Role.SERVICE}
INSTITUTION = frozenset({Role.INSTITUTION})
PERMISSIONS: dict[str, frozenset[Role]] = {
    "visit.read": READERS | {Role.ENTERPRISE},
    "visit.plan": INSTITUTION,
    "visit.change": INSTITUTION,
    "visit.agree": INSTITUTION | {Role.ENTERPRISE},
    "dossier.read": READERS,
    "dossier.keep": INSTITUTION,
    "known_event.read": READERS | {Role.ENTERPRISE},
    "known_event.record": EDUCATION | {Role.ENTERPRISE},
    "next_action.read": READERS | {Role.ENTERPRISE},
    "next_action.finish": INSTITUTION | {Role.ENTERPRISE},
}
USUAL_WINDOW = timedelta(days=31)
LONGEST_WINDOW = timedelta(days=366)
ICALENDAR = "text/calendar; charset=utf-8"


class ShownVisit(VisitState, domain.VisitDetails):
    """A visit with its agenda and notes; the visited enterprise sees the appointment alone."""


class ShownDossier(DossierState, dossiers.DossierDetails):
    """A dossier with the persons to talk to."""


class ShownKnownEvent(KnownEventState, EventTitle):
    """A known event with its title."""


class ShownNextAction(NextActionState, actions.ActionDetails):
    """A next action with what is to be done."""


class Window(BaseModel):
    """From when to when a calendar is shown."""

    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime | None = Field(default=None, description="left out: now")
    until: AwareDatetime | None = Field(default=None, description="left out: 31 days later; at most 366")


class ShownCalendar(BaseModel):
    """What stands in an institution's calendar, each list by its beginning; cancelled entries are left out."""

    visits: list[ShownVisit]
    events: list[ShownKnownEvent]


class RankRow(BaseModel):
    """The ranks that may be sent to a host; without a size: a partner that is no enterprise."""

    host_rank: Rank
    size: EnterpriseSize | None
    envoy_ranks: list[Rank]


class ShownRanks(BaseModel):
    """The table of V4."""

    items: list[RankRow]


class VisitFilter(Filter):
    """What the list of visits is narrowed by; `since` and `until` look at the planned start."""

    institution_id: Reference = None
    enterprise_id: Reference = None
    status: VisitStatus | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class DossierFilter(Filter):
    """What the list of dossiers is narrowed by."""

    institution_id: Reference = None
    enterprise_id: Reference = None


class KnownEventFilter(Filter):
    """What the list of known events is narrowed by."""

    owner: EventOwner | None = None
    owner_ref: Reference = None
    status: KnownEventStatus | None = None
    since: AwareDatetime | None = None


class NextActionFilter(Filter):
    """What the list of next actions is narrowed by."""

    institution_id: Reference = None
    enterprise_id: Reference = None
    visit_id: Reference = None
    status: ActionStatus | None = None
    due_before: date | None = None


REGISTERS = (
    Register(
        name="visits",
        what="visit",
        row=VisitRow,
        state=VisitState,
        shown=ShownVisit,
        read="visit.read",
        own_paths=own_paths,
        filters=VisitFilter,
        conditions={
            "since": lambda moment: col(VisitRow.planned_start) >= moment,
            "until": lambda moment: col(VisitRow.planned_start) < moment,
        },
        create=Creation("visit.plan", domain.PlanVisit, commands.plan_visit),
    ),
    Register(
        name="dossiers",
        what="dossier",
        row=DossierRow,
        state=DossierState,
        shown=ShownDossier,
        read="dossier.read",
        own_paths=own_paths,
        filters=DossierFilter,
        create=Creation("dossier.keep", dossiers.KeepDossier, commands.keep_dossier),
    ),
    Register(
        name="known-events",
        what="known_event",
        row=KnownEventRow,
        state=KnownEventState,
        shown=ShownKnownEvent,
        read="known_event.read",
        filters=KnownEventFilter,
        conditions={"since": lambda moment: col(KnownEventRow.ends_at) >= moment},
        create=Creation("known_event.record", calendars.RecordKnownEvent, calendar_commands.record_known_event),
    ),
    Register(
        name="next-actions",
        what="next_action",
        row=NextActionRow,
        state=NextActionState,
        shown=ShownNextAction,
        read="next_action.read",
        own_paths=own_paths,
        filters=NextActionFilter,
        conditions={"due_before": lambda day: col(NextActionRow.due_on) < day},
    ),
)

router = APIRouter(prefix="/v1")
for _register in REGISTERS:
    add_register(router, _register)


@router.post("/visits/{id_}/reschedule", tags=["visits"], response_model=ShownVisit)
async def reschedule_visit(edge: Edge, id_: str, body: domain.RescheduleVisit) -> Response:
    """Another time, free in both calendars; the partner has to agree to it again."""
    return await edge.command("visit.change", lambda uow: commands.reschedule_visit(uow, id_, body), versioned=True)


@router.post("/visits/{id_}/agree", tags=["visits"], response_model=ShownVisit)
async def agree_visit(edge: Edge, id_: str, body: domain.AgreeVisit) -> Response:
    """V3: the partner has agreed to the time; the enterprise may say so itself."""
    return await edge.command("visit.agree", lambda uow: commands.agree_visit(uow, id_, body), versioned=True)


@router.put("/visits/{id_}/checklist/{check}", tags=["visits"], response_model=ShownVisit)
async def answer_check(edge: Edge, id_: str, check: Check, body: domain.AnswerCheck) -> Response:
    """An item of the checklist (V1–V6) is done, or waived for a reason; V2, V3 and V4 answer themselves."""
    return await edge.command("visit.change", lambda uow: commands.answer_check(uow, id_, check, body), versioned=True)


@router.post("/visits/{id_}/prepare", tags=["visits"], response_model=ShownVisit)
async def prepare_visit(edge: Edge, id_: str) -> Response:
    """Prepared, if no item of the checklist is open; the refusal names those that are."""
    return await edge.command("visit.change", lambda uow: commands.prepare_visit(uow, id_), versioned=True)


@router.post("/visits/{id_}/hold", tags=["visits"], response_model=ShownVisit)
async def hold_visit(edge: Edge, id_: str, body: domain.HoldVisit) -> Response:
    """It took place: when it really began and ended."""
    return await edge.command("visit.change", lambda uow: commands.hold_visit(uow, id_, body), versioned=True)


@router.post("/visits/{id_}/protocol", tags=["visits"], response_model=ShownVisit)
async def record_protocol(edge: Edge, id_: str, body: domain.RecordProtocol) -> Response:
    """The negotiation (N1–N6): outcome, problems met (A1–A4, B1–B3), next actions."""
    return await edge.command("visit.change", lambda uow: commands.record_protocol(uow, id_, body), versioned=True)


@router.post("/visits/{id_}/cancel", tags=["visits"], response_model=ShownVisit)
async def cancel_visit(edge: Edge, id_: str, body: domain.CancelVisit) -> Response:
    """It won't take place; what prevented it is counted."""
    return await edge.command("visit.change", lambda uow: commands.cancel_visit(uow, id_, body), versioned=True)


@router.post("/known-events/{id_}/cancel", tags=["known-events"], response_model=ShownKnownEvent)
async def cancel_known_event(edge: Edge, id_: str) -> Response:
    """The event does not take place."""
    return await edge.command(
        "known_event.record", lambda uow: calendar_commands.cancel_known_event(uow, id_), versioned=True
    )


@router.post("/next-actions/{id_}/done", tags=["next-actions"], response_model=ShownNextAction)
async def finish_action(edge: Edge, id_: str, body: actions.FinishAction) -> Response:
    """The action was done."""
    return await edge.command("next_action.finish", lambda uow: commands.finish_action(uow, id_, body), versioned=True)


@router.post("/next-actions/{id_}/cancel", tags=["next-actions"], response_model=ShownNextAction)
async def cancel_action(edge: Edge, id_: str) -> Response:
    """The action is no longer wanted."""
    return await edge.command("next_action.finish", lambda uow: commands.cancel_action(uow, id_), versioned=True)


@router.get("/visits/{id_}/calendar.ics", tags=["visits"], response_class=Response)
async def visit_calendar(edge: Edge, id_: str) -> Response:
    """One visit as iCalendar; a cancelled one takes itself back."""
    async with edge.reading("visit.read") as session:
        visit = await one_state(session, VisitRow, id_, edge.principal.scope)
        if visit is None:
            raise NotFound(what="visit", id=id_[:100])
        return await _calendar(edge, session, [visit], alone=True)


@router.get("/institutions/{id_}/calendar", tags=["visits"], response_model=ShownCalendar)
async def show_calendar(edge: Edge, id_: str, asked: Annotated[Window, Query()]) -> Response:
    """What stands in an institution's calendar: its visits, its known events and those of its territories."""
    since = asked.since or edge.database.clock()
    until = asked.until or since + USUAL_WINDOW
    if not since < until:
        raise InvalidInput(FieldError("until", "times_out_of_order"))
    if until - since > LONGEST_WINDOW:
        raise InvalidInput(FieldError("until", "calendar_too_long", {"limit": LONGEST_WINDOW.days}))
    async with edge.reading("visit.read") as session:
        institution = await one_state(session, InstitutionRow, id_, edge.principal.scope)
        if institution is None:
            raise NotFound(what="institution", id=id_[:100])
        visits = await queries.visits_between(session, edge.principal.scope, id_, since, until)
        events = await queries.events_between(session, edge.principal.scope, id_, institution["path"], since, until)
        return json_response({"visits": visits, "events": events})


@router.get("/envoy-ranks", tags=["visits"], response_model=ShownRanks)
async def show_ranks(edge: Edge) -> Response:
    """V4 as a table: who may be sent to whom, by the rank of who receives and the size of the enterprise."""
    edge.allow("visit.read")
    rows = [
        {"host_rank": host, "size": size, "envoy_ranks": standing.fitting(host, size)}
        for host, by_size in standing.LOWEST_ENVOY.items()
        for size in by_size
    ]
    return json_response({"items": rows})


@router.get("/institutions/{id_}/calendar.ics", tags=["visits"], response_class=Response)
async def institution_calendar(edge: Edge, id_: str) -> Response:
    """An institution's visits as iCalendar, to subscribe to."""
    async with edge.reading("visit.read") as session:
        if await one_state(session, InstitutionRow, id_, edge.principal.scope) is None:
            raise NotFound(what="institution", id=id_[:100])
        found = await queries.visits_of(session, edge.principal.scope, id_)
        return await _calendar(edge, session, found, alone=False)


async def _calendar(edge: Edge, session: AsyncSession, visits: Sequence[Mapping[str, Any]], *, alone: bool) -> Response:
    named = {each["enterprise_id"] for each in visits if each["enterprise_id"]}
    rows = await session.execute(
        select(col(EnterpriseRow.id), col(EnterpriseRow.name)).where(col(EnterpriseRow.id).in_(named))
    )
    names: dict[str, str] = {row[0]: row[1] for row in rows}
    texts = _texts(edge.request.app.state.catalogue, edge.lang, visited=edge.principal.role is Role.ENTERPRISE)
    return Response(queries.calendar(visits, names, texts, edge.database.clock(), alone=alone), media_type=ICALENDAR)


def _texts(catalogue: Catalogue, lang: Lang, *, visited: bool) -> Mapping[str, str]:
    """The calendar's texts: who is visited does not read of a visit to itself."""
    texts = catalogue.section("calendar", lang)
    return texts | {"summary": texts["visited"]} if visited else texts
