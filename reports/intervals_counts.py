"""Intervals of figures that need more than column means: counts of outcomes, and statistics of the order of the rows. Seeded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reports.intervals import CONFIDENCE, RESAMPLES, Interval

Floats = NDArray[np.float64]
TABLE_RESAMPLES = 1_000


def bootstrap_table(table: Floats, statistics: dict[str, Callable[[Floats], Floats]], *, seed: int,
                    resamples: int = TABLE_RESAMPLES) -> dict[str, Interval]:
    """Percentile bootstrap of statistics that depend on the rows only through a table of counts, for example a confusion matrix.

    `table` (a, b): rows per cell. A statistic maps tables (m, a, b) to (m,). Resampling n rows is drawing the table from the
    multinomial distribution with its own shares, so all rows count however many there are. Resamples on which a statistic is not
    finite are left out; without rows every value is NaN. Source: Efron 1979, percentile method.
    """
    counts = np.asarray(table, dtype=np.float64)
    rows = int(counts.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        values = {name: float(statistic(counts[np.newaxis])[0]) if rows else float("nan") for name, statistic in statistics.items()}
        if rows < 2:
            return {name: Interval(value, float("nan"), float("nan")) for name, value in values.items()}
        drawn = np.random.default_rng(seed).multinomial(rows, counts.ravel() / rows, size=resamples).reshape(resamples, *counts.shape)
        return {name: quantiles(values[name], statistic(drawn.astype(np.float64))) for name, statistic in statistics.items()}


def bootstrap_weights(rows: int, statistic: Callable[[Floats], float], *, seed: int, resamples: int = RESAMPLES) -> Interval:
    """Percentile bootstrap of one statistic of `rows` rows that takes how often each row was drawn, (rows,) → number.

    For statistics of the order of rows (average precision, median) that are sorted once and then only weighted. Value: every row once.
    Fewer than 2 rows: NaN ends. Resamples without a finite statistic are left out.
    """
    if rows == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    value = statistic(np.ones(rows))
    if rows < 2:
        return Interval(value, float("nan"), float("nan"))
    random = np.random.default_rng(seed)
    drawn = [statistic(np.bincount(random.integers(0, rows, rows), minlength=rows).astype(np.float64)) for _ in range(resamples)]
    return quantiles(value, np.array(drawn))


def centred(value: float, drawn: Floats) -> Interval:
    """The middle 95 % of the finite draws, moved so that their mean is the value.

    For figures whose resamples lie to one side of their own value (an error that luck adds to once more in every resample): the spread
    of the draws is right, their place is not.
    """
    finite = drawn[np.isfinite(drawn)]
    return quantiles(value, finite - finite.mean() + value) if finite.size else quantiles(value, finite)


def quantiles(value: float, drawn: Floats, confidence: float = CONFIDENCE) -> Interval:
    """The value with the middle `confidence` of the finite draws around it; NaN ends where there is none, or no value."""
    finite = drawn[np.isfinite(drawn)]
    if finite.size == 0 or value != value:
        return Interval(value, float("nan"), float("nan"), confidence)
    low, high = np.quantile(finite, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high), confidence)
