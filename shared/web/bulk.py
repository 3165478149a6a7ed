"""Many commands of one kind in one request: each row its own savepoint, its own idempotency, its own answer."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.contracts.events import State
from shared.errors import HamkorError, InvalidInput, KeyReused
from shared.persistence.engine import is_transient, sqlstate_of
from shared.persistence.unit_of_work import UnitOfWork
from shared.web.edge import RequestEdge
from shared.web.problems import field_error, refused_by_database

CHUNK_ROWS = 100
"""Rows a transaction: locks are held for less than a second, and a repeat finds what was done."""
ATTEMPTS = 3
DEADLOCKS = ("40P01", "40001")

_CLAIM = text(
    "insert into idempotency (subject, key, request_hash) values (:subject, :key, :hash) "
    "on conflict (subject, key) do nothing returning key"
)
_STORED = text("select request_hash, body from idempotency where subject = :subject and key = :key")
_STORE = text(
    "update idempotency set status = 201, headers = '{}', body = :body where subject = :subject and key = :key"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One command to be: `number` as its sender counts, `key` under which a repeat does nothing twice."""

    number: int
    key: str
    entry: Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row: the entry's id and version, or the problem."""

    row: Row
    id: str = ""
    version: int = 0
    replayed: bool = False
    problem: HamkorError | None = None


class NotDone(HamkorError):
    """A sound row of an atomic request that was not done because another row was refused."""

    status = 424
    code = "not-done"


@dataclass
class Work:
    """Carries out rows: `use_case(uow, command)` for each, validated as `command`."""

    edge: RequestEdge
    name: str
    command: type[BaseModel]
    use_case: Callable[[UnitOfWork, Any], Awaitable[State]]
    positions: list[str] = field(default_factory=list)

    async def each(self, rows: Sequence[Row]) -> list[Outcome]:
        """Every row by itself, some in a transaction; what was done stays done whatever becomes of the others."""
        outcomes: list[Outcome] = []
        for begin in range(0, len(rows), CHUNK_ROWS):
            outcomes += await self._again_on_deadlock(rows[begin : begin + CHUNK_ROWS])
        return outcomes

    async def together(self, rows: Sequence[Row]) -> list[Outcome]:
        """All rows in one transaction, or none."""
        outcomes = await self._again_on_deadlock(rows, atomic=True)
        if any(outcome.problem for outcome in outcomes):
            return [each if each.problem else Outcome(each.row, problem=NotDone()) for each in outcomes]
        return outcomes

    async def tried(self, rows: Sequence[Row]) -> list[Outcome]:
        """What would become of the rows; nothing is done."""
        return await self._again_on_deadlock(rows, dry=True)

    async def _again_on_deadlock(
        self, rows: Sequence[Row], *, atomic: bool = False, dry: bool = False
    ) -> list[Outcome]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._transaction(rows, atomic=atomic, dry=dry)
            except DBAPIError as problem:
                # Two requests name the same things in another order: one of them is told to begin again.
                if attempt == ATTEMPTS or sqlstate_of(problem) not in DEADLOCKS:
                    raise
        raise AssertionError("unreachable")

    async def _transaction(self, rows: Sequence[Row], *, atomic: bool, dry: bool) -> list[Outcome]:
        async with self.edge.database.unit_of_work(self.edge.principal) as uow:
            outcomes = [await self._row(uow, row) for row in rows]
            if dry or (atomic and any(outcome.problem for outcome in outcomes)):
                await uow.abandon()
        self.positions += [str(position) for position in uow.appended]
        return outcomes

    async def _row(self, uow: UnitOfWork, row: Row) -> Outcome:
        try:
            command = self.command.model_validate(row.entry)
        except ValidationError as problem:
            return Outcome(row, problem=InvalidInput(*(field_error(error) for error in problem.errors()[:20])))
        try:
            async with uow.attempt():
                return await self._carry_out(uow, row, command)
        except HamkorError as problem:
            return Outcome(row, problem=problem)
        except DBAPIError as problem:
            if is_transient(problem) or (refused := refused_by_database(problem)) is None:
                raise
            return Outcome(row, problem=refused)

    async def _carry_out(self, uow: UnitOfWork, row: Row, command: BaseModel) -> Outcome:
        identity = {"subject": f"{self.edge.principal.role}:{self.edge.principal.subject}", "key": row.key}
        fingerprint = self._fingerprint(row)
        claimed = (await uow.session.execute(_CLAIM, {**identity, "hash": fingerprint})).one_or_none()
        if claimed is None:
            stored = (await uow.session.execute(_STORED, identity)).one()
            if bytes(stored.request_hash) != fingerprint:
                raise KeyReused
            answer = json.loads(bytes(stored.body))
            return Outcome(row, answer["id"], answer["version"], replayed=True)
        state = await self.use_case(uow, command)
        answer = {"id": state.id, "version": state.version}
        await uow.session.execute(_STORE, {**identity, "body": json.dumps(answer).encode()})
        return Outcome(row, state.id, state.version)

    def _fingerprint(self, row: Row) -> bytes:
        try:
            return hashlib.sha256(f"{self.name}\n{json.dumps(row.entry, sort_keys=True)}".encode()).digest()
        except RecursionError:
            raise InvalidInput from None


def told(edge: RequestEdge, outcomes: Sequence[Outcome], number: str) -> Iterator[dict[str, Any]]:
    """The outcomes as JSON, problems in the caller's language; `number` names the member that counts the rows."""
    problems = edge.request.app.state.problems
    for outcome in outcomes:
        answer: dict[str, Any] = {number: outcome.row.number}
        if outcome.problem is None:
            answer |= {"status": 200 if outcome.replayed else 201, "id": outcome.id, "version": outcome.version}
        else:
            answer |= {"status": outcome.problem.status, "problem": problems.told(edge.request, outcome.problem)}
        yield answer
