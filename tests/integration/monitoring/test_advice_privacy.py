"""What is recommended, and told of it to others, rests on shown counts of persons: few persons move none of it."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import date
from random import Random
from typing import Any

from services.monitoring import queries
from services.monitoring.domain.definitions import INDICATORS
from services.monitoring.domain.periods import month_of, parse
from shared.contracts.agreements import EmploymentState, EmploymentStatus
from shared.contracts.events import Event
from shared.contracts.practice import OutcomeState, OutcomeStatus
from shared.ids import new_id
from shared.persistence.engine import raw_connection
from shared.scope import SYSTEM
from tests.integration.monitoring.support import Bench, K
from tests.integration.monitoring.test_advice import TODAY, Process
from tests.support.engines import Postgres
from tests.support.monitoring import Story

DAY = date(2026, 2, 3)
SIZES = (4, 14, 30, 40, 50)
"""Graduates of the institutions of each district; the first one's are withheld."""
ADVISED = ("I1", "F3")
COUNTS = ("value", "numerator", "denominator")
OF_ITS_OWN = ("id", "at", "made_at")
"""What differs from one making to the next."""


def graduates(story: Story, ident: str, persons: int) -> None:
    """So many more, asked after six months and at work nowhere, and as many who have begun to work."""
    for _ in range(persons):
        common: dict[str, Any] = {"version": 1, "institution_id": ident, "graduate_ref": new_id()}
        story.tell(
            OutcomeState(
                **common,
                id=new_id(),
                graduated_on=date(2025, 8, 3),
                months=6,
                status=OutcomeStatus.UNEMPLOYED,
                surveyed_on=DAY,
                withdrawn=False,
            )
        )
        story.tell(
            EmploymentState(
                **common,
                id=new_id(),
                enterprise_id=new_id(),
                profession="7212",
                status=EmploymentStatus.CONFIRMED,
                started_on=DAY,
            )
        )


@asynccontextmanager
async def advised(postgres: Postgres, *told: Iterable[Event]) -> AsyncIterator[tuple[Bench, Process]]:
    """A database that was told these events, some after the others, and then looked at by every rule."""
    async with Bench(await postgres.database("monitoring")) as bench:
        worker = await bench.worker()
        for events in told:
            await worker.take(events)
        process = Process(bench.database.url)
        try:
            await process.evaluate()
            yield bench, process
        finally:
            await process.engine.dispose()


def plain(told: Any) -> Any:
    """What is told without what is new each time."""
    if isinstance(told, dict):
        return {name: plain(value) for name, value in told.items() if name not in OF_ITS_OWN}
    return [plain(each) for each in told] if isinstance(told, list) else told


async def everything_told(bench: Bench) -> list[tuple[str, str, Any]]:
    """All events of monitoring's own: webhooks, feeds and other services get these and no other."""
    rows = await bench.rows("select type, key, data from event where type like 'hamkor.monitoring.%'")
    return sorted(((row["type"], row["key"], plain(json.loads(row["data"]))) for row in rows), key=repr)


async def everything_kept(bench: Bench) -> list[Any]:
    """What the recommendations say now, and what was measured of them."""
    rows = await bench.rows("select rule, place, latest, measured from recommendation order by rule, place")
    return [(row["rule"], row["place"], json.loads(row["latest"]), json.loads(row["measured"])) for row in rows]


async def test_few_persons_move_nothing_that_is_recommended_or_told_of_it(postgres: Postgres) -> None:
    story = Story(Random(4))
    story.territory(1, 2)
    schools = [story.an_institution(district, date(2024, 9, 1)) for district in story.districts for _ in SIZES]
    hidden = schools[0]
    for school, size in zip(schools, (*SIZES, *SIZES), strict=True):
        graduates(story, school, size)
    first = len(story.events)
    graduates(story, hidden, 3)
    few = len(story.events)
    graduates(story, hidden, 10 * K)
    async with advised(postgres, story.events[:first]) as (bench, process):
        before, kept = await everything_told(bench), await everything_kept(bench)
        await check_evidence(process, before)
    async with advised(postgres, story.events[:first], story.events[first:few]) as (bench, _):
        assert await everything_told(bench) == before
        assert await everything_kept(bench) == kept
    async with advised(postgres, story.events[:first], story.events[first:]) as (bench, _):
        # What is shown does move what is told: the test would see it.
        after = await everything_told(bench)
    of_graduates = {told["place"] for _, _, told in before if told["evidence"]["indicator"] in ADVISED}
    assert schools[3] in of_graduates
    assert hidden not in of_graduates
    assert hidden in {told["place"] for _, _, told in after if told["evidence"]["indicator"] in ADVISED}


async def check_evidence(process: Process, told: Iterable[tuple[str, str, Any]]) -> None:
    """Each number of persons that is told is the one that is shown of the place and period."""
    async with process.database.reading(SYSTEM) as session:
        connection = await raw_connection(session)
        for _, _, state in told:
            evidence = state["evidence"]
            indicator, place = INDICATORS[evidence["indicator"]], process.directory.by_code(state["place"])
            assert place is not None
            if not indicator.privacy:
                continue
            period = parse(evidence["period"])
            (shown,) = await queries.values(connection, indicator, [place], period, month_of(TODAY), K)
            assert [evidence[name] in (None, getattr(shown.value, name)) for name in COUNTS] == [True] * 3
            assert not shown.value.suppressed or not any(evidence[name] for name in COUNTS)
            assert evidence["coverage"] in (None, shown.value.coverage)
