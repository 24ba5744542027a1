"""How far differences and ratios between groups may lie off by luck, and how many rows it takes to see one.

Nothing is drawn at random: intervals of one group are Wilson's (shares) or Student's (means), and those of a comparison follow from them
by the method of variance estimates recovery. They keep their meaning for rare groups and for shares of 0 or 1, where resampling gives
either nothing or an interval without width.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from reports.intervals import Interval

Floats = NDArray[np.float64]
ALPHA, POWER = 0.05, 0.8
FORMULA = ("n = [z(1-α/2)·sqrt((1+1/r)·p̄·(1-p̄)) + z(power)·sqrt(p1·(1-p1) + p2·(1-p2)/r)]² / δ², p̄ = (p1 + r·p2)/(1 + r), rounded up; "
           "p1 the share among all rows, p2 = p1 ± δ towards one half, r = rows of the largest group per row of this one")


@dataclass(frozen=True)
class Figures:
    """One figure per group: values and the ends of their intervals, each (k,). NaN where a group has no denominator."""

    value: Floats
    low: Floats
    high: Floats


def quantile(comparisons: int = 1) -> float:
    """Normal quantile of a two-sided 95 % interval, shared among several comparisons (Bonferroni): 1.96 for one."""
    return NormalDist().inv_cdf(1 - ALPHA / 2 / max(comparisons, 1))


def shares(hits: Floats, rows: Floats, *, comparisons: int = 1) -> Figures:
    """`hits` of `rows` per group (k,) with Wilson's score interval, range [0, 1]; NaN where `rows` is 0. Source: Wilson 1927.

    With 0 hits the lower end is exactly 0, with as many hits as rows the upper end is exactly 1.
    """
    z = quantile(comparisons)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = hits / rows
        spread = z * np.sqrt(p * (1 - p) / rows + z**2 / (4 * rows**2))
        middle, scale = p + z**2 / (2 * rows), 1 + z**2 / rows
        low, high = (middle - spread) / scale, (middle + spread) / scale
    low = np.where(hits <= 0, 0.0 * p, np.minimum(low, p))
    high = np.where(hits >= rows, 1.0 + 0.0 * p, np.maximum(high, p))
    return Figures(p, low, high)


def means(total: Floats, squares: Floats, rows: Floats, *, comparisons: int = 1) -> Figures:
    """Mean per group from sum, sum of squares and rows (k,) with Student's interval; NaN with 0 rows, without width unknown below 2.

    Student's quantile is expanded from the normal one to the second order in 1/(n - 1), exact to 1 % from 10 rows on
    (Abramowitz and Stegun 26.7.5).
    """
    z = quantile(comparisons)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / rows
        variance = np.maximum(squares / rows - mean**2, 0.0) * rows / (rows - 1)
        free = rows - 1
        student = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
        half = student * np.sqrt(variance / rows)
    half = np.where(rows < 2, np.nan, half)
    return Figures(mean, mean - half, mean + half)


def pairs_of(groups: int, parts: int = 1) -> int:
    """Comparisons that a figure over `groups` groups makes: every pair, for each of its parts."""
    return max(1, groups * (groups - 1) // 2) * parts


def difference(found: Figures) -> Interval:
    """Largest minus smallest value, range [0, inf), 0 = equal. Low: what some pair surely differs by; high: what no pair exceeds.

    Per pair: d - sqrt((p1-l1)² + (u2-p2)²) to d + sqrt((u1-p1)² + (p2-l2)²). Source: Newcombe 1998, method 10; Zou and Donner 2008.
    Give figures whose intervals are shared among all pairs (`pairs_of`). NaN where any value is NaN.
    """
    p, below, above = found.value, found.value - found.low, found.high - found.value
    if p.size == 0 or not np.isfinite(p).all():
        return Interval(float("nan"), float("nan"), float("nan"))
    gap = p[:, None] - p[None, :]
    low = gap - np.hypot(below[:, None], above[None, :])
    high = gap + np.hypot(above[:, None], below[None, :])
    np.fill_diagonal(low, 0.0)
    np.fill_diagonal(high, 0.0)
    return Interval(float(gap.max()), float(max(low.max(), 0.0)), float(high.max()))


def ratio(found: Figures) -> Interval:
    """Smallest over largest value, range [0, 1], 1 = equal; NaN where all are 0 or any is NaN or negative.

    Per pair on the logarithmic scale (Zou and Donner 2008): r·exp(-sqrt(ln²(p1/l1) + ln²(u2/p2))) to r·exp(sqrt(ln²(u1/p1) +
    ln²(p2/l2))); with p1 = 0 from 0 to u1/l2. High is at most 1.
    """
    p = found.value
    if p.size == 0 or not np.isfinite(p).all() or p.min() < 0 or p.max() <= 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    lows, highs = [], []
    for place, under in enumerate(p):
        for other, over in enumerate(p):
            if place != other and over > 0:
                ends = _ratio(under, found.low[place], found.high[place], over, found.low[other], found.high[other])
                lows.append(ends[0])
                highs.append(ends[1])
    return Interval(float(p.min() / p.max()), min(lows, default=1.0), min(1.0, *highs) if highs else 1.0)


def _ratio(p1: float, l1: float, u1: float, p2: float, l2: float, u2: float) -> tuple[float, float]:
    """Ends of p1 / p2 for p2 > 0."""
    if p1 <= 0:
        return 0.0, float(u1 / l2) if l2 > 0 else float("inf")
    r = p1 / p2
    low = 0.0 if l1 <= 0 else float(r * np.exp(-np.hypot(np.log(p1 / l1), np.log(u2 / p2))))
    high = float("inf") if l2 <= 0 else float(r * np.exp(np.hypot(np.log(u1 / p1), np.log(p2 / l2))))
    return low, high


def worst(parts: list[Interval], *, is_ratio: bool) -> Interval:
    """The worst of several differences (largest) or ratios (smallest), end by end. NaN where any is."""
    if any(part.value != part.value for part in parts):
        return Interval(float("nan"), float("nan"), float("nan"))
    pick = min if is_ratio else max
    return Interval(pick(part.value for part in parts), pick(part.low for part in parts), pick(part.high for part in parts))


def rows_to_see(share: float, delta: float, allocation: float = 1.0) -> int:
    """Rows that a group needs so that a difference of `delta` between two shares is found with 80 % power at a 5 % error, two-sided.

    `share` in [0, 1]: the share among all; `allocation` >= 1: rows of the largest group per row of this one. FORMULA says how.
    Source: Fleiss, Levin, Paik 2003, 'Statistical Methods for Rates and Proportions', 4.2, without continuity correction.
    `rows_to_see(0.5, 0.1)` = 388.
    """
    p1 = min(max(share, 0.0), 1.0)
    p2 = p1 + delta if p1 <= 0.5 else p1 - delta
    p2 = min(max(p2, 0.0), 1.0)
    r = max(allocation, 1e-9)
    pooled = (p1 + r * p2) / (1 + r)
    z_alpha, z_power = NormalDist().inv_cdf(1 - ALPHA / 2), NormalDist().inv_cdf(POWER)
    root = z_alpha * sqrt((1 + 1 / r) * pooled * (1 - pooled)) + z_power * sqrt(p1 * (1 - p1) + p2 * (1 - p2) / r)
    return max(1, ceil(root**2 / delta**2))


def rows_to_see_mean(variance: float, delta: float, allocation: float = 1.0) -> int:
    """The same for a difference of two means with a common variance: n = (z(1-α/2) + z(power))²·(1 + 1/r)·variance / delta²."""
    z = NormalDist().inv_cdf(1 - ALPHA / 2) + NormalDist().inv_cdf(POWER)
    return max(1, ceil(z**2 * (1 + 1 / max(allocation, 1e-9)) * max(variance, 0.0) / delta**2))
