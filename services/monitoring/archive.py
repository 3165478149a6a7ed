"""Old parts of the event log in Parquet files: written, proven, dropped from the database – and read as the log is.

`events` reads single ones, wherever they lie.

A file holds one part: row groups of one (source, shard) each, in the order of positions, so that a look-up reads a few
kilobytes. The database knows which positions lie in which file, how many events, and their SHA-256.
"""

import asyncio
import os
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from shared.contracts.events import SERVICES, Event
from shared.errors import Unavailable

log = structlog.get_logger(__name__)

GROUP = 2_048
"""Rows of a row group at most."""
PREFETCH = 5_000
PATIENCE_MS = 2_000
"""How long a drop waits for those at work in the part; it is tried again later."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCHEMA = pa.schema(
    [
        ("source", pa.int16()),
        ("shard", pa.int16()),
        ("position", pa.int64()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("type", pa.string()),
        ("place", pa.string()),
        ("subject", pa.string()),
        ("id", pa.binary(16)),
        ("data", pa.binary()),
    ]
)
_PARTS = """
    select relname, pg_get_expr(relpartbound, pg_class.oid) as bounds from pg_inherits
    join pg_class on pg_class.oid = inhrelid where inhparent = 'event_log'::regclass order by length(relname), relname
"""
_IS_PART = f"select exists (select from ({_PARTS}) part where relname = $1)"  # noqa: S608 - constants
_NEWEST = "select max(time) from event_seen where position >= $1 and position < $2"
_ROWS = """
    select e.source, e.shard, e.position, e.time, t.name, p.code, e.subject, e.id, e.data
    from event_seen e join event_type t on t.id = e.type left join place p on p.id = e.place
    where e.position >= $1 and e.position < $2 order by e.source, e.shard, e.position
"""
_TELL_FILE = """
    insert into archive_file (path, events, sha256, since, until) values ($1, $2, $3, $4, $5) returning id
"""
_TELL_SPANS = """
    insert into archive_span (source, shard, low, high, events, file)
    select *, $6 from unnest($1::smallint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[])
"""
_FILES = """
    select f.path, key.source, key.shard, key.low, key.high
    from unnest($1::smallint[], $2::smallint[], $3::bigint[], $4::bigint[]) as key(source, shard, low, high)
    join archive_span s on s.source = key.source and s.shard = key.shard and s.low <= key.high and s.high > key.low
    join archive_file f on f.id = s.file order by key.source, key.shard, s.low
"""
# Each is looked for by its key (`offset 0`): the planner, which fears the scope, would read all of the log.
_EVENTS = """
    select e.source, e.shard, e.position, t.name, e.subject, e.id, e.time, e.data
    from unnest($1::smallint[], $2::smallint[], $3::bigint[]) as key(source, shard, position),
    lateral (
        select * from event_seen e
        where e.source = key.source and e.shard = key.shard and e.position = key.position offset 0
    ) e join event_type t on t.id = e.type
"""
_HEAD = Struct(">hhqq").pack
_LENGTH = Struct(">I").pack


class Logged(NamedTuple):
    """An event of the log; `place` is its institution's code."""

    source: int
    shard: int
    position: int
    time: datetime
    type: str
    place: str | None
    subject: str
    id: bytes
    data: bytes


Window = tuple[int, int, int, int]
"""(source, shard, low, high): the positions above `low`, up to `high`."""
Keep = Callable[[Logged], bool]


class Busy(Exception):
    """Another run is archiving, or has archived the part meanwhile."""


class Damaged(Exception):
    """A file does not hold what was exported."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the log in the database: the positions from `low` up to, not including, `high`."""

    name: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Archived:
    """A file as it was written."""

    path: Path
    events: int
    sha256: str


class _Seal:
    """What a file must hold: the number of events, a hash over all of them in order, and their spans."""

    def __init__(self) -> None:
        self.events = 0
        self.spans: dict[tuple[int, int], list[int]] = {}
        self.since: datetime | None = None
        self.until: datetime | None = None
        self._hash = sha256()

    def take(self, row: Logged) -> None:
        """One more event."""
        self.events += 1
        span = self.spans.setdefault((row.source, row.shard), [row.position, row.position, 0])
        span[1], span[2] = row.position, span[2] + 1
        self.since = min(self.since or row.time, row.time)
        self.until = max(self.until or row.time, row.time)
        digest = self._hash.update
        digest(_HEAD(row.source, row.shard, row.position, (row.time - _EPOCH) // timedelta(microseconds=1)))
        for text in (row.type, row.place or "", row.subject):
            digest(text.encode() + b"\0")
        digest(row.id)
        digest(_LENGTH(len(row.data)))
        digest(row.data)

    @property
    def digest(self) -> str:
        """The hash so far."""
        return self._hash.hexdigest()


async def parts(connection: Any, before: datetime) -> list[Part]:
    """The oldest parts with something in them, all of which is older than a moment; needs the scope "all"."""
    found = []
    for name, bounds in await connection.fetch(_PARTS):
        match = re.fullmatch(r"FOR VALUES FROM \('(\d+)'\) TO \('(\d+)'\)", bounds)
        if match is None:  # the part for all the rest
            continue
        part = Part(name, int(match[1]), int(match[2]))
        newest = await connection.fetchval(_NEWEST, part.low, part.high)
        if newest is not None and newest >= before:
            break  # positions grow with time: those behind it are younger still
        if newest is not None:
            found.append(part)
    return found


async def archive(
    connection: Any, part: Part, folder: Path, progress: Callable[[int], None] = lambda _: None
) -> Archived:
    """Export a part, prove the file by reading it again, tell of it and drop the part, all or nothing.

    `connection`: the service's role, outside a transaction. Raises Damaged where the file does not prove, Busy where
    somebody else archives, and asyncpg.LockNotAvailableError where somebody is at work in the part: try again.
    """
    # Two at once would write, and remove, the same files.
    if not await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):
        raise Busy("another run is at work")
    try:
        if not await connection.fetchval(_IS_PART, part.name):
            raise Busy(f"another run has archived {part.name}")
        return await _archive(connection, part, folder, progress)
    finally:
        if not connection.is_closed():
            await connection.execute("select pg_advisory_unlock($1)", _LOCK)


_LOCK = 0x61726368697665  # one run at a time


async def _archive(connection: Any, part: Part, folder: Path, progress: Callable[[int], None]) -> Archived:
    path = (folder / f"{part.name}-{part.low:012d}.parquet").resolve()
    draft = path.with_suffix(".part")
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("select set_config('app.scope', 'all', true)")
        seal = await _write(connection, part, draft, progress)
    digest = await asyncio.to_thread(prove, draft, seal)
    draft.replace(path)
    await asyncio.to_thread(_settle, path)
    async with connection.transaction():
        try:
            await connection.execute("select set_config('app.scope', 'all', true)")
            await connection.execute(f"set local lock_timeout = {PATIENCE_MS}")
            file = await connection.fetchval(_TELL_FILE, str(path), seal.events, digest, seal.since, seal.until)
            columns = zip(*((*key, *span) for key, span in seal.spans.items()), strict=True)
            await connection.execute(_TELL_SPANS, *map(list, columns), file)
            await connection.execute("select archive_drop($1, $2)", part.name, seal.events)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        # From here on the file stays, whatever happens: a COMMIT that looks failed may have been done, and then there
        # is no other copy. One that nobody knows of is overwritten when its part is archived the next time.
    log.info("archive.dropped", part=part.name, events=seal.events)
    return Archived(path, seal.events, digest)


async def _write(connection: Any, part: Part, path: Path, progress: Callable[[int], None]) -> _Seal:
    seal = _Seal()
    rows: list[Logged] = []
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:

        def flush() -> None:
            if rows:
                writer.write_table(_table(rows), row_group_size=GROUP)
                progress(seal.events)
            rows.clear()

        async for source, shard, position, time, type_, place, subject, id_, data in connection.cursor(
            _ROWS, part.low, part.high, prefetch=PREFETCH
        ):
            row = Logged(source, shard, position, time, type_, place, subject, UUID(str(id_)).bytes, data)
            if len(rows) == GROUP or (rows and rows[-1][:2] != row[:2]):
                flush()
            rows.append(row)
            seal.take(row)
        flush()
    return seal


def _table(rows: Sequence[Logged]) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)], schema=_SCHEMA
    )


def _settle(path: Path) -> None:
    """Bring the file and its name to the disk before the database forgets what is in it."""
    for each in (path, path.parent):
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def prove(path: Path, seal: _Seal) -> str:
    """The SHA-256 of a file just written, once it was read again and holds exactly the seal's events; else Damaged."""
    found = _Seal()
    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.metadata.num_row_groups):
                for row in _rows(file.read_row_group(group)):
                    found.take(row)
    except (pa.ArrowException, ValueError, OverflowError) as problem:  # texts that are none, moments beyond all years
        raise Damaged(f"{path} is no whole Parquet file: {problem}") from problem
    if (found.events, found.digest) != (seal.events, seal.digest):
        raise Damaged(f"{path} holds {found.events} events with hash {found.digest}, not {seal.events}, {seal.digest}")
    return _sha256_of(path)


def check(path: Path, digest: str) -> None:
    """Raises Damaged where a single byte of a file is not as it was proven; OSError where it cannot be read."""
    if (found := _sha256_of(path)) != digest:
        raise Damaged(f"{path} has the hash {found}, not {digest}")


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


async def files(connection: Any) -> list[Archived]:
    """Everything that is archived, oldest first."""
    rows = await connection.fetch("select path, events, sha256 from archive_file order by since, id")
    return [Archived(Path(path), events, digest) for path, events, digest in rows]


async def events(connection: Any, keys: Collection[tuple[int, int, int]]) -> list[Event]:
    """The events at these (source, shard, position), in no order, as far as the connection's scope sees them."""
    if not keys:
        return []
    rows = await connection.fetch(_EVENTS, *map(list, zip(*keys, strict=True)))
    found = [
        Event(str(id_), name, SERVICES[source], subject, "", time, shard, position, bytes(data))
        for source, shard, position, name, subject, id_, time, data in rows
    ]
    there = {(row["source"], row["shard"], row["position"]) for row in rows}
    missing = [(source, shard, position - 1, position) for source, shard, position in {*keys} - there]
    for row, _ in await read(connection, missing):
        id_ = str(UUID(bytes=row.id))
        event = Event(id_, row.type, SERVICES[row.source], row.subject, "", row.time, row.shard, row.position, row.data)
        found.append(event)
    return found


async def read(
    connection: Any, windows: Sequence[Window], most: int | None = None, keep: Keep | None = None
) -> list[tuple[Logged, int | None]]:
    """The archived events of the windows that the transaction's scope may see, with their places, in order.

    `most`: the first of them only; `keep`: those alone of which it is true. Raises Unavailable where a file is not
    there or not whole.
    """
    if not windows:
        return []
    by_file: dict[str, list[Window]] = defaultdict(list)
    for path, *window in await connection.fetch(_FILES, *map(list, zip(*windows, strict=True))):
        by_file[path].append(tuple(window))
    found: list[Logged] = []
    for path, wanted in by_file.items():  # the oldest first
        if most is not None and len(found) >= most:
            break
        try:
            found += await asyncio.to_thread(_look_up, path, wanted, most if keep is None else None, keep)
        except (OSError, pa.ArrowException) as problem:
            log.exception("archive.unreadable", path=path)
            raise Unavailable(service="monitoring") from problem
    if not found:
        return []
    # The second wall, as the view over the log has it: what a scope does not see has no place in it.
    everything = await connection.fetchval("select app_sees('/17/')")
    codes = sorted({row.place for row in found if row.place is not None})
    ids = dict(await connection.fetch("select code, id from place where code = any($1::text[])", codes))
    return [
        (row, ids.get(row.place) if row.place else None)
        for row in sorted(found)[:most]
        if everything or (row.place is not None and row.place in ids)
    ]


@lru_cache(maxsize=32)
def _metadata(path: str) -> pq.FileMetaData:
    return pq.read_metadata(path)


def _look_up(path: str, windows: Iterable[Window], most: int | None, keep: Keep | None) -> list[Logged]:
    by_shard: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for source, shard, low, high in windows:
        by_shard[source, shard].append((low, high))
    metadata = _metadata(path)
    groups: list[int] = []
    enough = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        source, shard, position = (group.column(column).statistics for column in range(3))
        spans = by_shard.get((source.min, shard.min), ())
        if any(position.min <= high and position.max > low for low, high in spans):
            if most is not None and enough >= most:
                break
            # The first group may begin before the window: it does not count.
            enough += group.num_rows if groups else 0
            groups.append(number)
    if not groups:
        return []
    with pq.ParquetFile(path, metadata=metadata) as file:
        return [
            row
            for row in _rows(file.read_row_groups(groups))
            if any(low < row.position <= high for low, high in by_shard[row.source, row.shard])
            and (keep is None or keep(row))
        ]


def _rows(table: pa.Table) -> Iterator[Logged]:
    columns = [table.column(name).to_pylist() for name in _SCHEMA.names]
    return map(Logged._make, zip(*columns, strict=True))
