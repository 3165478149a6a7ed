"""What is hidden stays hidden from an attacker who knows all that is shown and every sum, with integer programming."""

import random
from collections.abc import Collection, Hashable, Mapping, Sequence

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from shared.suppression import Relation, hide

K = 10
Values = Mapping[Hashable, int]


def recovered(values: Values, relations: Sequence[Relation], hidden: Collection[Hashable]) -> list[Hashable]:
    """Small cells whose value the attacker knows for sure."""
    unknown = sorted(hidden, key=str)
    place = {cell: number for number, cell in enumerate(unknown)}
    if not unknown:
        return []
    rows, right = [], []
    for relation in relations:
        row, known = np.zeros(len(unknown)), 0
        for cell, sign in [(relation.total, 1), *((part, -1) for part in relation.parts)]:
            if cell in place:
                row[place[cell]] += sign
            else:
                known += sign * values[cell]
        if row.any():
            rows.append(row)
            right.append(-known)
    if not rows:
        return []
    found = []
    for cell in unknown:
        if values[cell] >= K:
            continue
        ends = []
        for sign in (1, -1):
            aim = np.zeros(len(unknown))
            aim[place[cell]] = sign
            limits = LinearConstraint(np.array(rows), right, right)
            answer = milp(aim, constraints=limits, integrality=np.ones(len(unknown)), bounds=Bounds(0, np.inf))
            ends.append(None if answer.x is None else round(answer.x[place[cell]]))
        if ends[0] is not None and ends[0] == ends[1]:
            found.append(cell)
    return found


def a_table(rows: int, columns: int, chance: random.Random, most: int) -> tuple[dict[Hashable, int], list[Relation]]:
    """A table with its margins: places by options, places by professions, waves by campaigns."""
    values: dict[Hashable, int] = {
        (row, column): chance.choice([0, chance.randint(0, K), chance.randint(0, most)])
        for row in range(rows)
        for column in range(columns)
    }
    relations = []
    for row in range(rows):
        parts = tuple((row, column) for column in range(columns))
        values[row, "all"] = sum(values[part] for part in parts)
        relations.append(Relation((row, "all"), parts))
    for column in [*range(columns), "all"]:
        parts = tuple((row, column) for row in range(rows))
        values["all", column] = sum(values[part] for part in parts)
        relations.append(Relation(("all", column), parts))
    relations.append(Relation(("all", "all"), tuple(("all", column) for column in range(columns))))
    return values, relations


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 7), st.integers(0, 10**9), st.sampled_from([20, 100, 5000]))
def test_no_small_cell_of_a_table_with_margins_is_recovered(rows: int, columns: int, seed: int, most: int) -> None:
    values, relations = a_table(rows, columns, random.Random(seed), most)
    hidden = hide(values, relations, K)
    assert {cell for cell, value in values.items() if value < K} <= hidden
    assert recovered(values, relations, hidden) == []


@settings(max_examples=12, deadline=None)
@given(st.integers(2, 5), st.integers(2, 6), st.integers(0, 10**9))
def test_margins_that_are_shown_elsewhere_leave_a_way(rows: int, columns: int, seed: int) -> None:
    chance = random.Random(seed)
    values, relations = a_table(rows, columns, chance, 200)
    base = {cell for cell in values if cell[1] == "all"}  # type: ignore[index]
    assume(all(values[cell] >= K for cell in base))
    hidden = hide(values, relations, K, fixed=base)
    assert base.isdisjoint(hidden)
    assert recovered(values, relations, hidden) == []


def test_primary_suppression_alone_would_not_do() -> None:
    values, relations = a_table(8, 4, random.Random(5), 60)
    small = {cell for cell, value in values.items() if value < K}
    assert recovered(values, relations, small) != []
    assert recovered(values, relations, hide(values, relations, K)) == []


def test_of_one_question_only_as_much_is_hidden_as_must_be() -> None:
    values = {"a": 4, "b": 30, "c": 66, "all": 100}
    assert hide(values, [Relation("all", ("a", "b", "c"))], K) == {"a", "b"}
    assert hide({"a": 40, "b": 60, "all": 100}, [Relation("all", ("a", "b"))], K) == frozenset()


def test_several_small_cells_that_make_k_together_need_no_other() -> None:
    values = {"a": 4, "b": 6, "c": 90, "all": 100}
    assert hide(values, [Relation("all", ("a", "b", "c"))], K) == {"a", "b"}
