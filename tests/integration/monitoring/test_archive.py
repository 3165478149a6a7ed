"""Old parts of the event log in files: proven before they leave the database, and read as if they had not."""

import asyncio
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import pytest
from asyncpg.transaction import Transaction

from deploy.cli.archive import _archive, _check
from services.monitoring import LISTENS_TO, archive
from services.monitoring.generation import Rebuild
from services.monitoring.tables import SOURCES
from shared.contracts.events import SERVICES
from shared.errors import Unavailable
from shared.persistence.engine import dsn_of
from tests.integration.monitoring.support import Live, compared
from tests.support.monitoring import Story, a_story

EVERYTHING = "select source, shard, position from event_seen order by 1, 2, 3"


@pytest.fixture(scope="module")
def story() -> Story:
    return a_story(Random(31), 500, institutions=6)


async def _archived(live: Live, story: Story, folder: Path) -> None:
    """All of the story in the database, then in a file: its positions lie in the first part."""
    await live.take(story.events)
    await _archive(dsn_of(live.bench.database.url), folder, max(each.time for each in story.events) + timedelta(days=1))


async def _all_seeing(live: Live) -> Any:
    connection = await live.bench.connection()
    await connection.execute("select set_config('app.scope', 'all', false)")
    return connection


async def test_what_is_archived_leaves_the_database_and_is_read_within_scope(
    live: Live, story: Story, tmp_path: Path
) -> None:
    await live.take(story.events)
    before = await live.bench.rows("select source, shard, position, place, id::text, data from event_seen")
    assert len(before) == len(story.events)
    await _archived(live, story, tmp_path)
    assert await live.bench.rows(EVERYTHING) == []
    assert len(list(tmp_path.glob("*.parquet"))) == 1
    assert await _check(dsn_of(live.bench.database.url)) == 0

    windows = [(SOURCES[source], shard, 0, 1 << 40) for source in LISTENS_TO for shard in range(64)]
    connection = await live.bench.connection()

    async def read(scope: str, *asked: archive.Window) -> list[tuple[Any, ...]]:
        async with connection.transaction():
            await connection.execute("select set_config('app.scope', $1, true)", scope)
            rows = await archive.read(connection, asked)
        return [(row.source, row.shard, row.position, place, row.id.hex(), row.data) for row, place in rows]

    everything = sorted((*row[:4], row[4].replace("-", ""), row[5]) for row in map(tuple, before))
    assert await read("all", *windows) == everything
    place = next(row[3] for row in everything if row[3] is not None)
    code = (await live.bench.rows("select code from place where id = $1", place))[0]["code"]
    own = [row for row in everything if row[3] == place]
    assert await read(f"institution:{code}", *windows) == own
    assert await read("none", *windows) == []
    source, shard, position = own[-1][:3]
    assert await read("all", (source, shard, position - 1, position)) == own[-1:]


async def test_a_rebuild_reads_files_and_database_together(live: Live, story: Story, tmp_path: Path) -> None:
    half = len(story.events) // 2
    first = Story.__new__(Story)
    first.__dict__.update(story.__dict__, events=story.events[:half])
    await _archived(live, first, tmp_path)
    # What comes later for positions whose part is gone is kept all the same.
    await live.take(story.events)
    assert len(await live.bench.rows(EVERYTHING)) == len(story.events) - half
    await live.spoil()
    await Rebuild(dsn_of(live.bench.database.url)).run()
    values, proof = compared(await live.bench.cells(), story.country)
    assert values == proof


async def test_a_file_that_is_not_whole_is_noticed(live: Live, story: Story, tmp_path: Path) -> None:
    await _archived(live, story, tmp_path)
    (path,) = tmp_path.glob("*.parquet")
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes(byte ^ 0xFF for byte in whole[middle : middle + 64]) + whole[middle + 64 :])
    dsn = dsn_of(live.bench.database.url)
    assert await _check(dsn) == 1
    path.unlink()
    assert await _check(dsn) == 1
    event = story.events[0]
    connection = await _all_seeing(live)
    with pytest.raises(Unavailable):
        await archive.read(connection, [(SERVICES.index(event.source), event.shard, 0, event.position)])


async def test_an_event_that_comes_during_the_export_keeps_its_part(
    live: Live, story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *most, last = story.events
    await live.take(most)
    proven = archive.prove

    def late(path: Path, seal: Any) -> str:
        digest = proven(path, seal)
        asyncio.run_coroutine_threadsafe(live.take([last]), loop).result(30)
        return digest

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(archive, "prove", late)
    with pytest.raises(Exception, match="were exported"):
        await _archive(dsn_of(live.bench.database.url), tmp_path, last.time + timedelta(days=1))
    assert len(await live.bench.rows(EVERYTHING)) == len(story.events)
    assert list(tmp_path.glob("*.parquet")) == []
    assert await live.bench.rows("select 1 from archive_file union all select 1 from archive_span") == []


async def test_a_commit_whose_answer_is_lost_leaves_the_only_copy_there_is(
    live: Live, story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live.take(story.events)
    dsn = dsn_of(live.bench.database.url)
    committed = Transaction.__aexit__

    async def cut(self: Transaction, *problem: Any) -> None:
        await committed(self, *problem)
        if self._readonly is False and not self._connection.is_closed():  # not the export, which only reads
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    monkeypatch.setattr(Transaction, "__aexit__", cut)
    connection = await _all_seeing(live)
    parts = await archive.parts(connection, max(each.time for each in story.events) + timedelta(days=1))
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await archive.archive(connection, parts[0], tmp_path)
    monkeypatch.undo()
    assert await live.bench.rows(EVERYTHING) == []
    assert await _check(dsn) == 0
    windows = [(SOURCES[source], shard, 0, 1 << 40) for source in LISTENS_TO for shard in range(64)]
    assert len(await archive.read(await _all_seeing(live), windows)) == len(story.events)


async def test_two_runs_at_once_do_not_remove_each_others_file(
    live: Live, story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live.take(story.events)
    one, other = await _all_seeing(live), await _all_seeing(live)
    (part,) = await archive.parts(one, max(each.time for each in story.events) + timedelta(days=1))
    settled = archive._settle

    def beside(path: Path) -> None:
        """While the first has its file in place and has told of it to nobody yet."""
        monkeypatch.setattr(archive, "_settle", settled)
        with pytest.raises(archive.Busy, match="at work"):
            asyncio.run_coroutine_threadsafe(archive.archive(other, part, tmp_path), loop).result(30)
        settled(path)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(archive, "_settle", beside)
    done = await archive.archive(one, part, tmp_path)
    with pytest.raises(archive.Busy, match="has archived"):
        await archive.archive(other, part, tmp_path)
    assert (done.events, await _check(dsn_of(live.bench.database.url))) == (len(story.events), 0)
