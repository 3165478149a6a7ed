"""What of a topic may be shown: its moments where they pin no small count, and its options where none can be computed.

Mean and spread are equations on the counts of the ratings: from a mean of 100 it follows that nobody chose less. So a
spread, or a mean, is shown only where the counts could be others with the same figures, and hidden options are chosen
so that these figures don't solve them. Who notes them at every release has equations on each step, the answers that a
release added: the counts must be able to be others within one step whose own figures stay as they are. Then those of
all releases do. Questions share no sum, but that one asked on a condition tells by its count how many met it: it is
shown only where that is shown too.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product
from operator import ge
from typing import Final

import numpy as np

from shared.suppression import Relation, hide

REACH: Final = 3
"""How far counts are moved to see whether others would give the same figures; what is not found so counts as pinned."""
ALL: Final = 2
"""All moments: mean and spread."""
STEPS: Final = 24
"""So many steps are kept of a topic, its first ones: what no move within them reaches counts as pinned."""
Steps = Sequence[Sequence[int]]
"""Counts of the ratings, from the lowest to the highest, that each release added."""
_ALL: Final = "="


def hidden_choices(counts: Mapping[str, int], k: int, *, several: bool, base: int) -> frozenset[str]:
    """Options to hide of a question without moments; with `several` answers each option is a table of its own."""
    if several:
        return frozenset(option for option, count in counts.items() if count < k or base - count < k)
    options = tuple(sorted(counts))
    if base < k:
        return frozenset(options)
    if len(options) < 2:
        return frozenset()  # the one answer there is: its count is the total's
    named = {f"{_ALL}{option}": counts[option] for option in options}
    found = hide({**named, _ALL: base}, [Relation(_ALL, tuple(named))], k, fixed={_ALL})
    return frozenset(name.removeprefix(_ALL) for name in found)


def moments(counts: Sequence[int], k: int, steps: Steps = ()) -> int:
    """How many moments may be shown beside the count: 2 mean and spread, 1 the mean, 0 none.

    `counts` are those of the ratings from the lowest to the highest, equally spaced, none of them shown; `steps` what
    each release added to them, where they were released more than once: never fewer are shown after a further one.
    """
    everything = frozenset(range(len(counts)))
    return next((number for number in (2, 1) if not _pinned(tuple(counts), everything, number, k, steps)), 0)


def hidden_ratings(counts: Sequence[int], k: int, shown_moments: int, steps: Steps = ()) -> frozenset[int]:
    """Places of the ratings to hide where so many moments are shown: `moments` of the same counts, or fewer."""
    hidden = {place for place, count in enumerate(counts) if count < k}
    if not hidden:
        return frozenset()
    by_size = sorted(range(len(counts)), key=lambda place: (counts[place], place))
    for place in by_size:
        enough = len(hidden) > 1 and sum(counts[each] for each in hidden) >= k
        if enough and not _pinned(tuple(counts), frozenset(hidden), shown_moments, k, steps):
            break
        hidden.add(place)
    return frozenset(hidden)


def _pinned(counts: tuple[int, ...], hidden: frozenset[int], number: int, k: int, steps: Steps) -> bool:
    """Whether a small hidden count follows from the count, `number` moments and the counts that are not hidden.

    Count and moments of every step are known, too.
    """
    wanted = {place for place in hidden if counts[place] < k}
    if not wanted:
        return False
    places = sorted(hidden)
    within = [[step[place] for place in places] for step in steps or (counts,)]
    for move in _moves(tuple(places), number):
        moved = wanted.intersection(place for place, by in zip(places, move, strict=True) if by)
        taken = tuple(-by for by in move)
        if moved and any(all(map(ge, step, taken)) for step in within):
            wanted -= moved
            if not wanted:
                return False
    return True


@lru_cache(maxsize=4096)
def _moves(places: tuple[int, ...], number: int) -> tuple[tuple[int, ...], ...]:
    """Small changes of the counts at `places` that leave count and `number` moments as they are."""
    reach = REACH * 3 if len(places) <= 3 else REACH if len(places) <= 6 else 1
    # All but the last number + 1 are chosen freely; the rest follows from the equations.
    free = len(places) - number - 1
    if free < 1:
        return ()
    powers = np.array([[place**power for place in places] for power in range(number + 1)], dtype=float)
    choices = np.array(list(product(range(-reach, reach + 1), repeat=free)), dtype=float)
    rest = np.linalg.solve(powers[:, free:], -powers[:, :free] @ choices.T).T
    whole = np.all(np.abs(rest - np.round(rest)) < 1e-6, axis=1) & np.any(choices != 0, axis=1)
    moves = np.hstack([choices, np.round(rest)])[whole].astype(int)
    moves = moves[np.argsort(np.abs(moves).sum(axis=1), kind="stable")]
    return tuple(tuple(int(step) for step in move) for move in moves)
