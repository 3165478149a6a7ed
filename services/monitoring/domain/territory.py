"""The territory as the engine sees it: places as integers, and above each institution its chain of places over time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from enum import IntEnum
from typing import Any

import numpy as np

from services.monitoring.domain.expansion import Chain, Membership
from services.monitoring.domain.periods import month_of
from services.monitoring.domain.readings import Institution, Territory
from shared.contracts.vocabulary import TerritoryLevel
from shared.scope import units_of

Integers = np.ndarray[Any, np.dtype[np.int64]]


class Level(IntEnum):
    """How deep a place lies."""

    NATION = 0
    REGION = 1
    DISTRICT = 2
    INSTITUTION = 3


_LEVELS = {
    TerritoryLevel.NATION: Level.NATION,
    TerritoryLevel.REGION: Level.REGION,
    TerritoryLevel.DISTRICT: Level.DISTRICT,
}
_UNKNOWN = Membership(())
_NONE = -1


@dataclass(frozen=True, slots=True)
class Place:
    """A place as stored. `memberships` are an institution's (district's code, since), ordered by date.

    `version` is that of the place's own last event; 0 marks a place that others named but nobody told about. `kind` is
    an institution's (school, college …), by which like is compared with like. `path` leads down from the nation; that
    of an institution that was merged goes by its successor.
    """

    id: int
    code: str
    level: Level
    parent: str | None
    path: str
    names: dict[str, str]
    active: bool = True
    memberships: tuple[tuple[str, date], ...] = ()
    version: int = 0
    kind: str = ""

    @property
    def units(self) -> list[str]:
        """Codes of the units of the territory it lies in, the nation first; a unit's own last."""
        return units_of(self.path)

    @property
    def successors(self) -> list[str]:
        """Of an institution that was merged: who goes on with its work, the latest first."""
        return [code for code in self.path.split("/") if code and not code.isdigit() and code != self.code]


def unknown_institution(code: str) -> Place:
    """An institution whose work was told before the institution itself."""
    return Place(0, code, Level.INSTITUTION, None, f"/{code}/", {})


def unknown_unit(code: str) -> Place:
    """A unit of the territory that others name before its own event.

    SOATO codes have 2, 4 or 7 digits, and a unit's code begins with its parent's.
    """
    parents: tuple[int, ...] = {4: (2,), 7: (2, 4)}.get(len(code), ())
    path = "".join(f"/{code[:digits]}" for digits in parents) + f"/{code}/"
    level = {2: Level.NATION, 4: Level.REGION}.get(len(code), Level.DISTRICT)
    return Place(0, code, level, code[: parents[-1]] if parents else None, path, {})


def unknown(code: str) -> Place:
    """What is told about before itself: a unit of the territory where the code can be one's, else an institution."""
    return (
        unknown_unit(code)
        if code.isascii() and code.isdigit() and len(code) in (2, 4, 7)
        else unknown_institution(code)
    )


def told(place: Place, state: Territory | Institution) -> Place:
    """The place after its own event; the same where the event is older than what is known."""
    if state.version <= place.version:
        return place
    if isinstance(state, Territory):
        names = {language: name.replace("\0", "") for language, name in state.names.items()}
        return replace(
            place,
            level=_LEVELS[state.level],
            parent=state.parent,
            path=state.path,
            names=names,
            version=state.version,
        )
    memberships = tuple(sorted(((each.district, each.since) for each in state.membership), key=lambda each: each[1]))
    return replace(
        place,
        level=Level.INSTITUTION,
        parent=next(reversed(units_of(state.path)), None),
        path=state.path,
        names={"": state.name.replace("\0", "")},
        active=state.status == "active",
        memberships=memberships,
        version=state.version,
        kind=state.sort[:64].replace("\0", ""),
    )


def named(place: Place) -> set[str]:
    """Codes of the places that this one names."""
    return {district for district, _ in place.memberships} | ({place.parent} if place.parent else set())


class Image:
    """All places by id and by code; refreshed in place, so that every user of one worker sees the same territory."""

    def __init__(self) -> None:
        self.places: dict[int, Place] = {}
        self.ids: dict[str, int] = {}
        self.revision = -1
        self._memberships: dict[int, Membership] = {}
        self._levels: list[Integers] = [np.full(0, _NONE, dtype=np.int64) for _ in range(3)]
        self._depths: Integers = np.full(0, Level.INSTITUTION, dtype=np.int64)
        self._moved: set[int] = set()

    def put(self, places: Iterable[Place]) -> None:
        """Take in new and changed places."""
        changed = list(places)
        for place in changed:
            self.places[place.id] = place
            self.ids[place.code] = place.id
        self._grow(max((place.id for place in changed), default=0) + 1)
        if all(place.level is Level.INSTITUTION for place in changed):
            affected: Iterable[Place] = changed
        else:
            affected = list(self.places.values())
        for place in affected:
            self._depths[place.id] = place.level
            self._settle(place)

    def chain(self, code: str) -> Chain:
        """The place and those above it; what isn't known ends it."""
        found: list[int] = []
        at: str | None = code
        while at is not None and (place := self.places.get(self.ids.get(at, 0))) and place.id not in found:
            found.append(place.id)
            at = place.parent
        return tuple(found)

    def membership(self, institution: int) -> Membership:
        """The chains above an institution over time; above a unit of the territory there is one."""
        return self._memberships.get(institution, _UNKNOWN)

    @property
    def moved(self) -> set[int]:
        """Institutions that have belonged to more than one chain."""
        return self._moved

    def above(self, institutions: Integers) -> list[Integers]:
        """The places above those that never moved, an array a step up; -1 where there is none."""
        return [level[institutions] for level in self._levels]

    def depths(self, places: Integers) -> Integers:
        """Levels of places."""
        return self._depths[places]

    def _grow(self, size: int) -> None:
        have = len(self._depths)
        if size > have:
            more = max(size, 2 * have, 1024) - have
            self._levels = [np.append(level, np.full(more, _NONE, dtype=np.int64)) for level in self._levels]
            self._depths = np.append(self._depths, np.full(more, Level.INSTITUTION, dtype=np.int64))

    def _settle(self, place: Place) -> None:
        if place.level is Level.INSTITUTION:
            membership = Membership([(month_of(since), self.chain(district)) for district, since in place.memberships])
        else:
            membership = Membership([(0, self.chain(place.parent))] if place.parent else ())
        self._memberships[place.id] = membership
        for level in self._levels:
            level[place.id] = _NONE
        chain = membership.chain
        if chain is None:
            self._moved.add(place.id)
        else:
            self._moved.discard(place.id)
            for level, above in zip(self._levels, chain, strict=False):
                level[place.id] = above


def paths_to(path: str) -> Iterator[str]:
    """The paths of everything above a place, the nation first, and its own."""
    end = path.find("/", 1)
    while end > 0:
        yield path[: end + 1]
        end = path.find("/", end + 1)
