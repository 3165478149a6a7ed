"""What can wait gives way to what somebody waits for, but not for ever."""

import asyncio

import pytest

from shared.precedence import Precedence


async def test_work_that_can_wait_lets_live_work_pass() -> None:
    precedence, order = Precedence(), list[str]()
    begun = asyncio.Event()

    async def live() -> None:
        async with precedence.claimed(), precedence.claimed():
            begun.set()
            for _ in range(10):
                await asyncio.sleep(0)
            order.append("live")

    async def other() -> None:
        await begun.wait()
        await precedence.give_way()
        order.append("other")

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(other())
        group.create_task(live())
    assert order == ["live", "other"]
    await precedence.give_way()


async def test_live_work_without_end_holds_up_nobody_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.precedence.MOST_S", 0.01)
    precedence = Precedence()
    async with asyncio.timeout(20), precedence.claimed():
        for _ in range(3):
            await precedence.give_way()


async def test_what_fails_claims_nothing_any_more() -> None:
    precedence = Precedence()
    with pytest.raises(ConnectionError):
        async with precedence.claimed():
            raise ConnectionError
    assert precedence._free.is_set()
