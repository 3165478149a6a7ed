"""Opens the reports of a period once it is over: one for every institution at work, district and region."""

import asyncio
from datetime import date
from typing import Any, Final

import structlog

from services.monitoring.directory import Directory
from services.monitoring.domain.parts import first_day
from services.monitoring.domain.periods import Period, parse
from services.monitoring.domain.territory import Level, Place
from services.monitoring.reporting.calendar import Calendar
from services.monitoring.reporting.commands import Reports, placed, units_of
from services.monitoring.reporting.lifecycle import Units
from shared.clock import local_day
from shared.contracts.reporting import SubmissionStatus
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM
from shared.telemetry.progress import Progress

log = structlog.get_logger(__name__)

LOOK_S = 5.0
BATCH = 10
_Lies = tuple[tuple[tuple[str, date], ...], str]
"""An institution's memberships and path."""
_NEVER: Final = -1
REPORTING = (Level.INSTITUTION, Level.DISTRICT, Level.REGION)

# Reports that may lie elsewhere than they should: all of the institutions named, and what is reopened: it was locked
# before, and stayed where it lay. At first those of all institutions that lie – or have lain – elsewhere.
_READ = "select id, place, period, status, org_path from submission where "
_REOPENED = "level = 'institution' and status = 'reopened'"
_OF_SOME = "level = 'institution' and (status = 'reopened' or place = any($1::text[]))"
_OF_ALL = """level = 'institution' and (
    place = any($1::text[]) or not exists (select from place p where p.code = submission.place and p.path = org_path)
)"""


class Opening:
    """Looks every few seconds for places that have no report of the last period of a kind yet.

    Any number may run at once: a report's id follows from its place and period.
    """

    def __init__(
        self, database: Database, directory: Directory, reports: Reports, calendar: Calendar, progress: Progress
    ) -> None:
        self._database = database
        self._directory = directory
        self._reports = reports
        self._calendar = calendar
        self._progress = progress
        self._opened: set[tuple[str, str]] = set()
        self._lie: dict[str, _Lies] = {}
        """Where institutions lay when their reports were placed; none before that."""
        self._placed = _NEVER
        """The territory's revision then."""
        self._complete: dict[str, tuple[str, int]] = {}
        """By kind: the period of which everything is open, and the territory's revision for which that is so."""

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._progress.beat("opening")
            try:
                await self.catch_up()
            except Exception as problem:
                log.warning("opening.failed", error=repr(problem)[:300])
            await asyncio.sleep(LOOK_S)

    async def catch_up(self) -> int:
        """Open what is to be opened; returns how many reports that were."""
        async with self._database.reading(SYSTEM) as session:
            await self._directory.look(await raw_connection(session))
        await self._follow()
        today, count = local_day(self._database.clock()), 0
        for kind in self._calendar.kinds:
            period = self._calendar.ended(kind, today)
            state = period.text, self._directory.image.revision
            if self._complete.get(kind) == state:
                continue
            expected = self._expected(period)
            for start in range(0, len(expected), BATCH):
                self._progress.beat("opening")
                some = expected[start : start + BATCH]
                async with self._database.unit_of_work() as uow:
                    count += await self._reports.open(uow, period, some, self._database.precedence.give_way)
                await self._database.precedence.give_way()
                self._opened |= {(place.code, period.text) for place, _, _ in some}
            self._complete[kind] = state
        return count

    async def _follow(self) -> None:
        """Reports lie under the offices of their own time, with who goes on with their institution's work.

        A move, a merger may be told late, or put right, when reports are open already.
        """
        image, lie, moved = self._directory.image, self._lie, list[str]()
        revision = image.revision
        if revision != self._placed:
            lie = {place.code: (place.memberships, place.path) for place in self._directory.at_level(Level.INSTITUTION)}
            if self._placed == _NEVER:
                moved = [image.places[id_].code for id_ in image.moved]
            else:
                moved = [code for code, lies in lie.items() if self._lie.get(code) != lies]
        async with self._database.reading(SYSTEM) as session:
            connection = await raw_connection(session)
            if self._placed == _NEVER:
                rows = await connection.fetch(_READ + _OF_ALL, moved)
            elif moved:
                rows = await connection.fetch(_READ + _OF_SOME, moved)
            else:
                rows = await connection.fetch(_READ + _REOPENED)
        elsewhere = [(row["id"], *own) for row in rows if (own := self._own(row)) is not None]
        for start in range(0, len(elsewhere), BATCH):
            self._progress.beat("opening")
            async with self._database.unit_of_work() as uow:
                for id_, units, path in elsewhere[start : start + BATCH]:
                    await self._reports.place_anew(uow, id_, units, path)
            await self._database.precedence.give_way()
        self._lie, self._placed = lie, revision

    def _own(self, row: Any) -> tuple[Units, str] | None:
        """Where an institution's report should lie; None where it does, or nobody knows."""
        place = self._directory.by_code(row["place"])
        above = self._directory.above(place, parse(row["period"]).last) if place is not None else []
        if place is None or not above:
            return None
        units, path = units_of(place, above)
        status = SubmissionStatus(row["status"])
        return None if placed(status, row["org_path"], path) == row["org_path"] else (units, path)

    def _expected(self, period: Period) -> list[tuple[Place, Units, str]]:
        """Places at work at the end of the period whose report is not known here to be open."""
        found: list[tuple[Place, Units, str]] = []
        last = first_day(period.last + 1)
        for level in REPORTING:
            for place in self._directory.at_level(level):
                if not place.active or not place.version or (place.code, period.text) in self._opened:
                    continue
                if level is Level.INSTITUTION and not any(since < last for _, since in place.memberships):
                    continue
                above = self._directory.above(place, period.last)
                if above:
                    found.append((place, *units_of(place, above)))
        return found
