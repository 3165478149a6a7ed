"""Monitoring's tables as the engine uses them: integer keys, few statements, rows locked in one order everywhere.

Order of locks: shards, territory, places, members, cells from the institutions up to the nation; so workers never wait
in a ring. Aggregates and own sets need no lock: whoever holds a shard is the only one to touch them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from hashlib import blake2b
from typing import Any

import asyncpg
import msgspec

from services.monitoring.domain.measures import OWN_SETS, STEPPED_SLOTS
from services.monitoring.domain.parts import Contributions
from services.monitoring.domain.territory import Image, Level, Place
from services.monitoring.domain.totals import Rows
from services.monitoring.engine import Key, Member, References, Stored
from shared.contracts.events import SERVICES, Event

SHARDS_LOCK = 0x6D6F6E  # advisory locks (SHARDS_LOCK, shard): an institution has one shard in every source
TERRITORY_LOCK = 0x7465727269746F72

SOURCES = {service: number for number, service in enumerate(SERVICES)}

_encode = msgspec.json.Encoder().encode
_decode_contributions = msgspec.json.Decoder(list[list[int | str]]).decode
_decode_integers = msgspec.json.Decoder(list[int]).decode
_decode_triples = msgspec.json.Decoder(list[tuple[int, int, int]]).decode

# JSON travels as text: the drivers' own ideas of it differ, and msgspec is faster than they are.
_PLACE = "id, code, level, parent, path, names::text, active, memberships::text, version, kind"
_AGGREGATES = """
    select a.place, a.kind, a.id::text, a.version, a.shard, a.contributions::text, a.positions::text, a.own::text
    from unnest($1::text::integer[], $2::text::smallint[], $3::text::uuid[]) as key(place, kind, id)
    join aggregate a using (place, kind, id)
"""
_SAVE = """
    insert into aggregate (place, kind, id, version, shard, contributions, positions, own)
    select place, kind, id, version, shard, contributions::json, positions::json, own::json
    from unnest($1::text::integer[], $2::text::smallint[], $3::text::uuid[], $4::text::integer[], $5::text::smallint[],
        $6::text[], $7::text[], $8::text[]) as new(place, kind, id, version, shard, contributions, positions, own)
    on conflict (place, kind, id) do update set version = excluded.version, contributions = excluded.contributions,
        positions = excluded.positions, own = excluded.own
"""
_LOCK_MEMBERS = """
    insert into member as known (measure, member, refs)
    select measure, member, '[]' from unnest($1::text::smallint[], $2::text::bytea[]) as new(measure, member)
    on conflict (measure, member) do update set refs = known.refs returning measure, member, refs::text
"""
_MEMBERS = """
    select measure, member, refs::text
    from unnest($1::text::smallint[], $2::text::bytea[]) as key(measure, member) join member using (measure, member)
"""
_SAVE_MEMBERS = """
    insert into member (measure, member, refs)
    select measure, member, refs::json
    from unnest($1::text::smallint[], $2::text::bytea[], $3::text[]) as new(measure, member, refs)
    on conflict (measure, member) do update set refs = excluded.refs
"""
_ADD = """
    insert into cell as known (place, slot, period, v0, v1, v2, v3, as_of)
    select * from unnest($1::text::integer[], $2::text::smallint[], $3::text::integer[], $4::text::bigint[],
        $5::text::bigint[], $6::text::bigint[], $7::text::bigint[], $8::text::bigint[])
    on conflict (place, slot, period) do update set v0 = known.v0 + excluded.v0, v1 = known.v1 + excluded.v1,
        v2 = known.v2 + excluded.v2, v3 = known.v3 + excluded.v3, as_of = greatest(known.as_of, excluded.as_of)
"""
# v1 is the number of responses in the rows of surveys.
_RELEASE = """
    insert into released as shown (place, slot, period, v0, v1, v2, v3, as_of)
    select c.* from unnest($1::text::integer[], $2::text::smallint[], $3::text::integer[]) as key(place, slot, period)
    join cell c using (place, slot, period) left join released r using (place, slot, period)
    where c.v1 - coalesce(r.v1, 0) >= $4
    on conflict (place, slot, period) do update set v0 = excluded.v0, v1 = excluded.v1, v2 = excluded.v2,
        v3 = excluded.v3, as_of = excluded.as_of
    returning place, slot
"""
_LOG = ("source", "shard", "position", "time", "type", "place", "subject", "id", "data")


class Tables:
    """The engine's store (services.monitoring.engine.Store) inside one transaction of scope "all".

    `image` and `types` outlive the transaction: after a rollback they know too much and must not be used again.
    """

    def __init__(self, connection: Any, image: Image, types: dict[str, int]) -> None:
        self._connection = connection
        self._image = image
        self._types = types

    async def take_shards(self, events: Iterable[Event]) -> None:
        """Wait until nobody else works on the shards of these events.

        One lock for a shard of all sources: what derived aggregates are functions of comes from several.
        """
        shards = sorted({event.shard for event in events})
        await self._connection.execute(
            "select pg_advisory_xact_lock($1::integer, shard) from unnest($2::integer[]) shard", SHARDS_LOCK, shards
        )

    async def open(self, *, exclusive: bool) -> Image:
        """The territory as it is; see engine.Store."""
        lock = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
        await self._connection.execute(f"select {lock}($1)", TERRITORY_LOCK)
        await refresh(self._connection, self._image)
        return self._image

    async def create_places(self, places: Sequence[Place]) -> None:
        """Store new places; one that is there already stays as it is."""
        if not places:
            return
        await self._connection.execute(
            """
            insert into place (code, level, parent, path, names, active, memberships, version, kind, revision)
            select code, level, parent, path, names::json, active, memberships::json, version, kind, 0
            from unnest($1::text[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::text[],
                $8::integer[], $9::text[]) as new(code, level, parent, path, names, active, memberships, version, kind)
            on conflict (code) do nothing
            """,
            *_columns_of(places),
        )
        codes = [place.code for place in places]
        rows = await self._connection.fetch(f"select {_PLACE} from place where code = any($1::text[])", codes)  # noqa: S608
        self._image.put([_place(row) for row in rows])

    async def save_places(self, places: Sequence[Place]) -> None:
        """Store changed places under a new revision, by which the other processes notice."""
        if not places:
            return
        revision = await self._connection.fetchval(
            "update territory_revision set revision = revision + 1 returning revision"
        )
        await self._connection.execute(
            """
            update place set level = new.level, parent = new.parent, path = new.path, names = new.names::json,
                active = new.active, memberships = new.memberships::json, version = new.version, kind = new.kind,
                revision = $10
            from unnest($1::text[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::text[],
                $8::integer[], $9::text[]) as new(code, level, parent, path, names, active, memberships, version, kind)
            where place.code = new.code
            """,
            *_columns_of(places),
            revision,
        )
        self._image.put(places)
        self._image.revision = revision

    async def aggregates(self, keys: Sequence[Key]) -> dict[Key, Stored]:
        """The stored aggregates among `keys`."""
        if not keys:
            return {}
        rows = await self._connection.fetch(_AGGREGATES, *map(_array, zip(*keys, strict=True)))
        return {
            (place, kind, id_): Stored(
                version,
                contributions_from(contributions),
                shard,
                _decode_integers(positions),
                triples_from(own) if own else {},
            )
            for place, kind, id_, version, shard, contributions, positions, own in rows
        }

    async def aggregates_of(self, places: Sequence[int]) -> list[tuple[int, Contributions]]:
        """(place, contributions) of every aggregate of these institutions."""
        rows = await self._connection.fetch(
            "select place, contributions::text from aggregate where place = any($1::integer[])", list(places)
        )
        return [(row["place"], contributions_from(row["contributions"])) for row in rows]

    async def save(self, aggregates: Mapping[Key, Stored]) -> None:
        """Store aggregates."""
        if not aggregates:
            return
        rows = sorted(aggregates.items())
        await self._connection.execute(
            _SAVE,
            _array(key[0] for key, _ in rows),
            _array(key[1] for key, _ in rows),
            _array(key[2] for key, _ in rows),
            _array(stored.version for _, stored in rows),
            _array(stored.shard for _, stored in rows),
            [contributions_text(stored.contributions) for _, stored in rows],
            [_encode(stored.positions).decode() for _, stored in rows],
            [_own_text(stored.own) for _, stored in rows],
        )

    async def members(self, members: Sequence[Member]) -> dict[Member, References]:
        """The references of these members; those that institutions share are locked in order."""
        found: dict[Member, References] = {member: {} for member in members}
        keys = {(measure, digest(member)): (measure, member) for measure, member in members}
        shared = sorted(key for key in keys if key[0] not in OWN_SETS)
        own = [key for key in keys if key[0] in OWN_SETS]
        for statement, wanted in ((_LOCK_MEMBERS, shared), (_MEMBERS, own)):
            if wanted:
                rows = await self._connection.fetch(statement, *_members(wanted))
                for measure, member, refs in rows:
                    found[keys[measure, member]] = {
                        (place, month): amount for place, month, amount in _decode_triples(refs)
                    }
        return found

    async def save_members(self, members: Mapping[Member, References]) -> None:
        """Store the references of members that were read before."""
        if not members:
            return
        rows = sorted((measure, digest(member), references) for (measure, member), references in members.items())
        await self._connection.execute(
            _SAVE_MEMBERS,
            *_members([(measure, member) for measure, member, _ in rows]),
            [_triples_text(references) for _, _, references in rows],
        )

    async def add(self, rows: Rows) -> None:
        """Add to the cells."""
        if len(rows):
            await self._connection.execute(
                _ADD, *map(_array, (rows.places, rows.slots, rows.periods, *rows.amounts, rows.as_of))
            )

    async def release(self, rows: Rows, k: int) -> set[tuple[int, int]]:
        """Show those of the survey rows that have k responses more than are shown; (place, slot) of what is new."""
        stepped = [index for index, slot in enumerate(rows.slots) if slot in STEPPED_SLOTS]
        if not stepped:
            return set()
        keys = [[column[index] for index in stepped] for column in (rows.places, rows.slots, rows.periods)]
        return {(place, slot) for place, slot in await self._connection.fetch(_RELEASE, *map(_array, keys), k)}

    async def log(self, events: Iterable[tuple[Event, int | None]]) -> None:
        """Append (event, its institution's place) to the log."""
        types = self._types
        records = []
        for event, place in events:
            if event.type not in types:
                await self._name_type(event.type)
            records.append(
                (
                    SOURCES[event.source],
                    event.shard,
                    event.position,
                    event.time,
                    types[event.type],
                    place,
                    event.subject,
                    event.id,
                    event.data,
                )
            )
        await self._connection.copy_records_to_table("event_log", records=records, columns=_LOG)

    async def _name_type(self, name: str) -> None:
        await self._connection.execute("insert into event_type (name) values ($1) on conflict do nothing", name)
        self._types[name] = await self._connection.fetchval("select id from event_type where name = $1", name)


async def refresh(connection: Any, image: Image) -> bool:
    """Bring the image up to the stored territory; says whether anything had changed."""
    revision: int = await connection.fetchval("select revision from territory_revision")
    if revision == image.revision:
        return False
    rows = await connection.fetch(
        f"select {_PLACE} from place where revision > $1 order by revision, id",  # noqa: S608 - constant columns
        image.revision,
    )
    image.put([_place(row) for row in rows])
    image.revision = revision
    return True


def digest(member: str) -> bytes:
    """A member's key: 16 bytes whatever its name's length."""
    return blake2b(member.encode(), digest_size=16).digest()


def contributions_text(contributions: Contributions) -> str:
    """[[measure, month, amount], [measure, month, amount, member], …]"""
    return _encode(
        [
            (measure, month, amount) if member is None else (measure, month, amount, member)
            for (measure, month, member), amount in contributions.items()
        ]
    ).decode()


def contributions_from(text: str) -> Contributions:
    """The contributions of that text."""
    found: dict[Any, Any] = {
        (row[0], row[1], row[3] if len(row) == 4 else None): row[2] for row in _decode_contributions(text)
    }
    return found


def triples_from(text: str) -> References:
    """Amounts by two integers, from [[one, other, amount], …]."""
    return {(one, other): amount for one, other, amount in _decode_triples(text)}


def _array(values: Iterable[object]) -> str:
    """An array literal of numbers or ids: asyncpg takes ten times as long for a list's elements."""
    return "{" + ",".join(map(str, values)) + "}"


def _members(keys: Iterable[tuple[int, bytes]]) -> tuple[str, str]:
    pairs = list(keys)
    return _array(measure for measure, _ in pairs), _array(f'"\\\\x{member.hex()}"' for _, member in pairs)


def _triples_text(references: References) -> str:
    return _encode([(*at, amount) for at, amount in references.items()]).decode()


def _own_text(own: References) -> str | None:
    return _triples_text(own) if own else None


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
