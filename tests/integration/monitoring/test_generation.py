"""A new generation is built beside the live one and takes its place: killed in the middle, with events still coming."""

import asyncio
import sys
from pathlib import Path
from random import Random

import pytest

from services.monitoring import generation
from services.monitoring.generation import Busy, Rebuild
from shared.persistence.engine import dsn_of
from tests.integration.monitoring.support import Live
from tests.support.monitoring import a_story

KILLED = """
import asyncio, os, sys
from services.monitoring import generation

generation.BATCH, generation.NEAR, generation.LANES = 40, 10, 1

def progress(done, total):
    if done > int(sys.argv[2]):
        os.kill(os.getpid(), 9)

asyncio.run(generation.Rebuild(sys.argv[1], progress).run())
"""


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A story is short: with a nation's sizes all of it would go into the last transaction."""
    monkeypatch.setattr(generation, "BATCH", 40)
    monkeypatch.setattr(generation, "NEAR", 20)


async def test_a_killed_rebuild_goes_on_and_ends_with_the_recomputed_values(live: Live) -> None:
    story = a_story(Random(21), 700, institutions=9)
    half = len(story.events) // 2
    await live.take(story.events[:half])
    await live.spoil()
    dsn = dsn_of(live.bench.database.url)
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, dsn, str(half // 2)), cwd=Path(__file__).parents[3]
    )
    assert await killed.wait() == -9
    assert await live.rebuilding()
    # What comes meanwhile takes effect in the spoilt generation – and in the new one, wherever that had come to.
    await live.take(story.events[half:])
    begun: list[int] = []
    await Rebuild(dsn, lambda done, _: begun.append(done)).run()
    assert begun[0] > half // 2, "it began anew"
    assert not await live.rebuilding()
    await live.proven(story)


@pytest.mark.slow
async def test_events_during_a_rebuild_are_in_both_generations(live: Live) -> None:
    story = a_story(Random(22), 600, institutions=9)
    half = len(story.events) // 2
    await live.take(story.events[:half])
    rebuild = asyncio.create_task(Rebuild(dsn_of(live.bench.database.url)).run())
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


async def test_two_rebuilds_at_once_are_one_too_many(live: Live) -> None:
    connection = await live.bench.connection()
    await connection.execute("select pg_advisory_lock($1)", 0x72656275696C64)
    with pytest.raises(Busy):
        await Rebuild(dsn_of(live.bench.database.url)).run()
