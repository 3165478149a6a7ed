"""What is asked at one moment is done together, and each caller gets what is his."""

import asyncio
from collections.abc import Sequence

from services.surveys.form.together import Overloaded, Together


class Work:
    """Doubles numbers, notes the batches, and can't do 13; transient trouble while `down`."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.down = False

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        await asyncio.sleep(0)
        if self.down:
            raise ConnectionResetError
        if 13 in items:
            raise ValueError("13")
        return [item * 2 for item in items]


async def test_everybody_gets_their_own_result_and_few_rounds_serve_many() -> None:
    work = Work()
    together: Together[int, int] = Together(work, most=40)
    assert await asyncio.gather(*(together.ask(number) for number in range(14, 114))) == list(range(28, 228, 2))
    assert len(work.batches) <= 4
    assert max(map(len, work.batches)) <= 40


async def test_one_that_fails_fails_alone() -> None:
    together: Together[int, int] = Together(Work())
    found = await asyncio.gather(*(together.ask(number) for number in range(10, 20)), return_exceptions=True)
    assert [type(each) for each in found].count(ValueError) == 1
    assert isinstance(found[3], ValueError)
    assert found[:3] + found[4:] == [20, 22, 24, 28, 30, 32, 34, 36, 38]


async def test_trouble_that_heals_is_everybodys_and_tried_once() -> None:
    work = Work()
    work.down = True
    together: Together[int, int] = Together(work)
    found = await asyncio.gather(*(together.ask(number) for number in range(5)), return_exceptions=True)
    assert {type(each) for each in found} == {ConnectionResetError}
    tried = len(work.batches)
    assert tried <= 2
    work.down = False
    assert await together.ask(4) == 8


async def test_who_gives_up_leaves_the_others_theirs() -> None:
    together: Together[int, int] = Together(Work())
    asked = [asyncio.ensure_future(together.ask(number)) for number in range(5)]
    await asyncio.sleep(0)
    asked[2].cancel()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(found[2], asyncio.CancelledError)
    assert found[:2] + found[3:] == [0, 2, 6, 8]


async def test_more_than_can_be_served_is_refused_at_once() -> None:
    together: Together[int, int] = Together(Work(), waiting_most=3)
    asked = [asyncio.ensure_future(together.ask(number)) for number in range(5)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(each, Overloaded) for each in found) >= 1
    assert found[0] == 0


async def test_in_a_crowd_a_round_waits_for_company_and_the_first_after_a_silence_does_not() -> None:
    batches: list[list[int]] = []
    gate, begun = asyncio.Event(), asyncio.Event()

    async def work(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        begun.set()
        await gate.wait()
        return [item * 2 for item in items]

    together: Together[int, int] = Together(work, company_s=0.05)
    asked = [asyncio.ensure_future(together.ask(1))]
    await begun.wait()
    asked.append(asyncio.ensure_future(together.ask(2)))
    await asyncio.sleep(0)
    gate.set()
    assert await asked[0] == 2
    asked += [asyncio.ensure_future(together.ask(number)) for number in (3, 4, 5)]
    assert await asyncio.gather(*asked[1:]) == [4, 6, 8, 10]
    assert batches == [[1], [2, 3, 4, 5]]
