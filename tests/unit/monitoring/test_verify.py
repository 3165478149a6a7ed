"""`hamkor verify` finds what is wrong, names it, and shares nothing with the path that it checks."""

import ast
from datetime import date
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from deploy.cli.verifying.reading import Snapshot
from deploy.cli.verifying.run import Verdict
from deploy.cli.verifying.shards import NAMED, Found
from services.monitoring import LISTENS_TO
from services.monitoring.domain import gates, measures
from services.monitoring.recompute import book, country, parts, standing
from services.monitoring.recompute.country import Country
from services.monitoring.recompute.parts import Part, recompute, whole
from shared.ids import shard_of
from tests.support.monitoring import Story, a_story, differing
from tests.unit.monitoring.test_engine import compared, live


@pytest.fixture(scope="module")
def story() -> Story:
    return a_story(Random(9), 400)


def test_shards_put_together_are_the_whole(story: Story) -> None:
    """Each with what it knows alone: nobody but the last part of the work knows the whole territory."""
    shards: dict[int, Country] = {}
    for state in story.country.states():
        key = str(getattr(state, "institution_id", None) or getattr(state, "place", state.id))
        shards.setdefault(shard_of(key), Country()).keep(state)
    together = Part()
    for shard in shards.values():
        part = Part()
        for code, own in shard.owners().items():
            part.take(code, own)
        assert not part.own.keys() & together.own.keys()
        together.own.update(part.own)
        for place, amounts in part.above.items():
            together.above[place].update(amounts)
        for row, seen in part.shared.items():
            together.shared[row].join(seen)
    assert len(shards) > 5
    values = whole(story.country.territory, together)
    assert not differing(values, recompute(story.country))


async def test_a_year_whose_name_is_a_months_is_another_period() -> None:
    story = a_story(Random(9), 20)
    for ident in story.institutions:
        state = story.country.institutions[ident]
        story.tell(state.model_copy(update={"version": state.version + 1, "opened_on": date(2008, 9, 1)}))
    values, proof = compared(await live([story.events]), story)
    assert not differing(values, proof)
    there = [values["institutions.active", "17", period] for period in ("2008-09", "2008-09 year")]
    assert there == [len(story.institutions)] * 2


def test_all_that_differs_is_counted_and_the_first_are_named() -> None:
    live = {("a", f"2026-{month:02d}"): 1 for month in range(1, 13)}
    proof = {("a", f"2027-{month:02d}"): 2 for month in range(1, 13)} | {("b", "2026-01"): 0}
    found = Found()
    found.compare("17", live, proof)
    assert (found.values, found.mismatches, len(found.named)) == (24, 24, NAMED)
    assert found.named[0] == "a of 17 in 2026-01: shown 1, recomputed 0"
    same = Found()
    same.compare("17", live, dict(live))
    assert (same.values, same.mismatches, same.named) == (12, 0, [])


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
    verdict.count(positions(head), positions(later), Snapshot(positions(applied), logs))
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
    own = {f"services.monitoring.recompute.{name}" for name in ("book", "country", "standing")}
    assert set().union(*map(imported, (book, country, parts, standing))) == declarations | own
    # And the declarations themselves compute nothing: they know no other module of the service.
    assert imported(gates) == imported(measures) == set()
