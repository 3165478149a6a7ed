"""`hamkor verify` finds what is wrong, names it, and shares nothing with the path that it checks."""

import ast
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from deploy.cli.verify import Snapshot, Verdict, _compare, _count
from services.monitoring import LISTENS_TO, recompute, recompute_standing
from services.monitoring.domain import gates, measures
from services.monitoring.domain.readings import decode
from services.monitoring.engine import apply
from tests.support.monitoring import Story, a_story
from tests.support.monitoring_memory import MemoryStore

Cells = list[tuple[str, str, str, int]]


@pytest.fixture(scope="module")
def story() -> Story:
    return a_story(Random(9), 200)


@pytest.fixture(scope="module")
async def cells(story: Story) -> Cells:
    store = MemoryStore()
    await apply(store, [(event, decode(event)) for event in story.events])
    return list(store.named_cells())


def compared(story: Story, cells: Cells) -> Verdict:
    verdict = Verdict()
    _compare(verdict, story.country, cells, lambda *_: None)
    return verdict


def test_true_cells_are_sound(story: Story, cells: Cells) -> None:
    verdict = compared(story, cells)
    assert verdict.sound
    assert verdict.values > 100


@pytest.mark.parametrize("number", range(0, 200, 7))
def test_one_digit_too_many_anywhere_is_found_and_named(story: Story, cells: Cells, number: int) -> None:
    name, place, period, value = cells[number]
    wrong = [*cells[:number], (name, place, period, value + 1), *cells[number + 1 :]]
    verdict = compared(story, wrong)
    assert not verdict.sound
    assert f"{name} of {place} in " in verdict.named[0]


@pytest.mark.parametrize("number", range(0, 200, 7))
def test_a_missing_cell_is_found(story: Story, cells: Cells, number: int) -> None:
    assert compared(story, [*cells[:number], *cells[number + 1 :]]).mismatches


def test_a_value_of_nothing_is_found(story: Story, cells: Cells) -> None:
    assert compared(story, [*cells, ("form.AF9.signed", "nowhere", "2020-01", 1)]).mismatches == 1


@pytest.mark.parametrize(
    ("head", "applied", "logged", "later", "lost", "doubled"),
    [
        (5, 5, 5, 5, 0, 0),
        (5, 6, 6, 7, 0, 0),  # the platform went on
        (5, 3, 3, 5, 2, 0),  # not applied
        (5, 5, 4, 5, 1, 0),  # passed over
        (5, 5, 6, 5, 0, 1),  # logged twice
        (5, 6, 6, 5, 0, 1),  # nobody told it
    ],
)
def test_lost_and_doubled_events_are_counted(
    head: int, applied: int, logged: int, later: int, lost: int, doubled: int
) -> None:
    def positions(value: int) -> dict[str, list[int]]:
        return {source: [value if source == "partners" else 0, 0] for source in LISTENS_TO}

    verdict = Verdict()
    logs = {source: {"0": logged} if source == "partners" else {} for source in LISTENS_TO}
    _count(verdict, positions(head), positions(later), Snapshot(positions(applied), logs, []))
    assert (verdict.lost, verdict.doubled) == (lost, doubled)
    assert len(verdict.named) == (lost > 0) + (doubled > 0)


def imported(module: ModuleType) -> set[str]:
    tree = ast.parse(Path(module.__file__ or "").read_text())
    return {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("services.")
    }


def test_the_recomputation_shares_only_declarations_and_periods_with_the_live_path() -> None:
    declarations = {f"services.monitoring.domain.{name}" for name in ("gates", "measures", "periods")}
    assert imported(recompute) == declarations | {"services.monitoring.recompute_standing"}
    assert imported(recompute_standing) <= declarations
    # And the declarations themselves compute nothing: they know no other module of the service.
    assert imported(gates) == imported(measures) == set()
