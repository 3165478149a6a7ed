"""Jobs of imports: what was sent, how far it has come, what was wrong – all in the service's database.

A job's rows lie in blocks, each of which is done in one transaction: its effects, its faults and its end commit
together. After kill -9 the blocks that are there are those that were not done, and no row is done twice. Any number
of workers take blocks: while one's waits for PostgreSQL, another's is computed.
"""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.errors import KeyReused
from shared.persistence.arrays import array_of, as_arrays
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import Principal, Role

BATCH = 1_000
"""Rows of a block, done in one transaction."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """A row of the file: its filled cells by column; `first` is the row in which its key stands first."""

    number: int
    cells: dict[str, str]
    first: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a row; the texts of `rule` stand in the catalogues."""

    row: int
    field: str
    value: str
    rule: str
    params: dict[str, str | int | float] = dataclasses.field(default_factory=dict)


@dataclass
class Done:
    """What became of a batch."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    faults: list[Fault] = dataclasses.field(default_factory=list)


class Target(Protocol):
    """A register that imports fill: the columns of its files, and what a batch of rows does."""

    columns: tuple[str, ...]
    required: tuple[str, ...]
    key: str

    async def apply(self, uow: UnitOfWork, lines: Sequence[Line], *, commit: bool) -> Done:
        """Bring the register to what the lines say; without `commit` only say what would become of them."""
        ...


_CLAIM = text(
    "insert into import_job (id, register, commits, role, subject, org, org_path, hash, columns, status, created_at) "
    "values (:id, :register, :commits, :role, :subject, :org, :org_path, :hash, :columns, 'waiting', :now) "
    "on conflict (id) do nothing returning id"
)
_STAGE = text(
    "insert into import_block (job, block, rows, keys, cells) values "  # noqa: S608 - own names
    f"(:job, :block, {array_of('rows', 'integer')}, {array_of('keys', 'text')}, :cells)"
)
# Which rows have a key that another one before them has.
_NOTE_REPEATS = text(
    "update import_block block set repeats = found.repeats from ("
    "select block, jsonb_object_agg(row, first) as repeats from ("
    "select block, row, min(row) over (partition by key) as first "
    "from import_block, unnest(rows, keys) line(row, key) where job = :job) line where row > first group by block"
    ") found where block.job = :job and block.block = found.block"
)
_SHOWN = """
    id, register, commits as commit, status, rows, done, new, changed, unchanged, wrong,
    created_at, started_at, ended_at
"""
_FAULTS = text(
    "select row, field, value, rule, params from import_fault where job = :job and (row, field, rule) > "
    "(:row, :field, :rule) order by row, field, rule limit :limit"
)
# Somebody else works on what is locked.
_NEXT = text(
    "select job.id, job.register, job.commits, job.role, job.subject, job.org, job.columns, block.block, block.rows, "
    "block.cells, block.repeats from import_job job join import_block block on block.job = job.id "
    "where job.status in ('waiting', 'running') order by job.created_at, job.id, block.block "
    "limit 1 for update of block skip locked"
)
_LEFT = text(
    "select rows - done from import_job where status in ('waiting', 'running') order by created_at, id limit 1"
)
_DONE = text("delete from import_block where job = :job and block = :block")
_ADVANCE = text(
    "update import_job set status = 'running', started_at = coalesce(started_at, :now), done = done + :count, "
    "new = new + :new, changed = changed + :changed, unchanged = unchanged + :unchanged, "
    "wrong = wrong + :wrong where id = :job"
)
_END = text(
    "update import_job set status = 'done', ended_at = :now where status in ('waiting', 'running') "
    "and not exists (select from import_block where job = import_job.id)"
)
_NOTE = text(
    "insert into import_fault (job, row, field, value, rule, params) select :job, f.row, f.field, f.value, f.rule, "
    "cast(f.params as jsonb) from unnest(cast(:rows as integer[]), cast(:fields as text[]), cast(:values as text[]), "
    "cast(:rules as text[]), cast(:params as text[])) as f(row, field, value, rule, params) on conflict do nothing"
)


@dataclass(frozen=True, slots=True)
class Sent:
    """An import as it came: `id` follows from its Idempotency-Key, `hash` from its content."""

    id: str
    register: str
    commit: bool
    hash: bytes
    org_path: str


async def stage(
    uow: UnitOfWork, sent: Sent, target: Target, header: Sequence[str], rows: Iterator[tuple[int, list[str]]]
) -> None:
    """Store a new job with its rows; the same one again changes nothing. Raises KeyReused for another with its key."""
    who = uow.principal
    claimed = await uow.session.execute(
        _CLAIM,
        {
            "id": sent.id,
            "register": sent.register,
            "commits": sent.commit,
            "role": who.role.value,
            "subject": who.subject,
            "org": who.org,
            "org_path": sent.org_path,
            "hash": sent.hash,
            "columns": list(header),
            "now": uow.now,
        },
    )
    if claimed.one_or_none() is None:
        stored = await uow.session.execute(text("select hash from import_job where id = :id"), {"id": sent.id})
        if bytes(stored.scalar_one()) != sent.hash:
            raise KeyReused
        return
    place = header.index(target.key)
    count = block = 0
    while lines := list(islice(rows, BATCH)):
        arrays: dict[str, Sequence[object]] = {
            "rows": [number for number, _ in lines],
            "keys": [cells[place] if place < len(cells) else "" for _, cells in lines],
        }
        text_ = msgspec.json.encode([cells for _, cells in lines]).decode()
        await uow.session.execute(_STAGE, {"job": sent.id, "block": block, **as_arrays(arrays), "cells": text_})
        count += len(lines)
        block += 1
    await uow.session.execute(_NOTE_REPEATS, {"job": sent.id})
    await uow.session.execute(text("update import_job set rows = :rows where id = :id"), {"rows": count, "id": sent.id})


async def rows_left(session: AsyncSession) -> int:
    """How much is left to do of the oldest job; 0 where nothing waits."""
    return int((await session.execute(_LEFT)).scalar() or 0)


async def work_off_batch(uow: UnitOfWork, targets: dict[str, Target]) -> bool:
    """Do the next batch of the oldest job within `uow`; False where nothing waits, or others are at all of it."""
    batch = (await uow.session.execute(_NEXT)).one_or_none()
    if batch is None:
        # The job is over with its last block; whoever commits that one comes here afterwards.
        await uow.session.execute(_END, {"now": uow.now})
        return False
    lines, faults = _lines(batch)
    uow.principal = Principal(batch.subject, Role(batch.role), batch.org)
    done = await targets[batch.register].apply(uow, lines, commit=batch.commits)
    faults += done.faults
    counts = {"new": done.new, "changed": done.changed, "unchanged": done.unchanged}
    wrong = len({fault.row for fault in faults})
    await uow.session.execute(_DONE, {"job": batch.id, "block": batch.block})
    progress = {"job": batch.id, "now": uow.now, "count": len(batch.rows), "wrong": wrong}
    await uow.session.execute(_ADVANCE, {**progress, **counts})
    if faults:
        await uow.session.execute(
            _NOTE,
            {
                "job": batch.id,
                "rows": [fault.row for fault in faults],
                "fields": [fault.field for fault in faults],
                "values": [fault.value[:200] for fault in faults],
                "rules": [fault.rule for fault in faults],
                "params": [json.dumps(fault.params) for fault in faults],
            },
        )
    return True


_cells = msgspec.json.Decoder(list[list[str]])


def _lines(batch: Any) -> tuple[list[Line], list[Fault]]:
    columns, repeats = batch.columns, batch.repeats or {}
    lines: list[Line] = []
    faults: list[Fault] = []
    for number, cells in zip(batch.rows, _cells.decode(batch.cells), strict=True):
        if any(cells[len(columns) :]):
            faults.append(Fault(number, "", next(filter(None, cells[len(columns) :])), "more_cells"))
            continue
        filled = {name: cell for name, cell in zip(columns, cells, strict=False) if cell}
        lines.append(Line(number, filled, repeats.get(str(number), number)))
    return lines, faults


async def job_of(session: AsyncSession, id_: str) -> dict[str, Any] | None:
    """A job that the caller sees, as it is shown."""
    query = text(f"select {_SHOWN} from import_job where id = :id")  # noqa: S608 - a constant
    found = (await session.execute(query, {"id": id_})).mappings().one_or_none()
    if found is None:
        return None
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in found.items()}


async def faults_of(session: AsyncSession, job: str, after: Sequence[Any], limit: int) -> list[Fault]:
    """Faults of a job behind (row, field, rule), in this order."""
    row, field_, rule = after
    rows = await session.execute(_FAULTS, {"job": job, "row": row, "field": field_, "rule": rule, "limit": limit})
    return [Fault(each.row, each.field, each.value, each.rule, each.params) for each in rows]
