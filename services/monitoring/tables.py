"""Monitoring's tables as the engine uses them: integer keys, few statements, rows locked in one order everywhere.

Order of locks: shards, territory, places, members, cells from the institutions up to the nation; so workers never wait
in a ring. Aggregates and own sets need no lock: whoever holds a shard is the only one to touch them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from hashlib import blake2b
from operator import itemgetter
from struct import Struct
from typing import Any

import asyncpg
import msgspec
import numpy as np

from services.monitoring.domain.measures import COLUMNS, OWN_SET_FAMILIES, STEPPED_SLOTS
from services.monitoring.domain.parts import Contributions
from services.monitoring.domain.territory import Image, Level, Place
from services.monitoring.domain.totals import Rows
from services.monitoring.engine import OWN, Key, Member, NotNew, References, Stored
from shared.contracts.events import SERVICES, Event
from shared.persistence.arrays import literal, plain, text_literal

SHARDS_LOCK = 0x6D6F6E  # advisory locks (SHARDS_LOCK, shard): an institution has one shard in every source
TERRITORY_LOCK = 0x7465727269746F72

MemberKey = tuple[int, bytes]
"""(family, digest) of a row of references."""

SOURCES = {service: number for number, service in enumerate(SERVICES)}

_encode = msgspec.msgpack.Encoder().encode
_decode_contributions = msgspec.msgpack.Decoder(dict[tuple[int, int, str | None], int]).decode
_decode_integers = msgspec.msgpack.Decoder(list[int]).decode
_decode_pairs = msgspec.msgpack.Decoder(dict[tuple[int, int], int]).decode
_decode_triples = msgspec.msgpack.Decoder(dict[tuple[int, int, int], int]).decode

# JSON travels as text: the drivers' own ideas of it differ.
_PLACE = "id, code, level, parent, path, names::text, active, memberships::text, version, kind"
_NEW_PLACES = """
    from unnest($1::text[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::text[],
        $8::integer[], $9::text[]) as new(code, level, parent, path, names, active, memberships, version, kind)
"""
_CREATE_PLACES = f"""
    insert into place (code, level, parent, path, names, active, memberships, version, kind, revision)
    select code, level, parent, path, names::json, active, memberships::json, version, kind, $10 {_NEW_PLACES}
    on conflict (code) do nothing
"""
# The live generation has every place of the log already: both know it by the same number.
_CREATE_NEXT_PLACES = f"""
    insert into place_next (id, code, level, parent, path, names, active, memberships, version, kind, revision)
    select live.id, new.code, new.level, new.parent, new.path, new.names::json, new.active, new.memberships::json,
        new.version, new.kind, $10
    {_NEW_PLACES} join place live on live.code = new.code
    on conflict (code) do nothing
"""
_SAVE_PLACES = f"""
    update {{place}} known set level = new.level, parent = new.parent, path = new.path, names = new.names::json,
        active = new.active, memberships = new.memberships::json, version = new.version, kind = new.kind,
        revision = $10
    {_NEW_PLACES} where known.code = new.code
"""  # noqa: S608 - constants
_AGGREGATES = """
    select a.place, a.kind, a.id::text, a.version, a.shard, a.contributions, a.positions, a.own
    from unnest($1::text::integer[], $2::text::smallint[], $3::text::uuid[]) as key(place, kind, id), lateral (
        select * from {aggregate} a where a.place = key.place and a.kind = key.kind and a.id = key.id offset 0
    ) a
"""
# Many rows travel by binary COPY into temporary tables: a quarter of what arrays cost on either side. A few travel as
# arrays: to empty the temporary tables when they commit costs more than all the rest.
_STAGES = """
    create temporary table if not exists staged_aggregate (
        fresh boolean, place integer, kind smallint, id uuid, version integer, shard smallint, contributions bytea,
        positions bytea, own bytea
    ) on commit delete rows;
    create temporary table if not exists staged_cell (
        place integer, slot smallint, period integer, v0 bigint, v1 bigint, v2 bigint, v3 bigint, as_of bigint
    ) on commit delete rows;
    create temporary table if not exists staged_cell_above (like staged_cell) on commit delete rows;
    create temporary table if not exists staged_member (
        family smallint, member bytea, refs bytea
    ) on commit delete rows;
    create temporary table if not exists staged_member_shared (like staged_member) on commit delete rows
"""
_CELLS = ("staged_cell", "staged_cell_above")
_MEMBERS_STAGED = ("staged_member", "staged_member_shared")
"""The engine stores twice in a transaction: what is an institution's own, then what others may want too."""
_EMPTY = f"truncate staged_aggregate, {', '.join(_CELLS + _MEMBERS_STAGED)}"
# What a batch asks for and what it stages is little beside the tables: whatever the planner may think of it, each row
# is looked for by its key, in the order in which it was given (`offset 0`: not the other way round).
_PLAN = """
    set local enable_hashjoin = off; set local enable_mergejoin = off; set local enable_sort = off;
    set local enable_seqscan = off; set local enable_bitmapscan = off
"""
_CREATE = """
    insert into {aggregate} (place, kind, id, version, shard, contributions, positions, own)
    select place, kind, id, version, shard, contributions, positions, own from staged_aggregate where fresh
"""
_SAVE = """
    update {aggregate} a set version = new.version, contributions = new.contributions, positions = new.positions,
        own = new.own
    from staged_aggregate new where not fresh and a.place = new.place and a.kind = new.kind and a.id = new.id
"""
_SAVE_FEW = f"""
    with staged_aggregate as materialized (
        select * from unnest($1::boolean[], $2::text::integer[], $3::text::smallint[], $4::text::uuid[],
            $5::text::integer[], $6::text::smallint[], $7::bytea[], $8::bytea[], $9::bytea[])
            as new(fresh, place, kind, id, version, shard, contributions, positions, own)
    ), created as ({_CREATE})
    {_SAVE}
"""  # noqa: S608 - constants
# Locks the rows, those that are there already without writing them.
_LOCK_MEMBERS = """
    insert into {member} as known (family, member, refs)
    select family, member, '\\x80' from unnest($1::text::smallint[], $2::text::bytea[]) as new(family, member)
    on conflict (family, member) do update set refs = known.refs where false
"""
_MEMBERS = """
    select family, member, refs
    from unnest($1::text::smallint[], $2::text::bytea[]) as key(one, named), lateral (
        select * from {member} m where m.family = key.one and m.member = key.named offset 0
    ) m
"""
_STORE_MEMBERS = """
    insert into {member} (family, member, refs) select family, member, refs from {staged}
    on conflict (family, member) do update set refs = excluded.refs
"""
_STORE_FEW_MEMBERS = f"""
    with staged as (
        select * from unnest($1::text::smallint[], $2::bytea[], $3::bytea[]) as new(family, member, refs)
    ) {_STORE_MEMBERS}
"""  # noqa: S608 - constants
_ADD = """
    insert into {cell} as known (place, slot, period, v0, v1, v2, v3, as_of) select * from {staged}
    on conflict (place, slot, period) do update set v0 = known.v0 + excluded.v0, v1 = known.v1 + excluded.v1,
        v2 = known.v2 + excluded.v2, v3 = known.v3 + excluded.v3, as_of = greatest(known.as_of, excluded.as_of)
"""
_ADD_FEW = f"""
    with staged as (
        select * from unnest($1::text::integer[], $2::text::smallint[], $3::text::integer[], $4::text::bigint[],
            $5::text::bigint[], $6::text::bigint[], $7::text::bigint[], $8::text::bigint[])
    ) {_ADD}
"""  # noqa: S608 - constants
# v1 is the number of responses in the rows of surveys.
_RELEASE = """
    insert into released as shown (place, slot, period, v0, v1, v2, v3, as_of)
    select c.* from unnest($1::text::integer[], $2::text::smallint[], $3::text::integer[]) as key(place, slot, period),
    lateral (
        select * from cell c where c.place = key.place and c.slot = key.slot and c.period = key.period and c.v1 >= $4
        offset 0
    ) c
    where c.v1 - coalesce(
        (select r.v1 from released r where r.place = key.place and r.slot = key.slot and r.period = key.period), 0
    ) >= $4
    on conflict (place, slot, period) do update set v0 = excluded.v0, v1 = excluded.v1, v2 = excluded.v2,
        v3 = excluded.v3, as_of = excluded.as_of
    returning place, slot
"""
_NOTE_LATE = """
    insert into rebuild_late (source, shard, position) select $1, $2, $3 from rebuild, inbox
    where inbox.source = $4 and inbox.shard = $2 and inbox.position >= $3 on conflict do nothing
"""
_LOG_FEW = """
    insert into event_log (source, shard, position, time, type, place, subject, id, data)
    select * from unnest($1::text::smallint[], $2::text::smallint[], $3::text::bigint[], $4::timestamptz[],
        $5::text::smallint[], $6::integer[], $7::text[], $8::text::uuid[], $9::bytea[])
"""
_LOG = ("source", "shard", "position", "time", "type", "place", "subject", "id", "data")

_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_AGGREGATE_ROW = Struct(">h i? ii ih i16s ii ih i").pack
_MEMBER_ROW = Struct(">h ih i16s i").pack
_LOG_ROW = Struct(">h ih ih iq iq ih ii i").pack
_LOG_ROW_NOWHERE = Struct(">h ih ih iq iq ih i i").pack
_LOG_END = Struct(">i16si").pack
_LENGTH = Struct(">i").pack
_NULL = _LENGTH(-1)
_CELL_ROW = np.dtype(
    [("fields", ">i2")]
    + [
        part
        for name, size in (
            ("place", 4),
            ("slot", 2),
            ("period", 4),
            *((f"v{n}", 8) for n in range(COLUMNS)),
            ("as_of", 8),
        )
        for part in ((f"{name}_size", ">i4"), (name, f">i{size}"))
    ]
)
_CELL = ("place", "slot", "period", "v0", "v1", "v2", "v3", "as_of")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""PostgreSQL counts microseconds from here."""

_STEPPED = np.array(sorted(STEPPED_SLOTS))
_key_of = itemgetter(0)
_FAMILIES = {measure: family[0] for family in OWN_SET_FAMILIES for measure in family}
"""Sets of the same persons keep their references in one row."""


FEW = 300
"""So many rows travel as arrays."""
LIVE, NEXT = "", "_next"
"""What the names of a generation's tables end in."""


class _Statements:
    """Statements that name a generation's tables."""

    def __init__(self, generation: str) -> None:
        names = ("aggregate", "member", "cell", "place", "territory_revision")
        self._names = {name: name + generation for name in names}

    def __call__(self, statement: str, staged: str = "staged") -> str:
        """The statement; `staged`: where the rows are that it stores."""
        return statement.format_map(self._names | {"staged": staged})


class Tables:
    """The engine's store (services.monitoring.engine.Store) inside one transaction of scope "all".

    `image` and `types` outlive the transaction: after a rollback they know too much and must not be used again.
    """

    def __init__(self, connection: Any, image: Image, types: dict[str, int], generation: str = LIVE) -> None:
        self._connection = connection
        self._image = image
        self._types = types
        self._stored: dict[Key, Stored] = {}
        self._members: dict[MemberKey, dict[tuple[int, int, int], int]] = {}
        self._key_of: dict[Member, MemberKey] = {}
        self._staged = False
        self._cells_staged = iter(_CELLS)
        self._members_staged = iter(_MEMBERS_STAGED)
        self._planned = False
        self._held = False
        self._generation = generation
        self._territory_lock = TERRITORY_LOCK + bool(generation)
        self._sql = _Statements(generation)

    async def take_shards(self, events: Iterable[Event], *, territory: bool) -> None:
        """Wait until nobody else works on the shards of these events; with `territory` open that too, not exclusively.

        One lock for a shard of all sources: what derived aggregates are functions of comes from several.
        """
        shards = sorted({event.shard for event in events})
        locks = [f"select pg_advisory_xact_lock({SHARDS_LOCK}, {shard})" for shard in shards]
        if territory:
            locks.append(f"select pg_advisory_xact_lock_shared({self._territory_lock})")
            self._held = True
        await self._connection.execute(f"savepoint untouched;{';'.join(locks)};{_PLAN}")
        self._planned = True

    async def undo(self) -> None:
        """Back to before the shards were taken."""
        await self._connection.execute("rollback to savepoint untouched")

    async def end(self, channel: str, payloads: Sequence[str]) -> None:
        """All is done that could be undone; tell it to those who listen.

        What is written after this belongs to the transaction itself: a row that it had locked before, and that was
        written below the savepoint, would be marked by two (a multixact), which every reader of the row pays for.
        """
        telling = (f"notify {channel}, {text_literal(payload)}" for payload in payloads)
        await self._connection.execute("; ".join(("release savepoint untouched", *telling)))

    async def look(self) -> Image:
        """The territory as it was last committed."""
        await refresh(self._connection, self._image, self._generation)
        return self._image

    async def open(self, *, exclusive: bool) -> Image:
        """The territory as it is; see engine.Store."""
        if not self._planned:
            await self._connection.execute(_PLAN)
        if exclusive or not self._held:
            lock = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
            await self._connection.execute(f"select {lock}({self._territory_lock})")
        await refresh(self._connection, self._image, self._generation)
        return self._image

    async def create_places(self, places: Sequence[Place]) -> None:
        """Store new places; one that is there already stays as it is.

        They get a revision of their own: another process that learns of an institution must learn of the units above
        it that were created with it, or what it counts there stays below.
        """
        if not places:
            return
        revision = await self._next_revision()  # not the image's own: others may be creating places of their own
        await self._connection.execute(
            _CREATE_NEXT_PLACES if self._generation else _CREATE_PLACES, *_columns_of(places), revision
        )
        codes = [place.code for place in places]
        rows = await self._connection.fetch(
            self._sql(f"select {_PLACE} from {{place}} where code = any($1::text[])"),  # noqa: S608 - constant columns
            codes,
        )
        self._image.put([_place(row) for row in rows])

    async def save_places(self, places: Sequence[Place]) -> None:
        """Store changed places under a new revision, by which the other processes notice."""
        if not places:
            return
        revision = await self._next_revision()
        await self._connection.execute(self._sql(_SAVE_PLACES), *_columns_of(places), revision)
        self._image.put(places)
        self._image.revision = revision

    async def _next_revision(self) -> int:
        revision: int = await self._connection.fetchval(
            self._sql("update {territory_revision} set revision = revision + 1 returning revision")
        )
        return revision

    async def aggregates(self, keys: Sequence[Key]) -> dict[Key, Stored]:
        """The stored aggregates among `keys`."""
        if not keys:
            return {}
        rows = await self._connection.fetch(self._sql(_AGGREGATES), *map(plain, zip(*keys, strict=True)))
        found = {
            (place, kind, id_): Stored(
                version,
                _decode_contributions(contributions),
                shard,
                _decode_integers(positions),
                _decode_pairs(own) if own else {},
            )
            for place, kind, id_, version, shard, contributions, positions, own in rows
        }
        self._stored.update(found)
        return found

    async def aggregates_of(self, places: Sequence[int]) -> list[tuple[int, Contributions]]:
        """(place, contributions) of every aggregate of these institutions."""
        rows = await self._connection.fetch(
            self._sql("select place, contributions from {aggregate} where place = any($1::integer[])"), list(places)
        )
        return [(row["place"], _decode_contributions(row["contributions"])) for row in rows]

    async def save(self, created: Mapping[Key, Stored], changed: Mapping[Key, Stored]) -> None:
        """Store aggregates; see engine.Store."""
        rows = sorted([*created.items(), *changed.items()], key=_key_of)
        if not rows:
            return
        if len(rows) <= FEW:
            await self._save_few(rows)
            return
        parts = [_COPY_HEAD]
        fresh = 0
        for key, stored in rows:
            place, kind, id_ = key
            new = key not in self._stored
            fresh += new
            contributions = _encode(stored.contributions)
            positions = _encode(stored.positions)
            parts += (
                _AGGREGATE_ROW(
                    *(9, 1, new, 4, place, 2, kind, 16, bytes.fromhex(id_.replace("-", ""))),
                    *(4, stored.version, 2, stored.shard, len(contributions)),
                ),
                contributions,
                _LENGTH(len(positions)),
                positions,
            )
            if stored.own:
                own = _encode(stored.own)
                parts += (_LENGTH(len(own)), own)
            else:
                parts.append(_NULL)
        await self._stage("staged_aggregate", parts)
        if fresh:
            try:
                await self._connection.execute(self._sql(_CREATE))
            except asyncpg.UniqueViolationError as problem:
                raise NotNew from problem
        if fresh < len(rows):
            await self._connection.execute(self._sql(_SAVE))

    async def _save_few(self, rows: Sequence[tuple[Key, Stored]]) -> None:
        keys, stored = zip(*rows, strict=True)
        places, kinds, ids = zip(*keys, strict=True)
        try:
            await self._connection.execute(
                self._sql(_SAVE_FEW),
                [key not in self._stored for key in keys],
                *map(plain, (places, kinds, ids)),
                plain(each.version for each in stored),
                plain(each.shard for each in stored),
                [_encode(each.contributions) for each in stored],
                [_encode(each.positions) for each in stored],
                [_encode(each.own) if each.own else None for each in stored],
            )
        except asyncpg.UniqueViolationError as problem:
            raise NotNew from problem

    async def members(self, members: Sequence[Member]) -> dict[Member, References]:
        """The references of these members; those that institutions share are locked in order, by their top places."""
        asked = Asked(members)
        tops = {key for key in asked.shared if not self._image.membership(asked.keys[key][0][2]).chains}
        if tops:
            await self._connection.execute(self._sql(_LOCK_MEMBERS), *_members(sorted(tops)))
        rows = await self._connection.fetch(self._sql(_MEMBERS), *_members(asked.keys)) if asked.keys else []
        found, every = asked.found(rows)
        self._members.update(every)
        self._key_of |= asked.key_of
        return found

    async def save_members(self, members: Mapping[Member, References]) -> None:
        """Store the references of members that were read before."""
        changed: dict[MemberKey, dict[int, References]] = {}
        for member, references in members.items():
            changed.setdefault(self._key_of[member], {})[member[0]] = references
        rows: list[tuple[int, bytes, bytes]] = []
        for (family, digested), by_measure in sorted(changed.items()):
            before = self._members.get((family, digested), {})
            every = {key: amount for key, amount in before.items() if key[0] not in by_measure}
            for measure, references in by_measure.items():
                for (place, month), amount in references.items():
                    every[measure, place, month] = amount
            rows.append((family, digested, _encode(every)))
        if not rows:
            return
        if len(rows) <= FEW:
            families, digests, refs = zip(*rows, strict=True)
            await self._connection.execute(self._sql(_STORE_FEW_MEMBERS), plain(families), digests, refs)
            return
        parts = [_COPY_HEAD]
        for family, digested, encoded in rows:
            parts += (_MEMBER_ROW(3, 2, family, 16, digested, len(encoded)), encoded)
        staged = next(self._members_staged)
        await self._stage(staged, parts)
        await self._connection.execute(self._sql(_STORE_MEMBERS, staged))

    async def add(self, rows: Rows) -> None:
        """Add to the cells."""
        if not len(rows):
            return
        columns = (rows.places, rows.slots, rows.periods, *rows.amounts, rows.as_of)
        if len(rows) <= FEW:
            await self._connection.execute(self._sql(_ADD_FEW), *(plain(column.tolist()) for column in columns))
            return
        staged = np.empty(len(rows), dtype=_CELL_ROW)
        staged["fields"] = 8
        for name, values in zip(_CELL, columns, strict=True):
            staged[name] = values
            staged[f"{name}_size"] = _CELL_ROW[name].itemsize
        table = next(self._cells_staged)
        await self._stage(table, [_COPY_HEAD, staged.tobytes()])
        await self._connection.execute(self._sql(_ADD, table))

    async def _stage(self, table: str, parts: list[bytes]) -> None:
        if not self._staged:
            await self._connection.execute(_STAGES)
            if self._generation:  # a rebuild's last transaction takes many steps
                await self._connection.execute(_EMPTY)
            self._staged = True
        await self._copy(table, parts)

    async def _copy(self, table: str, parts: list[bytes], columns: Sequence[str] | None = None) -> None:
        parts.append(_COPY_END)
        await self._connection.copy_to_table(table, source=bytearray(b"".join(parts)), columns=columns, format="binary")

    async def release(self, rows: Rows, k: int) -> set[tuple[int, int]]:
        """Show those of the survey rows that have k responses more than are shown; (place, slot) of what is new."""
        stepped = np.isin(rows.slots, _STEPPED)
        if not stepped.any():
            return set()
        keys = [column[stepped].tolist() for column in (rows.places, rows.slots, rows.periods)]
        return {(place, slot) for place, slot in await self._connection.fetch(_RELEASE, *map(plain, keys), k)}

    async def note_late(self, event: Event) -> None:
        """Where a new generation is being built: remember an event that comes out of its turn, which it may be past."""
        await self._connection.execute(_NOTE_LATE, SOURCES[event.source], event.shard, event.position, event.source)

    async def log(self, events: Iterable[tuple[Event, int | None]]) -> None:
        """Append (event, its institution's place) to the log."""
        types = self._types
        rows = list(events)
        for name in sorted({event.type for event, _ in rows} - types.keys()):
            await self._name_type(name)  # in one order everywhere: others may be naming the same ones
        if len(rows) <= FEW:
            await self._log_few(rows)
            return
        parts = [_COPY_HEAD]
        for event, place in rows:
            type_ = types[event.type]
            since = event.time - _EPOCH
            time = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
            subject = event.subject.encode()
            head = (9, 2, SOURCES[event.source], 2, event.shard, 8, event.position, 8, time, 2, type_)
            data = event.data
            parts += (
                _LOG_ROW(*head, 4, place, len(subject)) if place else _LOG_ROW_NOWHERE(*head, -1, len(subject)),
                subject,
                _LOG_END(16, bytes.fromhex(event.id.replace("-", "")), len(data)),
                data,
            )
        await self._copy("event_log", parts, _LOG)

    async def _log_few(self, rows: Sequence[tuple[Event, int | None]]) -> None:
        events, places = zip(*rows, strict=True)
        await self._connection.execute(
            _LOG_FEW,
            plain(SOURCES[event.source] for event in events),
            plain(event.shard for event in events),
            plain(event.position for event in events),
            [event.time for event in events],
            plain(self._types[event.type] for event in events),
            places,
            [event.subject for event in events],
            plain(event.id for event in events),
            [event.data for event in events],
        )

    async def _name_type(self, name: str) -> int:
        await self._connection.execute("insert into event_type (name) values ($1) on conflict do nothing", name)
        id_: int = await self._connection.fetchval("select id from event_type where name = $1", name)
        self._types[name] = id_
        return id_


async def refresh(connection: Any, image: Image, generation: str = LIVE) -> bool:
    """Bring the image up to the stored territory; says whether anything had changed."""
    sql = _Statements(generation)
    revision: int = await connection.fetchval(sql("select revision from {territory_revision}"))
    if revision == image.revision:
        return False
    rows = await connection.fetch(
        sql(f"select {_PLACE} from {{place}} where revision > $1 order by revision, id"),  # noqa: S608 - constants
        image.revision,
    )
    image.put([_place(row) for row in rows])
    image.revision = revision
    return True


def digest(member: str) -> bytes:
    """A member's key: 16 bytes whatever its name's length."""
    return blake2b(member.encode(), digest_size=16).digest()


def digest_at(digested: bytes, place: int) -> bytes:
    """The key of a member's references at a place, by the member's."""
    return blake2b(digested + place.to_bytes(4), digest_size=16).digest()


class Asked:
    """Members whose references are asked for, by the keys of their rows."""

    def __init__(self, members: Iterable[Member]) -> None:
        self.keys: dict[MemberKey, list[Member]] = {}
        """Those whose references are in the row."""
        self.shared: list[MemberKey] = []
        """Rows of members that institutions share."""
        self.key_of: dict[Member, MemberKey] = {}
        digests: dict[str, bytes] = {}  # of several measures and at several places it is often the same member
        for member in members:
            measure, name, place = member
            digested = digests.get(name) or digests.setdefault(name, digest(name))
            if place == OWN:
                key = _FAMILIES.get(measure, measure), digested
            else:
                key = measure, digest_at(digested, place)
                self.shared.append(key)
            self.key_of[member] = key
            self.keys.setdefault(key, []).append(member)

    def found(
        self, rows: Iterable[tuple[int, bytes, bytes]]
    ) -> tuple[dict[Member, References], dict[MemberKey, dict[tuple[int, int, int], int]]]:
        """The members' references, and all that is in the rows."""
        found: dict[Member, References] = {}
        whole: dict[MemberKey, dict[tuple[int, int, int], int]] = {}
        for family, digested, refs in rows:
            every = whole[family, digested] = _decode_triples(refs)
            asked = {member[0]: member for member in self.keys[family, digested]}
            for (measure, place, month), amount in every.items():
                if measure in asked:
                    found.setdefault(asked[measure], {})[place, month] = amount
        return found, whole


def contributions_from(stored: bytes) -> Contributions:
    """Contributions as they are stored."""
    return _decode_contributions(stored)


def positions_from(stored: bytes) -> list[int]:
    """The positions of an aggregate's events as they are stored."""
    return _decode_integers(stored)


def pairs_from(stored: bytes) -> References:
    """Amounts by two integers as they are stored: what a derived aggregate is a function of."""
    return _decode_pairs(stored)


def _members(keys: Iterable[tuple[int, bytes]]) -> tuple[str, str]:
    pairs = list(keys)
    return plain(measure for measure, _ in pairs), literal([f"\\x{member.hex()}" for _, member in pairs])


def _columns_of(places: Sequence[Place]) -> tuple[list[Any], ...]:
    return (
        [place.code for place in places],
        [int(place.level) for place in places],
        [place.parent for place in places],
        [place.path for place in places],
        [json.dumps(place.names, ensure_ascii=False) for place in places],
        [place.active for place in places],
        [json.dumps([(code, since.isoformat()) for code, since in place.memberships]) for place in places],
        [place.version for place in places],
        [place.kind for place in places],
    )


def _place(row: "asyncpg.Record") -> Place:
    return Place(
        id=row["id"],
        code=row["code"],
        level=Level(row["level"]),
        parent=row["parent"],
        path=row["path"],
        names=json.loads(row["names"]),
        active=row["active"],
        memberships=tuple((code, date.fromisoformat(since)) for code, since in json.loads(row["memberships"])),
        version=row["version"],
        kind=row["kind"],
    )
