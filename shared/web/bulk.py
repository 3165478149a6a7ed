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
from shared.errors import HamkorError, InvalidInput, KeyReused, field_error
from shared.persistence.engine import is_transient, sqlstate_of
from shared.persistence.unit_of_work import UnitOfWork
from shared.web.edge import RequestEdge
from shared.web.problems import refused_by_database

CHUNK_ROWS = 100
"""Rows a transaction: locks are held for less than a second, and a repeat finds what was done."""
ATTEMPTS = 3
DEADLOCKS = ("40P01", "40001")

# In the order of keys, so that two requests with the same rows never wait for each other in a ring.
_CLAIM = text(
    "insert into idempotency (subject, key, request_hash) select :subject, claim.key, claim.hash "
    "from unnest(cast(:keys as text[]), cast(:hashes as bytea[])) as claim(key, hash) order by claim.key "
    "on conflict (subject, key) do nothing returning key"
)
_STORED = text(
    "select key, request_hash, body from idempotency where subject = :subject and key = any(cast(:keys as text[]))"
)
_STORE = text(
    "update idempotency set status = 201, headers = '{}', body = done.body "
    "from unnest(cast(:keys as text[]), cast(:bodies as bytea[])) as done(key, body) "
    "where idempotency.subject = :subject and idempotency.key = done.key"
)
_GIVE_BACK = text("delete from idempotency where subject = :subject and key = any(cast(:keys as text[]))")


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


@dataclass(slots=True)
class _Known:
    """A key: what was asked under it, and what was answered; `before` if that was in another request."""

    request_hash: bytes
    answer: dict[str, Any] | None = None
    before: bool = False


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
            known = await self._claim(uow, rows)
            outcomes = [await self._row(uow, row, known) for row in rows]
            if dry or (atomic and any(outcome.problem for outcome in outcomes)):
                await uow.abandon()
            else:
                await self._store(uow, known)
        self.positions += [str(position) for position in uow.appended]
        return outcomes

    async def _claim(self, uow: UnitOfWork, rows: Sequence[Row]) -> dict[str, _Known]:
        """What is known under the rows' keys: claimed just now, or an answer given before."""
        hashes = {row.key: self._fingerprint(row) for row in reversed(rows)}  # the first row of a key counts
        given = {"subject": self._subject, "keys": list(hashes), "hashes": list(hashes.values())}
        claimed = set((await uow.session.execute(_CLAIM, given)).scalars())
        known = {key: _Known(hashes[key]) for key in claimed}
        if before := hashes.keys() - claimed:
            stored = await uow.session.execute(_STORED, {"subject": self._subject, "keys": list(before)})
            for key, request_hash, body in stored:
                known[key] = _Known(bytes(request_hash), json.loads(bytes(body)), before=True)
        return known

    async def _store(self, uow: UnitOfWork, known: dict[str, _Known]) -> None:
        """Keep the answers; give back the keys of refused rows, so that they may be mended under them."""
        done = {key: json.dumps(each.answer).encode() for key, each in known.items() if each.answer and not each.before}
        kept = {"subject": self._subject, "keys": list(done), "bodies": list(done.values())}
        await uow.session.execute(_STORE, kept)
        if refused := [key for key, each in known.items() if each.answer is None and not each.before]:
            await uow.session.execute(_GIVE_BACK, {"subject": self._subject, "keys": refused})

    @property
    def _subject(self) -> str:
        return self.edge.principal.identity

    async def _row(self, uow: UnitOfWork, row: Row, known: dict[str, _Known]) -> Outcome:
        try:
            command = self.command.model_validate(row.entry)
        except ValidationError as problem:
            return Outcome(row, problem=InvalidInput(*(field_error(error) for error in problem.errors()[:20])))
        claim = known[row.key]
        if claim.request_hash != self._fingerprint(row):
            return Outcome(row, problem=KeyReused())
        if claim.answer is not None:
            return Outcome(row, claim.answer["id"], claim.answer["version"], replayed=True)
        try:
            async with uow.attempt():
                state = await self.use_case(uow, command)
        except HamkorError as problem:
            return Outcome(row, problem=problem)
        except DBAPIError as problem:
            if is_transient(problem) or (refused := refused_by_database(problem)) is None:
                raise
            return Outcome(row, problem=refused)
        claim.answer = {"id": state.id, "version": state.version}
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
