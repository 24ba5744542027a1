"""Figures of predicted numbers on rows whose outcome is known: errors of one prediction, and of predicted quantiles."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.rules.findings import Finding
from reports.intervals import Interval, bootstrap
from reports.intervals_counts import bootstrap_weights
from reports.losses import pinball_rows, squared_rows
from reports.measured import measured

Floats = NDArray[np.float64]
UNIT = "units of the target"


def regression_figures(y: Floats, score: Floats, seed: int) -> list[Finding]:
    """`performance.rmse`, `mae`, `median_ae`, `bias` and `r2`; `y`, `score` (n,), checked. Meanings: `performance.figures_of`."""
    centred = y - y.mean() if y.size else y
    constant = y.size > 0 and float(y.min()) == float(y.max())
    figures = bootstrap(np.stack([squared_rows(y, score), np.abs(score - y), centred, centred**2, score - y]), {
        "rmse": lambda m: np.sqrt(m[0]), "mae": lambda m: m[1], "bias": lambda m: m[4],
        "r2": lambda m: 1 - m[0] / (m[3] - m[2] ** 2)}, seed=seed)
    if constant:  # the variance of the resamples is rounding error
        figures["r2"] = Interval(float("nan"), float("nan"), float("nan"))
    figures["median_ae"] = median_error(y, score, seed=seed)
    why = {"r2": "all outcomes are equal, or there is no row"}
    return [measured(f"performance.{name}", figure, sample_size=y.size, unit="" if name == "r2" else UNIT,
                     why_missing=why.get(name, "no row")) for name, figure in figures.items()]


def median_error(y: Floats, score: Floats, *, seed: int) -> Interval:
    """Median of |score - y| with a seeded bootstrap interval; half of the predictions are closer than this."""
    ordered = np.sort(np.abs(score - y))

    def statistic(weights: Floats) -> float:
        reached = np.cumsum(weights)
        middle = reached[-1] / 2
        return float(ordered[np.searchsorted(reached, middle, side="left")] + ordered[np.searchsorted(reached, middle, side="right")]) / 2
    return bootstrap_weights(y.size, statistic, seed=seed)


def quantile_findings(y: Floats, quantiles: Mapping[float, Floats], *, seed: int = 2013) -> list[Finding]:
    """How good predicted quantiles are: `performance.pinball` per level and `performance.interval_coverage` of the outermost two.

    `quantiles`: level in (0, 1) → predictions (n,). pinball: mean of max(q e, (q - 1) e), e = outcome - prediction, in the unit of the
    target, 0 = perfect; the true quantile has the smallest (Koenker and Bassett 1978); segment `quantile=0.9`. coverage: share of
    outcomes between lowest and highest level, both included; wanted is the distance of the levels, which the detail names. Seeded
    bootstrap. No row: TOO_FEW. Raises `DataError` for levels outside of (0, 1), shapes that do not fit, or missing values.
    """
    levels = sorted(quantiles)
    values = [np.asarray(quantiles[level], dtype=np.float64) for level in levels]
    y = np.asarray(y, dtype=np.float64)
    if not levels or not 0 < levels[0] <= levels[-1] < 1:
        raise DataError("quantile levels must lie between 0 and 1", value=levels)
    if any(value.shape != y.shape or not np.isfinite(value).all() for value in values) or not np.isfinite(y).all():
        raise DataError("quantiles and outcomes do not fit together, or some are missing", value=[value.shape for value in values],
                        allowed=f"{y.shape}, finite")
    losses = np.stack([pinball_rows(y, value, level) for level, value in zip(levels, values, strict=True)])
    found = [measured("performance.pinball", bootstrap(loss[np.newaxis], {"p": lambda m: m[0]}, seed=seed)["p"], sample_size=y.size,
                      unit=UNIT, segment=f"quantile={level:g}", why_missing="no row") for level, loss in zip(levels, losses, strict=True)]
    if len(levels) > 1:
        inside = ((values[0] <= y) & (y <= values[-1])).astype(np.float64)
        wanted = levels[-1] - levels[0]
        found.append(measured("performance.interval_coverage", bootstrap(inside[np.newaxis], {"c": lambda m: m[0]}, seed=seed)["c"],
                              sample_size=y.size, detail={"wanted": wanted, "levels": levels}, why_missing="no row",
                              note=f"Share of outcomes between the quantiles {levels[0]:g} and {levels[-1]:g}; {wanted:.0%} is right."))
    return found
