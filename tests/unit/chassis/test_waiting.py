"""Waiting with a limit: a task that is cancelled ends, whatever happens at the same moment."""

import asyncio

import pytest

from shared.waiting import close, end, stack_of, until_set


async def test_a_loop_that_is_cancelled_as_its_event_comes_ends() -> None:
    event, begun = asyncio.Event(), asyncio.Event()
    rounds = 0

    async def work() -> None:
        nonlocal rounds
        while rounds < 3:
            begun.set()
            await until_set(event, 60)
            event.clear()
            rounds += 1

    task = asyncio.create_task(work())
    await begun.wait()
    event.set()
    task.cancel()
    await asyncio.wait([task], timeout=20)
    assert task.cancelled()
    assert rounds == 0


async def test_waiting_tells_whether_the_event_came() -> None:
    event = asyncio.Event()
    assert not await until_set(event, 0)
    event.set()
    assert await until_set(event, 0)


async def test_what_does_not_close_is_left_to_itself() -> None:
    stop, begun = asyncio.Event(), asyncio.Event()

    async def stubborn(begun: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                begun.set()
                await stop.wait()
            except asyncio.CancelledError:
                continue

    async def fails() -> None:
        raise ConnectionError

    try:
        await close(stubborn(asyncio.Event()), 0.01)
        await close(fails(), 20)
        task = asyncio.create_task(stubborn(begun), name="stubborn")
        await begun.wait()
        assert await end([task], 0.05) == {task}
        assert "stop.wait()" in stack_of(task)
    finally:
        stop.set()


@pytest.mark.parametrize("deaf", [0, 1, 2])
async def test_tasks_are_cancelled_until_they_hear_it(deaf: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.waiting.CANCEL_AGAIN_S", 0.01)
    began = asyncio.Event()

    async def work() -> None:
        began.set()
        for _ in range(deaf):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue
        await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await began.wait()
    assert not await end([task], 20)
    assert task.cancelled()
