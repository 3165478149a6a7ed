"""Batches on a real PostgreSQL: exact, whatever is delivered how, and with several workers at once."""

import asyncio
from collections import defaultdict
from random import Random

import pytest

from services.monitoring.directory import Directory
from shared.contracts.events import Event
from shared.messaging import inbox
from shared.persistence.engine import make_engine, raw_connection
from shared.persistence.unit_of_work import Database
from shared.scope import SYSTEM
from tests.integration.monitoring.support import Bench, Live, PowerFailure, compared
from tests.support.monitoring import a_story, differing


def in_batches(random: Random, events: list[Event], size: int) -> list[list[Event]]:
    batches: list[list[Event]] = []
    while events:
        count = random.randrange(1, 2 * size)
        batches.append(events[:count])
        events = events[count:]
    return batches


@pytest.mark.parametrize("seed", range(3))
async def test_cells_equal_the_recomputation(bench: Bench, seed: int) -> None:
    random = Random(seed)
    story = a_story(random, 400)
    worker = await bench.worker()
    for batch in in_batches(random, story.events, 20):
        await worker.take(batch)
    values, proof = compared(await bench.cells(), story.country)
    assert not differing(values, proof)
    logged = await bench.rows("select count(*), count(distinct (source, shard, position)) from event_seen")
    assert tuple(logged[0]) == (len(story.events), len(story.events))


async def test_a_rolled_back_batch_leaves_nothing_behind(bench: Bench) -> None:
    story = a_story(Random(5), 100)
    worker = await bench.worker()
    half = len(story.events) // 2
    await worker.take(story.events[:5])
    for cut in (20, half):
        with pytest.raises(PowerFailure):
            await worker.take(story.events[5:cut], fail=True)
    await worker.take(story.events[5:])
    values, proof = compared(await bench.cells(), story.country)
    assert not differing(values, proof)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
async def test_workers_at_once_lose_and_double_nothing(bench: Bench, seed: int) -> None:
    """Three workers, each with the shards of some partitions in order, all with the same hot upper cells."""
    random = Random(100 + seed)
    story = a_story(random, 1500, institutions=12)
    lanes: dict[int, list[Event]] = defaultdict(list)
    for event in story.events:
        lanes[(event.shard + len(event.source)) % 3].append(event)
    workers = [await bench.worker() for _ in lanes]

    async def work(number: int) -> None:
        for batch in in_batches(Random(number), lanes[number], 40):
            await workers[number].take(batch)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in lanes))
    values, proof = compared(await bench.cells(), story.country)
    assert not differing(values, proof)


async def test_parts_of_a_backlog_at_work_at_once_lose_and_double_nothing(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PART_EVENTS", 15)
    story = a_story(Random(12), 900)
    third = len(story.events) // 3
    for start in range(0, len(story.events), third):
        await live.take(story.events[start : start + third])
    await live.take(story.events[third:])  # and what comes again
    await live.proven(story)


@pytest.mark.parametrize("district_told", [False, True])
async def test_a_worker_learns_of_units_another_created(bench: Bench, district_told: bool) -> None:
    """Institutions told by one worker before their districts were told: what another counts for them counts above."""
    random = Random(7)
    story = a_story(random, 0, institutions=3)
    first, second = await bench.worker(), await bench.worker()
    places = [event for event in story.events if event.type.startswith("hamkor.partners.territory")]
    told = [event for event in story.events if event not in places]
    assert places
    assert told
    story.agree()
    await second.take([story.events[-1]])  # this worker has looked at the territory already
    await first.take(told)
    before = len(story.events)
    for _ in range(6):
        story.agree()
        story.respond()
    await second.take(story.events[before:])
    await (first if district_told else second).take(places)
    values, proof = compared(await bench.cells(), story.country)
    assert proof
    assert not differing(values, proof)


async def test_a_new_worker_knows_what_others_stored(bench: Bench) -> None:
    random = Random(11)
    story = a_story(random, 300)
    for batch in in_batches(random, story.events, 30):
        await (await bench.worker()).take(batch)
    values, proof = compared(await bench.cells(), story.country)
    assert not differing(values, proof)


async def test_a_scope_sees_its_own_places_only(bench: Bench) -> None:
    story = a_story(Random(3), 300, institutions=6)
    await (await bench.worker()).take(story.events)
    everything = await bench.rows("select place from cell")
    nation = await bench.rows("select place from cell", scope="path:/17/")
    assert len(nation) == len(everything) > 0
    [path, *_] = [
        row["path"] for row in await bench.rows("select path from place where level = 3 and path like '/17/%'")
    ]
    district = path.split("/")[3]
    seen = await bench.rows(
        "select distinct p.path, p.memberships::text as members from cell c join place p on p.id = c.place",
        scope=f"path:/17/{district[:4]}/{district}/",
    )
    assert seen
    # Its own, and those that once were its own.
    assert all(f"/{district}/" in row["path"] or f'"{district}"' in row["members"] for row in seen)
    one = story.institutions[0]
    for table in ("cell", "aggregate", "event_seen"):
        mine = await bench.rows(
            f"select distinct p.code from {table} c join place p on p.id = c.place", scope=f"institution:{one}"
        )
        assert [row["code"] for row in mine] == [one]
    for scope in ("none", "", "enterprise:x", "path:", "institution:"):
        for table in ("cell", "aggregate", "event_seen", "place", "member"):
            assert not await bench.rows(f"select 1 from {table}", scope=scope), (scope, table)


async def test_changed_places_are_noticed_with_the_last_connection_in_hand(bench: Bench) -> None:
    story = a_story(Random(3), 60, institutions=3)
    await (await bench.worker()).take(story.events)
    scope = f"institution:{story.institutions[0]}"
    directory = Directory()
    connection = await bench.connection()
    async with connection.transaction():
        await connection.execute("select set_config('app.scope', $1, true)", scope)
        await directory.look(connection)
        assert directory.by_code("17")
        assert all(directory.by_code(code) for code in story.institutions)
        assert await connection.fetchval("select current_setting('app.scope')") == scope
        seen = await connection.fetch("select code from place where level = 3")
    assert [row["code"] for row in seen] == [story.institutions[0]], "what the connection sees is as it was"


async def test_many_who_notice_a_change_at_once_do_not_wait_for_one_anothers_connections(bench: Bench) -> None:
    await (await bench.worker()).take(a_story(Random(3), 60, institutions=3).events)
    database = Database("monitoring", make_engine(bench.database.url, application="test", pool_size=2))
    directory = Directory()

    async def ask() -> None:
        async with database.reading(SYSTEM) as session:
            await directory.look(await raw_connection(session))

    try:
        await asyncio.gather(*(ask() for _ in range(8)))
    finally:
        await database.engine.dispose()
    assert directory.by_code("17")
