"""The unit of work: one transaction in which rows change and events join the stream; only the edge commits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlmodel import col

from shared.clock import Clock, now
from shared.contracts.events import EventType, Recorded, State
from shared.errors import NotFound, VersionMismatch
from shared.messaging.stream import Position, append
from shared.persistence.aggregates import AggregateRow, DetailedRow
from shared.persistence.engine import make_session
from shared.scope import ALL, SYSTEM, Principal, Scope

S = TypeVar("S", bound=State)
MAX_ID_CHARACTERS = 64


@dataclass
class UnitOfWork:
    """What a use case works with: the session, who asks, the time – and `record`, its only way to change the world.

    `appended` holds the stream positions of its events once the edge has committed.
    """

    session: AsyncSession
    service: str
    principal: Principal
    now: datetime
    expected_version: int | None = None
    recorded: list[Recorded] = field(default_factory=list)
    appended: list[Position] = field(default_factory=list)
    _rows: dict[tuple[type[AggregateRow], str], AggregateRow] = field(default_factory=dict)

    async def load(self, row_type: type[AggregateRow], state_type: type[S], id_: str, *, what: str) -> S:
        """The state of an aggregate within the caller's scope, locked until the end.

        Raises NotFound outside the scope or where there is none, VersionMismatch if If-Match named another version.
        """
        row = await self._locked(row_type, id_)
        if row is None:
            raise NotFound(what=what, id=id_)
        if self.expected_version is not None and row.version != self.expected_version:
            raise VersionMismatch(expected=self.expected_version, found=row.version)
        return state_type.model_validate(row.state)

    async def _locked(self, row_type: type[AggregateRow], id_: str) -> AggregateRow | None:
        if not could_be_id(id_):
            return None
        query = (
            select(row_type).where(col(row_type.id) == id_, row_type.visible(self.principal.scope)).with_for_update()
        )
        row: AggregateRow | None = (await self.session.execute(query)).scalar_one_or_none()
        if row is not None:
            self._rows[row_type, id_] = row
        return row

    async def record(
        self,
        row_type: type[AggregateRow],
        event_type: EventType,
        state: S,
        *,
        key: str,
        org_path: str,
        details: BaseModel | None = None,
    ) -> S:
        """Store `state` and let the stream tell it: the row and the event commit together or not at all.

        `details` (of a DetailedRow) are stored and told to nobody; None leaves those that are there.
        """
        row = self._rows.get((row_type, state.id))
        if row is None:
            row = row_type.of(state, org_path)
            self.session.add(row)
            self._rows[row_type, state.id] = row
        else:
            row.take(state, org_path)
        if details is not None:
            assert isinstance(row, DetailedRow)
            row.details = details.model_dump(mode="json")
        await self.session.flush()
        self.recorded.append(Recorded(event_type, key, state))
        return state

    def shown(self, state: State) -> dict[str, Any] | None:
        """A recorded aggregate with its details; None for one that has none."""
        return next(
            (
                row.shown_to(self.principal.scope)
                for (row_type, id_), row in self._rows.items()
                if id_ == state.id and issubclass(row_type, DetailedRow) and row.STATE is type(state)
            ),
            None,
        )

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """Within the block what fails is undone alone, rows and events; the unit of work goes on behind it."""
        recorded = len(self.recorded)
        try:
            async with self.session.begin_nested():
                yield
        except BaseException:
            # What was read is stale, what was written is gone: whoever comes next reads again.
            del self.recorded[recorded:]
            self._rows.clear()
            self.session.expunge_all()
            raise

    async def abandon(self) -> None:
        """Undo everything: what is committed afterwards is nothing."""
        self.recorded.clear()
        self._rows.clear()
        await self.session.rollback()

    @asynccontextmanager
    async def beyond_scope(self) -> AsyncIterator[None]:
        """Within the block the database shows all rows: for what a rule or an analysis must know of others.

        What is read so never reaches the caller as it is: only sums, yes or no, or what is public anyway.
        """
        await self._show(ALL)
        try:
            yield
        finally:
            await self._show(self.principal.scope)

    async def _show(self, scope: Scope) -> None:
        await self.session.execute(text("select set_config('app.scope', :scope, true)"), {"scope": scope.setting})

    async def stage(self) -> list[Position]:
        """Give the events their positions. The shards' heads are locked from here on: commit at once afterwards."""
        await self.session.flush()
        appended = await append(self.session, self.service, self.recorded, self.now)
        self.recorded.clear()
        self.appended.extend(appended)
        return appended

    async def commit(self) -> None:
        """Stage what is recorded and commit."""
        await self.stage()
        await self.session.commit()


@dataclass(frozen=True)
class Database:
    """A service's database as its edges use it."""

    service: str
    engine: AsyncEngine
    clock: Clock = now

    @asynccontextmanager
    async def unit_of_work(
        self, principal: Principal = SYSTEM, expected_version: int | None = None
    ) -> AsyncIterator[UnitOfWork]:
        """A unit of work that commits at the end of the block and rolls back on any error."""
        async with make_session(self.engine, principal.scope) as session:
            uow = UnitOfWork(session, self.service, principal, self.clock(), expected_version)
            yield uow
            await uow.commit()

    @asynccontextmanager
    async def reading(self, principal: Principal) -> AsyncIterator[AsyncSession]:
        """A session for queries within the caller's scope."""
        async with make_session(self.engine, principal.scope) as session:
            yield session


def could_be_id(value: str) -> bool:
    """False for text that names nothing anywhere: too long, or with a NUL, which PostgreSQL refuses."""
    return len(value) <= MAX_ID_CHARACTERS and "\x00" not in value


def is_uuid(value: str) -> bool:
    """True for the text of a UUID: anything else names nothing here and answers 404 like any foreign id."""
    try:
        UUID(value)
    except ValueError:
        return False
    return True
