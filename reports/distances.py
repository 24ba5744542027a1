"""Distances between two histograms over the same bins: what drift is measured with.

All functions take counts (k,) of the baseline and of the current window, non-negative, same bins in the same order, and return a
plain float. They are 0 for equal shares and do not change when all counts are multiplied by one number. Bins may be reordered
freely, except for `ks` and `wasserstein`, which need ascending values. Empty windows (sum 0) have no shares: NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

EPSILON = 1e-4
Floats = NDArray[np.float64]


def shares(counts: ArrayLike) -> Floats:
    """Counts (k,) divided by their sum; NaN everywhere where the sum is 0."""
    numbers = np.asarray(counts, dtype=np.float64)
    total = numbers.sum()
    return numbers / total if total > 0 else np.full(numbers.shape, np.nan)


def psi(baseline: ArrayLike, current: ArrayLike, *, epsilon: float = EPSILON) -> float:
    """Population stability index: sum over bins of (q - p) ln(q / p), p and q the shares, each at least `epsilon`.

    Range [0, inf): 0 means equal shares; below 0.1 is read as stable, above 0.25 as shifted (a convention of credit scoring).
    `epsilon` (1e-4) replaces smaller shares, without renormalising, so that an empty bin does not make the sum infinite.
    Source: Siddiqi 2006, 'Credit Risk Scorecards', ch. 6; the symmetrised Kullback-Leibler divergence (Jeffreys 1946).
    """
    p, q = np.maximum(shares(baseline), epsilon), np.maximum(shares(current), epsilon)
    return float(np.sum((q - p) * np.log(q / p)))


def jensen_shannon(baseline: ArrayLike, current: ArrayLike) -> float:
    """Jensen-Shannon distance, base 2: sqrt((KL(p, m) + KL(q, m)) / 2) with m = (p + q) / 2.

    Range [0, 1]: 0 means equal shares, 1 no bin in common. Source: Endres and Schindelin 2003 (the square root is a metric);
    equals `scipy.spatial.distance.jensenshannon(p, q, base=2)`.
    """
    p, q = shares(baseline), shares(current)
    middle = (p + q) / 2
    divergence = (_divergence(p, middle) + _divergence(q, middle)) / 2
    return float(np.sqrt(max(divergence, 0.0))) if divergence == divergence else float("nan")


def total_variation(baseline: ArrayLike, current: ArrayLike) -> float:
    """Total variation distance: half the sum of |q - p|, the largest possible difference in the probability of any set of bins.

    Range [0, 1]: 0 means equal shares, 1 no bin in common.
    """
    return float(np.abs(shares(current) - shares(baseline)).sum() / 2)


def ks(baseline: ArrayLike, current: ArrayLike) -> float:
    """Kolmogorov-Smirnov statistic at the bin edges: largest difference of the two cumulated shares, bins in ascending order.

    Range [0, 1]: 0 means equal shares. It is at most the exact two-sample statistic, and falls short of it by at most the largest share
    that a bin of several values holds on both sides: 0.005 with the 200 quantile bins of a profile, in which frequent values have a bin
    of their own. (Inside a bin the difference can rise above that at both edges only by the smaller of the two shares.)
    """
    return float(np.abs(np.cumsum(shares(baseline)) - np.cumsum(shares(current))).max())


def wasserstein(baseline: ArrayLike, current: ArrayLike, *, baseline_sums: ArrayLike, current_sums: ArrayLike, bounds: ArrayLike) -> float:
    """First Wasserstein (earth mover's) distance in the column's unit: the area between the two cumulated shares.

    Takes counts and sums of values per bin (k,) and the bins' `bounds` (k + 1,), ascending: bin i holds values in
    [bounds[i], bounds[i + 1]]. Range [0, inf): 0 means equal; d means that values moved by d on average. Counts and sums give the area
    under each cumulated share exactly, so the result is exact but for bins inside which the two curves cross: there the areas on both sides
    of the crossing are set off against each other, so it is never too large. Equals `scipy.stats.wasserstein_distance` of the rows up to
    that. NaN for an empty side.
    """
    limits = np.asarray(bounds, dtype=np.float64)
    gap = np.concatenate(([0.0], np.cumsum(shares(current) - shares(baseline))))
    with np.errstate(over="ignore", invalid="ignore"):
        above = _above(current, current_sums, limits) - _above(baseline, baseline_sums, limits)
        return float(np.abs(np.diff(limits) * gap[:-1] + above).sum())


def _above(counts: ArrayLike, sums: ArrayLike, limits: Floats) -> Floats:
    """Area that the rows of each bin add under their cumulated share inside it: share x (upper bound - mean of the bin)."""
    numbers = np.asarray(counts, dtype=np.float64)
    if not numbers.sum() > 0:
        return np.full(numbers.shape, np.nan)
    area: Floats = (numbers * limits[1:] - np.asarray(sums, dtype=np.float64)) / numbers.sum()
    return area


def _divergence(p: Floats, q: Floats) -> float:
    """Kullback-Leibler divergence in bits; bins where p is 0 add nothing. NaN shares give NaN."""
    if np.isnan(p).any() or np.isnan(q).any():
        return float("nan")
    used = p > 0
    return float(np.sum(p[used] * np.log2(p[used] / q[used])))
