"""Somebody looks at everything after every single event, and keeps it all: no small count of persons follows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from services.monitoring import queries
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.periods import SEPTEMBER, month_from, parse
from services.monitoring.domain.territory import Image, Place
from services.monitoring.tables import refresh
from shared.contracts.events import Event
from tests.integration.monitoring.support import Bench, Worker
from tests.integration.monitoring.test_disclosure import K, OVER_PERSONS, YEAR_TEXT, Land
from tests.support.disclosure import Attack, Known

SEPTEMBER_25 = 2025 * 12 + SEPTEMBER
PERIODS = ("2025-09", "2025-10", "2026-01", "2025-Q4", "2026-Q1", YEAR_TEXT)
NOW = 2026 * 12 + 9
Cells = tuple[tuple[str, int], ...]
Figure = tuple[str, str]
"""(place, period)."""


@dataclass
class Look:
    """What is shown after an event: persons by figure, None where they are hidden; of what they are the sum; the truth."""

    shown: dict[Figure, int | None]
    inside: dict[Figure, Cells]
    truth: dict[tuple[str, int], int]
    moved: bool


@dataclass
class Watcher:
    """Whoever looks at one indicator at all places of one scope after every event."""

    bench: Bench
    land: Land
    code: str
    places: list[str]
    looks: list[Look] = field(default_factory=list)
    image: Image = field(default_factory=Image)

    async def look(self, connection: Any, *, moved: bool = False) -> None:
        """Keep what is shown, where anything is shown otherwise than before."""
        await refresh(connection, self.image)
        places = [self.image.places[self.image.ids[code]] for code in self.places if code in self.image.ids]
        shown: dict[Figure, int | None] = {}
        inside: dict[Figure, Cells] = {}
        for text in PERIODS:
            period = parse(text)
            if period.kind not in INDICATORS[self.code].period_kinds:
                continue
            for each in await queries.values(connection, INDICATORS[self.code], places, period, NOW, K, parts=False):
                persons = each.value.denominator if self.code in OVER_PERSONS else each.value.numerator
                shown[each.place.code, text] = None if each.value.suppressed else persons or 0
                inside[each.place.code, text] = tuple(self._inside(each.place, period.first, period.last))
        if not self.looks or moved or shown != self.looks[-1].shown:
            self.looks.append(Look(shown, inside, dict(self.land.truth[self.code]), moved))

    def _inside(self, place: Place, first: int, last: int) -> Iterator[tuple[str, int]]:
        for ident in self.land.story.institutions:
            id_ = self.image.ids[ident]
            for month in range(max(first, SEPTEMBER_25), min(last, SEPTEMBER_25 + 11) + 1):
                if month in MONTHS and (id_ == place.id or place.id in self.image.membership(id_).at(month)):
                    yield ident, month

    def known(self, told_by: str | None, within: set[str] | None = None) -> tuple[list[Known], dict[str, tuple[Any, int, int]]]:
        """What follows of what was added between looks; `told_by`: the institution that tells its own numbers."""
        known: list[Known] = []
        hidden: dict[str, tuple[Any, int, int]] = {}
        before: Look | None = None
        sure = True  # as long as nobody moves and nothing is corrected, counts only grow
        for at, look in enumerate(self.looks):
            sure = sure and not look.moved
            released = {
                place
                for (place, text), persons in look.shown.items()
                if before is not None and persons is not None and before.shown.get((place, text)) not in (None, persons)
            }
            for (place, text), persons in look.shown.items():
                cells = tuple((cell, when) for cell in look.inside[place, text] for when in range(at + 1))
                total = sum(look.truth.get(cell, 0) for cell in look.inside[place, text])
                if place == told_by or (within is not None and place not in within):
                    continue
                if persons is None:
                    own = {ident for ident, _ in look.inside[place, text]}
                    # Who is seen to have nobody later had nobody before.
                    later = sum(self.looks[-1].truth.get(cell, 0) for cell in look.inside[place, text])
                    if total < K and later and own != {told_by}:
                        hidden[f"{at}/{place}/{text} {look.shown}"[:400]] = cells, total, 0
                    continue
                was = before.shown.get((place, text)) if before is not None else None
                year_was = before.shown.get((place, YEAR_TEXT)) if before is not None else None
                exact = before is None or (
                    was != persons if self.code == "S3" else place in released or (self.code != "I1" and year_was is None)
                )
                if self.code == "S3" and was is None and before is not None:
                    exact = False
                if exact:
                    assert total == persons, (self.code, at, place, text, total, persons)
                    known.append(Known(cells, persons))
                elif sure:
                    assert persons <= total < persons + K, (self.code, at, place, text, total, persons)
                    known.append(Known(cells, persons, K - 1))
                else:
                    assert abs(total - persons) < K
                    known.append(Known(cells, max(0, persons - K + 1), persons + K - 1 - max(0, persons - K + 1)))
            if told_by is not None:
                for cell in look.inside.get((told_by, YEAR_TEXT), ()):
                    known.append(Known(tuple((cell, when) for when in range(at + 1)), look.truth.get(cell, 0)))
            before = look
        return known, hidden


MONTHS = (SEPTEMBER_25, SEPTEMBER_25 + 1, SEPTEMBER_25 + 4)
