"""A shard's events recomputed, and compared with what monitoring shows of its institutions."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from pydantic import ValidationError

from deploy.cli.verifying import folder as shelves
from services.monitoring.recompute.book import Amounts
from services.monitoring.recompute.country import OWNED, Country, Territory
from services.monitoring.recompute.parts import Part, united
from shared.contracts.catalogue import REGISTRY
from shared.contracts.events import Event
from shared.contracts.partners import InstitutionState, TerritoryState
from shared.messaging.feed import Feed

PAGE = 5000
NAMED = 20

_MEASURED = frozenset(
    name for name, type_ in REGISTRY.items() if type_.model in OWNED | {InstitutionState, TerritoryState}
)


@dataclass
class Found:
    """Events read, values compared, those that differ, and the first findings in words."""

    read: int = 0
    values: int = 0
    mismatches: int = 0
    named: list[str] = field(default_factory=list)

    def compare(self, place: str, live: Mapping[tuple[str, str], int], proof: Mapping[tuple[str, str], int]) -> None:
        """Compare all amounts of a place."""
        proof = {key: amount for key, amount in proof.items() if amount}
        keys = live.keys() | proof.keys()
        self.values += len(keys)
        for name, period in sorted(key for key in keys if live.get(key, 0) != proof.get(key, 0)):
            self.mismatches += 1
            if len(self.named) < NAMED:
                shown, true = live.get((name, period), 0), proof.get((name, period), 0)
                self.named.append(f"{name} of {place} in {period}: shown {shown}, recomputed {true}")


async def prove(folder: Path, feeds: Mapping[str, Feed], shard: int, until: Mapping[str, int]) -> AsyncIterator[Found]:
    """Read a shard's events up to a position of each source, and compare its institutions. Yields what it finds."""
    newest: dict[str, tuple[int, Event]] = {}
    for source, last in until.items():
        async for events in _pages(feeds[source], shard, last):
            yield _newest(newest, events)
    country = Country()
    for _, event in newest.values():
        try:
            country.keep(REGISTRY[event.type].model.model_validate_json(event.data))
        except ValidationError:
            yield Found(named=[_unreadable(event)])
    newest.clear()
    yield await asyncio.to_thread(_compare, folder, shard, country)


async def _pages(feed: Feed, shard: int, last: int) -> AsyncIterator[list[Event]]:
    """The log up to `last`; while a page is worked on the next one is fetched."""
    if not last:
        return
    coming = asyncio.create_task(feed.events(shard, 0, min(PAGE, last)))
    try:
        while events := await coming:
            reached = events[-1].position
            if reached >= last:
                yield events
                return
            coming = asyncio.create_task(feed.events(shard, reached, min(PAGE, last - reached)))
            yield events
    finally:
        coming.cancel()


class _Versioned(msgspec.Struct):
    version: int


_version_of = msgspec.json.Decoder(_Versioned).decode


def _newest(newest: dict[str, tuple[int, Event]], events: list[Event]) -> Found:
    """Keep the newest state of every aggregate that is measured."""
    found = Found(read=len(events))
    for event in events:
        if event.type not in _MEASURED:
            continue
        try:
            version = _version_of(event.data).version
        except msgspec.DecodeError:
            found.named.append(_unreadable(event))
            continue
        seen = newest.get(event.subject)
        if seen is None or seen[0] < version:
            newest[event.subject] = version, event
    return found


def _unreadable(event: Event) -> str:
    return f"{event.source}/{event.shard}/{event.position}: {event.type} breaks its contract, and counts for nothing"


def _compare(folder: Path, shard: int, country: Country) -> Found:
    part, found = Part(), Found()
    for code, own in country.owners().items():
        part.take(code, own)
    shelves.put_territory(folder, shard, country.territory.units)
    shelves.put_amounts(folder, f"above-{shard}", part.above)
    shelves.put_shared(folder, shard, part.shared)
    for place, live in shelves.cells(folder, shard):
        found.compare(place, live, part.own.pop(place, Amounts()))
    for place, proof in part.own.items():
        found.compare(place, {}, proof)
    return found


def unite(folder: Path, partition: int) -> None:
    """Count the members of a partition at every place of the territory."""
    territory = Territory(shelves.territory(folder))
    shelves.put_amounts(folder, f"united-{partition}", united(territory, shelves.shared(folder, partition)))
