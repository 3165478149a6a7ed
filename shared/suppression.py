"""Which cells of tables must be hidden so that none of the small ones can be computed from what is shown.

    hide({"a": 4, "b": 30, "c": 66, "all": 100}, [Relation("all", ("a", "b", "c"))], k=10)    # {"a", "b"}

Cells are counts of persons, linked by sums: a question's options and their total, children and parent, rows and
columns. A count below `k` is hidden, zero too: nobody can tell none from a few. Hiding one cell of a sum would be in
vain, so others are hidden with it, the smallest first, until whoever knows all that is shown, and that counts are not
negative, can place no small one within less than `k`: linear programming says which still can be.
"""

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

Cell = TypeVar("Cell", bound=Hashable)
SLACK: Final = 1e-6
FEW: Final = 4
"""So many cells are solved for one by one."""


@dataclass(frozen=True, slots=True)
class Relation:
    """`total` is the sum of `parts`."""

    total: Any
    parts: tuple[Any, ...]

    @property
    def cells(self) -> tuple[Any, ...]:
        """The total, then its parts."""
        return (self.total, *self.parts)


def hide(
    values: Mapping[Cell, int],
    relations: Sequence[Relation],
    k: int,
    *,
    fixed: Collection[Cell] = (),
    hidden: Collection[Cell] = (),
    protect: Collection[Cell] = (),
) -> frozenset[Cell]:
    """The cells to hide; `fixed` ones are shown elsewhere and stay shown, those in `hidden` are hidden already.

    Those in `protect` are hidden and kept from being computed like small ones, whatever their value.

    Where a fixed cell leaves no way to protect a small one, everything around it is hidden and it stays narrow: whoever
    fixes a cell answers for that (a total of `k` or more with two or more parts always leaves a way).
    """
    open_ = set(fixed)
    small = {cell for cell, value in values.items() if value < k and cell not in open_} | set(protect)
    result = small | set(hidden)
    around: dict[Cell, list[Relation]] = {}
    for relation in relations:
        for cell in relation.cells:
            around.setdefault(cell, []).append(relation)

    def widen(candidates: Iterable[Cell]) -> bool:
        free = [cell for cell in candidates if cell not in result and cell not in open_]
        if not free:
            return False
        # By value, then by name: the same table is always hidden in the same way.
        result.add(min(free, key=lambda cell: (values[cell], str(cell))))
        return True

    _complement(values, relations, k, result, widen)
    while narrow := _narrow(values, relations, k, result, small):
        before = len(result)
        for cell in narrow:
            _widen_around(cell, around, result, widen)
        _complement(values, relations, k, result, widen)
        if len(result) == before:
            break
    return frozenset(result)


def _complement(
    values: Mapping[Cell, int], relations: Sequence[Relation], k: int, result: set[Cell], widen: Any
) -> None:
    """No sum with a single hidden cell, and none whose hidden parts together are fewer than k."""
    changed = True
    while changed:
        changed = False
        for relation in relations:
            unknown = [cell for cell in relation.cells if cell in result]
            if not unknown:
                continue
            parts = [cell for cell in unknown if cell != relation.total]
            too_few = relation.total not in result and sum(values[cell] for cell in parts) < k
            if (len(unknown) == 1 or too_few) and (widen(relation.parts) or widen(relation.cells)):
                changed = True


def _widen_around(cell: Cell, around: Mapping[Cell, list[Relation]], result: set[Cell], widen: Any) -> None:
    """Hide one more cell near a narrow one: in its own sums first, then in those of hidden cells linked to it."""
    seen = {cell}
    ring = [cell]
    while ring:
        near = [other for each in ring for relation in around.get(each, ()) for other in relation.cells]
        if widen(near):
            return
        ring = [other for other in dict.fromkeys(near) if other in result and other not in seen]
        seen.update(ring)


def _narrow(
    values: Mapping[Cell, int], relations: Sequence[Relation], k: int, result: set[Cell], small: set[Cell]
) -> list[Cell]:
    """Small cells that somebody who knows what is shown could place within less than k."""
    found: list[Cell] = []
    for cells, equations in _linked(relations, result):
        if len(equations) == 1 and equations[0].total not in result:
            continue  # two or more parts that make k or more together: each may be anything from 0 to their sum
        wanted = [cell for cell in cells if cell in small]
        ranges = bounds(values, equations, cells, wanted, enough=k)
        found += [cell for cell in wanted if ranges[cell][1] - ranges[cell][0] < k - SLACK]
    return found


def _linked(relations: Sequence[Relation], result: set[Cell]) -> Iterator[tuple[list[Cell], list[Relation]]]:
    """Hidden cells that hang together by sums, with these sums."""
    root: dict[Cell, Cell] = {}

    def find(cell: Cell) -> Cell:
        while root.setdefault(cell, cell) != cell:
            root[cell] = root[root[cell]]
            cell = root[cell]
        return cell

    touched = []
    for relation in relations:
        unknown = [cell for cell in relation.cells if cell in result]
        if unknown:
            touched.append((unknown[0], relation))
            for other in unknown[1:]:
                root[find(other)] = find(unknown[0])
    cells: dict[Cell, list[Cell]] = {}
    for cell in list(root):
        cells.setdefault(find(cell), []).append(cell)
    equations: dict[Cell, list[Relation]] = {}
    for cell, relation in touched:
        equations.setdefault(find(cell), []).append(relation)
    for top, group in cells.items():
        if top in equations:
            yield group, equations[top]


def bounds(
    values: Mapping[Cell, int],
    relations: Sequence[Relation],
    unknown: Sequence[Cell],
    wanted: Sequence[Cell],
    *,
    enough: float = float("inf"),
) -> dict[Cell, tuple[float, float]]:
    """From what to what each `wanted` cell can be, for somebody who knows every cell but the `unknown` ones.

    Ranges that are known to be `enough` wide are not made wider: each solution is one for every cell.
    """
    # Loaded by those who solve: a solver weighs as much as a small service.
    import numpy as np
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix

    place = {cell: number for number, cell in enumerate(unknown)}
    rows, columns, signs = [], [], []
    right = np.zeros(len(relations))
    for row, relation in enumerate(relations):
        for cell, sign in [(relation.total, 1), *((part, -1) for part in relation.parts)]:
            if cell in place:
                rows.append(row)
                columns.append(place[cell])
                signs.append(sign)
            else:
                right[row] -= sign * values[cell]
    matrix = csr_matrix((signs, (rows, columns)), shape=(len(relations), len(unknown)))
    low = np.array([values[cell] for cell in unknown], dtype=float)
    high = low.copy()

    def solve(aim: Any) -> bool:
        """Take a solution in; False where there is none, as the aim is unbounded."""
        nonlocal low, high
        solved = linprog(aim, A_eq=matrix, b_eq=right, bounds=(0, None), method="highs")
        if solved.x is not None:
            low, high = np.minimum(low, solved.x), np.maximum(high, solved.x)
        return solved.x is not None

    sought = [place[cell] for cell in wanted]
    if len(sought) > FEW:
        # A solution towards any side moves many cells at once; seeded: a table is always hidden in the same way.
        chance = np.random.default_rng(len(sought))
        left, before = sought, len(sought) + 1
        while FEW < len(left) < before:
            before = len(left)
            aim = np.zeros(len(unknown))
            aim[left] = chance.choice((-1.0, 1.0), len(left))
            solve(aim)
            solve(-aim)
            left = [at for at in left if high[at] - low[at] < enough]
    for at in sought:
        for sign in (1, -1):
            if high[at] - low[at] < enough:
                aim = np.zeros(len(unknown))
                aim[at] = sign
                if not solve(aim):
                    low[at], high[at] = (0.0, high[at]) if sign > 0 else (low[at], np.inf)
    return {cell: (float(low[place[cell]]), float(high[place[cell]])) for cell in wanted}
