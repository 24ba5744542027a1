"""How much of a distance may be chance: a test, its correction for many columns, and the rows that a PSI needs.

P-values say whether there is any change at all, which with many rows there always is; so they inform and never decide.
"""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

EXPECTED_MIN = 5.0  # cells expected to hold less are put together: Cochran 1954
CHANCE = 0.05
Floats = NDArray[np.float64]


def chi_square(baseline: ArrayLike, current: ArrayLike) -> tuple[float, int, float]:
    """(statistic, degrees of freedom, p) of the chi-square test that both counts (k,) come from one distribution.

    p in [0, 1]: the chance of a difference at least as large if nothing had changed. Cells in which fewer than 5 rows are expected on a
    side are put together (Cochran 1954). Fewer than two cells left, or an empty side: (nan, 0, nan). Equals
    `scipy.stats.chi2_contingency(..., correction=False)` on the same cells.
    """
    from scipy.special import chdtrc

    table = np.array([np.asarray(baseline, dtype=np.float64), np.asarray(current, dtype=np.float64)])
    totals, rows = table.sum(axis=0), table.sum(axis=1)
    if not (rows > 0).all():
        return float("nan"), 0, float("nan")
    small = totals * rows.min() / rows.sum() < EXPECTED_MIN
    if small.any():
        table = np.column_stack([table[:, ~small], table[:, small].sum(axis=1)])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return float("nan"), 0, float("nan")
    expected = np.outer(rows, table.sum(axis=0)) / rows.sum()
    statistic, freedom = float(((table - expected) ** 2 / expected).sum()), table.shape[1] - 1
    return statistic, freedom, float(chdtrc(freedom, statistic))


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """P-values (n,) adjusted so that calling those at most q "changed" is wrong for at most a share q of them; NaN stays NaN.

    Range [0, 1], never below the p-value itself. Source: Benjamini and Hochberg 1995; equals `scipy.stats.false_discovery_control`.
    """
    found = np.asarray(p_values, dtype=np.float64).copy()
    known = np.flatnonzero(~np.isnan(found))
    order = known[np.argsort(-found[known], kind="stable")]
    ranks = np.arange(order.size, 0, -1)
    found[order] = np.minimum(1.0, np.minimum.accumulate(found[order] * order.size / ranks)) if order.size else found[order]
    return found


def psi_chance(cells: int, baseline_rows: int, current_rows: int) -> float:
    """The PSI that chance alone exceeds once in 20 windows when nothing has changed: (1/n + 1/m) times the 95 % point of chi-square
    with cells - 1 degrees of freedom. 0 for one cell; infinite for an empty side. Source: Yurdakul and Naranjo 2020, 'Statistical
    properties of the population stability index', Journal of Risk Model Validation 14(4)."""
    if cells < 2:
        return 0.0
    if not baseline_rows or not current_rows:
        return float("inf")
    from scipy.special import chdtri

    return float((1 / baseline_rows + 1 / current_rows) * chdtri(cells - 1, CHANCE))


def psi_rows_needed(cells: int, baseline_rows: int, limit: float) -> int:
    """Rows of a window from which chance alone exceeds the limit in fewer than one of 20 windows; with a baseline too small for any
    window, the rows that both would need."""
    if cells < 2:
        return 1
    from scipy.special import chdtri

    critical = float(chdtri(cells - 1, CHANCE))
    left = limit / critical - (1 / baseline_rows if baseline_rows else float("inf"))
    return ceil(1 / left) if left > 0 else ceil(2 * critical / limit)
