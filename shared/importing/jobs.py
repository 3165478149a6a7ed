"""Jobs of imports: what was sent, how far it has come, what was wrong – all in the service's database.

A job's rows go in lanes, each worked off in order and by one at a time: while one lane's batch waits for PostgreSQL,
another's is computed. A batch's effects, its faults and the number of its lane's last row commit together: after kill
-9 every lane goes on behind the last row that was done, and no row is done twice.
"""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from alembic import op
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.errors import KeyReused
from shared.persistence.arrays import array_of, as_arrays
from shared.persistence.chassis import grant, protect
from shared.persistence.unit_of_work import UnitOfWork
from shared.scope import Principal, Role

STAGED_AT_ONCE = 5_000
BATCH = 1_000
"""Rows done in one transaction."""
LANES = 2


def create_import_tables() -> None:
    """For a migration: jobs, their rows while they wait, and their faults."""
    op.execute(
        'create table import_job (id text collate "C" primary key, register text not null, commits boolean not null, '
        "role text not null, subject text not null, org text not null, org_path text not null, hash bytea not null, "
        "columns text[] not null, status text not null, rows integer not null default 0, "
        "done integer not null default 0, new integer not null default 0, changed integer not null default 0, "
        "unchanged integer not null default 0, wrong integer not null default 0, created_at timestamptz not null, "
        "started_at timestamptz, ended_at timestamptz)"
    )
    op.execute("create index import_job_waiting on import_job (created_at) where status in ('waiting', 'running')")
    op.execute(
        'create table import_lane (job text collate "C" not null references import_job, lane smallint not null, '
        "last_row integer not null default 0, ended boolean not null default false, primary key (job, lane))"
    )
    op.execute(
        'create table import_row (job text collate "C" not null references import_job, row integer not null, '
        "key text not null, cells text not null, primary key (job, row))"
    )
    op.execute("create index import_row_key on import_row (job, key, row)")
    op.execute(
        'create table import_fault (job text collate "C" not null references import_job, row integer not null, '
        "field text not null, value text not null, rule text not null, params jsonb not null, "
        "primary key (job, row, field, rule))"
    )
    grant("import_job")
    grant("import_lane")
    grant("import_row", "select, insert, delete")
    grant("import_fault", "select, insert")
    protect("import_job", read="app_sees(org_path)")
    for table in ("import_lane", "import_row", "import_fault"):
        protect(table, read="app_signed_in()")


@dataclass(frozen=True, slots=True)
class Line:
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
    "insert into import_row (job, row, key, cells) select :job, * from "  # noqa: S608 - own names
    f"unnest({array_of('rows', 'integer')}, {array_of('keys', 'text')}, {array_of('cells', 'text')})"
)
_SHOWN = """
    id, register, commits as commit, status, rows, done, new, changed, unchanged, wrong,
    created_at, started_at, ended_at
"""
_FAULTS = text(
    "select row, field, value, rule, params from import_fault where job = :job and (row, field, rule) > "
    "(:row, :field, :rule) order by row, field, rule limit :limit"
)
_OPEN_LANES = text("insert into import_lane (job, lane) select :job, generate_series(0, :lanes - 1)")
# Somebody else works on what is locked.
_NEXT = text(
    "select job.id, job.register, job.commits, job.role, job.subject, job.org, job.columns, lane.lane, lane.last_row "
    "from import_job job join import_lane lane on lane.job = job.id and not lane.ended "
    "where job.status in ('waiting', 'running') order by job.created_at, job.id, lane.last_row, lane.lane "
    "limit 1 for update of lane skip locked"
)
_LEFT = text(
    "select rows - done from import_job where status in ('waiting', 'running') order by created_at, id limit 1"
)
_BATCH = text(
    "select r.row, r.cells, (select min(f.row) from import_row f where f.job = r.job and f.key = r.key) as first "
    "from import_row r where r.job = :job and r.row > :after and r.row % :lanes = :lane order by r.row limit :limit"
)
_MOVE_ON = text("update import_lane set last_row = :last where job = :job and lane = :lane")
_ADVANCE = text(
    "update import_job set status = 'running', started_at = coalesce(started_at, :now), done = done + :count, "
    "new = new + :new, changed = changed + :changed, unchanged = unchanged + :unchanged, "
    "wrong = wrong + :wrong where id = :job"
)
_END_LANE = text("update import_lane set ended = true where job = :job and lane = :lane")
_LOCK = text("select 1 from import_job where id = :job for update")
_LANES_LEFT = text("select count(*) from import_lane where job = :job and not ended")
_NOTE = text(
    "insert into import_fault (job, row, field, value, rule, params) select :job, f.row, f.field, f.value, f.rule, "
    "cast(f.params as jsonb) from unnest(cast(:rows as integer[]), cast(:fields as text[]), cast(:values as text[]), "
    "cast(:rules as text[]), cast(:params as text[])) as f(row, field, value, rule, params) on conflict do nothing"
)
_END = text("update import_job set status = 'done', ended_at = :now where id = :job")
_FORGET = text("delete from import_row where job = :job")


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
    count = 0
    while block := list(islice(rows, STAGED_AT_ONCE)):
        await uow.session.execute(
            _STAGE,
            {
                "job": sent.id,
                **as_arrays(
                    {
                        "rows": [number for number, _ in block],
                        "keys": [cells[place] if place < len(cells) else "" for _, cells in block],
                        "cells": [json.dumps(cells, ensure_ascii=False) for _, cells in block],
                    }
                ),
            },
        )
        count += len(block)
    await uow.session.execute(text("update import_job set rows = :rows where id = :id"), {"rows": count, "id": sent.id})
    await uow.session.execute(_OPEN_LANES, {"job": sent.id, "lanes": LANES})


async def rows_left(session: AsyncSession) -> int:
    """How much is left to do of the oldest job; 0 where nothing waits."""
    return int((await session.execute(_LEFT)).scalar() or 0)


async def work_off_batch(uow: UnitOfWork, targets: dict[str, Target], limit: int) -> bool:
    """Do the next batch of the oldest job within `uow`; False where nothing waits, or others are at all of it."""
    job = (await uow.session.execute(_NEXT)).one_or_none()
    if job is None:
        return False
    lane = {"job": job.id, "lane": job.lane}
    asked = {**lane, "lanes": LANES, "after": job.last_row, "limit": limit}
    found = (await uow.session.execute(_BATCH, asked)).all()
    if not found:
        await _end_lane(uow, lane)
        return True
    lines, faults = _lines(job.columns, found)
    uow.principal = Principal(job.subject, Role(job.role), job.org)
    done = await targets[job.register].apply(uow, lines, commit=job.commits)
    faults += done.faults
    counts = {"new": done.new, "changed": done.changed, "unchanged": done.unchanged}
    wrong = len({fault.row for fault in faults})
    await uow.session.execute(_MOVE_ON, {**lane, "last": found[-1].row})
    progress = {"job": job.id, "now": uow.now, "count": len(found), "wrong": wrong}
    await uow.session.execute(_ADVANCE, {**progress, **counts})
    if faults:
        await uow.session.execute(
            _NOTE,
            {
                "job": job.id,
                "rows": [fault.row for fault in faults],
                "fields": [fault.field for fault in faults],
                "values": [fault.value[:200] for fault in faults],
                "rules": [fault.rule for fault in faults],
                "params": [json.dumps(fault.params) for fault in faults],
            },
        )
    return True


async def _end_lane(uow: UnitOfWork, lane: dict[str, Any]) -> None:
    """The lane is at its end; the job is with its last lane: whoever ends one waits for another's commit and looks."""
    await uow.session.execute(_END_LANE, lane)
    job = {"job": lane["job"]}
    await uow.session.execute(_LOCK, job)
    if (await uow.session.execute(_LANES_LEFT, job)).scalar_one() == 0:
        await uow.session.execute(_END, {**job, "now": uow.now})
        await uow.session.execute(_FORGET, job)


def _lines(columns: Sequence[str], rows: Sequence[Any]) -> tuple[list[Line], list[Fault]]:
    lines: list[Line] = []
    faults: list[Fault] = []
    for row in rows:
        cells = json.loads(row.cells)
        if any(cells[len(columns) :]):
            faults.append(Fault(row.row, "", next(filter(None, cells[len(columns) :])), "more_cells"))
            continue
        filled = {name: cell for name, cell in zip(columns, cells, strict=False) if cell}
        lines.append(Line(row.row, filled, row.first))
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
