"""Releases counts of persons: a place's figures of a year move by k persons together, or not at all.

After them it is settled what may be shown: from the nation down, as far as something has changed.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, Final

import structlog

from services.monitoring.domain.disclosure import Row, settle, top
from services.monitoring.domain.persons import BY_NUMBER
from services.monitoring.domain.territory import Image, Level, Place
from services.monitoring.suppression import tables
from services.monitoring.suppression.tables import LOCK, NOTHING, Settled, Unit
from services.monitoring.tables import refresh
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import Database
from shared.telemetry.progress import Progress

log = structlog.get_logger(__name__)

FEW_SETS: Final = 12
"""Released with the events themselves where no more districts than these are concerned; else by `Releasing`."""
LOOK_S: Final = 0.5
_SHOWN: Final = 1
"""The bit of a whole year among the stretches resolved, and among the segments shown."""


_LATEST: Final = "select max(as_of) from held where place = any($1::integer[]) and slot = any($2::smallint[])"


class Tree:
    """Who lies right below whom; `image` is looked at anew when it has changed."""

    def __init__(self) -> None:
        self._image: Image | None = None
        self._revision = -1
        self._below: dict[int, list[int]] = {}

    def look(self, image: Image) -> "Tree":
        """The tree of the territory as it is."""
        if self._image is not image or self._revision != image.revision or image.revision < 0:
            self._image, self._revision = image, image.revision
            self._below = defaultdict(list)
            for place in image.places.values():
                if place.level is Level.INSTITUTION:
                    for above in image.membership(place.id).places:
                        self._below[above].append(place.id)
                elif place.parent in image.ids:
                    self._below[image.ids[place.parent]].append(place.id)
        return self

    def above(self, place: Place, month: int) -> int | None:
        """The place right above at the end of a month."""
        assert self._image is not None
        if place.level is Level.INSTITUTION:
            return next(iter(self._image.membership(place.id).at(month)), None)
        return self._image.ids.get(place.parent or "")

    def below(self, place: Place, month: int) -> list[int]:
        """The places right below at the end of a month."""
        assert self._image is not None
        found = self._below.get(place.id, [])
        if place.level is not Level.DISTRICT:
            return [each for each in found if self._image.places[each].level is not Level.INSTITUTION]
        return [each for each in found if place.id in self._image.membership(each).at(month)]


class Releaser:
    """Releases within its caller's transaction, of scope "all"."""

    def __init__(self, k: int) -> None:
        self._k = k
        self._tree = Tree()

    async def with_events(self, connection: Any, image: Image, units: Collection[Unit]) -> set[tuple[int, int]]:
        """Release at once, unless that is much or somebody else is at it: then it is left for later."""
        if not units:
            return set()
        districts = {unit[0] for unit in units if image.places[unit[0]].level is Level.DISTRICT}
        if len(districts) <= FEW_SETS and await connection.fetchval("select pg_try_advisory_xact_lock($1)", LOCK):
            return await self.release(connection, image, units)
        await tables.note(connection, units)
        return set()

    async def release(self, connection: Any, image: Image, units: Iterable[Unit]) -> set[tuple[int, int]]:
        """Release what is due of the units; (place, slot) of what may be seen to have moved.

        The lock is the caller's.
        """
        tree = self._tree.look(image)
        ordered = sorted(units)
        moved = await tables.changes(connection, ordered)
        groups: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for (place, family, year), persons in zip(ordered, moved, strict=True):
            groups[family, year].append((place, persons))
        told: set[tuple[int, int]] = set()
        for (family, year), group in sorted(groups.items()):
            before = await tables.settled(connection, family, year, [place for place, _ in group])
            due = [
                place
                for place, persons in group
                # What is hidden may follow the truth: nobody sees it move.
                if persons >= self._k or (persons and not before.get(place, NOTHING)[2] & _SHOWN)
            ]
            if due:
                many = {place for place, persons in group if persons >= self._k}
                await tables.hold(connection, [(place, family, year) for place in due], many)
                now = await tables.rows(connection, BY_NUMBER[family], year, due)
                # A hidden place with a few persons more changes nothing for those next to it.
                felt = [place for place in due if place not in before or now[place].whole >= self._k]
                if felt:
                    seen = await self._settle(connection, image, tree, family, year, felt)
                    told |= {(place, slot) for place in seen for slot in BY_NUMBER[family].slots}
        return told

    async def _settle(
        self, connection: Any, image: Image, tree: Tree, family: int, year: int, due: Collection[int]
    ) -> set[int]:
        """Settle what the released places may change, downwards; the places at which it may be seen."""
        month = tables.first_month(year) + 11
        places = image.places
        looked: dict[Level, set[int]] = {level: set() for level in Level}
        for place in due:
            looked[places[place].level].add(place)
            # What an institution counts may veil its district or lift the veil: the region has settled the rest.
            above = tree.above(places[place], month)
            if above is not None:
                looked[places[above].level].add(above)
        known: dict[int, Row] = {}
        before: dict[int, Settled | None] = {}
        for level in (Level.NATION, Level.REGION, Level.DISTRICT):
            for number in sorted(looked[level]):
                above_, below = places[number], tree.below(places[number], month)
                wanted = [each for each in (number, *below) if each not in known]
                known |= await tables.rows(connection, BY_NUMBER[family], year, wanted)
                settled = await tables.settled(connection, family, year, wanted)
                for each in wanted:
                    before[each] = settled.get(each)
                    _restore(known[each], before[each])
                rows = [known[each] for each in below]
                for row in rows:
                    row.knows = level is Level.DISTRICT
                if above_.level is Level.NATION:
                    top(known[number], self._k)
                settle(known[number], rows, self._k)
                for row in rows:
                    below_it = places[row.place].level
                    if below_it is not Level.INSTITUTION and _decided_anew(row, before[row.place]):
                        looked[below_it].add(row.place)
        # Which districts are veiled is known of those alone that were looked into: nothing was decided of the others.
        unlooked = {
            each for each in known if places[each].level is Level.DISTRICT and each not in looked[Level.DISTRICT]
        }
        changed = [row for row in known.values() if row.place not in unlooked and _differs(row, before[row.place])]
        await tables.settle(connection, family, year, changed)
        seen = {row.place for row in changed if _looks_different(row, before[row.place])}
        seen |= {row.place for row in known.values() if row.place in due and row.shown & _SHOWN}
        return seen


def _restore(row: Row, settled: Settled | None) -> None:
    """What was settled of a place, before that is done anew; where nothing was, there is nobody."""
    _, _, row.nodes, row.possible, row.floor, row.bar = settled or NOTHING


def _differs(row: Row, settled: Settled | None) -> bool:
    if settled is None and not row.possible and not row.whole:
        return False
    return settled != (row.shown, row.told, row.nodes, row.possible, row.floor, row.bar)


def _decided_anew(row: Row, settled: Settled | None) -> bool:
    """Whether those above allow something else than before."""
    return (settled or NOTHING)[2:] != (row.nodes, row.possible, row.floor, row.bar)


def _looks_different(row: Row, settled: Settled | None) -> bool:
    """Whether anybody sees that something was settled anew; the rest is kept for the next time."""
    return settled is None or (settled[:2], settled[3]) != ((row.shown, row.told), row.possible)


class Releasing:
    """Releases what was left for later; one process at a time, any number may run."""

    def __init__(self, database: Database, k: int, channel: str, progress: Progress) -> None:
        self._database = database
        self._releaser = Releaser(k)
        self._channel = channel
        self._image = Image()
        self._progress = progress

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._progress.beat("release")
            try:
                while await self.catch_up():
                    self._progress.beat("release")
            except Exception as problem:
                self._image = Image()
                log.warning("release.failed", error=repr(problem)[:300])
            await asyncio.sleep(LOOK_S)

    async def catch_up(self) -> int:
        """Release some of what was left; returns how much that was."""
        async with self._database.unit_of_work() as uow:
            connection = await raw_connection(uow.session)
            if not await connection.fetchval("select exists (select from unreleased)"):
                return 0
            await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
            await refresh(connection, self._image)
            units = await tables.take(connection)
            seen = await self._releaser.release(connection, self._image, units) if units else set()
            await self._tell(connection, seen)
        return len(units)

    async def _tell(self, connection: Any, seen: Collection[tuple[int, int]]) -> None:
        if not seen:
            return
        upper = sorted({place for place, _ in seen if self._image.places[place].level is not Level.INSTITUTION})
        slots = sorted({slot for _, slot in seen})
        as_of = await connection.fetchval(_LATEST, upper, slots) or 0
        message = {"places": upper, "slots": slots, "as_of": as_of, "more": True}
        await connection.execute("select pg_notify($1, $2)", self._channel, json.dumps(message, separators=(",", ":")))
