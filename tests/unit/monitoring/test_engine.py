"""The live path equals the brute-force recomputation, whatever comes late, twice or in pieces."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.monitoring.domain.readings import decode
from services.monitoring.domain.territory import Image
from services.monitoring.engine import NotNew, apply
from services.monitoring.recompute.parts import Values, recompute
from shared.contracts.events import Event
from tests.support.monitoring import Story, a_story, cells_by_name, differing
from tests.support.monitoring_memory import MemoryStore


async def live(batches: Sequence[Sequence[Event]], *, careful: bool = False) -> MemoryStore:
    store = MemoryStore()
    for batch in batches:
        await apply(store, [(event, decode(event)) for event in batch], careful=careful)
    return store


def compared(store: MemoryStore, story: Story) -> tuple[Values, Values]:
    return cells_by_name(store.named_cells()), recompute(story.country)


def split(random: Random, events: Sequence[Event]) -> list[list[Event]]:
    batches: list[list[Event]] = [[]]
    for event in events:
        if random.random() < 0.1:
            batches.append([])
        batches[-1].append(event)
    return batches


@given(st.randoms(use_true_random=False), st.integers(0, 60))
@settings(deadline=None, max_examples=150)
async def test_live_values_equal_the_recomputed_ones(random: Random, steps: int) -> None:
    story = a_story(random, steps)
    values, proof = compared(await live(split(random, story.events)), story)
    assert not differing(values, proof)


@given(st.randoms(use_true_random=False), st.integers(0, 60))
@settings(deadline=None, max_examples=150)
async def test_order_duplicates_and_batches_change_no_value(random: Random, steps: int) -> None:
    story = a_story(random, steps)
    delivered = [*story.events, *random.choices(story.events, k=steps)]
    random.shuffle(delivered)
    values, proof = compared(await live(split(random, delivered), careful=True), story)
    assert not differing(values, proof)


async def test_the_territory_is_held_alone_for_news_of_places_and_for_nothing_else() -> None:
    held: list[bool] = []

    class Watched(MemoryStore):
        async def open(self, *, exclusive: bool) -> Image:
            held.append(exclusive)
            return await super().open(exclusive=exclusive)

    story = a_story(Random(5), 0, institutions=2)
    store = Watched()

    async def take() -> bool:
        """The story's last event."""
        await apply(store, [(event, decode(event)) for event in story.events[-1:]], careful=True)
        return held[-1]

    for event in story.events:
        await apply(store, [(event, decode(event))])
    held.clear()
    assert not await take(), "told again"
    story.move()
    assert await take(), "moved"
    assert not await take(), "and told again"
    story.enrol()
    assert not await take()


async def test_replayed_events_leave_every_cell_unchanged() -> None:
    story = a_story(Random(7), 200)
    store = await live([story.events])
    before = dict(store.cells)
    with pytest.raises(NotNew):
        await apply(store, [(event, decode(event)) for event in story.events])
    await apply(store, [(event, decode(event)) for event in story.events], careful=True)
    assert store.cells == before
