"""The engine's store in dictionaries, for tests of the engine's rules alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from services.monitoring.domain.measures import COLUMNS, MEASURES
from services.monitoring.domain.parts import Contributions
from services.monitoring.domain.periods import key_of
from services.monitoring.domain.territory import Image, Place
from services.monitoring.domain.totals import Rows
from services.monitoring.engine import Key, Member, NotNew, References, Stored


class MemoryStore:
    """Tables as dictionaries; one worker."""

    def __init__(self) -> None:
        self.image = Image()
        self.stored: dict[Key, Stored] = {}
        self.references: dict[Member, References] = {}
        self.cells: dict[tuple[int, int, int], int] = {}

    async def look(self) -> Image:
        return self.image

    async def open(self, *, exclusive: bool) -> Image:
        return self.image

    async def create_places(self, places: Sequence[Place]) -> None:
        self.image.put([replace(place, id=len(self.image.places) + number) for number, place in enumerate(places, 1)])

    async def save_places(self, places: Sequence[Place]) -> None:
        self.image.put(places)

    async def aggregates(self, keys: Sequence[Key]) -> dict[Key, Stored]:
        return {key: self.stored[key] for key in keys if key in self.stored}

    async def aggregates_of(self, places: Sequence[int]) -> list[tuple[int, Contributions]]:
        return [(key[0], stored.contributions) for key, stored in self.stored.items() if key[0] in places]

    async def save(self, created: Mapping[Key, Stored], changed: Mapping[Key, Stored]) -> None:
        if not self.stored.keys().isdisjoint(created):
            raise NotNew
        self.stored.update(created)
        self.stored.update(changed)

    async def members(self, members: Sequence[Member]) -> dict[Member, References]:
        return {member: self.references.get(member, {}) for member in members}

    async def save_members(self, members: Mapping[Member, References]) -> None:
        self.references.update(members)

    async def add(self, rows: Rows) -> None:
        for place, slot, period, *amounts in zip(rows.places, rows.slots, rows.periods, *rows.amounts, strict=True):
            for column, amount in enumerate(amounts):
                key = (place, slot * COLUMNS + column, period)
                self.cells[key] = self.cells.get(key, 0) + amount

    def named_cells(self) -> Iterator[tuple[str, str, str, int]]:
        """Cells other than zero by measure's name, place's code and period's text."""
        for (place, measure, period), amount in self.cells.items():
            if amount:
                yield MEASURES[measure].name, self.image.places[place].code, key_of(period), amount
