"""Use cases of reports: submitting, returning, approving, locking, reopening – and what passing time does."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import ColumnElement, func, select, text
from sqlmodel import col

from services.monitoring.domain.periods import Period, PeriodKind
from services.monitoring.domain.territory import Level, Place
from services.monitoring.reporting import freezes, lifecycle
from services.monitoring.reporting.calendar import Calendar, Deadline
from services.monitoring.reporting.lifecycle import LEVELS, Notes, Plain, Reasoned, Units
from services.monitoring.reporting.tables import SubmissionRow, morning
from shared import scope
from shared.clock import local_day
from shared.contracts.events import EventType
from shared.contracts.monitoring import OfficeLevel
from shared.contracts.reporting import SubmissionState, SubmissionStatus
from shared.ids import new_id
from shared.persistence.engine import raw_connection
from shared.persistence.scheduler import Passage
from shared.persistence.unit_of_work import UnitOfWork
from shared.precedence import Halt, no_halt

BELOW = {OfficeLevel.DISTRICT: OfficeLevel.INSTITUTION, OfficeLevel.REGION: OfficeLevel.DISTRICT}


def report_id(place: str, period: str) -> str:
    """The id of a place's report for a period: there is never more than one."""
    return str(uuid5(NAMESPACE_URL, f"hamkor:report/{place}/{period}"))


class Reports:
    """The use cases with what they stand on: the calendar as declared."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar

    async def calendar(self, connection: Any) -> Calendar:
        """The calendar in force."""
        rows = await connection.fetch("select kind, level, days from reporting_deadline")
        return self._calendar.changed({(PeriodKind(kind), OfficeLevel(level)): days for kind, level, days in rows})

    async def set_deadline(self, uow: UnitOfWork, kind: PeriodKind, level: OfficeLevel, command: Deadline) -> None:
        """Reports that are opened from now on are due so many days after their period."""
        await uow.session.execute(
            text(
                "insert into reporting_deadline (kind, level, days, set_at) values (:kind, :level, :days, :at) "
                "on conflict (kind, level) do update set days = excluded.days, set_at = excluded.set_at"
            ),
            {"kind": kind.value, "level": level.value, "days": command.days, "at": uow.now},
        )

    async def open(
        self, uow: UnitOfWork, period: Period, places: Sequence[tuple[Place, Units, str]], halt: Halt = no_halt
    ) -> int:
        """Open the reports of (place, its units, its path at the end of the period); returns how many were new.

        `halt` is awaited after each: what is new holds up nobody.
        """
        calendar = await self.calendar(await raw_connection(uow.session))
        today, count = local_day(uow.now), 0
        ids = {report_id(place.code, period.text): (place, units, path) for place, units, path in places}
        known = set(
            (await uow.session.execute(select(col(SubmissionRow.id)).where(col(SubmissionRow.id).in_(ids)))).scalars()
        )
        for id_, (place, units, path) in ids.items():
            if id_ in known:
                continue
            due_on = calendar.due_on(period, units.level, today)
            state = lifecycle.opened(id_, units, period.text, today, due_on, uow.now)
            await uow.record(
                SubmissionRow, lifecycle.OPENED, state, key=place.code, org_path=path, details=Notes(notes=("",))
            )
            row = await uow.session.get(SubmissionRow, id_)
            assert row is not None
            row.remind_at = morning(calendar.remind_on(due_on, today))
            count += 1
            await halt()
        return count

    async def place_anew(self, uow: UnitOfWork, id_: str, units: Units, path: str) -> bool:
        """The report lies with the units and at the path that are its own now; says whether it had lain elsewhere.

        It follows its institution, whose move was told – or put right – after it had been opened.
        """
        state = await uow.load(SubmissionRow, SubmissionState, id_, what="submission")
        row = await uow.session.get(SubmissionRow, id_)
        assert row is not None
        path = placed(state.status, row.org_path, path)
        elsewhere = row.org_path != path
        there = (state.district, state.region)
        if state.status is not SubmissionStatus.LOCKED and there != (units.district, units.region):
            event_type, moved = lifecycle.moved(state, units)
            await uow.record(SubmissionRow, event_type, moved, key=state.place, org_path=path)
        else:
            row.org_path = path
        return elsewhere

    async def submit(
        self, uow: UnitOfWork, id_: str, command: Plain, figures: Sequence[freezes.Row], positions: freezes.Positions
    ) -> SubmissionState:
        """Submit with the figures as they are known now, which are kept."""
        state = await self._mine(uow, id_, "submit")
        freeze = new_id()
        outcome = lifecycle.submit(state, uow.now, uow.principal.role, freeze, await self._below(uow, state))
        connection = await raw_connection(uow.session)
        await freezes.keep(connection, freeze, state.period, uow.now, positions)
        await freezes.store(connection, freeze, figures)
        return await self._record(uow, outcome, command.note)

    async def send_back(self, uow: UnitOfWork, id_: str, command: Reasoned) -> SubmissionState:
        """Return a report with a reason."""
        state = await self._mine(uow, id_, "return")
        outcome = lifecycle.step(state, "return", uow.now, role=uow.principal.role, reason=command.reason)
        return await self._record(uow, outcome, command.note)

    async def approve(self, uow: UnitOfWork, id_: str, command: Plain) -> SubmissionState:
        """Approve a report: its figures stand; approved reports right below it are locked."""
        state = await self._mine(uow, id_, "approve")
        outcome = lifecycle.step(state, "approve", uow.now, role=uow.principal.role)
        approved = await self._record(uow, outcome, command.note)
        uow.expected_version = None  # met by the report itself; those below it come as they are
        for below in await self._approved_below(uow, state):
            child = await uow.load(SubmissionRow, SubmissionState, below, what="submission")
            await self._record(uow, lifecycle.step(child, "lock", uow.now, role=None), "")
        return approved

    async def lock(self, uow: UnitOfWork, id_: str, command: Plain) -> SubmissionState:
        """Lock an approved report: the ministry alone reopens it."""
        state = await self._mine(uow, id_, "lock")
        return await self._record(uow, lifecycle.step(state, "lock", uow.now, role=uow.principal.role), command.note)

    async def reopen(self, uow: UnitOfWork, id_: str, command: Reasoned) -> SubmissionState:
        """Reopen an approved report for a correction; what was approved stays readable."""
        state = await self._mine(uow, id_, "reopen")
        outcome = lifecycle.step(state, "reopen", uow.now, role=uow.principal.role, reason=command.reason)
        return await self._record(uow, outcome, command.note)

    def passage(self) -> Passage:
        """What passing time does: reminds of reports that are due."""
        return Passage(SubmissionRow, _due, self._remind)

    async def _remind(self, uow: UnitOfWork, id_: str) -> list[EventType]:
        state = await uow.load(SubmissionRow, SubmissionState, id_, what="submission")
        row = await uow.session.get(SubmissionRow, id_)
        assert row is not None
        if state.status not in lifecycle.WAITS:
            row.remind_at = None
            return []
        calendar = await self.calendar(await raw_connection(uow.session))
        event_type, reminded = lifecycle.remind(state)
        await uow.record(SubmissionRow, event_type, reminded, key=state.place, org_path=row.org_path)
        row.remind_at = morning(calendar.remind_on(state.due_on, local_day(uow.now) + timedelta(days=1)))
        return [event_type]

    async def _mine(self, uow: UnitOfWork, id_: str, what: str) -> SubmissionState:
        # A reminder in between is no reason to refuse what somebody is just writing.
        state = await uow.load(
            SubmissionRow, SubmissionState, id_, what="submission", since=lambda report: report.stepped_version
        )
        lifecycle.require_takes(uow.principal, state, what)
        return state

    async def _below(self, uow: UnitOfWork, state: SubmissionState) -> tuple[int, int, int]:
        """Reports right below: expected, approved, waiting for this office."""
        if state.level not in BELOW:
            return 0, 0, 0
        status = col(SubmissionRow.status)
        approved = status.in_([SubmissionStatus.APPROVED.value, SubmissionStatus.LOCKED.value])
        waiting = status == SubmissionStatus.SUBMITTED.value
        query = select(func.count(), func.count().filter(approved), func.count().filter(waiting)).where(
            *_right_below(state)
        )
        expected, done, wait = (await uow.session.execute(query)).one()
        return expected, done, wait

    async def _approved_below(self, uow: UnitOfWork, state: SubmissionState) -> list[str]:
        if state.level not in BELOW:
            return []
        query = select(col(SubmissionRow.id)).where(
            *_right_below(state), col(SubmissionRow.status) == SubmissionStatus.APPROVED.value
        )
        return list((await uow.session.execute(query.order_by(col(SubmissionRow.id)))).scalars())

    async def _record(self, uow: UnitOfWork, outcome: lifecycle.Outcome, note: str) -> SubmissionState:
        event_type, state = outcome
        row = await uow.session.get(SubmissionRow, state.id)
        assert row is not None
        notes = Notes(notes=(*Notes.model_validate(row.details).notes, note))
        return await uow.record(SubmissionRow, event_type, state, key=state.place, org_path=row.org_path, details=notes)


def units_of(place: Place, above: Sequence[Place]) -> tuple[Units, str]:
    """The units that a place lies in, and its path, from the places above it at a time (its district first).

    An institution that was merged lies below who goes on with its work, under the offices of its own time.
    """
    codes = {each.level: each.code for each in above} | {place.level: place.code}
    path = "/" + "/".join([*(each.code for each in reversed(above)), *place.successors, place.code]) + "/"
    units = Units(place.code, LEVELS[place.level], codes.get(Level.DISTRICT), codes.get(Level.REGION))
    return units, path


def placed(status: SubmissionStatus, before: str, own: str) -> str:
    """The path of a report that lay at `before` and whose own would be `own`.

    What is locked stays with the offices that approved it, below who goes on with the institution's work.
    """
    return _territorial(before) + own.removeprefix(_territorial(own)) if status is SubmissionStatus.LOCKED else own


def _territorial(path: str) -> str:
    return "".join(f"/{code}" for code in scope.units_of(path)) + "/"


def _right_below(state: SubmissionState) -> list[ColumnElement[bool]]:
    return [
        col(SubmissionRow.period) == state.period,
        col(SubmissionRow.parent) == state.place,
        col(SubmissionRow.level) == BELOW[state.level].value,
    ]


def _due(now: datetime) -> ColumnElement[bool]:
    return col(SubmissionRow.remind_at) <= now
