"""What is shown of counts of persons is safe: solved for, table by table, by somebody who knows all that is shown."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations_with_replacement, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.monitoring.domain.disclosure import EVERY_SEGMENT, SEGMENTS, YEAR, Row, _vague, segments, settle, top
from services.monitoring.domain.periods import parse
from tests.support.disclosure import Attack, Known

K = 10


@dataclass
class Node:
    """A place with those below it."""

    row: Row
    below: list["Node"] = field(default_factory=list)

    def all(self) -> Iterator["Node"]:
        """It and everything below."""
        yield self
        for node in self.below:
            yield from node.all()

    @property
    def leaves(self) -> list["Node"]:
        """The lowest places."""
        return [node for node in self.all() if not node.below]


def a_country(random: Random, shape: Sequence[int], busy: float, months: Sequence[int]) -> Node:
    """Places three levels down, each institution with persons in some of the months."""
    numbers = iter(range(100_000))

    def grow(depth: int) -> Node:
        number = next(numbers)
        if depth == len(shape):
            scale = random.choice((0, 2, 6, 30))
            counts = [
                random.randrange(scale + 1) if month in months and random.random() < busy else 0 for month in range(12)
            ]
            parts = [0, 0, 0]
            for _ in range(sum(counts)):
                parts[random.choice((0, 0, 1, 2))] += 1
            return Node(Row(number, sum(counts), counts, (parts,), knows=True))
        below = [grow(depth + 1) for _ in range(random.randint(1, shape[depth]))]
        rows = [node.row for node in below]
        return Node(
            Row(
                number,
                sum(row.whole for row in rows),
                [sum(row.months[month] for row in rows) for month in range(12)],
                ([sum(row.divisions[0][part] for row in rows) for part in range(3)],),
            ),
            below,
        )

    return grow(0)


def settled(root: Node) -> Node:
    top(root.row, K)
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.below:
            settle(node.row, [each.row for each in node.below], K)
        waiting += node.below
    return root


def attack(root: Node, *, naive: bool = False) -> list[str]:
    """What somebody finds out who sees every window of every place (with `naive`, all but those that are small)."""
    leaves = root.leaves
    cells = {(leaf.row.place, month): leaf.row.months[month] for leaf in leaves for month in range(12)}
    known: list[Known] = []
    hidden: dict[str, tuple[tuple[tuple[int, int], ...], int, int]] = {}
    for node in root.all():
        below = [leaf.row.place for leaf in node.leaves]
        for number, (first, last) in enumerate(SEGMENTS):
            inside = tuple((place, month) for place in below for month in range(first, last + 1))
            total = sum(cells[cell] for cell in inside)
            shown = not 0 < total < K if naive else bool(node.row.shown >> number & 1)
            if shown:
                assert not 0 < total < K
                known.append(Known(inside, total))
            else:
                hidden[f"{node.row.place}:{first}-{last}"] = inside, total, 0
    for node in root.all():
        # Where a place next to it is shown to have nobody, a hidden one is known to have somebody.
        zero = any(each.row.whole == 0 and each.row.shown == EVERY_SEGMENT for each in node.below)
        for each in node.below:
            if zero and (name := f"{each.row.place}:0-11") in hidden:
                inside, total, _ = hidden[name]
                hidden[name] = inside, total, 1
    return Attack(known, hidden, K).found(only_small=not naive)


def coalitions(root: Node) -> Iterator[tuple[Node, Node]]:
    """Every district with each of its institutions that counts anybody."""
    for node in root.all():
        if node.below and not node.below[0].below:
            yield from ((node, each) for each in node.below if each.row.whole)


def attack_together(district: Node, institution: Node, *, alone: bool = False) -> list[str]:
    """What a district's office, which sees the district and below, finds out of others when one institution tells all.

    `alone`: the institution keeps silent.
    """
    cells = {(leaf.row.place, month): leaf.row.months[month] for leaf in district.below for month in range(12)}
    known = [Known(((place, month),), cells[place, month]) for place, month in cells if place == institution.row.place]
    parts: list[Known] = []
    hidden: dict[str, tuple[tuple[tuple[int, int], ...], int, int]] = {}
    hidden_parts: dict[str, tuple[tuple[tuple[int, int], ...], int, int]] = {}
    if alone:
        known = []
    for node in district.all():
        below = [leaf.row.place for leaf in node.leaves]
        for number, (first, last) in enumerate(SEGMENTS):
            inside = tuple((place, month) for place in below for month in range(first, last + 1))
            total = sum(cells[cell] for cell in inside)
            if node.row.shown >> number & 1:
                known.append(Known(inside, total))
            elif node is not district and node is not institution:
                least = int((first, last) == YEAR and total > 0)
                hidden[f"{node.row.place}:{first}-{last}"] = inside, total, least
        for part in range(3):
            inside = tuple((place, part) for place in below)
            total = node.row.divisions[0][part]
            if node.row.told & 1 or (node is institution and not alone):
                parts.append(Known(inside, total))
            elif node is not district and total:  # that a part counts nobody may follow
                hidden_parts[f"{node.row.place}/{part}"] = inside, total, 0
        if node.row.shown & 1:
            parts.append(Known(tuple((place, part) for place in below for part in range(3)), node.row.whole))
    return Attack(known, hidden, K).found(only_small=True) + Attack(parts, hidden_parts, K).found(only_small=True)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    st.randoms(use_true_random=False),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4)),
    st.sampled_from([0.2, 0.5, 0.9]),
    st.sampled_from([range(12), (0,), (0, 1, 2, 3), (0, 4, 9), (3, 4)]),
)
def test_nobody_who_sees_everything_places_a_small_count_within_less_than_k(
    random: Random, shape: tuple[int, int, int], busy: float, months: Sequence[int]
) -> None:
    assert attack(settled(a_country(random, shape, busy, months))) == []


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(2, 6), st.sampled_from([0.2, 0.5, 0.9]))
def test_a_district_told_by_one_of_its_institutions_places_no_small_count_of_another(
    random: Random, institutions: int, busy: float
) -> None:
    country = settled(a_country(random, (1, 2, institutions), busy, range(12)))
    for district, institution in coalitions(country):
        assert attack_together(district, institution) == []


def test_without_a_veil_one_institution_gives_others_away() -> None:
    found = {True: 0, False: 0}
    for knows in (True, False):
        for seed in range(4):
            country = a_country(Random(seed), (1, 2, 4), 0.5, range(12))
            for leaf in country.leaves:
                leaf.row.knows = knows
            settled(country)
            found[knows] += sum(len(attack_together(*each)) for each in coalitions(country))
    assert found[True] == 0
    assert found[False] > 0


def test_without_hiding_others_small_counts_follow_from_what_is_shown() -> None:
    country = a_country(Random(0), (2, 2, 3), 0.5, range(12))
    assert attack(country, naive=True) != []
    assert attack(settled(country)) == []


def test_a_place_that_hides_another_was_shown_before_counts_with_its_growth_alone() -> None:
    above = Row(0, 95, (95, *(0,) * 11))
    rows = [Row(1, 50, (50, *(0,) * 11)), Row(2, 45, (45, *(0,) * 11)), Row(3)]
    top(above, K)
    settle(above, rows, K)
    assert [YEAR in row.resolved for row in rows] == [True, True, False]
    above = Row(0, 105, (105, *(0,) * 11))
    rows[0].whole, rows[1].whole, rows[2].whole = 52, 48, 5
    top(above, K)
    settle(above, rows, K)
    # 5 of 105 - 52, with the 45 that were shown, would be told within 8.
    assert not any(YEAR in row.resolved for row in rows)


@pytest.mark.parametrize(
    ("counts", "moved", "fresh", "shown"),
    [
        ((12, 40, 40), 0, {0, 2, 3}, True),
        ((12, 40, 40), -10, {0, 2, 3}, False),  # two of the 12 are left
        ((12, 40, 40), -10, {0}, True),  # any of them may have lost them
        ((0, 40, 40), 10, {0}, True),
        ((0, 0, 0), 10, {0}, True),
        ((0, 0, 0), 20, {0}, False),  # more than 18, the most of two: each has some
        ((0, 0, 0), 20, set(), True),
    ],
)
def test_places_with_old_figures_are_shown_while_their_sum_leaves_k_values_for_each(
    counts: tuple[int, ...], moved: int, fresh: set[int], shown: bool
) -> None:
    """In October the district (0), of which `moved` more are known, and its institutions (1, 2, 3)."""
    rows = [Row(number, 30 + count, (30, count, *(0,) * 10)) for number, count in enumerate(counts, start=1)]
    october = sum(counts) + moved
    above = Row(0, 90 + october, (90, october, *(0,) * 10))
    for row in (above, *rows):
        row.fresh = row.place in fresh
    top(above, K)
    settle(above, rows, K)
    assert all(YEAR in row.resolved for row in rows) == shown


@pytest.mark.parametrize("text", ["2025-09", "2025-Q3", "2025-Q4", "2025-26", "2025", "2026-02-R12"])
def test_every_period_is_made_of_segments(text: str) -> None:
    period = parse(text)
    months = [year * 12 + 8 + month for year, _, mask in segments(period) for month in range(12) if mask >> month & 1]
    assert months == list(range(period.first, period.last + 1))
    assert all(bit & EVERY_SEGMENT for _, bit, _ in segments(period))


@pytest.mark.parametrize("above_fresh", [True, False])
@pytest.mark.parametrize(("places", "k"), [(1, 3), (2, 3), (3, 3), (1, 5), (2, 5), (1, 10), (2, 10)])
def test_old_figures_are_shown_only_while_no_few_are_placed_within_less_than_k(
    places: int, k: int, above_fresh: bool
) -> None:
    """Every country there can be, of few places and a small k: what is possible is counted, not computed."""
    told = 0
    for counts in combinations_with_replacement((0, k, k + 1, 2 * k, 2 * k + 1, 3 * k, 5 * k), places):
        for may_have_become_few in (False, True):
            possible = [
                {*range(max(0, count - k + 1), count + k), *(range(k) if may_have_become_few else ())}
                for count in counts
            ]
            by_difference: dict[int, list[set[int]]] = defaultdict(lambda: [set() for _ in range(places)])
            for true in product(*possible):
                for moved in (0,) if above_fresh else range(-k + 1, k):
                    for seen, value in zip(by_difference[sum(true) - sum(counts) - moved], true, strict=True):
                        seen.add(value)
            for difference, each in by_difference.items():
                total = sum(counts) + difference
                places_few = any(
                    max(values) - min(values) < k - 1 and any(0 < value < k for value in values) for values in each
                )
                if places_few and total >= 0:
                    told += 1
                    shown = [(Row(number, count), count) for number, count in enumerate(counts)]
                    assert not _vague(Row(places, total, fresh=above_fresh), total, shown, k), (counts, difference)
    assert told or not above_fresh
