"""Releases counts of persons: a place's figures of a year move by k persons together, or not at all.

After them it is settled what may be shown: from the nation down, as far as something has changed. A place whose persons
have become fewer than k keeps its figures until the next day: whoever sees them vanish at once could count who is left.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import date
from functools import partial
from typing import Any, Final

import structlog

from services.monitoring.domain.disclosure import Row, settle, top
from services.monitoring.domain.persons import BY_NUMBER
from services.monitoring.domain.territory import Image, Level, Place
from services.monitoring.notices import CHANNEL, Told, notices
from services.monitoring.suppression import tables
from services.monitoring.suppression.tables import LOCK, NOTHING, Settled, Unit
from services.monitoring.tables import refresh
from shared.clock import local_day
from shared.persistence.engine import raw_connection
from shared.persistence.unit_of_work import Database
from shared.precedence import Halt, no_halt
from shared.telemetry.progress import Progress
from shared.waiting import until_set

log = structlog.get_logger(__name__)

LOOK_S: Final = 0.5
REST_S: Final = 0.05
"""Between two releases at least, and as long as the last one took: half of a core at most is spent on them."""
LOOKED_AT: Final = 500
"""Units looked at in one transaction for whether they have fallen below k: few, so that nobody waits for it."""
SOME: Final = 250
SOME_ABOVE: Final = 5
"""Units, and such with all that lie below them, that are at work between two halts: a few milliseconds."""
GIVEN_S: Final = 0.05
"""So long a release stands still at most at each of its halts, while live work is under way."""
NOBODY: Final[Unit] = (0, 0, 0)
"""Before every unit."""
_SHOWN: Final = 1
"""The bit of a whole year among the stretches resolved, and among the segments shown."""


_LATEST: Final = """
    select place, slot, max(as_of) from held where place = any($1::integer[]) and slot = any($2::smallint[])
    group by 1, 2
"""


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
                        if image.places[above].level is Level.DISTRICT:
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
            return found
        return [each for each in found if place.id in self._image.membership(each).at(month)]


class Releaser:
    """Releases within its caller's transaction, of scope "all"; at its halts others of this process go first."""

    def __init__(self, k: int, halt: Halt = no_halt) -> None:
        self.k = k
        self._halt = halt
        self._tree = Tree()

    async def release(
        self, connection: Any, image: Image, units: Collection[Unit], *, fallen_too: bool = False
    ) -> set[tuple[int, int]]:
        """Release what is due of the units, of which there are some; (place, slot) of what may be seen to have moved.

        What is shown and has fallen below k is due with `fallen_too` alone, and then however little it moved. The lock
        is the caller's.
        """
        tree = self._tree.look(image)
        ordered = sorted(units)
        moved: dict[Unit, int] = {}
        before: dict[Unit, Settled] = {}
        async for some in self._some(ordered, SOME):
            moved |= zip(some, await tables.changes(connection, some), strict=True)
            before |= await tables.settled(connection, some)
        many = {unit for unit, persons in moved.items() if persons >= self.k}
        shown = {unit for unit, settled in before.items() if settled[2] & _SHOWN}
        fallen: set[Unit] = set()
        doubtful = [unit for unit in ordered if unit in shown and (unit in many or fallen_too)]
        async for some in self._some(doubtful, SOME):
            counted = await tables.rows(connection, some, counted=True)
            fallen |= {unit for unit, row in counted.items() if row.whole < self.k}
        due = [
            unit
            for unit, persons in moved.items()
            # What is hidden may follow the truth: nobody sees it move.
            if (unit in many or (persons and unit not in shown) if unit not in fallen else fallen_too)
        ]
        felt: set[Unit] = set()
        async for some in self._some(due, SOME):
            await tables.hold(connection, some, many | fallen)
            now = await tables.rows(connection, some)
            # A hidden place with a few persons more changes nothing for those next to it.
            felt |= {unit for unit in some if unit not in before or unit in shown or now[unit].whole >= self.k}
        seen = await self._settle(connection, image, tree, felt)
        return {(place, slot) for place, family, _ in seen for slot in BY_NUMBER[family].slots}

    async def _some(self, units: Sequence[Unit], most: int) -> AsyncIterator[Sequence[Unit]]:
        """The units, some at a time."""
        for begin in range(0, len(units), most):
            yield units[begin : begin + most]
            await self._halt()

    async def _settle(self, connection: Any, image: Image, tree: Tree, due: Collection[Unit]) -> set[Unit]:
        """Settle what the released units may change, downwards; those at which it may be seen.

        All families and years go down together, level by level: what is asked of the tables is asked together.
        """
        places = image.places
        looked: dict[Level, set[Unit]] = {level: set() for level in Level}
        for unit in due:
            place, family, year = unit
            looked[places[place].level].add(unit)
            # What an institution counts may veil its district or lift the veil: the region has settled the rest.
            parent = tree.above(places[place], _last_month(year))
            if parent is not None:
                looked[places[parent].level].add((parent, family, year))
        known: dict[Unit, Row] = {}
        before: dict[Unit, Settled | None] = {}
        for level in (Level.NATION, Level.REGION, Level.DISTRICT):
            async for some in self._some(sorted(looked[level]), SOME_ABOVE):
                below = {
                    (place, family, year): [
                        (each, family, year) for each in tree.below(places[place], _last_month(year))
                    ]
                    for place, family, year in some
                }
                wanted = [unit for above, units in below.items() for unit in (above, *units) if unit not in known]
                known |= await tables.rows(connection, wanted)
                settled = await tables.settled(connection, wanted)
                for unit in wanted:
                    before[unit] = settled.get(unit)
                    _restore(known[unit], before[unit])
                    # A hidden place follows the truth: where it comes to be shown it is up to date.
                    known[unit].fresh = unit in due or not known[unit].nodes & _SHOWN
                for above, units in below.items():
                    self._decide(level, known[above], [known[unit] for unit in units])
                    for unit in units:
                        below_it = places[unit[0]].level
                        if below_it is not Level.INSTITUTION and _decided_anew(known[unit], before[unit]):
                            looked[below_it].add(unit)
        # Which districts are veiled is known of those alone that were looked into: nothing was decided of the others.
        decided = [
            unit for unit in known if places[unit[0]].level is not Level.DISTRICT or unit in looked[Level.DISTRICT]
        ]
        seen = {unit for unit in due if unit in known and known[unit].shown & _SHOWN}
        async for some in self._some(decided, SOME):
            changed = {unit: known[unit] for unit in some if _differs(known[unit], before[unit])}
            await tables.settle(connection, changed)
            seen |= {unit for unit, row in changed.items() if _looks_different(row, before[unit])}
        return seen

    def _decide(self, level: Level, above: Row, rows: Sequence[Row]) -> None:
        """What may be shown of a place of this level and of those right below it."""
        for row in rows:
            row.knows = level is Level.DISTRICT
        if level is Level.NATION:
            top(above, self.k)
        settle(above, rows, self.k)


def _last_month(year: int) -> int:
    return tables.first_month(year) + 11


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
    """Releases what was counted since the last time; one process at a time, any number may run.

    Apart from counting, which it would hold up: a release looks at all that lies beside what has moved.
    """

    def __init__(self, database: Database, k: int, progress: Progress) -> None:
        self._database = database
        self._day: date | None = None
        self._releaser = Releaser(k, partial(database.precedence.give_way, GIVEN_S))
        self._image = Image()
        self._progress = progress
        self._counted = asyncio.Event()

    def wake(self) -> None:
        """Something was counted here; of what others count one learns by looking."""
        self._counted.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._progress.beat("release")
            self._counted.clear()
            began = time.monotonic()
            try:
                while await self.catch_up():
                    self._progress.beat("release")
                await self.hide_fallen()
            except Exception as problem:
                self._image = Image()
                log.warning("release.failed", error=repr(problem)[:300])
            await asyncio.sleep(max(REST_S, time.monotonic() - began))
            await until_set(self._counted, LOOK_S)

    async def hide_fallen(self) -> None:
        """Once a day: places whose persons have become few are shown no more."""
        day = local_day(self._database.clock())
        if day == self._day:
            return
        after: Unit | None = NOBODY
        async with self._database.unit_of_work() as uow:
            if await tables.hidden_on(await raw_connection(uow.session), day):
                after = None
        while after is not None:
            self._progress.beat("release")
            async with self._database.unit_of_work() as uow:
                after = await hide_fallen(await raw_connection(uow.session), self._releaser, self._image, after)
        async with self._database.unit_of_work() as uow:
            await tables.note_hidden(await raw_connection(uow.session), day)
        self._day = day

    async def catch_up(self) -> int:
        """Release some of what waits; returns how much that was."""
        async with self._database.unit_of_work() as uow:
            return await release_some(await raw_connection(uow.session), self._releaser, self._image)


async def release_some(connection: Any, releaser: Releaser, image: Image) -> int:
    """Within a transaction of scope "all": release some of what waits, and tell of it; how much that was."""
    if not await connection.fetchval("select exists (select from unreleased)"):
        return 0
    await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
    await refresh(connection, image)
    units = await tables.take(connection)
    await _tell(connection, image, await releaser.release(connection, image, units) if units else set())
    return len(units)


async def hide_fallen(connection: Any, releaser: Releaser, image: Image, after: Unit) -> Unit | None:
    """Within a transaction of scope "all": hide those of the next shown units that have fallen below k, and tell of it.

    Returns the last of the units looked at; None where there was none.
    """
    await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
    await refresh(connection, image)
    units = await tables.shown_after(connection, after, LOOKED_AT)
    if not units:
        return None
    known = await tables.rows(connection, units, counted=True)
    few = [unit for unit in units if known[unit].whole < releaser.k]
    await _tell(connection, image, await releaser.release(connection, image, few, fallen_too=True) if few else set())
    return units[-1]


async def _tell(connection: Any, image: Image, seen: set[tuple[int, int]]) -> None:
    if seen:
        places, slots = ({pair[side] for pair in seen} for side in range(2))
        rows = await connection.fetch(_LATEST, sorted(places), sorted(slots))
        latest = {(place, slot): as_of for place, slot, as_of in rows}
        for payload in notices(image, Told.of({pair: latest.get(pair, 0) for pair in seen})):
            await connection.execute("select pg_notify($1, $2)", CHANNEL, payload)
