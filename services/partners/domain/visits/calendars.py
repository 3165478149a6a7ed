"""Calendars: what stands in the way of a meeting – other visits and known events of either side (B1, B3 prevented)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from services.partners.domain.inputs import Note, refuse
from services.partners.domain.institutions import Command
from shared.clock import TASHKENT
from shared.contracts.events import EventType
from shared.contracts.visits import (
    KNOWN_EVENT_CANCELLED,
    KNOWN_EVENT_REASSIGNED,
    KNOWN_EVENT_RECORDED,
    Cause,
    EventOwner,
    KnownEventKind,
    KnownEventState,
    KnownEventStatus,
)
from shared.errors import BrokenRule, DomainError
from shared.scope import SOATO_LENGTHS, units_of

LONGEST_MEETING = timedelta(hours=12)
LONGEST_EVENT = timedelta(days=120)
Moment = Annotated[
    AwareDatetime, Field(description="a moment with its offset from UTC", examples=["2026-09-14T10:00:00+05:00"])
]
WRITTEN = "%d.%m.%Y %H:%M"
WRONG_TIME = frozenset(
    {
        KnownEventKind.HOLIDAY,
        KnownEventKind.EXAMS,
        KnownEventKind.INSPECTION,
        KnownEventKind.STOCKTAKING,
        KnownEventKind.REPAIR,
    }
)
"""Times at which nobody should be visited at all (B1); a meeting or another event is B3."""


class Busy(StrEnum):
    """Who can't."""

    INSTITUTION = "institution"
    ENVOY = "envoy"
    PARTNER = "partner"


class Clash(DomainError):
    """The plan meets a known event or another visit: the problem of tomorrow is refused today."""

    code = "clash"


class BusyThen(Clash):
    """The plan meets something that the caller does not see: no more is told than from when to when."""

    code = "busy-then"


@dataclass(frozen=True, slots=True)
class Engagement:
    """A time at which somebody can't: a visit, or a known event of its `kind`.

    `ref` is its id where the caller sees it; `hidden` says that not even what it is may be told.
    """

    who: Busy
    starts_at: datetime
    ends_at: datetime
    kind: KnownEventKind | None = None
    ref: str | None = None
    hidden: bool = False

    @property
    def cause(self) -> Cause:
        """The problem it would have become (DOMAIN.md)."""
        return Cause.B1 if self.kind in WRONG_TIME else Cause.B3


def overlap(starts: datetime, ends: datetime, other_starts: datetime, other_ends: datetime) -> bool:
    """Whether two half-open times meet."""
    return starts < other_ends and other_starts < ends


def check_free(starts: datetime, ends: datetime, engagements: Iterable[Engagement]) -> None:
    """Raise Clash naming the earliest engagement that meets this time."""
    meeting = [each for each in engagements if overlap(starts, ends, each.starts_at, each.ends_at)]
    if not meeting:
        return
    first = min(meeting, key=lambda each: (each.starts_at, each.who))
    begins, ends = first.starts_at.astimezone(TASHKENT), first.ends_at.astimezone(TASHKENT)
    when = {
        "since": begins.isoformat(),
        "until": ends.isoformat(),
        "begins": begins.strftime(WRITTEN),
        "ends": ends.strftime(WRITTEN),
    }
    if first.hidden:
        raise BusyThen(who=first.who.value, **when)
    what = first.kind.value if first.kind else "visit"
    raise Clash(who=first.who.value, cause=first.cause.value, what=what, ref=first.ref or "–", **when)


def territories(path: str) -> set[str]:
    """The codes of the territories that a path lies in: nation, region, district."""
    return {code for code in units_of(path) if len(code) in SOATO_LENGTHS}


class RecordKnownEvent(Command):
    """Something known that keeps an institution, an enterprise or a whole territory from receiving visits."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "owner": "territory",
                    "owner_ref": "17",
                    "kind": "holiday",
                    "starts_at": "2027-03-21T00:00:00+05:00",
                    "ends_at": "2027-03-22T00:00:00+05:00",
                    "title": "Navroʻz",
                }
            ]
        }
    )

    owner: EventOwner = Field(description="whose calendar: an institution's, an enterprise's, a whole territory's")
    owner_ref: Annotated[str, Field(max_length=64, description="id of the institution or enterprise, or SOATO code")]
    kind: KnownEventKind = Field(description="holiday, exams, inspection, stocktaking, repair: B1; others: B3")
    starts_at: Moment
    ends_at: Moment
    title: Note | None = Field(default=None, description="what it is, in words; seen by whoever sees the event")

    @model_validator(mode="after")
    def _in_order(self) -> "RecordKnownEvent":
        if not self.starts_at < self.ends_at <= self.starts_at + LONGEST_EVENT:
            raise BrokenRule("times_out_of_order", "ends_at")
        return self


def record(id_: str, command: RecordKnownEvent, recorded_by: str) -> tuple[EventType, KnownEventState]:
    """A new event, entered by a role and its organisation."""
    return KNOWN_EVENT_RECORDED, KnownEventState(
        id=id_,
        version=1,
        status=KnownEventStatus.EXPECTED,
        recorded_by=recorded_by,
        **command.model_dump(exclude={"title"}),
    )


def cancel(state: KnownEventState) -> tuple[EventType, KnownEventState]:
    """It does not take place; raises WrongState where it was cancelled before."""
    if state.status is not KnownEventStatus.EXPECTED:
        raise refuse(state.status.value, "cancel", ())
    return KNOWN_EVENT_CANCELLED, state.model_copy(
        update={"status": KnownEventStatus.CANCELLED, "version": state.version + 1}
    )


def reassign(state: KnownEventState, enterprise_id: str) -> tuple[EventType, KnownEventState]:
    """An enterprise's event follows where it was merged."""
    return KNOWN_EVENT_REASSIGNED, state.model_copy(update={"owner_ref": enterprise_id, "version": state.version + 1})
