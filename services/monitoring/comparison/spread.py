"""How values spread among places: quantiles, a histogram, a box figure; and which stand out, by a rule that is said."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from services.monitoring.comparison.noise import Noise, Numbers, Seen

QUANTILES: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Linear between the neighbouring values (type 7 of Hyndman & Fan 1996)."""
MOST_BINS: Final = 24
FENCE: Final = 1.5
"""Tukey's fence: whiskers reach to the last value within so many interquartile ranges of the box."""


@dataclass(frozen=True, slots=True)
class Box:
    """Tukey's box figure: whiskers, quartiles, and how many lie beyond the whiskers."""

    low: float
    lower: float
    median: float
    upper: float
    high: float
    beyond: int


@dataclass(frozen=True, slots=True)
class Spread:
    """How values spread. `bins` are (from, to, count); the last one includes its end."""

    count: int
    least: float
    most: float
    mean: float
    quantiles: dict[float, float]
    box: Box
    bins: list[tuple[float, float, int]]


def spread(values: Numbers) -> Spread | None:
    """The spread of one value or more; None of none.

    Bins are as wide as Freedman & Diaconis (1981) say: twice the interquartile range by the cube root of the number.
    """
    if not len(values):
        return None
    found = np.quantile(values, QUANTILES)
    lower, median, upper = (float(found[QUANTILES.index(each)]) for each in (0.25, 0.5, 0.75))
    reach = FENCE * (upper - lower)
    inside = values[(values >= lower - reach) & (values <= upper + reach)]
    box = Box(float(inside.min()), lower, median, upper, float(inside.max()), len(values) - len(inside))
    return Spread(
        len(values),
        float(values.min()),
        float(values.max()),
        float(values.mean()),
        dict(zip(QUANTILES, map(float, found), strict=True)),
        box,
        _bins(values, upper - lower),
    )


def _bins(values: Numbers, middle: float) -> list[tuple[float, float, int]]:
    low, high = float(values.min()), float(values.max())
    if low == high:
        return [(low, high, len(values))]
    width = 2 * middle / len(values) ** (1 / 3)
    wanted = int(np.ceil((high - low) / width)) if width > (high - low) / MOST_BINS else MOST_BINS
    if middle == 0:
        wanted = int(np.ceil(np.log2(len(values)))) + 1  # Sturges: half of all are equal
    counts, edges = np.histogram(values, bins=min(MOST_BINS, max(1, wanted)))
    return [
        (float(start), float(end), int(count)) for start, end, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]


class Rule(StrEnum):
    """By which rule a place stands out.

    funnel: beyond the 99.8 % limits around the middle value (by size), which are the wider the fewer are counted, and
    widened where places differ more than by chance (Spiegelhalter 2005, Statistics in Medicine 24:1185) · mad: more
    than 3.5 robust deviations from the median (Iglewicz & Hoaglin 1993) · few: too few places to say.
    """

    FUNNEL = "funnel"
    MAD = "mad"
    FEW = "few"


SOURCES: Final = {
    Rule.FUNNEL: "Spiegelhalter (2005), Statistics in Medicine 24:1185",
    Rule.MAD: "Iglewicz & Hoaglin (1993), How to Detect and Handle Outliers",
    Rule.FEW: None,
}
"""Where the rules are published."""
LEAST_PLACES: Final = 8
Z998: Final = 3.090232306167813
MAD_LIMIT: Final = 3.5
WINSOR: Final = 0.1


@dataclass(frozen=True, slots=True)
class Limits:
    """Between which values nothing stands out; `distance` in deviations; `widened`: places differ by nature."""

    rule: Rule
    centre: float
    low: Numbers
    high: Numbers
    distance: Numbers
    widened: bool = False

    @property
    def out(self) -> Numbers:
        """-1 for places below, 1 for those above the limits, 0 for the others."""
        if self.rule is Rule.FEW:
            return np.zeros(len(self.distance))
        limit = Z998 if self.rule is Rule.FUNNEL else MAD_LIMIT
        return np.sign(self.distance) * (np.abs(self.distance) > limit)


def limits(noise: Noise, seen: Seen) -> Limits:
    """Between which values a place of its size does not stand out among the places seen."""
    if len(seen.value) < LEAST_PLACES:
        nothing = np.full(len(seen.value), np.nan)
        return Limits(Rule.FEW, float(np.median(seen.value)) if len(seen.value) else 0.0, nothing, nothing, nothing)
    if noise is Noise.PROPORTION and not np.any(seen.top > seen.size):
        at = np.arcsin(np.sqrt(seen.top / seen.size))
        return _funnel(at, 0.5 / np.sqrt(seen.size), _angle_to_share)
    if noise in (Noise.PROPORTION, Noise.RATE):
        at = np.sqrt(np.maximum(seen.top, 0) / seen.size)
        return _funnel(at, 0.5 / np.sqrt(seen.size), lambda root: np.maximum(root, 0) ** 2)
    if noise is Noise.MEAN and seen.deviation > 0:
        return _funnel(seen.value, seen.deviation / np.sqrt(seen.size), lambda value: value)
    return _by_median(seen.value)


def _angle_to_share(angle: Numbers) -> Numbers:
    return np.asarray(np.sin(np.clip(angle, 0, np.pi / 2)) ** 2, dtype=np.float64)


def _funnel(at: Numbers, error: Numbers, back: Callable[[Numbers], Numbers]) -> Limits:
    """Limits on the scale on which chance spreads all alike; `back` leads to values."""
    centre = middle(at, 1 / error**2)
    distance = (at - centre) / error
    low, high = np.quantile(distance, [WINSOR, 1 - WINSOR])
    places = len(at)
    excess = float(np.mean(np.clip(distance, low, high) ** 2))
    between = 0.0
    widened = excess > 1 + 2 * np.sqrt(2 / places)
    if widened:
        weight = 1 / error**2
        between = max(0.0, (places * excess - (places - 1)) / float(weight.sum() - (weight**2).sum() / weight.sum()))
    wide = np.sqrt(error**2 + between)
    return Limits(
        Rule.FUNNEL,
        float(back(np.asarray([centre]))[0]),
        back(centre - Z998 * wide),
        back(centre + Z998 * wide),
        (at - centre) / wide,
        bool(widened),
    )


def middle(values: Numbers, weight: Numbers) -> float:
    """The value below which half of the weight lies: no large place that stands out draws it to itself."""
    order = np.argsort(values)
    reached = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def _by_median(values: Numbers) -> Limits:
    centre = float(np.median(values))
    distance = np.abs(values - centre)
    # Where more than half are equal the median distance is none: then the mean distance, as its authors advise.
    deviation = float(np.median(distance)) / 0.6745 or float(distance.mean()) * 1.253314
    reach = np.full(len(values), MAD_LIMIT * deviation)
    found = (values - centre) / deviation if deviation else np.zeros(len(values))
    return Limits(Rule.MAD, centre, centre - reach, centre + reach, found)
