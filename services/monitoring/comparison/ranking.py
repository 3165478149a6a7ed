"""Ranks and how sure they are: by the values without noise, with the ranks that chance alone could have given.

An interval holds a place's rank in nine of ten draws of all places' true values from what is believed of them
(Goldstein & Spiegelhalter 1996, JRSS A 159:385). The draws are the same each time: the same numbers give the same
ranks.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from services.monitoring.comparison.noise import TAIL, Draw, Numbers

Integers = np.ndarray[Any, np.dtype[np.int64]]

SEED: Final = 1996
MOST_DRAWN: Final = 4_000_000
FEWEST_DRAWS, MOST_DRAWS = 200, 2_000
DIGITS: Final = 12
"""Values that differ only further behind are equal."""


class Band(StrEnum):
    """Where a place surely stands: in the upper or the lower half – or it can't be told."""

    UPPER = "upper"
    LOWER = "lower"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Ranks:
    """Of each place its rank (1 is best, equals share the better one) and the 90 % interval of ranks."""

    rank: Integers
    best: Integers
    worst: Integers

    def band(self, index: int) -> Band:
        """Where the place surely stands."""
        half = len(self.rank) / 2
        if self.worst[index] <= half:
            return Band.UPPER
        return Band.LOWER if self.best[index] > half else Band.OPEN


def ranks(value: Numbers, draw: Draw | None, *, up: bool = True) -> Ranks:
    """The ranks of values, the highest first where `up`; without a `draw` nothing but equals make them unsure."""
    sign = -1.0 if up else 1.0
    own = np.round(sign * value, DIGITS)
    ordered = np.sort(own)
    rank = np.searchsorted(ordered, own, side="left") + 1
    if draw is None or len(value) < 2:
        return Ranks(rank, rank, np.searchsorted(ordered, own, side="right"))
    return within(rank, sign * draw(np.random.default_rng(SEED), draws_for(len(value))))


def draws_for(places: int) -> int:
    """How often so many places are drawn: fewer times where there are many."""
    return int(np.clip(MOST_DRAWN // max(1, places), FEWEST_DRAWS, MOST_DRAWS))


def within(rank: Integers, drawn: Numbers) -> Ranks:
    """The ranks with their intervals from draws (a row each, the lowest value ranks first)."""
    times, places = drawn.shape
    order = np.argsort(drawn, axis=1)
    found = np.empty((times, places), dtype=np.int32)
    np.put_along_axis(found, order, np.arange(1, places + 1, dtype=np.int32)[None, :], axis=1)
    low, high = int(np.floor(TAIL * (times - 1))), int(np.ceil((1 - TAIL) * (times - 1)))
    found.partition((low, high), axis=0)
    return Ranks(rank, np.minimum(found[low], rank).astype(np.int64), np.maximum(found[high], rank).astype(np.int64))
