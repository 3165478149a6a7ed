"""Somebody looks at everything after every single event, and keeps it all: no small count of persons follows."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest

from services.monitoring import queries
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.periods import SEPTEMBER, parse
from services.monitoring.domain.territory import Image, Place
from services.monitoring.suppression.release import Releasing
from services.monitoring.tables import refresh
from shared.contracts.agreements import EmploymentState
from shared.contracts.practice import EngagementStatus, MonthHours, SpecialistState
from shared.ids import new_id
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Database
from shared.telemetry.progress import Progress
from tests.integration.monitoring.support import Bench
from tests.integration.monitoring.test_disclosure import OVER_PERSONS, YEAR_TEXT, K, Land
from tests.support.disclosure import Attack, Known
from tests.support.monitoring import Story

SEPTEMBER_25 = 2025 * 12 + SEPTEMBER
MONTHS = (0, 1, 4)
"""In which months of the year persons are counted."""
PERIODS = ("2025-09", "2025-10", "2026-01", "2025-Q4", "2026-Q1", YEAR_TEXT)
NOW = 2026 * 12 + 9
Cells = tuple[tuple[str, int], ...]
Figure = tuple[str, str]
"""(place, period)."""


@dataclass
class Look:
    """What is shown after an event: persons by figure (None: hidden), of what they are the sum, and the truth.

    `moved`: an institution came into another district.
    """

    shown: dict[Figure, int | None]
    inside: dict[Figure, Cells]
    truth: dict[tuple[str, int], int]
    moved: bool

    def true(self, figure: Figure) -> int:
        """What a figure is in truth."""
        return sum(self.truth.get(cell, 0) for cell in self.inside[figure])


@dataclass
class Watcher:
    """Whoever looks at one indicator at all places of one scope after every event."""

    reader: Any
    land: Land
    code: str
    places: list[str]
    looks: list[Look] = field(default_factory=list)
    image: Image = field(default_factory=Image)

    async def look(self, *, moved: bool = False, taken: bool = False) -> dict[Figure, int | None]:
        """Keep what is shown, where anything is shown otherwise than before; always where anybody may be `taken`."""
        async with self.reader.transaction():
            await self.reader.execute("select set_config('app.scope', 'all', true)")
            return await self._look(self.reader, moved=moved, taken=taken)

    async def _look(self, connection: Any, *, moved: bool, taken: bool) -> dict[Figure, int | None]:
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
        if not self.looks or moved or taken or shown != self.looks[-1].shown:
            self.looks.append(Look(shown, inside, dict(self.land.truth[self.code]), moved))
        return shown

    def _inside(self, place: Place, first: int, last: int) -> Iterator[tuple[str, int]]:
        for ident in self.land.story.institutions:
            id_ = self.image.ids[ident]
            for month in range(max(first, SEPTEMBER_25), min(last, SEPTEMBER_25 + 11) + 1):
                if month - SEPTEMBER_25 in MONTHS and (
                    id_ == place.id or place.id in self.image.membership(id_).at(month)
                ):
                    yield ident, month

    def known(
        self, places: Collection[str], told_by: str | None = None, *, naive: bool = False, taken: bool = False
    ) -> tuple[list[Known], dict[str, tuple[Any, int, int]]]:
        """What follows of what was added between looks for who sees these places, and what is hidden from them.

        `told_by`: the institution that tells its own numbers. `naive`: everything is shown that is not small. `taken`:
        anybody may have been taken away between looks, so that nothing of one follows from another.
        """
        known: list[Known] = []
        hidden: dict[str, tuple[Any, int, int]] = {}
        sure = not taken  # as long as nobody moves counts only grow
        for at, look in enumerate(self.looks):
            sure = sure and not look.moved
            before = self.looks[at - 1].shown if at else {}
            for (place, text), persons in look.shown.items():
                if place not in places or place == told_by:
                    continue
                since = at if taken else 0
                cells = tuple((cell, when) for cell in look.inside[place, text] for when in range(since, at + 1))
                total = look.true((place, text))
                if naive:
                    persons = None if 0 < total < K else total
                if persons is None:
                    others = {ident for ident, _ in look.inside[place, text]} != {told_by}
                    if total < K and others and (taken or not self._nobody_since(at, (place, text))):
                        hidden[f"{at}/{self.code}/{place}/{text}"] = cells, total, 0
                elif naive or self._exact(before, look.shown, place, text, total if taken else None):
                    assert total == persons, (at, place, text)
                    known.append(Known(cells, persons))
                else:
                    # Figures move by k persons together, or not at all; what has become few keeps its figure.
                    least = 0 if taken else persons if sure else max(0, persons - K + 1)
                    assert least <= total < persons + K, (at, place, text)
                    known.append(Known(cells, least, persons + K - 1 - least))
            known += [
                Known(tuple((cell, when) for when in range(at if taken else 0, at + 1)), look.truth.get(cell, 0))
                for cell in look.inside.get((told_by or "", YEAR_TEXT), ())
            ]
        return known, hidden

    def _exact(
        self, before: dict[Figure, int | None], now: dict[Figure, int | None], place: str, text: str, true: int | None
    ) -> bool:
        """Whether a figure is exactly what is true: the place's figures have just been released, all together.

        `true`: what it is in truth, where a district's that was veiled may come to be shown without that.
        """
        if true is not None and true != now[place, text]:
            return False
        if not before:
            return True
        if self.code == "S3":  # answers are released by rows of their own
            return before.get((place, text)) not in (None, now[place, text])
        figures = [(before.get(key), persons) for key, persons in now.items() if key[0] == place]
        moved = any(one is not None and other is not None and one != other for one, other in figures)
        return moved or before.get((place, YEAR_TEXT)) is None

    def _nobody_since(self, at: int, figure: Figure) -> bool:
        """Whether there is nobody, as is shown later: who is never taken away was not there before."""
        if self.looks[at].true(figure):
            return False
        year = figure[0], YEAR_TEXT
        return any(0 in (look.shown.get(figure), look.shown.get(year)) for look in self.looks[at + 1 :])

    def found(
        self, places: Collection[str], told_by: str | None = None, *, naive: bool = False, taken: bool = False
    ) -> list[str]:
        """The small hidden counts of which fewer than k values are possible, among some of them."""
        known, hidden = self.known(places, told_by, naive=naive, taken=taken)
        assert hidden
        names = Random(5).sample(sorted(hidden), min(MOST_TRIED, len(hidden)))
        bounds = Attack(known, hidden, K).bounds(names)
        return [
            f"{name} = {hidden[name][1]}: {low:g}..{high:g}"
            for name, (low, high) in bounds.items()
            if high - low < K - 1 - 1e-6
        ]


MOST_TRIED = 40


@pytest.mark.slow
@pytest.mark.parametrize(("code", "seed"), [("F3", 6), ("F6", 7)])
async def test_nor_does_whoever_sees_people_taken_away(bench: Bench, code: str, seed: int) -> None:
    """Counted and taken away in turns; a day ends now and then."""
    random = Random(seed)
    story = Story(random)
    story.territory(1, 2)
    for number in range(9):
        story.an_institution(story.districts[number % 2])
    land = Land(random, story, sizes={ident: random.choice((1, 3, 9, 9)) for ident in story.institutions})
    worker, reader = await bench.worker(), await bench.connection()
    ministry = ["17", "1700", *story.districts, *story.institutions]
    for ident in story.institutions:
        for _ in range(random.choice((1, 4, 12, 15, 30))):
            land.count(code, ident, random.choice(MONTHS))
    await worker.take(story.events)
    watcher = Watcher(reader, land, code, ministry)

    await watcher.look(taken=True)
    for step in range(160):
        before = len(story.events)
        (ident,) = random.choices(story.institutions, [land.sizes[each] for each in story.institutions])
        if random.random() < (0.8 if step // 40 % 2 == 0 else 0.2):
            land.take_away(code, ident)
        else:
            land.count(code, ident, random.choice((0, 0, *MONTHS)))
        await worker.take(story.events[before:])
        if step % 25 == 24:
            await worker.sweep()
        await watcher.look(taken=True)
    assert watcher.found(ministry, taken=True) == []
    assert watcher.found(ministry, naive=True, taken=True) != []
    for district in story.districts:
        own = [ident for ident in story.institutions if district in story.country.institutions[ident].path]
        for ident in own[:2]:
            assert watcher.found([district, *own], ident, taken=True) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "seed", "moves"),
    [("F3", 3, ""), ("F6", 12, "moved"), ("F3", 8, "merged"), ("I1", 9, "merged"), ("S3", 4, "")],
)
async def test_whoever_looks_after_every_event_finds_no_small_count(
    bench: Bench, code: str, seed: int, moves: str
) -> None:
    """Nor where institutions move into another district, or are merged into one there."""
    random = Random(seed)
    story = Story(random)
    story.territory(1, 2)
    for number in range(9):
        story.an_institution(story.districts[number % 2])
    land = Land(random, story, sizes={ident: random.choice((1, 3, 3, 9, 9)) for ident in story.institutions})
    worker, reader = await bench.worker(), await bench.connection()
    await worker.take(story.events)
    ministry = ["17", "1700", *story.districts, *story.institutions]
    watcher = Watcher(reader, land, code, ministry)
    for step in range(150):
        before = len(story.events)
        moved = bool(moves) and step in (60, 110)
        if moved:
            ident = story.institutions[step % 9]
            here = story.country.institutions[ident].path.strip("/").split("/")[2]
            there = next(each for each in story.districts if each != here)
            ended = date(2025, 12, 1) if moves == "merged" else None
            lives = next(each for each in story.institutions if there in story.country.institutions[each].path)
            successor = lives if ended else None
            story.place(ident, [(here, story.first), (there, date(2025, 12, 1))], ended, successor)
            if ended:
                land.sizes[ident] = 0  # nobody is counted there any more
        else:
            (ident,) = random.choices(story.institutions, [land.sizes[each] for each in story.institutions])
            land.count(code, ident, random.choice((0, 0, *MONTHS)))
        await worker.take(story.events[before:])
        await watcher.look(moved=moved)
    assert watcher.found(ministry) == []
    assert watcher.found(ministry, naive=True) != []
    if not moves:
        for district in story.districts:
            own = [ident for ident in story.institutions if district in story.country.institutions[ident].path]
            for ident in own[:2]:
                assert watcher.found([district, *own], ident) == []


async def test_fewer_than_k_persons_put_right_move_nothing_that_is_shown(bench: Bench) -> None:
    story = Story(Random(1))
    story.territory(1, 1)
    for _ in range(3):
        story.an_institution(story.districts[0])
    land = Land(Random(1), story)
    worker, reader = await bench.worker(), await bench.connection()
    for ident in story.institutions:
        for month in (0, 1, 4):
            for _ in range(3 * K):
                land.count("F3", ident, month)
    await worker.take(story.events)
    watcher = Watcher(reader, land, "F3", ["17", "1700", *story.districts, *story.institutions])

    first = story.institutions[0]
    begun = [
        state
        for state in story.latest.values()
        if isinstance(state, EmploymentState) and (state.institution_id, state.started_on) == (first, date(2025, 9, 3))
    ]
    shown = await watcher.look()
    assert shown[first, "2025-09"] == len(begun) == 3 * K
    before = len(story.events)
    for number, state in enumerate(begun[:K], start=1):
        story.tell(state.model_copy(update={"version": 2, "started_on": date(2025, 10, 3)}))
        await worker.take(story.events[before:])
        before = len(story.events)
        # Who has begun a month later is one person, though two months are counted otherwise.
        moved = K if number == K else 0
        shown = await watcher.look()
        assert (shown[first, "2025-09"], shown[first, "2025-10"]) == (3 * K - moved, 3 * K + moved), number


async def test_a_person_counted_in_many_months_is_one(bench: Bench) -> None:
    story = Story(Random(1))
    story.territory(1, 1)
    school = story.an_institution(story.districts[0])
    story.an_institution(story.districts[0])
    months = [f"{at // 12}-{at % 12 + 1:02d}" for at in range(SEPTEMBER_25, SEPTEMBER_25 + 10)]

    def teaches(number: int) -> None:
        story.tell(
            SpecialistState(
                id=new_id(),
                version=1,
                hours=tuple(MonthHours(month=month, hours=4) for month in months),
                institution_id=school,
                agreement_id=new_id(),
                enterprise_id=new_id(),
                specialist_ref=str(number),
                subject="x",
                since=date(2025, 9, 1),
                status=EngagementStatus.ENGAGED,
            )
        )

    worker, reader = await bench.worker(), await bench.connection()

    async def shown() -> list[int | None]:
        async with reader.transaction():
            await reader.execute("select set_config('app.scope', 'all', true)")
            await refresh(reader, image := Image())
            places = [image.places[image.ids[code]] for code in ("17", school)]
            found: list[int | None] = []
            for text in (YEAR_TEXT, months[0], months[9]):
                seen = await queries.values(reader, INDICATORS["F4"], places, parse(text), NOW, K, parts=False)
                found += [None if each.value.suppressed else each.value.numerator for each in seen]
            return found

    for number in range(3 * K):
        teaches(number)
    await worker.take(story.events)
    assert await shown() == [3 * K] * 6
    for number in range(3 * K, 4 * K):
        before = len(story.events)
        teaches(number)
        await worker.take(story.events[before:])
        expected = 3 * K if number < 4 * K - 1 else 4 * K
        assert await shown() == [expected] * 6, number


async def test_who_is_taken_away_one_by_one_is_never_counted_in_public(bench: Bench) -> None:
    """What is shown stays until the next day, whatever is left; then it is hidden, or zero."""
    story = Story(Random(1))
    story.territory(1, 1)
    for _ in range(3):
        story.an_institution(story.districts[0])
    land = Land(Random(1), story)
    worker, reader = await bench.worker(), await bench.connection()
    few, *others = story.institutions
    for ident, persons in ((few, K + 2), *((other, 4 * K) for other in others)):
        for _ in range(persons):
            land.count("F3", ident, 0)
    await worker.take(story.events)
    watcher = Watcher(reader, land, "F3", ["17", "1700", *story.districts, *story.institutions])

    assert (await watcher.look())[few, YEAR_TEXT] == K + 2
    for left in reversed(range(K + 2)):
        before = len(story.events)
        land.take_away("F3", few)
        await worker.take(story.events[before:])
        shown = await watcher.look()
        assert {shown[few, YEAR_TEXT], shown[few, "2025-09"]} == {K + 2}, left
    assert await worker.sweep()
    # Two of those taken away are not in the district's number yet: nor may its others tell who they were.
    assert (await watcher.look())[few, YEAR_TEXT] in (0, None)
    assert watcher.found(watcher.places, taken=True) == []


async def test_what_has_become_few_is_hidden_once_a_day_whoever_looks_to_it(bench: Bench) -> None:
    story = Story(Random(1))
    story.territory(1, 1)
    schools = [story.an_institution(story.districts[0]) for _ in range(3)]
    land = Land(Random(1), story)
    for ident in schools:
        for _ in range(3 * K):
            land.count("F3", ident, 0)
    worker = await bench.worker()
    await worker.take(story.events)
    days = [datetime(2026, 10, 5, 18, 55, tzinfo=UTC)]  # five minutes to midnight in Tashkent
    database = Database("monitoring", make_engine(bench.database.url, application="test"), clock=lambda: days[-1])

    async def shown() -> int:
        query = "select count(*) from disclosed d join place p on p.id = d.place where d.shown & 1 = 1 and p.code = $1"
        return int((await bench.rows(query, schools[0]))[0]["count"])

    try:
        jobs = [Releasing(database, K, Progress()) for _ in range(2)]
        await jobs[0].hide_fallen()
        before = len(story.events)
        for _ in range(2 * K + 5):
            land.take_away("F3", schools[0])
        await worker.take(story.events[before:])
        for job in jobs:  # the second, which has just started, learns that it is done for today
            await job.hide_fallen()
        assert await shown() == 1
        days.append(days[0] + timedelta(minutes=10))
        await jobs[1].hide_fallen()
        assert await shown() == 0
        assert [row["day"] for row in await bench.rows("select day from hidden_day")] == [date(2026, 10, 6)]
    finally:
        await database.engine.dispose()
