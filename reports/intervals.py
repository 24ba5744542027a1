"""Intervals: how far a figure could lie off by the luck of which rows were held out. Seeded: same rows and seed, same bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 200
ROWS_MAX = 20_000
CONFIDENCE = 0.95
NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class Interval:
    """A value and the interval around it; `low` and `high` are NaN where rows did not allow one."""

    value: float
    low: float
    high: float
    confidence: float = CONFIDENCE


def bootstrap(columns: Floats, statistics: dict[str, Callable[[Floats], Floats]], *, seed: int, resamples: int = RESAMPLES,
              rows_max: int = ROWS_MAX) -> dict[str, Interval]:
    """Percentile bootstrap of statistics that depend on the rows only through column means.

    `columns` (k, n): one line per quantity, for example the loss of each row. A statistic maps means (k, m) to (m,). Every statistic
    sees the same resamples, so differences between two of them may be formed inside one statistic (paired).
    Values are exact, over all n rows. For n > `rows_max` the resamples are drawn from a seeded sample of `rows_max` rows and the
    interval's half widths are multiplied by sqrt(rows_max / n) (m out of n bootstrap, Bickel, Götze, van Zwet 1997). Resamples on
    which a statistic is not finite are left out; with n < 2 or no finite one the ends are NaN. Summed without BLAS, so that the
    number of threads changes nothing. Source: Efron 1979, percentile method.
    """
    rows = columns.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = {name: float(statistic(columns.mean(axis=1, keepdims=True))[0]) if rows else float("nan")
                  for name, statistic in statistics.items()}
        if rows < 2:
            return {name: Interval(value, float("nan"), float("nan")) for name, value in values.items()}
        random = np.random.default_rng(seed)
        used = columns if rows <= rows_max else columns[:, np.sort(random.choice(rows, rows_max, replace=False))]
        size = used.shape[1]
        by_row = np.ascontiguousarray(used)
        means = np.stack([by_row.take(random.integers(0, size, size), axis=1).sum(axis=1) for _ in range(resamples)], axis=1) / size
        centre = {name: float(statistic(used.mean(axis=1, keepdims=True))[0]) for name, statistic in statistics.items()}
        return {name: _percentiles(values[name], centre[name], statistic(means), (size / rows) ** 0.5)
                for name, statistic in statistics.items()}


def normal_interval(value: float, variance: float) -> Interval:
    """value ± 1.96 sqrt(variance): the 95 % interval of an estimate that is normal in large samples; NaN ends for a NaN variance."""
    half = NORMAL_95 * float(np.sqrt(max(variance, 0.0))) if variance == variance else float("nan")
    return Interval(value, value - half, value + half)


def auc_components(y: Floats, scores: Floats) -> tuple[float, Floats, Floats]:
    """AUC and DeLong's structural components: (auc, one per positive row, one per negative row).

    `y` (n,) 0/1, `scores` (n,), higher = more positive; ties count half. AUC is the probability that a positive outranks a negative:
    0.5 chance, 1 perfect, 0 perfectly wrong; NaN with one class only. Midranks after Sun and Xu 2014, O(n log n).
    """
    positive, negative = scores[y == 1], scores[y == 0]
    if positive.size == 0 or negative.size == 0:
        return float("nan"), np.empty(0), np.empty(0)
    both = midranks(scores)
    above = (both[y == 1] - midranks(positive)) / negative.size
    below = 1.0 - (both[y == 0] - midranks(negative)) / positive.size
    return float(above.mean()), above, below


def auc_interval(y: Floats, scores: Floats) -> Interval:
    """AUC with the 95 % interval of DeLong's variance on the logit scale, in [0, 1]; NaN where a class has fewer than two rows.

    On the scale of the AUC itself the interval is too short near 1 with few rows of a class: with 15 positives of 300 and an AUC of 0.96
    it held the truth in 82 of 100 simulated samples, on the logit scale in 89; with 10 of 100 and 0.99 in 90 and 97. Where the classes
    lie apart (AUC 0 or 1) DeLong's variance is 0 however few rows there are; then `separated_interval` says how sure that is. Sources:
    DeLong et al. 1988 for the variance; Pepe 2003, 'The Statistical Evaluation of Medical Tests', 5.2.4, for the scale.
    """
    auc, above, below = auc_components(y, scores)
    if min(above.size, below.size) < 2:
        return Interval(auc, float("nan"), float("nan"))
    if auc in {0.0, 1.0}:
        return separated_interval(auc, above.size, below.size)
    return logit_interval(auc, above.var(ddof=1) / above.size + below.var(ddof=1) / below.size)


def logit_interval(value: float, variance: float) -> Interval:
    """95 % interval of a value in (0, 1), normal on the logit scale with the variance of the value itself (delta method)."""
    half = NORMAL_95 * float(np.sqrt(max(variance, 0.0))) / (value * (1 - value))
    middle = float(np.log(value / (1 - value)))
    low, high = (float(1 + np.tanh(end / 2)) / 2 for end in (middle - half, middle + half))
    return Interval(value, min(low, value), max(high, value))


def separated_interval(auc: float, positives: int, negatives: int) -> Interval:
    """95 % score interval of an AUC of exactly 0 or 1 from so many rows of each class: where |auc - t| = 1.96 sqrt(V(t)).

    V(t) = t (1 - t) (1 + N (1 - t) / (2 - t) + N t / (1 + t)) / (positives x negatives), N = (positives + negatives) / 2 - 1. Source:
    Hanley and McNeil 1982 for V; Newcombe 2006, 'Confidence intervals for an effect size measure based on the Mann-Whitney statistic',
    part 2, method 5.
    """
    half = (positives + negatives) / 2 - 1

    def inside(t: float) -> bool:
        variance = t * (1 - t) * (1 + half * (1 - t) / (2 - t) + half * t / (1 + t)) / (positives * negatives)
        return (1 - t) ** 2 <= NORMAL_95**2 * variance

    outer, inner = 0.0, 1.0 - 1e-15  # by symmetry the lower end for an AUC of 1
    for _ in range(60):
        middle = (outer + inner) / 2
        outer, inner = (outer, middle) if inside(middle) else (middle, inner)
    return Interval(1.0, inner, 1.0) if auc == 1.0 else Interval(0.0, 0.0, 1.0 - inner)


def auc_difference(y: Floats, first: Floats, second: Floats) -> Interval:
    """AUC of `first` minus AUC of `second` on the same rows (+: first is better) with DeLong's paired 95 % interval.

    Where both tell the classes wholly apart, but not in the same order of rows, DeLong's variance is 0 however few rows there are; then
    either may be the lower end of `separated_interval` and the other 1.
    """
    auc_first, above_first, below_first = auc_components(y, first)
    auc_second, above_second, below_second = auc_components(y, second)
    above, below = above_first - above_second, below_first - below_second
    if min(above.size, below.size) < 2:
        return Interval(auc_first - auc_second, float("nan"), float("nan"))
    if auc_first == auc_second and auc_first in {0.0, 1.0} and not np.array_equal(midranks(first), midranks(second)):
        half = 1.0 - separated_interval(1.0, above.size, below.size).low
        return Interval(0.0, -half, half)
    return normal_interval(auc_first - auc_second, above.var(ddof=1) / above.size + below.var(ddof=1) / below.size)


def midranks(values: Floats) -> Floats:
    """Ranks 1 … n of `values` (n,), tied values share the mean of their ranks."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.searchsorted(ordered, ordered, side="left")
    last = np.searchsorted(ordered, ordered, side="right")
    ranks = np.empty(values.size)
    ranks[order] = (first + last + 1) / 2
    return ranks


def _percentiles(value: float, centre: float, resampled: Floats, scale: float) -> Interval:
    finite = resampled[np.isfinite(resampled)]
    if finite.size == 0 or value != value:
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(finite, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value, value + (float(low) - centre) * scale, value + (float(high) - centre) * scale)
