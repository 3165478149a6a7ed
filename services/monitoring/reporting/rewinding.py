"""Values as they were: the engine itself, run backwards over the events since a moment, on rows that nobody keeps.

For every aggregate that was told about since, the state of that moment is put in place of the present one; what the
engine would then add to the cells leads from the present values to those of the moment – distinct counts, shares of
institutions and moves between districts included.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.monitoring import archive, queries
from services.monitoring.directory import Directory
from services.monitoring.domain.measures import COLUMNS
from services.monitoring.domain.parts import Contributions
from services.monitoring.domain.periods import Period
from services.monitoring.domain.readings import READINGS, Institution, Owned, Reading, Territory, decode
from services.monitoring.domain.territory import Image, Place
from services.monitoring.domain.totals import Rows
from services.monitoring.engine import NOBODY, Key, Member, References, Stored, apply
from services.monitoring.reporting.freezes import Positions
from services.monitoring.tables import SOURCES, Asked, Tables
from shared.contracts.events import SERVICES, Event
from shared.errors import FieldError, InvalidInput
from shared.persistence.engine import widened

MOST_EVENTS = 20_000

# Each span of the log is looked for by its key (`offset 0`): the planner, which fears the scope, would read all of it.
_BETWEEN = """
    select e.source, e.shard, e.position, t.name, e.subject, e.place, e.id, e.time
    from unnest($1::smallint[], $2::smallint[], $3::bigint[], $4::bigint[]) as key(source, shard, low, high),
    lateral (
        select * from event_seen e where e.source = key.source and e.shard = key.shard and e.position > key.low
            and e.position <= key.high offset 0
    ) e join event_type t on t.id = e.type
    where e.place = any($5::integer[]) or (e.place is null and t.name like 'hamkor.partners.territory.%')
    limit $6
"""
_RESETTLED = """
    select e.source, e.shard, e.position, t.name, e.subject, e.place, e.id, e.time
    from unnest($1::smallint[], $2::bigint[], $3::bigint[]) as key(shard, low, high),
    lateral (
        select * from event_seen e
        where e.source = $4 and e.shard = key.shard and e.position > key.low and e.position <= key.high offset 0
    ) e join event_type t on t.id = e.type
    where t.name like 'hamkor.partners.institution.%' and e.place <> all($5::integer[])
    limit $6
"""
_TERRITORY_BEFORE = """
    select distinct on (e.subject) e.source, e.shard, e.position, e.subject
    from unnest($1::smallint[], $2::bigint[]) as key(shard, low),
    lateral (
        select * from event_seen e where e.source = $3 and e.shard = key.shard and e.position <= key.low offset 0
    ) e
    where e.subject = any($4::text[]) order by e.subject, e.position desc
"""
_MEMBERS = """
    select family, member, refs
    from unnest($1::smallint[], $2::bytea[]) as key(family, member) join member using (family, member)
"""


_INSTITUTION, _TERRITORY = "hamkor.partners.institution.", "hamkor.partners.territory."


def _text(id_: bytes) -> str:
    return str(UUID(bytes=id_))


class Absent(Owned, frozen=True, gc=False):
    """An aggregate that was not there yet."""


def _absent(kind: int) -> Any:
    return msgspec.defstruct(f"Absent{kind}", [], bases=(Absent,), namespace={"kind": kind}, frozen=True, gc=False)


_ABSENT = {reading.kind: _absent(reading.kind) for reading in READINGS.values() if reading.kind}


@dataclass(frozen=True, slots=True)
class Happened:
    """An event since a moment."""

    source: int
    shard: int
    position: int
    type: str
    subject: str
    place: int | None
    id: str
    time: datetime


@dataclass(slots=True)
class Then:
    """The cells and aggregates of a moment, as far as they differ from the present ones."""

    cells: dict[int, list[tuple[int, int, tuple[int, ...]]]] = field(default_factory=dict)
    """Differences by place: (slot, period, amounts)."""
    aggregates: dict[Key, Contributions] = field(default_factory=dict)
    before: dict[Key, Contributions] = field(default_factory=dict)
    """What those contribute now."""
    image: Image | None = None
    """The territory then, where it differs from the present one."""

    def amounts(
        self, now: queries.Amounts, place: int, measures: Iterable[int], period: Period, until: int
    ) -> queries.Amounts:
        """The amounts at a place then, from those of now."""
        then = queries.Amounts(dict(now.rows), now.as_of)
        for slot, at, row in self.cells.get(place, ()):
            for form, slots in queries.slots_of(measures).items():
                if slot in slots and queries.counts(form, at, period, until):
                    known = then.rows.get((form, slot), (0,) * COLUMNS)
                    then.rows[form, slot] = tuple(a + b for a, b in zip(known, row, strict=True))
        return then


class _Rewound(Tables):
    """The engine's store in which every aggregate may become older; nothing is written anywhere."""

    def __init__(self, connection: Any, image: Image) -> None:
        super().__init__(connection, image, {})
        self.image = image
        self.then = Then()

    async def look(self) -> Image:
        return self.image

    async def open(self, *, exclusive: bool) -> Image:  # noqa: ARG002 - nobody else uses this image
        return self.image

    async def create_places(self, places: Sequence[Place]) -> None:
        assert not places, "the past knows no place that the present does not"

    async def save_places(self, places: Sequence[Place]) -> None:
        self.image.put(places)

    async def aggregates(self, keys: Sequence[Key]) -> dict[Key, Stored]:
        found = await super().aggregates(keys)
        self.then.before.update({key: stored.contributions for key, stored in found.items()})
        return {key: replace(stored, version=-1) for key, stored in found.items()}

    async def save(self, created: Mapping[Key, Stored], changed: Mapping[Key, Stored]) -> None:
        for key, stored in (*created.items(), *changed.items()):
            self.then.aggregates[key] = stored.contributions

    async def members(self, members: Sequence[Member]) -> dict[Member, References]:
        """As Tables does, without locks. Members are seen by nobody's scope: nothing but counts leaves from here."""
        asked = Asked(members)
        rows = await self._connection.fetch(_MEMBERS, *map(list, zip(*asked.keys, strict=True))) if asked.keys else []
        return asked.found(rows)[0]

    async def save_members(self, members: Mapping[Member, References]) -> None:
        pass

    async def add(self, rows: Rows) -> None:
        for place, slot, period, *amounts in zip(
            rows.places.tolist(),
            rows.slots.tolist(),
            rows.periods.tolist(),
            *(each.tolist() for each in rows.amounts),
            strict=True,
        ):
            self.then.cells.setdefault(place, []).append((slot, period, tuple(amounts)))


class Rewinder:
    """Looks back from one snapshot, within the caller's scope."""

    def __init__(self, connection: Any, directory: Directory) -> None:
        self._connection = connection
        self._directory = directory

    async def happened(self, places: Sequence[int], since: Positions, until: Positions) -> list[Happened]:
        """What was told of these places after a moment, up to another; raises InvalidInput where it is too much."""
        keys = [
            (SOURCES[source], shard, low, until.get(source, ())[shard])
            for source, positions in since.items()
            for shard, low in enumerate(positions)
            if source in until and until[source][shard] > low
        ]
        if not keys:
            return []
        rows = await self._connection.fetch(
            _BETWEEN, *map(list, zip(*keys, strict=True)), list(places), MOST_EVENTS + 1
        )
        codes = {self._directory.image.places[place].code for place in places}
        found = [Happened(*row) for row in rows]
        found += await self._old(
            keys, lambda row: row.place in codes if row.place is not None else row.type.startswith(_TERRITORY)
        )
        if len(found) > MOST_EVENTS:
            raise InvalidInput(FieldError("from", "many_changes", {"limit": MOST_EVENTS}))
        return found

    async def _old(self, windows: Sequence[archive.Window], keep: archive.Keep) -> list[Happened]:
        """What of it happened in these positions and lies in files by now."""
        return [
            Happened(row.source, row.shard, row.position, row.type, row.subject, place, _text(row.id), row.time)
            for row, place in await archive.read(self._connection, windows, MOST_EVENTS + 1, keep)
        ]

    async def elsewhere(self, places: Sequence[int], since: Positions, until: Positions) -> list[Happened]:
        """What was told after a moment of institutions elsewhere that may have been here then: their membership was
        corrected. It is for sums alone, and shown to nobody."""
        async with widened(self._connection):
            lows, highs = since.get("partners", ()), until.get("partners", ())
            rows = await self._connection.fetch(
                _RESETTLED,
                list(range(len(lows))),
                list(lows),
                list(highs),
                SOURCES["partners"],
                list(places),
                MOST_EVENTS + 1,
            )
            here = {self._directory.image.places[place].code for place in places}
            windows = [
                (SOURCES["partners"], shard, low, high)
                for shard, (low, high) in enumerate(zip(lows, highs, strict=True))
            ]
            old = await self._old(windows, lambda row: row.type.startswith(_INSTITUTION) and row.place not in here)
            found = (*(row["place"] for row in rows), *(each.place for each in old))
            moved = sorted({place for place in found if place is not None})
            return await self.happened(moved, since, until) if moved else []

    async def back(self, happened: Sequence[Happened], moment: Positions) -> Then:
        """The cells and aggregates of the moment, from everything that has happened since.

        It looks beyond the caller's scope: what is shown of it is for the caller of this to choose.
        """
        async with widened(self._connection):
            return await self._back(happened, moment)

    async def _back(self, happened: Sequence[Happened], moment: Positions) -> Then:
        keys = _keys_of(happened)
        territory = sorted({each.subject for each in happened if each.subject.startswith("territory/")})
        if not keys and not territory:
            return Then()
        places = bool(territory) or any(key[1] == Institution.kind for key in keys)
        image = self._directory.copy() if places else self._directory.image
        store = _Rewound(self._connection, image)
        stored = await Tables(self._connection, image, {}).aggregates(sorted(keys))
        wanted: dict[tuple[int, int, int], Key] = {}
        for key, (source, shard) in keys.items():
            if key in stored:
                limit = moment.get(SERVICES[source], ())[shard]
                earlier = [each for each in stored[key].positions if each <= limit]
                if earlier:
                    wanted[source, shard, max(earlier)] = key
        batch = await self._events(list(wanted))
        known = {wanted[SOURCES[event.source], event.shard, event.position] for event, _ in batch}
        codes = self._directory.image.places
        sample = _sample(happened)
        for key in keys:
            if key in stored and key not in known:
                kind, id_ = key[1], key[2]
                absent = _ABSENT[kind](id=id_, version=0, institution_id=codes[key[0]].code)
                batch.append((sample, absent))
        batch += await self._territory(territory, moment)
        _older(image, batch)
        if batch:
            await apply(store, batch, careful=True)
            store.then.image = image if places else None
        return store.then

    async def _territory(self, subjects: Sequence[str], moment: Positions) -> list[tuple[Event, Reading]]:
        if not subjects:
            return []
        lows = moment.get("partners", ())
        rows = await self._connection.fetch(
            _TERRITORY_BEFORE, list(range(len(lows))), list(lows), SOURCES["partners"], list(subjects)
        )
        newest = {row["subject"]: (row["source"], row["shard"], row["position"]) for row in rows}
        wanted = set(subjects)
        windows = [(SOURCES["partners"], shard, 0, low) for shard, low in enumerate(lows)]
        for row, _ in await archive.read(self._connection, windows, keep=lambda row: row.subject in wanted):
            key = row.source, row.shard, row.position
            newest[row.subject] = max(key, newest.get(row.subject, key))
        return await self._events(list(newest.values()))

    async def _events(self, keys: Sequence[tuple[int, int, int]]) -> list[tuple[Event, Reading]]:
        return [(event, decode(event)) for event in await archive.events(self._connection, keys)]


_KINDS = {aggregate: reading.kind for (_, aggregate), reading in READINGS.items() if reading.kind}


def _keys_of(happened: Sequence[Happened]) -> dict[Key, tuple[int, int]]:
    """The aggregates that were told about, with their log and shard."""
    found: dict[Key, tuple[int, int]] = {}
    for each in happened:
        aggregate, _, id_ = each.subject.partition("/")
        kind = _KINDS.get(aggregate)
        if kind is not None and each.place is not None:
            key = each.place, kind, NOBODY if kind == Institution.kind else id_
            found[key] = each.source, each.shard
    return found


def key_of(each: Happened) -> Key | None:
    """The aggregate that an event tells of."""
    return next(iter(_keys_of([each])), None)


def _sample(happened: Sequence[Happened]) -> Event:
    """An event for what was not there: the engine wants a time."""
    first = happened[0]
    return Event(first.id, first.type, SERVICES[first.source], first.subject, "", first.time, first.shard, 0, b"")


def _older(image: Image, batch: Sequence[tuple[Event, Reading]]) -> None:
    """Let these places take in states that are older than what is known of them."""
    places = [
        replace(image.places[image.ids[state.id]], version=-1)
        for _, state in batch
        if isinstance(state, Institution | Territory) and state.id in image.ids
    ]
    if places:
        image.put(places)
