"""Is it more than noise? Exact tests over many places at once, and what their number does to their meaning."""

from collections.abc import Sequence
from math import sqrt
from typing import Any, Final

import numpy as np

Numbers = np.ndarray[Any, np.dtype[np.float64]]

Z90: Final = 1.6448536269514722
"""Two-sided 90 %: each end is exceeded by chance once in twenty."""


def fewer_of_as_many(after: Sequence[int], of: Sequence[int], before: Sequence[int], out_of: Sequence[int]) -> Numbers:
    """One-sided Fisher: the chance of at most `after` of `of`, had the proportion stayed that of before and after."""
    from scipy.stats import hypergeom  # heavy: loaded when first needed

    x1, n1, x0, n0 = (np.asarray(each, dtype=np.int64) for each in (after, of, before, out_of))
    return np.asarray(hypergeom.cdf(x1, n1 + n0, x1 + x0, n1), dtype=np.float64)


def lower_rate(
    after: Sequence[int], time: Sequence[float], before: Sequence[int], time_before: Sequence[float]
) -> Numbers:
    """One-sided exact test of two Poisson rates (conditional binomial): the chance of at most `after` of all events."""
    from scipy.stats import binom  # heavy: loaded when first needed

    x1, x0 = np.asarray(after, dtype=np.int64), np.asarray(before, dtype=np.int64)
    t1, t0 = np.asarray(time, dtype=np.float64), np.asarray(time_before, dtype=np.float64)
    return np.asarray(binom.cdf(x1, x1 + x0, t1 / (t1 + t0)), dtype=np.float64)


def below_proportion(found: Sequence[int], of: Sequence[int], expected: Sequence[float]) -> Numbers:
    """The chance of at most `found` of `of` where the proportion is the expected one (binomial)."""
    from scipy.stats import binom  # heavy: loaded when first needed

    return np.asarray(binom.cdf(np.asarray(found), np.asarray(of), np.clip(expected, 0, 1)), dtype=np.float64)


def below_rate(found: Sequence[int], expected: Sequence[float]) -> Numbers:
    """The chance of at most `found` events where so many are expected (Poisson)."""
    from scipy.stats import poisson  # heavy: loaded when first needed

    return np.asarray(poisson.cdf(np.asarray(found), np.asarray(expected, dtype=np.float64)), dtype=np.float64)


def falling(series: Sequence[Sequence[float]]) -> Numbers:
    """One-sided Mann–Kendall of each series: the chance of so steady a fall without a trend; 1 for a constant one."""
    from scipy.stats import kendalltau  # heavy: loaded when first needed

    found = []
    for values in series:
        if len(values) < 4 or min(values) == max(values):
            found.append(1.0)
        else:
            found.append(float(kendalltau(range(len(values)), values, alternative="less").pvalue))
    return np.asarray(found, dtype=np.float64)


def adjusted(chances: Numbers) -> Numbers:
    """Benjamini–Hochberg: among those up to a, no more than the share a are expected to be false alarms."""
    from scipy.stats import false_discovery_control  # heavy: loaded when first needed

    return np.asarray(false_discovery_control(chances), dtype=np.float64) if len(chances) else chances


def interval(found: int, of: int) -> tuple[float, float]:
    """Wilson's 90 % interval of a proportion."""
    share = found / of
    centre = share + Z90**2 / (2 * of)
    half = Z90 * sqrt(share * (1 - share) / of + Z90**2 / (4 * of**2))
    whole = 1 + Z90**2 / of
    return max(0.0, (centre - half) / whole), min(1.0, (centre + half) / whole)


def differ(after: int, of: int | None, before: int, out_of: int | None) -> float:
    """Two-sided: the chance that two values differ so by noise; proportions, rates or, without denominators, counts."""
    if of and out_of and after <= of and before <= out_of:
        less = fewer_of_as_many([after], [of], [before], [out_of])[0]
        more = fewer_of_as_many([before], [out_of], [after], [of])[0]
    else:
        time, time_before = (float(of), float(out_of)) if of and out_of else (1.0, 1.0)
        less = lower_rate([after], [time], [before], [time_before])[0]
        more = lower_rate([before], [time_before], [after], [time])[0]
    return float(min(1.0, 2 * min(less, more)))
