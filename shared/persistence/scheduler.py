"""The scheduler: makes passing time an event, in small transactions, beside any number of its kind."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import ColumnElement, select, text
from sqlmodel import col

from shared.contracts.events import EventType
from shared.persistence.engine import is_transient
from shared.persistence.unit_of_work import Database, UnitOfWork
from shared.telemetry.metrics import TIME_PASSED
from shared.telemetry.progress import Progress

log = structlog.get_logger(__name__)

LOOK_S = 2.0
FOUND = 500
"""Rows looked for at once: of many that are due all are read to find the first."""
BATCH = 10
"""Rows a transaction: they are locked until it ends."""
_PLAN_FOR_NOW = text("set local plan_cache_mode = force_custom_plan")


@dataclass(frozen=True, slots=True)
class Passage:
    """What passing time does to one kind of aggregate.

    `due(now)` is the condition of the rows for which it has something to do (give it an index); `bring(uow, id)` brings
    one of them, locked, to the present and returns what was told. Afterwards the row must not be due any more, or it
    has its next turn at the next look. `row` is a table with a text `id`, of aggregates or of what becomes one.
    """

    row: type[Any]
    due: Callable[[datetime], ColumnElement[bool]]
    bring: Callable[[UnitOfWork, str], Awaitable[Sequence[EventType]]]

    async def find_due(self, uow: UnitOfWork, limit: int, without: Collection[str] = ()) -> list[str]:
        """Up to `limit` rows, none of `without`, that time has something to do to."""
        query = select(col(self.row.id)).where(self.due(uow.now), col(self.row.id).not_in(without))
        # A plan for any time at all takes a third of the rows for due, and reads the whole table to find few.
        await uow.session.execute(_PLAN_FOR_NOW)
        return list((await uow.session.execute(query.order_by(col(self.row.id)).limit(limit))).scalars())

    async def let_time_pass(
        self, uow: UnitOfWork, ids: Sequence[str], enough: Callable[[], bool] = lambda: False
    ) -> list[EventType]:
        """Bring these rows to the present, or some of them until it is enough; returns what was told of them.

        Those that another transaction works on are left to it: a command lets time pass by itself, another scheduler
        does what this one would, and whatever they leave is found next time.
        """
        query = select(col(self.row.id)).where(self.due(uow.now), col(self.row.id).in_(ids))
        locked = await uow.session.execute(query.order_by(col(self.row.id)).with_for_update(skip_locked=True))
        told: list[EventType] = []
        for id_ in locked.scalars():
            told += await self.bring(uow, id_)
            if told and enough():
                break
        return told


@dataclass
class Scheduler:
    """Looks every two seconds for rows whose time has come.

    One that cannot be brought to the present holds up nobody: it is named in the log and set aside until it starts
    anew. In long work it gives way to what somebody waits for: a month's end is due for everybody at once.
    """

    database: Database
    progress: Progress
    passages: Sequence[Passage]
    _set_aside: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self.progress.beat("scheduler")
            try:
                if await self.catch_up():
                    continue  # long work is done in pieces: the next one at once
            except Exception as problem:
                log.warning("scheduler.failed", error=repr(problem)[:300])
            await asyncio.sleep(LOOK_S)

    async def catch_up(self) -> int:
        """Bring everything to the present; returns how many events that took. Raises what is transient."""
        return sum([await self._catch_up(passage) for passage in self.passages])

    async def _catch_up(self, passage: Passage) -> int:
        total = 0
        while True:
            async with self.database.unit_of_work() as uow:
                ids = await passage.find_due(uow, FOUND, self._set_aside)
            told = 0
            for begin in range(0, len(ids), BATCH):
                self.progress.beat("scheduler")
                told += await self._bring(passage, ids[begin : begin + BATCH])
                await self.database.precedence.give_way()
            total += told
            if len(ids) < FOUND or not told:
                return total

    async def _bring(self, passage: Passage, ids: Sequence[str]) -> int:
        try:
            async with self.database.unit_of_work() as uow:
                told = await passage.let_time_pass(uow, ids, lambda: self.database.precedence.under_way)
        except Exception as problem:
            if is_transient(problem):
                raise
            if len(ids) > 1:
                middle = len(ids) // 2
                return await self._bring(passage, ids[:middle]) + await self._bring(passage, ids[middle:])
            log.exception("scheduler.set_aside", what=passage.row.__tablename__, id=ids[0])
            self._set_aside.add(ids[0])
            return 0
        for event_type in told:
            TIME_PASSED.labels(event_type.name.split(".")[3]).inc()
        return len(told)
