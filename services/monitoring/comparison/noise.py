"""How much of a value is chance: what each indicator counts, and values drawn to the mean as far as they are noise.

Empirical Bayes. A value of few is drawn towards the mean of all compared, one of many stays: with `size` observations
and a prior worth `strength` of them the weight of the own value is size ÷ (size + strength). Mean and strength are
estimated from the places compared. Sources: Efron & Morris (1975), JASA 70:311; for proportions the beta-binomial
(Kleinman 1973, JASA 68:46), for rates the gamma-Poisson (Clayton & Kaldor 1987, Biometrics 43:671), for means the
normal (Carlin & Louis, Bayes and Empirical Bayes Methods); the prior of the strength by which few places can't feign
certainty is the uniform shrinkage prior (Christiansen & Morris 1997, JASA 92:618). Intervals are the equal-tailed 90 %
of what is then believed of the true value; that mean and strength are estimated too is left out of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import exp, log
from typing import Any, Final

import numpy as np

from services.monitoring.domain.formulas import Indicator, Unit
from services.monitoring.domain.territory import Level

Numbers = np.ndarray[Any, np.dtype[np.float64]]

TAIL: Final = 0.05
"""Of a 90 % interval either end is exceeded once in twenty."""
Z90: Final = 1.6448536269514722
WEAKEST, STRONGEST = -8.0, 12.0
"""Between which logarithms of its ratio to a typical place's size a prior's strength is sought."""


class Noise(StrEnum):
    """What a value is drawn from.

    none: a whole inventory – forms alive, artefacts in force –, which has no noise · proportion: some of so many ·
    rate: so many events for so many places, persons or institutions · mean: of so many answers · growth: a change of
    sums of money, the surer the larger they are.
    """

    NONE = "none"
    PROPORTION = "proportion"
    RATE = "rate"
    MEAN = "mean"
    GROWTH = "growth"


EFRON: Final = "Efron & Morris (1975), JASA 70:311"
RANKS: Final = "Goldstein & Spiegelhalter (1996), JRSS A 159:385"
SOURCES: Final = {
    Noise.NONE: (),
    Noise.PROPORTION: (EFRON, "Kleinman (1973), JASA 68:46", RANKS),
    Noise.RATE: (EFRON, "Clayton & Kaldor (1987), Biometrics 43:671", RANKS),
    Noise.MEAN: (EFRON, RANKS),
    Noise.GROWTH: (EFRON, RANKS),
}
"""Where the methods are published."""

EXCEPTIONS: Final = {"I2": Noise.RATE, "I3": Noise.GROWTH, "VISITS": Noise.RATE}
"""Ratios that are no proportions: applications may be more than places, visits held more than those planned."""


def noise_of(indicator: Indicator, level: Level) -> Noise:
    """What the indicator's values at a level are drawn from."""
    if indicator.code in EXCEPTIONS:
        return EXCEPTIONS[indicator.code]
    match indicator.unit:
        case Unit.SCORE:
            return Noise.MEAN
        case Unit.COUNT | Unit.PERSONS:
            return Noise.RATE
    inventory = indicator.own is not None or indicator.group == "gates"
    return Noise.NONE if inventory and level is Level.INSTITUTION else Noise.PROPORTION


@dataclass(frozen=True, slots=True)
class Seen:
    """Values of places: `top` ÷ `size` (or the value itself and how many answers it is of); `deviation` of answers."""

    value: Numbers
    top: Numbers
    size: Numbers
    deviation: float = 0.0


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed of a place of which nothing is known: the mean, and how many observations that is worth."""

    mean: float
    strength: float


Draw = Callable[["np.random.Generator", int], Numbers]


@dataclass(frozen=True, slots=True)
class Estimates:
    """Of each place the value without noise, its 90 % interval, the own value's weight; and how to draw from it.

    `prior` and `draw` are None where there is no noise to take away.
    """

    value: Numbers
    low: Numbers
    high: Numbers
    weight: Numbers
    prior: Prior | None
    draw: Draw | None


def estimated(noise: Noise, seen: Seen) -> Estimates:
    """The values of the places as far as they are no noise."""
    if noise is Noise.NONE or not len(seen.value):
        return _as_they_are(seen)
    if noise is Noise.PROPORTION and np.any(seen.top > seen.size):
        noise = Noise.RATE
    match noise:
        case Noise.PROPORTION:
            return _proportions(seen, proportion_prior(seen.top, seen.size))
        case Noise.RATE:
            return _rates(seen, rate_prior(seen.top, seen.size))
        case Noise.GROWTH:
            scale = float(np.median(seen.size)) or 1.0
            size = np.maximum(seen.size / scale, 1e-9)
            return _means(Seen(seen.value, seen.top, size, growth_deviation(seen.value, size)))
    return _means(seen)


def _as_they_are(seen: Seen) -> Estimates:
    return Estimates(seen.value, seen.value, seen.value, np.ones(len(seen.value)), None, None)


def _uniform_shrinkage(strength: float, typical: float) -> float:
    """The logarithm of the prior density of log(strength): the weight of a typical place's own value is uniform."""
    return log(strength) + log(typical) - 2 * log(strength + typical)


def _distinct(top: Numbers, size: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Different (top, size) and how many places have them: a level has few different ones."""
    pairs, counts = np.unique(np.stack([top, size], axis=1), axis=0, return_counts=True)
    return pairs[:, 0], pairs[:, 1], counts.astype(np.float64)


def _fitted(start: float, typical: float, low: float, high: float, surprise: Callable[[float, float], float]) -> Any:
    """(place, log strength) at which what was seen surprises least."""
    from scipy.optimize import minimize  # heavy: loaded when first needed

    found = minimize(
        lambda at: surprise(at[0], exp(at[1])) - _uniform_shrinkage(exp(at[1]), typical),
        x0=[start, log(typical)],
        bounds=[(low, high), (log(typical) + WEAKEST, log(typical) + STRONGEST)],
        method="L-BFGS-B",
    )
    return found.x


def proportion_prior(top: Numbers, size: Numbers) -> Prior:
    """Of proportions: the beta distribution under which `top` of `size` surprise least (beta-binomial)."""
    from scipy.special import betaln, expit, logit

    tops, sizes, counts = _distinct(top, size)
    pooled = float(np.clip(top.sum() / size.sum(), 1e-4, 1 - 1e-4))

    def surprise(at: float, strength: float) -> float:
        a, b = expit(at) * strength, expit(-at) * strength
        return -float(counts @ (betaln(tops + a, sizes - tops + b) - betaln(a, b)))

    at, strength = _fitted(float(logit(pooled)), float(np.median(size)), -12.0, 12.0, surprise)
    return Prior(float(expit(at)), exp(strength))


def rate_prior(top: Numbers, size: Numbers) -> Prior:
    """Of rates: the gamma distribution under which `top` events for `size` surprise least (gamma-Poisson)."""
    from scipy.special import gammaln

    tops, sizes, counts = _distinct(top, size)
    pooled = float(max(top.sum() / size.sum(), 1e-6))

    def surprise(at: float, strength: float) -> float:
        a = exp(at) * strength
        return -float(
            counts @ (gammaln(tops + a) - gammaln(a) + a * log(strength) - (a + tops) * np.log(strength + sizes))
        )

    at, strength = _fitted(log(pooled), float(np.median(size)), log(pooled) - 5, log(pooled) + 5, surprise)
    return Prior(exp(at), exp(strength))


def mean_prior(value: Numbers, size: Numbers, deviation: float) -> Prior:
    """Of means: the normal distribution under which they surprise least; its strength is (within ÷ between)²."""
    from scipy.optimize import minimize_scalar

    typical = float(np.median(size))

    def spread(strength: float) -> Numbers:
        return deviation**2 * (1 / size + 1 / strength)

    def centre(strength: float) -> float:
        return float(np.average(value, weights=1 / spread(strength)))

    def surprise(at: float) -> float:
        variance = spread(exp(at))
        distance = value - centre(exp(at))
        likely = -0.5 * float(np.sum(np.log(variance) + distance**2 / variance))
        return -likely - _uniform_shrinkage(exp(at), typical)

    found = minimize_scalar(surprise, bounds=(log(typical) + WEAKEST, log(typical) + STRONGEST), method="bounded")
    strength = exp(float(found.x))
    return Prior(centre(strength), strength)


def growth_deviation(value: Numbers, size: Numbers) -> float:
    """The deviation of a growth of size 1: squares of (bounded) distances are what all have plus what falls with size.

    A moment estimator: least squares with both parts at least zero. Distances are bounded at three robust deviations.
    """
    from scipy.optimize import nnls

    distance = value - np.median(value)
    most = 3 * 1.4826 * float(np.median(np.abs(distance)))
    bounded = np.clip(distance, -most, most) if most > 0 else distance
    parts, _ = nnls(np.stack([np.ones(len(size)), 1 / size], axis=1), bounded**2)
    return float(np.sqrt(parts[1]))


def pooled_deviation(deviation: Numbers, size: Numbers) -> float:
    """The deviation of answers within places, from every place's own."""
    freedom = np.maximum(size - 1, 0)
    total = float(freedom.sum())
    return float(np.sqrt(np.sum(deviation**2 * size) / total)) if total > 0 else 0.0


def _proportions(seen: Seen, prior: Prior) -> Estimates:
    from scipy.special import betaincinv

    a = prior.mean * prior.strength + seen.top
    b = (1 - prior.mean) * prior.strength + seen.size - seen.top
    return Estimates(
        a / (a + b),
        betaincinv(a, b, TAIL),
        betaincinv(a, b, 1 - TAIL),
        seen.size / (seen.size + prior.strength),
        prior,
        lambda random, times: random.beta(a, b, (times, len(a))),
    )


def _rates(seen: Seen, prior: Prior) -> Estimates:
    from scipy.special import gammaincinv

    shape, whole = prior.mean * prior.strength + seen.top, prior.strength + seen.size
    return Estimates(
        shape / whole,
        gammaincinv(shape, TAIL) / whole,
        gammaincinv(shape, 1 - TAIL) / whole,
        seen.size / whole,
        prior,
        lambda random, times: random.standard_gamma(shape, (times, len(shape))) / whole,
    )


def _means(seen: Seen) -> Estimates:
    if seen.deviation <= 0:
        return _as_they_are(seen)
    prior = mean_prior(seen.value, seen.size, seen.deviation)
    weight = seen.size / (seen.size + prior.strength)
    value = prior.mean + weight * (seen.value - prior.mean)
    error = seen.deviation / np.sqrt(seen.size + prior.strength)
    return Estimates(
        value,
        value - Z90 * error,
        value + Z90 * error,
        weight,
        prior,
        lambda random, times: random.normal(value, error, (times, len(value))),
    )
