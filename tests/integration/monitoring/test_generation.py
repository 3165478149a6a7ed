"""A new generation is built beside the live one and takes its place: killed in the middle, with events still coming."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from services.monitoring import generation
from services.monitoring.generation import FAILURES, Busy, Rebuild
from services.monitoring.lanes import Local, Process
from services.monitoring.replay import Spans, connected
from services.monitoring.tables import TERRITORY_LOCK
from shared.child import ChildEnded
from shared.persistence.engine import dsn_of
from tests.integration.monitoring.support import Live
from tests.integration.monitoring.test_disclosure import Land
from tests.support.monitoring import a_story

KILLED = """
import asyncio, os, sys
from services.monitoring import generation

generation.NEAR, generation.LANES = 10, 1

def progress(done, total):
    if done > int(sys.argv[2]):
        os.kill(os.getpid(), 9)

asyncio.run(generation.Rebuild(sys.argv[1], progress, batch=40, apart=int(sys.argv[3])).run())
"""


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A story is short: with a nation's sizes all of it would go into the last transaction."""
    monkeypatch.setattr(generation, "NEAR", 20)


IN_PROCESSES, BESIDE = 0, 1_000_000


@pytest.mark.parametrize("apart", [IN_PROCESSES, BESIDE])
async def test_a_killed_rebuild_goes_on_and_ends_with_the_recomputed_values(live: Live, apart: int) -> None:
    story = a_story(Random(21), 700, institutions=9)
    half = len(story.events) // 2
    await live.take(story.events[:half])
    await live.spoil()
    dsn = dsn_of(live.bench.database.url)
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, dsn, str(half // 2), str(apart)), cwd=Path(__file__).parents[3]
    )
    assert await killed.wait() == -9
    assert await live.rebuilding()
    # What comes meanwhile takes effect in the spoilt generation – and in the new one, wherever that had come to.
    await live.take(story.events[half:])
    begun: list[int] = []
    await Rebuild(dsn, lambda done, _: begun.append(done), batch=40, apart=apart).run()
    assert begun[0] > half // 2, "it began anew"
    assert not await live.rebuilding()
    await live.proven(story)


async def test_a_worker_that_was_thought_dead_does_nothing_twice(live: Live) -> None:
    story = a_story(Random(24), 300, institutions=6)
    await live.take(story.events)
    await live.spoil()
    dsn = dsn_of(live.bench.database.url)
    rebuild = Rebuild(dsn, batch=10, apart=BESIDE)
    async with connected(dsn) as watch, Local(dsn, 10) as lane:
        await rebuild._begin(watch)
        pending = await rebuild._pending(watch)
        shard = next(shard for (_, shard), (after, until) in pending.items() if until - after > 20)

        def asked() -> Spans:
            return {source: span for (source, at), span in pending.items() if at == shard}

        both = [[taken async for taken in lane.bring(shard, asked())] for _ in range(2)]
    assert sum(both[0]) == sum(both[1]), "the second says what the first has done"
    assert len(both[0]) > len(both[1])
    await rebuild.run()
    await live.proven(story)


@pytest.mark.parametrize("times", [1, FAILURES])
async def test_another_goes_on_where_a_lane_died_and_where_all_die_the_rebuild_can_go_on(
    live: Live, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    story = a_story(Random(25), 300, institutions=6)
    await live.take(story.events)
    await live.spoil()
    dsn = dsn_of(live.bench.database.url)
    bring = Process.bring
    left = times
    told: list[tuple[int, int]] = []

    async def killed(lane: Process, shard: int, spans: Spans) -> AsyncIterator[int]:
        nonlocal left
        async for taken in bring(lane, shard, spans):
            yield taken
            if left and any(after < until for after, until in spans.values()):
                left -= 1
                lane.child.kill()

    def rebuild() -> Rebuild:
        return Rebuild(dsn, batch=20, apart=IN_PROCESSES, progress=lambda done, total: told.append((done, total)))

    with monkeypatch.context() as broken:
        broken.setattr(Process, "bring", killed)
        if times < FAILURES:
            await rebuild().run()
        else:
            with pytest.raises(ExceptionGroup) as failed:
                await rebuild().run()
            assert failed.group_contains(ChildEnded)
            assert await live.rebuilding()
            await rebuild().run()
    assert left == 0
    assert all(done <= total for done, total in told)
    assert told[-1][0] == told[-1][1]
    await live.proven(story)


@pytest.mark.slow
async def test_events_during_a_rebuild_are_in_both_generations(live: Live) -> None:
    story = a_story(Random(22), 600, institutions=9)
    half = len(story.events) // 2
    await live.take(story.events[:half])
    rebuild = asyncio.create_task(Rebuild(dsn_of(live.bench.database.url), batch=40, apart=IN_PROCESSES).run())
    rest = story.events[half:]
    while rest:
        await live.take(rest[:15])
        rest = rest[15:]
    await rebuild
    await live.proven(story)
    # The new generation is a generation like every other: live events change it, and it can be built anew.
    done = len(story.events)
    story.go_on(200)
    await live.take(story.events[done:])
    await live.proven(story)
    await Rebuild(dsn_of(live.bench.database.url)).run()
    await live.proven(story)


async def test_a_scope_sees_no_more_of_a_new_generation(live: Live) -> None:
    story = a_story(Random(3), 300, institutions=6)
    await live.take(story.events)
    before = {
        scope: await live.bench.rows(
            "select place, slot, period, v0 from cell where v0 <> 0 order by 1, 2, 3", scope=scope
        )
        for scope in ("all", "path:/17/", f"institution:{story.institutions[0]}", "none", "path:")
    }
    await Rebuild(dsn_of(live.bench.database.url)).run()
    for scope, rows in before.items():
        after = await live.bench.rows(
            "select place, slot, period, v0 from cell where v0 <> 0 order by 1, 2, 3", scope=scope
        )
        assert after == rows, scope
        seen = await live.bench.rows("select 1 from aggregate", scope=scope)
        assert bool(seen) is bool(rows)


async def test_what_is_known_of_the_territory_keeps_no_lane_waiting_for_another(live: Live) -> None:
    story = a_story(Random(26), 300, institutions=6)
    await live.take(story.events)
    await live.spoil()
    lane = await live.bench.connection()
    async with lane.transaction():  # as another lane holds it while it counts
        await lane.execute("select pg_advisory_xact_lock_shared($1)", TERRITORY_LOCK + 1)
        async with asyncio.timeout(60):
            await Rebuild(dsn_of(live.bench.database.url), apart=BESIDE).run()
    await live.proven(story)


async def test_two_rebuilds_at_once_are_one_too_many(live: Live) -> None:
    connection = await live.bench.connection()
    await connection.execute("select pg_advisory_lock($1)", 0x72656275696C64)
    with pytest.raises(Busy):
        await Rebuild(dsn_of(live.bench.database.url)).run()


async def test_what_was_released_follows_where_a_rebuild_finds_nobody(live: Live) -> None:
    """All that was counted there was taken back before the rebuild, which makes no row of it."""
    land = Land.founded(Random(3))
    school = land.story.institutions[0]
    for ident in land.story.institutions:
        for _ in range(25):
            land.count("F3", ident, 0)
    await live.take(land.story.events)
    worker = await live.bench.worker()
    await worker.take([])
    told = len(land.story.events)
    for _ in range(25):
        land.take_away("F3", school, 0)
    await live.take(land.story.events[told:])
    await worker.take([])
    apart = (
        "select p.code, h.slot, h.period from held h join place p on p.id = h.place "
        "left join cell c using (place, slot, period) where (h.v0, h.v1, h.v2, h.v3) "
        "<> (coalesce(c.v0, 0), coalesce(c.v1, 0), coalesce(c.v2, 0), coalesce(c.v3, 0))"
    )
    assert {row["code"] for row in await live.bench.rows(apart)} == {school}  # shown until the day ends
    await Rebuild(dsn_of(live.bench.database.url)).run()
    await worker.take([])
    assert await worker.sweep()
    assert await live.bench.rows(apart) == []
