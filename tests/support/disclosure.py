"""An attacker with linear programming: what can be known of hidden counts from the sums that are shown."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix

SLACK = 1e-6
Cell = Hashable


@dataclass(frozen=True)
class Known:
    """The cells' sum – each times its weight, where there are any – lies from `total` to `total + more`."""

    cells: tuple[Any, ...]
    total: float
    more: float = 0.0
    weights: tuple[float, ...] = ()

    @property
    def weighted(self) -> tuple[tuple[Any, float], ...]:
        """The cells with their weights."""
        return tuple(zip(self.cells, self.weights or (1.0,) * len(self.cells), strict=True))


@dataclass
class Attack:
    """`hidden`: by name the cells that a hidden count is the sum of, what it is, and at least how much it must be."""

    known: Sequence[Known]
    hidden: Mapping[str, tuple[tuple[Any, ...], int, int]]
    k: int

    def bounds(self, names: Sequence[str]) -> dict[str, tuple[float, float]]:
        """From what to what each of these hidden counts can be."""
        empty = [known for known in self.known if not known.total and not known.more]
        nobody = {cell for known in empty for cell, weight in known.weighted if weight}
        every = (cell for sums in (self.known, self.hidden.values()) for each in sums for cell in _cells(each))
        cells = [cell for cell in dict.fromkeys(every) if cell not in nobody]
        place = {cell: number for number, cell in enumerate(cells)}
        # The same sum shown twice is one equation.
        rows = {
            (tuple(sorted((place[cell], by) for cell, by in known.weighted if cell in place)), known.total, known.more)
            for known in self.known
            if known.total or known.more
        }
        exact = [(row, total) for row, total, more in rows if not more]
        at_least = [(row, total, more) for row, total, more in rows if more]
        above = [
            (tuple((place[cell], 1.0) for cell in inside if cell in place), least)
            for inside, _, least in self.hidden.values()
            if least
        ]
        equal = _matrix([row for row, _ in exact], len(cells))
        loose = [*(row for row, _, _ in at_least), *(row for row, _ in above)]
        upper = _matrix([*(row for row, _, _ in at_least), *loose], len(cells))
        if upper is not None:
            upper = upper.multiply(np.array([1.0] * len(at_least) + [-1.0] * len(loose)).reshape(-1, 1)).tocsr()
        limits = [total + more for _, total, more in at_least]
        limits += [-total for _, total, _ in at_least] + [-least for _, least in above]
        found: dict[str, tuple[float, float]] = {}
        solved_before: dict[frozenset[int], tuple[float, float]] = {}
        for name in names:
            wanted = frozenset(place[cell] for cell in self.hidden[name][0] if cell in place)
            if wanted in solved_before:
                found[name] = solved_before[wanted]
                continue
            aim = np.zeros(len(cells))
            aim[list(wanted)] = 1
            ends = []
            for sign in (1, -1):
                solved = linprog(
                    sign * aim,
                    A_eq=equal,
                    b_eq=[total for _, total in exact] if exact else None,
                    A_ub=upper,
                    b_ub=limits or None,
                    bounds=(0, None),
                    method="highs",
                )
                assert solved.status in (0, 3), solved.message
                ends.append(sign * solved.fun if solved.status == 0 else float("inf"))
            found[name] = solved_before[wanted] = (ends[0], ends[1])
        return found

    def pinned(self) -> list[str]:
        """The hidden counts below k that can be one whole number only."""
        names = [name for name, (_, total, _) in self.hidden.items() if total < self.k]
        return [
            f"{name} = {self.hidden[name][1]}"
            for name, (low, high) in self.bounds(names).items()
            if np.floor(high + SLACK) - np.ceil(low - SLACK) < 1
        ]

    def found(self, *, only_small: bool = False) -> list[str]:
        """The hidden counts that are known within less than k; `only_small`: of those below k alone."""
        names = [name for name, (_, total, _) in self.hidden.items() if total < self.k or not only_small]
        return [
            f"{name} = {self.hidden[name][1]}: {low:g}..{high:g}"
            for name, (low, high) in self.bounds(names).items()
            if high - low < self.k - SLACK
        ]


def _cells(each: Known | tuple[tuple[Any, ...], int, int]) -> tuple[Any, ...]:
    return each.cells if isinstance(each, Known) else each[0]


def _matrix(rows: Sequence[Sequence[tuple[int, float]]], width: int) -> Any:
    if not rows:
        return None
    columns = [cell for row in rows for cell, _ in row]
    numbers = [number for number, row in enumerate(rows) for _ in row]
    weights = [weight for row in rows for _, weight in row]
    return csr_matrix((weights, (numbers, columns)), shape=(len(rows), width))
