"""Mean, spread, confidence interval, reliability and differences, from sums alone; exact integers up to the root."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scipy.special import stdtr, stdtrit

from services.surveys.domain.scoring import THOUSANDTHS

DIGITS: Final = 3
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Sums:
    """Count, sum and sum of squares of a topic's values per response, in thousandths."""

    count: int
    total: int
    squares: int

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.count + other.count, self.total + other.total, self.squares + other.squares)

    @property
    def scatter(self) -> int:
        """n·Σx² − (Σx)²: n·(n − 1) times the sample variance, exact."""
        return self.count * self.squares - self.total * self.total

    @property
    def mean(self) -> float:
        """The mean, in points."""
        return self.total / self.count / THOUSANDTHS

    @property
    def variance(self) -> float | None:
        """The sample variance, in points squared; None of a single value."""
        if self.count < 2:
            return None
        return self.scatter / (self.count * (self.count - 1)) / THOUSANDTHS**2


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two means: the difference, its confidence interval, and how often chance alone would give as much (p)."""

    value: float
    interval: tuple[float, float]
    p: float


def interval(sums: Sums) -> tuple[float, float] | None:
    """The 95 % confidence interval of the mean (Student's t); None of a single value."""
    variance = sums.variance
    if variance is None:
        return None
    half = _half(sums.count - 1, math.sqrt(variance / sums.count))
    return sums.mean - half, sums.mean + half


def _half(freedom: float, error: float) -> float:
    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error


def cronbach_alpha(items: Sequence[Sums], total: Sums) -> float | None:
    """Cronbach's alpha of items that the same responses answered, and of their sum (Cronbach 1951, formula 2).

    None where there is nothing to judge: fewer than two items or responses, or a sum that never varies.
    """
    if len(items) < 2 or total.count < 2 or total.scatter == 0 or any(each.count != total.count for each in items):
        return None
    share = sum(each.scatter for each in items) / total.scatter
    return len(items) / (len(items) - 1) * (1 - share)


def difference(first: Sums, second: Sums) -> Difference | None:
    """first − second of independent groups (Welch 1947); None where one of them can't vary or both never do."""
    a, b = first.variance, second.variance
    if a is None or b is None or a + b == 0:
        return None
    ea, eb = a / first.count, b / second.count
    freedom = (ea + eb) ** 2 / (ea**2 / (first.count - 1) + eb**2 / (second.count - 1))
    return _judged(first.mean - second.mean, math.sqrt(ea + eb), freedom)


def paired(sums: Sums) -> Difference | None:
    """A mean of differences within the same responses against none (paired t)."""
    variance = sums.variance
    if not variance:
        return None
    return _judged(sums.mean, math.sqrt(variance / sums.count), sums.count - 1)


def _judged(value: float, error: float, freedom: float) -> Difference:
    half = _half(freedom, error)
    return Difference(value, (value - half, value + half), min(1.0, 2 * float(stdtr(freedom, -abs(value) / error))))


def shown(value: float | None) -> float | None:
    """A figure as it is shown: three decimals."""
    return None if value is None else round(value, DIGITS)


def shown_pair(pair: tuple[float, float] | None) -> list[float] | None:
    """An interval as it is shown."""
    return None if pair is None else [round(end, DIGITS) for end in pair]
