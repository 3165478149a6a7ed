"""Opens the reports of a period once it is over: one for every institution at work, district and region."""

import asyncio

import structlog

from services.monitoring.directory import Directory
from services.monitoring.domain.parts import first_day
from services.monitoring.domain.periods import Period
from services.monitoring.domain.territory import Level, Place
from services.monitoring.reporting.calendar import Calendar
from services.monitoring.reporting.commands import Reports, units_of
from services.monitoring.reporting.lifecycle import Units
from shared.clock import local_day
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM
from shared.telemetry.progress import Progress

log = structlog.get_logger(__name__)

LOOK_S = 5.0
BATCH = 10
REPORTING = (Level.INSTITUTION, Level.DISTRICT, Level.REGION)

# The part of a path above the institutions stays; the rest is the institution's own.
_FOLLOW = r"""
    update submission set org_path = followed.path
    from (
        select s.id,
            substring(s.org_path from '^(?:/\d+(?=/))*') || substring(p.path from '^(?:/\d+(?=/))*(.*)$') as path
        from submission s join place p on p.code = s.place
        where s.level = 'institution' and ($1::text[] is null or s.place = any($1::text[]))
    ) followed
    where followed.id = submission.id and followed.path <> submission.org_path
"""


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
        self._successors: dict[str, list[str]] | None = None
        """By institution that was merged, as its reports have followed; None: nothing is known yet."""
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
        """Reports lie with who goes on with their institution's work, under the offices of their own time."""
        now = {
            place.code: place.successors for place in self._directory.at_level(Level.INSTITUTION) if place.successors
        }
        before = self._successors
        if before == now:
            return
        some = None if before is None else [code for code in now | before if now.get(code) != before.get(code)]
        async with self._database.unit_of_work() as uow:
            await (await raw_connection(uow.session)).execute(_FOLLOW, some)
        self._successors = now

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
