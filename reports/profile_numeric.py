"""Counting numeric and date columns: one sort per batch gives bins, sums, moments, quantiles and the exact counts."""

from __future__ import annotations

import sys
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.errors import DataError
from reports.profile_columns import NumericProfile, merge_moments, saturated
from reports.profile_sketch import QuantileSketch, Runner, Summary, summarised

BINS = 200
Floats = NDArray[np.float64]


class NumericCounter:
    """The profile of a column, batch by batch; memory does not depend on the rows."""

    def __init__(self, edges: list[float], kind: Literal["numeric", "date"] = "numeric") -> None:
        self._kind: Literal["numeric", "date"] = kind
        self._edges = np.asarray(edges, dtype=np.float64)
        self._rows = self._missing = self._infinite = self._zero = 0
        self._moments = (0, 0.0, 0.0)
        self._range: tuple[float, float] | None = None
        self._counts = np.zeros(len(edges) + 1, dtype=np.int64)
        self._sums = np.zeros(len(edges) + 1)
        self._sketch = Runner()

    def add(self, ordered: Floats) -> None:
        """Take in one batch, ascending (n,): -inf first, +inf and then NaN (missing) last, as `ordered_values` gives it."""
        low, high = int(np.searchsorted(ordered, -np.inf, side="right")), int(np.searchsorted(ordered, np.inf, side="left"))
        values = int(np.searchsorted(ordered, np.nan, side="left"))
        finite = ordered[low:high]
        self._rows += ordered.size
        self._missing += ordered.size - values
        self._infinite += low + values - high
        if finite.size == 0:
            return
        self._zero += int(np.searchsorted(finite, 0.0, side="right") - np.searchsorted(finite, 0.0, side="left"))
        with np.errstate(over="ignore", invalid="ignore"):
            self._moments = merge_moments(self._moments, _moments(finite))
            self._count_bins(finite)
        known = self._range or (np.inf, -np.inf)
        self._range = min(known[0], float(finite[0])), max(known[1], float(finite[-1]))
        self._sketch.add(summarised(finite))

    def profile(self) -> NumericProfile:
        """What was counted so far."""
        low, high = self._range or (None, None)
        return NumericProfile(
            kind=self._kind, rows=self._rows, missing=self._missing, infinite=self._infinite, zero=self._zero, count=self._moments[0],
            mean=self._moments[1], m2=self._moments[2], minimum=low, maximum=high, edges=self._edges.tolist(),
            counts=self._counts.tolist(), sums=saturated(self._sums), sketch=QuantileSketch.of(self._sketch.total()))

    def _count_bins(self, finite: Floats) -> None:
        starts = np.concatenate(([0], np.searchsorted(finite, self._edges, side="left")))
        counts = np.diff(np.append(starts, finite.size))
        filled = counts > 0
        self._counts += counts
        self._sums[filled] += np.add.reduceat(finite, starts[filled])


def ordered_values(series: pl.Series, kind: str) -> Floats:
    """The column as ascending float64 (n,), NaN where missing, dates as seconds since 1970; `DataError` for a type that does not fit."""
    if kind == "date":
        if series.dtype not in (pl.Date, pl.Null) and not isinstance(series.dtype, pl.Datetime):
            raise DataError(f"column '{series.name}' holds no dates", value=str(series.dtype), allowed="date or datetime")
        series = series.cast(pl.Datetime("us")).to_physical().cast(pl.Float64) / 1e6
    elif not (series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null)):
        raise DataError(f"column '{series.name}' is not numeric", value=str(series.dtype), allowed="integer, float or boolean")
    plain = series.cast(pl.Float64)
    values = (plain.fill_null(float("nan")) if plain.null_count() else plain).to_numpy(writable=True)
    values.sort()
    return values


def finite_part(ordered: Floats) -> Floats:
    """The finite values of an ascending array."""
    return ordered[np.searchsorted(ordered, -np.inf, side="right"):np.searchsorted(ordered, np.inf, side="left")]


def quantile_edges(finite: Floats, bins: int = BINS) -> list[float]:
    """Bin edges for values (n,), finite: quantiles i/bins (lower of the two neighbours), or every value where there are at most `bins`.

    The first edge is the minimum, the last lies one float above the maximum, so that exactly the values outside the range fall
    into under- and overflow. Repeated quantiles collapse. A value that alone holds a bin's share or more gets a bin of its own, so that
    no other bin holds much more than 1/bins of the rows: that bounds the error of `distances.ks`. Empty input gives no edges.
    """
    ordered = np.sort(finite)
    return summary_edges(Summary(ordered, np.ones(ordered.size, dtype=np.int64), 0), bins=bins)


def summary_edges(summary: Summary, *, bins: int = BINS, minimum: float | None = None, maximum: float | None = None) -> list[float]:
    """The same from a summary of the values; quantiles are then off by its error. `minimum` and `maximum` are exact ones to include."""
    values, weights = summary.values, summary.weights
    if values.size == 0:
        return []
    rows = int(weights.sum())
    exact = summarised(values, bins) if int(weights.max()) == 1 else summary
    if exact.error == 0 and exact.values.size <= bins:
        picked, heavy = exact.values, exact.values[exact.weights * bins >= rows]
    else:
        ranks = (np.arange(bins, dtype=np.int64) * rows) // bins
        chosen = values[np.searchsorted(np.cumsum(weights), ranks, side="right")]
        picked, repeats = np.unique(chosen, return_counts=True)
        heavy = picked[repeats > 1]
    lowest = values[0] if minimum is None else min(minimum, values[0])
    highest = values[-1] if maximum is None else max(maximum, values[-1])
    with np.errstate(over="ignore"):
        above = np.nextafter(np.append(heavy, highest), np.inf)
    edges = np.unique(np.minimum(np.concatenate((picked, above, [lowest])), sys.float_info.max))  # JSON has no infinity
    return [float(edge) for edge in edges]


def _moments(finite: Floats) -> tuple[int, float, float]:
    mean = float(finite.mean())
    if not np.isfinite(mean):
        mean = saturated(mean)[0]
    distance = finite - mean
    np.square(distance, out=distance)
    return finite.size, mean, saturated(distance.sum())[0]
