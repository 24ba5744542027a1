"""Intervals of figures that need more than column means: counts of outcomes, and statistics of the order of the rows. Seeded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reports.intervals import CONFIDENCE, NORMAL_95, RESAMPLES, Interval

Floats = NDArray[np.float64]
TABLE_RESAMPLES = 1_000


def bootstrap_table(table: Floats, statistics: dict[str, Callable[[Floats], Floats]], *, seed: int,
                    resamples: int = TABLE_RESAMPLES) -> dict[str, Interval]:
    """Percentile bootstrap of statistics that depend on the rows only through a table of counts, for example a confusion matrix.

    `table` (a, b): rows per cell. A statistic maps tables (m, a, b) to (m,). Resampling n rows is drawing the table from the
    multinomial distribution with its own shares, so all rows count however many there are. Resamples on which a statistic is not
    finite are left out; without rows every value is NaN. Where all tables say the same (one without an error) the ends are NaN: drawing
    again from rows without an error says nothing about how rare one is. Source: Efron 1979, percentile method.
    """
    counts = np.asarray(table, dtype=np.float64)
    rows = int(counts.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        values = {name: float(statistic(counts[np.newaxis])[0]) if rows else float("nan") for name, statistic in statistics.items()}
        if rows < 2:
            return {name: Interval(value, float("nan"), float("nan")) for name, value in values.items()}
        drawn = np.random.default_rng(seed).multinomial(rows, counts.ravel() / rows, size=resamples).reshape(resamples, *counts.shape)
        return {name: _spread(values[name], statistic(drawn.astype(np.float64))) for name, statistic in statistics.items()}


def bootstrap_weights(rows: int, statistic: Callable[[Floats], float], *, seed: int, resamples: int = RESAMPLES) -> Interval:
    """Percentile bootstrap of one statistic of `rows` rows that takes how often each row was drawn, (rows,) → number.

    For statistics of the order of rows (average precision, median) that are sorted once and then only weighted. Value: every row once.
    Fewer than 2 rows, or all resamples alike: NaN ends. Resamples without a finite statistic are left out.
    """
    if rows == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    value = statistic(np.ones(rows))
    if rows < 2:
        return Interval(value, float("nan"), float("nan"))
    random = np.random.default_rng(seed)
    drawn = [statistic(np.bincount(random.integers(0, rows, rows), minlength=rows).astype(np.float64)) for _ in range(resamples)]
    return _spread(value, np.array(drawn))


def wilson_interval(part: float, whole: float) -> Interval:
    """part / whole with Wilson's 95 % score interval; NaN without a denominator. 0 and 1 have a width too: ten of ten is no certainty."""
    if whole <= 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    share, square = part / whole, NORMAL_95**2
    middle = share + square / (2 * whole)
    spread = NORMAL_95 * (share * (1 - share) / whole + square / (4 * whole**2)) ** 0.5
    low, high = ((middle + side * spread) / (1 + square / whole) for side in (-1, 1))
    return Interval(share, max(0.0, min(low, share)), min(1.0, max(high, share)))


def table_shares(table: Floats) -> dict[str, Interval]:
    """Accuracy, balanced accuracy, precision, recall and F1 of a table of two classes (true, answered) with 95 % intervals.

    Shares: Wilson 1927. balanced_accuracy: mean of both recalls, their distances to Wilson's ends put together (Zou and Donner 2008).
    f1 = 2 j / (1 + j) of the share j of the right ones among all that were or were answered positive: Wilson's ends of j, as F1 rises
    with j. A bootstrap of a table without an error is one point; from 100 rows its precision of 1 held the truth in 59 of 100 samples.
    """
    (tn, fp), (fn, tp) = table.tolist()
    positive, negative, jaccard = wilson_interval(tp, tp + fn), wilson_interval(tn, tn + fp), wilson_interval(tp, tp + fp + fn)
    value = (positive.value + negative.value) / 2
    below, above = (float(np.hypot(*(abs(getattr(one, end) - one.value) for one in (positive, negative)))) / 2 for end in ("low", "high"))
    f1 = Interval(*(2 * end / (1 + end) for end in (jaccard.value, jaccard.low, jaccard.high)))
    return {"accuracy": wilson_interval(tp + tn, tp + tn + fp + fn), "balanced_accuracy": Interval(value, value - below, value + above),
            "f1": f1, "precision": wilson_interval(tp, tp + fp), "recall": positive}


def centred(value: float, drawn: Floats) -> Interval:
    """The middle 95 % of the finite draws, moved so that their mean is the value.

    For figures whose resamples lie to one side of their own value (an error that luck adds to once more in every resample): the spread
    of the draws is right, their place is not.
    """
    finite = drawn[np.isfinite(drawn)]
    return quantiles(value, finite - finite.mean() + value) if finite.size else quantiles(value, finite)


def unflattered(value: float, drawn: Floats) -> Interval:
    """The middle 95 % of the finite draws, moved to the other side of the value by as much as they lie off it; the value stays inside.

    For figures from a fit whose resamples are fitted once more: what the second fit flatters, the first one did already (bias-corrected
    bootstrap, Efron and Tibshirani 1993, 10.6). The value itself is left as it is defined.
    """
    finite = drawn[np.isfinite(drawn)]
    if not finite.size or value != value:
        return quantiles(value, finite)
    found = quantiles(value, finite - 2 * (finite.mean() - value))
    return Interval(value, min(found.low, value), max(found.high, value))


def quantiles(value: float, drawn: Floats, confidence: float = CONFIDENCE) -> Interval:
    """The value with the middle `confidence` of the finite draws around it; NaN ends where there is none, or no value."""
    finite = drawn[np.isfinite(drawn)]
    if finite.size == 0 or value != value:
        return Interval(value, float("nan"), float("nan"), confidence)
    low, high = np.quantile(finite, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high), confidence)


def _spread(value: float, drawn: Floats) -> Interval:
    """`quantiles` of the draws, or no ends where they are all alike."""
    finite = drawn[np.isfinite(drawn)]
    alike = finite.size > 0 and float(finite.min()) == float(finite.max())
    return Interval(value, float("nan"), float("nan")) if alike else quantiles(value, finite)
