"""Moves staged answers on in company, closes campaigns whose period is over, and forgets what was spent in them."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final

import structlog
from prometheus_client import Counter, Gauge

from services.surveys.commands import campaigns, pooling, responses
from services.surveys.discreet import told_discreetly
from services.surveys.domain.campaigns import may_move_on
from services.surveys.instruments import InstrumentLibrary
from services.surveys.queries import intake
from services.surveys.vault import Vault
from shared.clock import local_day
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM
from shared.telemetry.progress import Progress
from shared.waiting import until_set

log = structlog.get_logger(__name__)

STAGED = Gauge("hamkor_surveys_staged_answers", "Answers that are stored and wait for company before they are told")
MOVED = Counter("hamkor_surveys_moved_answers_total", "Answers that became responses")
UNOPENED = Gauge("hamkor_surveys_unopened_answers", "Staged answers that this process's pepper does not open")

LOOK_S: Final = 2.0
PAUSE_S: Final = 2.0
"""So long between two looks, unless a campaign closes: a crowd is moved in large batches, who answers comes first."""
CLOSE_EVERY_S: Final = 60.0
WIPE_EVERY_S: Final = 10.0
POOL_EVERY_S: Final = 60.0
WIPES: Final = 50
"""Campaigns forgotten at one look."""


@dataclass
class Flusher:
    """The job that moves answers on.

    A campaign's answers move when `step` of them are staged or when the campaign is over, never earlier. Several
    processes may run it: a campaign is moved by one at a time.
    """

    database: Database
    vault: Vault
    library: InstrumentLibrary
    progress: Progress
    step: int
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)
    _unopened: int = 0
    _close_next_at: float = 0.0
    _wipe_next_at: float = 0.0
    _pool_next_at: float = 0.0

    def staged(self) -> None:
        """Look at once: something was staged."""
        self._wake.set()

    def wake(self) -> None:
        """Look at once: something was closed."""
        self._wipe_next_at = 0.0
        self._pool_next_at = 0.0
        self._wake.set()
        self._hurry.set()

    async def run(self) -> None:
        """Work until cancelled; failures are repeated."""
        while True:
            self.progress.beat("flusher")
            self._wake.clear()
            self._hurry.clear()
            try:
                await self._close_overdue()
                while await self.look():
                    self.progress.beat("flusher")
                    await until_set(self._hurry, PAUSE_S)
                    self._hurry.clear()
                await self._wipe()
                await self._pool()
            except Exception as problem:
                log.warning("flusher.failed", **told_discreetly(problem))
            await until_set(self._wake, LOOK_S)

    async def _close_overdue(self) -> None:
        if time.monotonic() < self._close_next_at:
            return
        async with self.database.unit_of_work() as uow:
            closed = await campaigns.close_overdue(uow, self.step)
        if closed:
            log.info("campaigns.closed", count=closed)
        else:
            self._close_next_at = time.monotonic() + CLOSE_EVERY_S

    async def look(self) -> int:
        """Move on what is due; returns how many answers moved."""
        async with self.database.reading(SYSTEM) as session:
            waiting = await intake.waiting(session, self.vault.key_id)
            self._tell_unopened(await intake.sealed_otherwise(session, self.vault.key_id))
        STAGED.set(sum(count for _, count in waiting))
        moved = 0
        now = self.database.clock()
        for row, count in waiting:
            if may_move_on(row.campaign(), count, self.step, now):
                async with self.database.unit_of_work() as uow:
                    moved += await responses.move_on(uow, self.vault, self.library, row.id, self.step)
        MOVED.inc(moved)
        return moved

    async def _wipe(self) -> None:
        if time.monotonic() < self._wipe_next_at:
            return
        async with self.database.reading(SYSTEM) as session:
            closed = await intake.unwiped(session, local_day(self.database.clock()), WIPES)
        self._wipe_next_at = time.monotonic() + (0.0 if closed else WIPE_EVERY_S)
        for campaign in closed:
            async with self.database.unit_of_work() as uow:
                await responses.wipe(uow, self.vault, campaign)

    async def _pool(self) -> None:
        if time.monotonic() < self._pool_next_at:
            return
        self._pool_next_at = time.monotonic() + POOL_EVERY_S
        pooled = True
        while pooled:
            self.progress.beat("flusher")
            async with self.database.unit_of_work() as uow:
                pooled = await pooling.pool(uow, self.library, self.step)

    def _tell_unopened(self, count: int) -> None:
        if count > self._unopened:
            log.error("answers.unopened", count=count, remedy="start with the SURVEYS_CODE_PEPPER that sealed them")
        self._unopened = count
        UNOPENED.set(count)
