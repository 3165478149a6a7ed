"""The unit of work: one transaction in which rows change and events join the stream; only the edge commits."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.util import identity_key

from shared.clock import Clock, now
from shared.contracts.events import EventType, Recorded, State
from shared.errors import NotFound, VersionMismatch
from shared.messaging.stream import Position, append
from shared.persistence.aggregates import AggregateRow, DetailedRow, defaults_of, insert_of, locked_read, update_of
from shared.persistence.engine import make_session, raw_connection, showing
from shared.precedence import Precedence
from shared.scope import ALL, SYSTEM, Principal, Scope

S = TypeVar("S", bound=State)
MAX_ID_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class _Held:
    """A row that was read and locked, or written: as it is now."""

    version: int
    state: str
    org_path: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A row that was brought from one state to another."""

    row_type: type[AggregateRow]
    id: str
    before: dict[str, Any]
    after: dict[str, Any]


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
    _held: dict[tuple[type[AggregateRow], str], _Held] = field(default_factory=dict)
    _watchers: list[list[Change]] = field(default_factory=list)

    async def load(
        self,
        row_type: type[AggregateRow],
        state_type: type[S],
        id_: str,
        *,
        what: str,
        since: Callable[[S], int] = lambda _: 0,
    ) -> S:
        """The state of an aggregate within the caller's scope, locked until the end.

        `since` tells from which version on the state is the same to who decides (0: only the present one); If-Match may
        name any from there.

        Raises NotFound outside the scope or where there is none, VersionMismatch if If-Match named another version.
        """
        if not could_be_id(id_):
            raise NotFound(what=what, id=id_[:MAX_ID_CHARACTERS])
        read = locked_read(row_type, self.principal.scope)
        row = await (await self._driver()).fetchrow(read.sql, *read.arguments(id_))
        if row is None:
            raise NotFound(what=what, id=id_)
        version, state, org_path, *details = row
        self._held[row_type, id_] = _Held(version, state, org_path, json.loads(details[0]) if details else {})
        found = state_type.model_validate_json(state)
        if self.expected_version is not None and not (since(found) or version) <= self.expected_version <= version:
            raise VersionMismatch(expected=self.expected_version, found=version)
        return found

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
        held = self._held.get((row_type, state.id))
        shown = held.details if held is not None else {}
        text_ = state.model_dump_json()
        values: dict[str, Any] = {
            "id": state.id,
            "version": state.version,
            "org_path": org_path,
            "state": text_,
            **row_type.columns(state),
        }
        if details is not None:
            assert issubclass(row_type, DetailedRow)
            values["details"] = shown = details.model_dump(mode="json")
        await self.session.flush()  # what the use case added itself may be referred to
        if held is None:
            values = {**defaults_of(row_type), **values}
            write = insert_of(row_type, tuple(values))
        else:
            write = update_of(row_type, tuple(values))
            for changes in self._watchers:
                changes.append(Change(row_type, state.id, json.loads(held.state), json.loads(text_)))
        await (await self._driver()).execute(write.sql, *write.arguments(values))
        self._held[row_type, state.id] = _Held(state.version, text_, org_path, shown)
        self._tell_mapper(row_type, values)
        self.recorded.append(Recorded(event_type, key, state, text_))
        return state

    @contextmanager
    def watching(self) -> Iterator[list[Change]]:
        """Within the block the list takes every row that changes."""
        changes: list[Change] = []
        self._watchers.append(changes)
        try:
            yield changes
        finally:
            self._watchers.pop()

    def _tell_mapper(self, row_type: type[AggregateRow], values: Mapping[str, Any]) -> None:
        """A row that the use case got through the mapper shows what was written; other columns stay the mapper's."""
        mapped = self.session.sync_session.identity_map.get(identity_key(row_type, values["id"]))
        if mapped is not None:
            for name, value in values.items():
                set_committed_value(mapped, name, json.loads(value) if name == "state" else value)

    async def _driver(self) -> Any:
        """The connection itself: every command passes here."""
        return await raw_connection(self.session)

    def shown(self, state: State) -> dict[str, Any] | None:
        """A recorded aggregate with its details; None for one that has none."""
        for (row_type, id_), held in self._held.items():
            if id_ == state.id and issubclass(row_type, DetailedRow) and row_type.STATE is type(state):
                row = row_type(
                    id=id_,
                    version=held.version,
                    org_path=held.org_path,
                    state=json.loads(held.state),
                    details=held.details,
                )
                return row.shown_to(self.principal.scope)
        return None

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
            self._held.clear()
            self.session.expunge_all()
            raise

    async def abandon(self) -> None:
        """Undo everything: what is committed afterwards is nothing."""
        self.recorded.clear()
        self._held.clear()
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
    precedence: Precedence = field(default_factory=Precedence, compare=False)

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

    @asynccontextmanager
    async def querying(self, principal: Principal) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """A raw connection for queries within the caller's scope."""
        async with showing(self.engine, principal.scope) as connection:
            yield connection


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
