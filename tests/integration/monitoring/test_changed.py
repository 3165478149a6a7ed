"""What changed between two moments: the engine run backwards gives exactly the values that were shown then."""

from collections import defaultdict
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from services.monitoring import LISTENS_TO, queries
from services.monitoring.directory import Directory
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.formulas import Indicator
from services.monitoring.domain.periods import month_from, parse
from services.monitoring.domain.territory import Place
from services.monitoring.domain.values import Value
from services.monitoring.reporting.changed import Change, Comparison
from services.monitoring.reporting.freezes import Positions
from shared.contracts.events import Event
from shared.ids import SHARDS
from shared.persistence.engine import make_engine, raw_connection
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM, Principal, Role
from tests.integration.monitoring.support import Bench
from tests.support.monitoring import Story, a_story

NOW = month_from("2026-11")
NOBODY_IS_FEW = 1
MINISTRY = Principal("m", Role.MINISTRY, "17")
PERIODS = ("2026-03", "2026-Q1", "2025-26", "2026", "2026-05-R12")


class Watch:
    """A database into which a story is told in stages, and what was shown at each."""

    def __init__(self, bench: Bench, url: str) -> None:
        self.bench = bench
        self.database = Database("monitoring", make_engine(url, application="changed-test", pool_size=2))
        self.directory = Directory()
        self.stages: list[Positions] = []

    async def tell(self, worker: Any, events: Sequence[Event], told: dict[str, list[int]]) -> None:
        await worker.take(events)
        for event in events:
            told[event.source][event.shard] = event.position
        connection = await self.bench.connection()
        for source in LISTENS_TO:
            await connection.executemany(
                "insert into inbox (source, shard, position) values ($1, $2, $3) "
                "on conflict (source, shard) do update set position = excluded.position",
                [(source, shard, position) for shard, position in enumerate(told[source])],
            )
        self.stages.append({source: tuple(told[source]) for source in LISTENS_TO})

    async def shown(self, asked: Sequence[tuple[Indicator, str, str]]) -> list[Value]:
        async with self.database.reading(SYSTEM) as session:
            connection = await raw_connection(session)
            await self.directory.look(connection)
            found = []
            for indicator, place, period in asked:
                where = self.place(place)
                value = await queries.values(
                    connection, indicator, [where], parse(period), NOW, NOBODY_IS_FEW, parts=False
                )
                found.append(value[0].value)
            return found

    async def compare(
        self, asked: tuple[Indicator, str, str], begin: int, end: int, who: Principal = MINISTRY, k: int = NOBODY_IS_FEW
    ) -> Change:
        indicator, place, period = asked
        async with self.database.reading(who) as session:
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            comparison = Comparison(self.directory, indicator, self.place(place), parse(period), NOW, k)
            return await comparison.between(await raw_connection(session), who, self.stages[begin], self.stages[end])

    def place(self, code: str) -> Place:
        found = self.directory.by_code(code)
        assert found is not None
        return found


def asked_of(story: Story, random: Random) -> list[tuple[Indicator, str, str]]:
    """Every indicator at some place in some period."""
    found = []
    for indicator in INDICATORS.values():
        if indicator.privacy:
            continue  # of persons and answers nothing is told
        periods = [period for period in PERIODS if parse(period).kind in indicator.period_kinds]
        levels = (["17"], ["1700", "1701"], story.districts, story.institutions)
        found += [(indicator, random.choice(places), random.choice(periods)) for places in random.sample(levels, 1)]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", [5])
async def test_old_values_are_exactly_those_that_were_shown(bench: Bench, seed: int) -> None:
    random = Random(seed)
    story = a_story(random, 500, institutions=6)
    asked = asked_of(story, random)
    watch = Watch(bench, bench.database.url)
    worker = await bench.worker()
    told: dict[str, list[int]] = defaultdict(lambda: [0] * SHARDS)
    seen: list[list[Value]] = []
    try:
        for begin, end in ((0, 300), (300, 420), (420, len(story.events))):
            await watch.tell(worker, story.events[begin:end], told)
            seen.append(await watch.shown(asked))
        moved = 0
        for number, one in enumerate(asked):
            for begin, end in ((0, 2), (0, 1)):
                change = await watch.compare(one, begin, end)
                where = (one[0].code, *one[1:], begin, end)
                for then, stage in ((change.before, begin), (change.after, end)):
                    was = seen[stage][number]
                    # A denominator of nothing and one that nobody told of look alike.
                    assert (then.value, then.numerator or 0, then.denominator or 0) == (
                        was.value,
                        was.numerator or 0,
                        was.denominator or 0,
                    ), where
                if change.before.value != change.after.value:
                    moved += 1
                    assert change.movers, where
                effects = [abs(mover.effect) for mover in change.movers]
                assert effects == sorted(effects, reverse=True)
        assert moved > 10
    finally:
        await watch.database.engine.dispose()
