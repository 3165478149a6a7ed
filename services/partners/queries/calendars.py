"""Calendars to look at and to subscribe to: visits of an institution as iCalendar (RFC 5545)."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from icalendar import Calendar, Event, Timezone
from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.partners.domain.visits.calendars import territories
from services.partners.tables.visits import KnownEventRow, VisitRow
from shared.clock import TASHKENT
from shared.contracts.visits import EventOwner
from shared.scope import Scope

PRODUCT = "-//Hamkor//visits//EN"
STATUS = {"cancelled": "CANCELLED", "held": "CONFIRMED", "prepared": "CONFIRMED", "planned": "TENTATIVE"}
MOST = 2000
Texts = Mapping[str, str]
"""`summary` ("Visit to {partner}") and the names of places under `place.<code>`, in the reader's language."""


async def visits_of(session: AsyncSession, scope: Scope, institution_id: str) -> list[dict[str, Any]]:
    """An institution's visits as the scope sees them, the latest first, at most MOST."""
    rows = await session.execute(
        select(VisitRow)
        .where(VisitRow.visible(scope), col(VisitRow.institution_id) == institution_id)
        .order_by(col(VisitRow.planned_start).desc(), col(VisitRow.id))
        .limit(MOST)
    )
    return [row.shown_to(scope) for row in rows.scalars()]


async def visits_between(
    session: AsyncSession, scope: Scope, institution_id: str, since: datetime, until: datetime
) -> list[dict[str, Any]]:
    """An institution's visits planned in that time, as the scope sees them; at most MOST, the earliest first."""
    rows = await session.execute(
        select(VisitRow)
        .where(
            VisitRow.visible(scope),
            col(VisitRow.institution_id) == institution_id,
            col(VisitRow.status) != "cancelled",
            col(VisitRow.planned_start) < until,
            col(VisitRow.planned_end) > since,
        )
        .order_by(col(VisitRow.planned_start), col(VisitRow.id))
        .limit(MOST)
    )
    return [row.shown_to(scope) for row in rows.scalars()]


async def events_between(
    session: AsyncSession, scope: Scope, institution_id: str, path: str, since: datetime, until: datetime
) -> list[dict[str, Any]]:
    """Known events in that time of an institution and of the territories on its `path`; at most MOST."""
    own = and_(col(KnownEventRow.owner) == EventOwner.INSTITUTION, col(KnownEventRow.owner_ref) == institution_id)
    around = and_(col(KnownEventRow.owner) == EventOwner.TERRITORY, col(KnownEventRow.owner_ref).in_(territories(path)))
    rows = await session.execute(
        select(KnownEventRow)
        .where(
            KnownEventRow.visible(scope),
            or_(own, around),
            col(KnownEventRow.status) == "expected",
            col(KnownEventRow.starts_at) < until,
            col(KnownEventRow.ends_at) > since,
        )
        .order_by(col(KnownEventRow.starts_at), col(KnownEventRow.id))
        .limit(MOST)
    )
    return [row.shown_to(scope) for row in rows.scalars()]


def calendar(
    visits: Iterable[Mapping[str, Any]], names: Mapping[str, str], texts: Texts, now: datetime, *, alone: bool
) -> bytes:
    """The calendar of these visits; `names` gives partners' names by id; a single cancelled visit takes itself back."""
    entries = list(visits)
    taken_back = alone and all(each["status"] == "cancelled" for each in entries)
    found = Calendar()
    found.add("prodid", PRODUCT)
    found.add("version", "2.0")
    found.add("method", "CANCEL" if taken_back else "PUBLISH")
    found.add_component(Timezone.from_tzinfo(TASHKENT))
    for each in entries:
        found.add_component(_event(each, names, texts, now))
    ical: bytes = found.to_ical()
    return ical


def _event(visit: Mapping[str, Any], names: Mapping[str, str], texts: Texts, now: datetime) -> Event:
    event = Event()
    starts = visit.get("actual_start") or visit["planned_start"]
    ends = visit.get("actual_end") or visit["planned_end"]
    partner = visit["enterprise_id"] or visit["partner_ref"]
    event.add("uid", f"{visit['id']}@visits.hamkor")
    event.add("sequence", visit["version"])
    event.add("dtstamp", now.astimezone(UTC))
    event.add("dtstart", _moment(starts))
    event.add("dtend", _moment(ends))
    event.add("status", STATUS[visit["status"]])
    event.add("summary", texts["summary"].format(partner=names.get(partner, partner)))
    event.add("location", texts[f"place.{visit['place']}"])
    if visit.get("agenda"):
        event.add("description", visit["agenda"])
    event.add("categories", list(visit["opportunities"]))
    return event


def _moment(value: str) -> datetime:
    return datetime.fromisoformat(value).astimezone(TASHKENT)
