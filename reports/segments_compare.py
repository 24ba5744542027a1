"""Whether a group's mean loss differs from that of all other rows: Welch's comparison, for many groups at once and for one with care."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TINY = 1e-300


@dataclass(frozen=True)
class Groups:
    """Rows, mean and variance of the loss per group, and Welch's z of each group against all other rows (0 where undefined)."""

    rows: Floats
    mean: Floats
    variance: Floats
    z: Floats

    def excess(self, place: int, parent: Groups, own: int) -> float:
        """z of a group against the rest of the larger group `own` of `parent` that holds it; infinite where it is all of it."""
        rest = parent.rows[own] - self.rows[place]
        if rest < 2 or self.rows[place] < 2:
            return 0.0
        total = parent.mean[own] * parent.rows[own] - self.mean[place] * self.rows[place]
        error = self.variance[place] / self.rows[place] + parent.variance[own] / rest
        return float((self.mean[place] - total / rest) / np.sqrt(error + TINY))


@dataclass(frozen=True)
class Compared:
    """One group against all other rows: means, one-sided p (larger loss), ends of the interval of the difference."""

    rows: int
    inside: float
    outside: float
    p: float
    low: float
    high: float


def against_rest(loss: Floats, codes: NDArray[np.int64], groups: int) -> Groups:
    """Every group's Welch z; `loss` (n,), `codes` (n,) group of each row, 0 … groups - 1."""
    rows = np.bincount(codes, minlength=groups).astype(np.float64)
    total, squares = np.bincount(codes, loss, groups), np.bincount(codes, loss**2, groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, rest = total / rows, loss.size - rows
        variance = np.maximum(squares - rows * mean**2, 0.0) / (rows - 1)
        mean_rest = (total.sum() - total) / rest
        variance_rest = np.maximum(squares.sum() - squares - rest * mean_rest**2, 0.0) / (rest - 1)
        z = (mean - mean_rest) / np.sqrt(variance / rows + variance_rest / rest)
    return Groups(rows, mean, variance, np.where(np.isfinite(z), z, 0.0))


def welch(loss: Floats, inside: NDArray[np.bool_], *, share_of_alpha: int = 1, confidence: float = 0.95) -> Compared:
    """Rows in `inside` (n,) against the others. Interval: two-sided Welch-Satterthwaite, widened so that `share_of_alpha` of them hold
    together (Bonferroni). Fewer than 2 rows on a side: p = 1 and an interval without bounds. No spread on either side: the difference
    itself, p = 0 where the loss is larger. Source: Welch 1947."""
    from scipy.stats import t

    own, other = loss[inside], loss[~inside]
    means = [float(part.mean()) if part.size else 0.0 for part in (own, other)]
    if min(own.size, other.size) < 2:
        return Compared(own.size, means[0], means[1], 1.0, float("-inf"), float("inf"))
    parts = own.var(ddof=1) / own.size, other.var(ddof=1) / other.size
    error = float(np.sqrt(sum(parts)))
    difference = means[0] - means[1]
    if error == 0.0:
        return Compared(own.size, means[0], means[1], 0.0 if difference > 0 else 1.0, difference, difference)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (own.size - 1) + parts[1] ** 2 / (other.size - 1))
    half = float(t.ppf(1 - (1 - confidence) / 2 / share_of_alpha, freedom)) * error
    return Compared(own.size, means[0], means[1], float(t.sf(difference / error, freedom)), difference - half, difference + half)


def holm(values: list[float]) -> list[float]:
    """p-values made larger so that the chance of one false alarm among them all stays below any level they are held against. Holm 1979."""
    adjusted, worst = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=lambda number: values[number])):
        worst = max(worst, min(1.0, values[place] * (len(values) - rank)))
        adjusted[place] = worst
    return adjusted
