"""Whoever keeps what was shown at every moment solves for all of them together, where people are taken away, too."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from random import Random
from typing import Any

import pytest

from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.periods import parse
from services.monitoring.domain.persons import family_of
from services.monitoring.reporting import freezes
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Database
from tests.integration.monitoring.support import Bench, Worker
from tests.integration.monitoring.test_disclosure import YEAR_TEXT, K, Land
from tests.integration.monitoring.test_watching import MONTHS, NOW, PERIODS, SEPTEMBER_25, Watcher
from tests.support.disclosure import Attack, Known
from tests.support.monitoring import Story

CHOICES = [
    frozenset(SEPTEMBER_25 + month for month in some)
    for size in range(1, len(MONTHS) + 1)
    for some in combinations(MONTHS, size)
]
"""The persons of a place move by fewer than k in any months together."""
ANY = 1e6
TRIED = 80
_HELD = """
    select p.code, h.slot, h.period, h.v0, h.v1, h.v2, h.v3
    from held h join place p on p.id = h.place where h.slot = any($1::smallint[])
"""


@dataclass
class Keeper(Watcher):
    """A watcher who keeps every look, and learns from the change stream whose figures have been released.

    Nothing is assumed of how many were counted or taken away between looks: it may have been any number.
    """

    held: list[dict[str, frozenset[Any]]] = field(default_factory=list)
    swept: set[int] = field(default_factory=set)
    """The looks at the beginning of a day: no place that is shown has fewer than k."""

    async def keep(self, *, swept: bool = False) -> None:
        """Look, whatever there is to see."""
        await self.look(taken=True)
        async with self.reader.transaction():
            await self.reader.execute("select set_config('app.scope', 'all', true)")
            rows = await self.reader.fetch(_HELD, sorted(family_of(INDICATORS[self.code]).slots))
        held: dict[str, set[Any]] = defaultdict(set)
        for code, *row in rows:
            held[code].add(tuple(row))
        self.held.append({place: frozenset(held[place]) for place in self.places})
        if swept:
            self.swept.add(len(self.looks) - 1)

    def together(self, *, naive: bool = False) -> tuple[list[Known], dict[str, tuple[Any, int, int]]]:
        """What follows of all looks, and the small counts at each: hidden ones, and those behind older figures.

        `naive`: if everything were shown at once that is not small.
        """
        known: list[Known] = []
        hidden: dict[str, tuple[Any, int, int]] = {}
        released: dict[str, int] = {}
        for at, look in enumerate(self.looks):
            for place in self.places:
                if not at or self.held[at][place] != self.held[at - 1][place]:
                    released[place] = at
                then = released[place]
                for text in PERIODS:
                    persons, total = look.shown[place, text], look.true((place, text))
                    inside = look.inside[place, text]
                    if naive:
                        persons, then = None if 0 < total < K else total, at
                    if 0 < total < K:
                        assert persons != total
                        hidden[f"{at}/{place}/{text}/{persons}"] = _at(at, inside), total, 0
                    if persons is not None and self.looks[then].true((place, text)) == persons:
                        known.append(Known(_at(then, inside), persons))
                known += [] if naive else self._since(place, at, released[place])
        return known, hidden

    def _since(self, place: str, at: int, then: int) -> list[Known]:
        """How far a place that is shown can have moved since it was released."""
        look, year = self.looks[at], self.looks[at].shown[place, YEAR_TEXT]
        inside = look.inside[place, YEAR_TEXT]
        if year is None:
            return []
        if not year:  # whoever is counted first hides the place
            assert not look.true((place, YEAR_TEXT))
            return [Known(_at(at, inside), 0)]
        known = []
        for months in CHOICES if at != then else ():
            now, before = ([(cell, when) for cell in inside if cell[1] in months] for when in (at, then))
            # Until the day ends what has become few keeps its figures.
            low = 1 - K if at in self.swept else -ANY
            weights = (1.0,) * len(now) + (-1.0,) * len(before)
            known.append(Known((*now, *before), low, K - 1 - low, weights))
        if at in self.swept:
            known.append(Known(_at(at, inside), K, ANY))
        return known

    def found_together(self, *, naive: bool = False) -> list[str]:
        """The small counts of which fewer than k values are possible, among some of them."""
        known, hidden = self.together(naive=naive)
        old = sorted(name for name in hidden if not name.endswith("/None"))
        assert hidden
        names = Random(5).sample(sorted(hidden), min(TRIED, len(hidden)))
        names += Random(5).sample(old, min(TRIED, len(old)))
        names += [name for name in hidden if name.startswith("0/")]  # when everything is exactly true
        return [
            f"{name} = {hidden[name][1]}: {low:g}..{high:g}"
            for name, (low, high) in Attack(known, hidden, K).bounds(names).items()
            if high - low < K - 1 - 1e-6
        ]


def _at(when: int, inside: Sequence[tuple[str, int]]) -> tuple[Any, ...]:
    return tuple((cell, when) for cell in inside)


@dataclass
class Scene:
    """Institutions of two districts with so many persons by month, a worker and somebody who keeps every look."""

    land: Land
    worker: Worker
    keeper: Keeper

    @classmethod
    async def of(cls, bench: Bench, code: str, random: Random, *districts: Sequence[Mapping[int, int]]) -> "Scene":
        story = Story(random)
        story.territory(1, len(districts))
        land = Land(random, story)
        for district, sizes in zip(story.districts, districts, strict=True):
            for months in sizes:
                ident = story.an_institution(district)
                for month, persons in months.items():
                    for _ in range(persons):
                        land.count(code, ident, month)
        places = ["17", "1700", *story.districts, *story.institutions]
        scene = cls(land, await bench.worker(), Keeper(await bench.connection(), land, code, places))
        await scene.worker.take(story.events)
        await scene.keeper.keep()
        return scene

    async def goes_on(self, *changes: tuple[int, int, int], day_ends: bool = False) -> None:
        """At once: (which institution, in which month, how many more or fewer); then a look."""
        story = self.land.story
        before = len(story.events)
        for number, month, persons in changes:
            for _ in range(abs(persons)):
                if persons > 0:
                    self.land.count(self.keeper.code, story.institutions[number], month)
                else:
                    self.land.take_away(self.keeper.code, story.institutions[number], month)
        await self.worker.take(story.events[before:])
        if day_ends:
            await self.worker.sweep()
        await self.keeper.keep(swept=day_ends)

    def shown(self, number: int, text: str) -> int | None:
        """What is shown of an institution now."""
        return self.keeper.looks[-1].shown[self.land.story.institutions[number], text]


LARGE = {0: 40, 1: 40, 4: 40}
OTHERS = [LARGE, LARGE]
SPRING = {0: 30, 4: 30}
OLD_FIGURES: dict[str, tuple[list[dict[int, int]], list[list[tuple[int, int, int]]]]] = {
    # 12 shown, 2 left until the day ends: the district and the others, released at once, said so by their difference.
    "few left": ([{0: 12}, {0: 40}, {0: 40}], [[(0, 0, -10), (1, 0, 10), (2, 0, 10)]]),
    "few left, the district before": ([{0: 12}, {0: 40}, {0: 40}], [[(0, 0, -10)], [(1, 0, 15), (2, 0, 15)]]),
    # Far more than k gone at once.
    "two left of very many": ([{0: 70}, {0: 40}, {0: 40}], [[(0, 0, -68), (1, 0, 10), (2, 0, 10)]]),
    "few left of two": ([{0: 60}, {0: 50}, {0: 40}], [[(0, 0, -58), (1, 0, -47), (2, 0, 10)]]),
    "few left of one, fewer of another": ([{0: 70}, {0: 12}, {0: 40}], [[(0, 0, -70), (1, 0, -7), (2, 0, 10)]]),
    # None shown in a month, fewer than k there: the district's ten are of one and of the other.
    "two in a month": ([SPRING, SPRING], [[(0, 1, 5)], [(1, 1, 5)]]),
    "two with nine": ([SPRING, SPRING], [[(0, 1, 9), (1, 1, 9)]]),
    "three in a month": (
        [SPRING, SPRING, SPRING],
        [[(0, 1, 6)], [(1, 1, 4)], [(2, 1, 4)], [(1, 1, 2), (2, 1, 2)], [(0, 1, 2)]],
    ),
    "fewer in a month": ([SPRING | {1: 12}] * 2, [[(0, 1, -7)], [(1, 1, -3)]]),
}


@pytest.mark.parametrize("case", OLD_FIGURES)
async def test_the_sum_of_figures_that_are_out_of_date_places_no_small_count(bench: Bench, case: str) -> None:
    sizes, steps = OLD_FIGURES[case]
    scene = await Scene.of(bench, "F3", Random(1), sizes, OTHERS)
    for changes in steps:
        await scene.goes_on(*changes)
    assert scene.keeper.found_together() == []
    assert scene.shown(len(sizes), YEAR_TEXT) == 120  # those beside are shown as they were


async def test_what_is_out_of_date_stays_shown_where_the_sums_leave_room(bench: Bench) -> None:
    scene = await Scene.of(bench, "F3", Random(1), [SPRING] * 4, OTHERS)
    for number, persons in enumerate((4, 3, 2, 1)):
        await scene.goes_on((number, 1, persons))
    assert [scene.shown(number, "2025-10") for number in range(4)] == [0] * 4
    assert scene.keeper.looks[-1].shown[scene.land.story.districts[0], "2025-10"] == 10
    assert scene.keeper.found_together() == []


@pytest.mark.slow
@pytest.mark.parametrize(("code", "seed"), [("F3", 6), ("F3", 7), ("F6", 8), ("F6", 9)])
async def test_no_small_count_follows_from_all_moments_together(bench: Bench, code: str, seed: int) -> None:
    """Counted and taken away, a few or many at once; days end, and editions are published meanwhile."""
    random = Random(seed)
    sizes = [[{m: random.choice((0, 4, 12, 14, 30)) for m in MONTHS} for _ in range(size)] for size in (4, 5)]
    scene = await Scene.of(bench, code, random, *sizes)
    for step in range(60):
        fewer = 0.7 if step // 20 % 2 else 0.3
        changes = [
            (random.randrange(9), random.choice(MONTHS), -1 if random.random() < fewer else 1)
            for _ in range(random.choice((1, 1, 3, 12)))
        ]
        await scene.goes_on(*changes, day_ends=step % 15 == 14)
    assert scene.keeper.found_together() == []
    assert scene.keeper.found_together(naive=True) != []


async def test_an_edition_holds_what_was_shown_at_its_moment_and_editions_place_no_small_count(bench: Bench) -> None:
    """Of months, before and after people were taken away, against each other and against what is shown now."""
    sizes = [{0: 12, 1: 30}, {0: 40, 1: 30}, {0: 40, 1: 30}, {0: 5}]
    scene = await Scene.of(bench, "F3", Random(1), sizes, OTHERS)
    keeper = scene.keeper
    database = Database("monitoring", make_engine(bench.database.url, application="test"))
    published: list[int] = []

    async def publish() -> None:
        places = [keeper.image.places[keeper.image.ids[code]] for code in keeper.places]
        for text in PERIODS:
            async with freezes.snapshot(database, places, parse(text), NOW, K) as moment:
                async for rows in moment.figures():
                    for place, indicator, _, persons, *_, suppressed in rows:
                        if indicator == keeper.code:
                            shown = keeper.looks[-1].shown[keeper.image.places[place].code, text]
                            assert (None if suppressed else persons) == shown, (place, text)
        published.append(len(keeper.looks) - 1)

    try:
        await publish()
        await scene.goes_on((0, 0, -7), (1, 0, 10), (2, 1, 10))
        await publish()
        await scene.goes_on((0, 1, -25), (1, 0, -6), (2, 1, 3), day_ends=True)
        await publish()
        await scene.goes_on((0, 0, 4), (3, 0, 3), (2, 0, -11))
    finally:
        await database.engine.dispose()
    kept = [*published, len(keeper.looks) - 1]
    assert len({tuple(keeper.looks[at].shown.values()) for at in kept}) == len(kept)
    keeper.swept = {kept.index(at) for at in keeper.swept}
    keeper.looks, keeper.held = [keeper.looks[at] for at in kept], [keeper.held[at] for at in kept]
    assert keeper.found_together() == []
