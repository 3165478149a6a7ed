"""Whose turn it is: what waits is taken along, no shard is at work twice, and one that fails fails alone."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.contracts.events import Event
from shared.messaging.turns import Part, Turns

NOW = datetime(2026, 9, 1, tzinfo=UTC)


def a_part(source: str, *shards: int, alone: bool = False) -> Part:
    """One event of each shard."""
    events = [
        Event(f"{source}-{shard}", "t", source, "s", "k", NOW, shard, position + 1, b"")
        for position, shard in enumerate(shards)
    ]
    return Part(source, [(event, None) for event in events], alone)


class Commits:
    """Commits when it is told to; remembers who was at work together, and that no shard ever was twice."""

    def __init__(self) -> None:
        self.done: list[list[str]] = []
        self.begun: list[list[str]] = []
        self.go_on = asyncio.Event()
        self.refused: dict[str, Exception] = {}
        self._shards: set[int] = set()
        self._means: set[int] = set()

    async def __call__(self, means: int, parts: Sequence[Part]) -> None:
        """See Turns."""
        names = [part.source for part in parts]
        shards = {shard for part in parts for shard in part.shards}
        assert not self._shards & shards
        assert means not in self._means
        self._shards |= shards
        self._means.add(means)
        try:
            self.begun.append(names)
            await self.go_on.wait()
            for name in names:
                if name in self.refused:
                    raise self.refused[name]
            self.done.append(names)
        finally:
            self._shards -= shards
            self._means.remove(means)


async def all_wait(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Let every task get as far as it can."""
    for _ in range(10 * len(tasks)):
        await asyncio.sleep(0)


def begin(turns: Turns[int], *parts: Part) -> list["asyncio.Task[None]"]:
    """Each part in a task of its own."""
    return [asyncio.create_task(turns.take(part)) for part in parts]


async def test_what_waits_is_taken_along_and_who_came_first_begins() -> None:
    commits = Commits()
    turns = Turns([0], commits, most=5)
    tasks = begin(turns, a_part("a", 1), a_part("b", 1, 2), a_part("c", 3), a_part("d", 4, 5, 6), a_part("e", 7))
    await all_wait(tasks)
    assert commits.begun == [["a"]], "after a silence nobody waits for company"
    commits.go_on.set()
    await asyncio.gather(*tasks)
    assert commits.done == [["a"], ["b", "c", "e"], ["d"]], "at most five events where it is more than one part"


async def test_means_work_beside_one_another_each_on_its_lane_and_never_on_one_shard() -> None:
    commits = Commits()
    turns = Turns([0, 1], commits, most=100)
    assert [turns.lane(shard) for shard in (0, 31, 32, 63)] == [0, 0, 1, 1]
    tasks = begin(turns, a_part("a", 1), a_part("b", 1), a_part("c", 40), a_part("d", 2), a_part("e", 41))
    await all_wait(tasks)
    assert commits.begun == [["a"], ["c"]], "b waits for its shard, d and e for means"
    commits.go_on.set()
    await asyncio.gather(*tasks)
    assert sorted(commits.done) == [["a"], ["b", "d"], ["c"], ["e"]]


async def test_one_that_fails_in_company_fails_alone() -> None:
    commits = Commits()
    commits.refused["c"] = LookupError("c fits nowhere")
    turns = Turns([0], commits, most=100)
    tasks = begin(turns, a_part("a", 1), a_part("b", 2), a_part("c", 3), a_part("d", 4))
    await all_wait(tasks)
    commits.go_on.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [repr(each) for each in results] == ["None", "None", repr(commits.refused["c"]), "None"]
    assert commits.begun == [["a"], ["b", "c", "d"], ["b"], ["c"], ["d"]]


async def test_what_is_transient_is_raised_for_all_of_them_at_once() -> None:
    commits = Commits()
    commits.refused["c"] = ConnectionResetError("gone")
    turns = Turns([0], commits, most=100)
    tasks = begin(turns, a_part("a", 1), a_part("b", 2), a_part("c", 3))
    await all_wait(tasks)
    commits.go_on.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in results] == [type(None), ConnectionResetError, ConnectionResetError]
    assert commits.begun == [["a"], ["b", "c"]]


async def test_what_stands_alone_takes_nobody_along_and_is_not_taken() -> None:
    commits = Commits()
    turns = Turns([0], commits, most=100)
    tasks = begin(turns, a_part("a", 1), a_part("b", 2), a_part("c", 3, alone=True), a_part("d", 4))
    await all_wait(tasks)
    commits.go_on.set()
    await asyncio.gather(*tasks)
    assert commits.done == [["a"], ["b", "d"], ["c"]]


@pytest.mark.parametrize("cancelled", range(4))
async def test_whoever_is_cancelled_leaves_the_others_to_be_done_once(cancelled: int) -> None:
    commits = Commits()
    turns = Turns([0], commits, most=100)
    tasks = begin(turns, *(a_part(name, number) for number, name in enumerate("abcd")))
    await all_wait(tasks)
    # Who leads the second turn is cancelled in the middle of it, too: b begins when a is done.
    tasks[cancelled].cancel()
    await all_wait(tasks)
    if cancelled == 0:
        assert commits.begun[1] == ["b", "c", "d"]
    commits.go_on.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(each, asyncio.CancelledError) for each in results] == [n == cancelled for n in range(4)]
    done = [name for names in commits.done for name in names]
    assert sorted(done) == [name for n, name in enumerate("abcd") if n != cancelled]


async def test_one_who_leads_others_and_is_cancelled_leaves_them_waiting_for_the_next() -> None:
    commits = Commits()
    turns = Turns([0], commits, most=100)
    first = begin(turns, a_part("a", 1))
    tasks = begin(turns, a_part("b", 2), a_part("c", 3), a_part("d", 4))
    await all_wait(tasks)
    first[0].cancel()
    await all_wait(tasks)
    assert commits.begun == [["a"], ["b", "c", "d"]]
    tasks[0].cancel()
    await all_wait(tasks)
    assert commits.begun[2:] == [["c", "d"]]
    commits.go_on.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in results] == [asyncio.CancelledError, type(None), type(None)]
    assert commits.done == [["c", "d"]]


async def test_means_without_a_shard_are_given_back() -> None:
    commits = Commits()
    commits.go_on.set()
    turns = Turns([7], commits, most=100)
    async with turns.means() as means:
        assert means == 7
        tasks = begin(turns, a_part("a", 1))
        await all_wait(tasks)
        assert commits.begun == []
    await asyncio.gather(*tasks)
    assert commits.done == [["a"]]
