"""The scheduler: makes passing time an event, in small transactions, beside any number of its kind."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from services.agreements.commands.passage import find_due, let_time_pass
from shared.persistence.engine import is_transient
from shared.persistence.unit_of_work import Database
from shared.telemetry.metrics import TIME_PASSED
from shared.telemetry.progress import Progress

log = structlog.get_logger(__name__)

LOOK_S = 2.0
BATCH = 100


@dataclass
class Scheduler:
    """Looks every two seconds for agreements whose time has come or run out.

    One that cannot be brought to today holds up nobody: it is named in the log and set aside until the next start.
    """

    database: Database
    progress: Progress
    _set_aside: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self.progress.beat("scheduler")
            try:
                await self.catch_up()
            except Exception as problem:
                log.warning("scheduler.failed", error=repr(problem)[:300])
            await asyncio.sleep(LOOK_S)

    async def catch_up(self) -> int:
        """Bring every agreement to today; returns how many events that took. Raises what is transient."""
        total = 0
        while True:
            self.progress.beat("scheduler")
            async with self.database.unit_of_work() as uow:
                ids = await find_due(uow, BATCH, self._set_aside)
            told = await self._bring(ids) if ids else 0
            total += told
            if len(ids) < BATCH or not told:
                return total

    async def _bring(self, ids: Sequence[str]) -> int:
        try:
            async with self.database.unit_of_work() as uow:
                told = await let_time_pass(uow, ids)
        except Exception as problem:
            if is_transient(problem):
                raise
            if len(ids) > 1:
                middle = len(ids) // 2
                return await self._bring(ids[:middle]) + await self._bring(ids[middle:])
            log.exception("scheduler.set_aside", agreement_id=ids[0])
            self._set_aside.add(ids[0])
            return 0
        for event_type in told:
            TIME_PASSED.labels(event_type.name.split(".")[3]).inc()
        return len(told)
