"""Columns cut into groups that people can name: levels of a category, ranges of a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

LEVELS_MAX = 8
PARTS = 4
MISSING, OTHER = "missing", "another value"


@dataclass(frozen=True)
class Cut:
    """One column in groups: `codes` (n,) are places in `labels`, the groups' names such as `sex=Female` or `28 ≤ age < 37`."""

    name: str
    codes: NDArray[np.int64]
    labels: list[str]


def cut_column(column: pl.Series, fit: NDArray[np.bool_] | None = None) -> Cut | None:
    """The column in at most `LEVELS_MAX` + 2 groups; None where all rows fall into one.

    Numbers with more than `LEVELS_MAX` values: quarters by the quantiles of the rows in `fit` (n,) (None: all), borders included below.
    Everything else: the most frequent levels of those rows (ties by name), the rest together. Missing and infinite values are a group.
    """
    import polars as pl

    column = column.cast(pl.Float64, strict=False) if column.dtype.is_numeric() else column.cast(pl.String, strict=False)
    if column.dtype == pl.Float64:
        column = column.set(~column.is_finite().fill_null(value=False), None)
    seen = column if fit is None else column.filter(pl.Series(fit))
    known = seen.drop_nulls()
    if known.is_empty():
        return None
    if column.dtype == pl.Float64 and known.n_unique() > LEVELS_MAX:
        codes, labels = _ranges(column, known)
    else:
        codes, labels = _levels(column, known)
    used, codes = np.unique(codes, return_inverse=True)
    return Cut(column.name, codes.astype(np.int64), [labels[place] for place in used]) if used.size > 1 else None


def _ranges(column: pl.Series, known: pl.Series) -> tuple[NDArray[np.int64], list[str]]:
    values = known.to_numpy()
    borders = np.unique(np.quantile(values, np.arange(1, PARTS) / PARTS, method="inverted_cdf"))
    given = column.to_numpy()
    missing = ~np.isfinite(given)
    codes = np.searchsorted(borders, np.where(missing, 0.0, given), side="left")
    name, marks = column.name, [f"{border:.4g}" for border in borders]
    between = [f"{low} < {name} ≤ {high}" for low, high in zip(marks, marks[1:], strict=False)]
    labels = [f"{name} ≤ {marks[0]}", *between, f"{name} > {marks[-1]}"]
    return np.where(missing, len(labels), codes), [*labels, f"{name} {MISSING}"]


def _levels(column: pl.Series, known: pl.Series) -> tuple[NDArray[np.int64], list[str]]:
    import polars as pl

    counts = known.value_counts(name="rows").sort(["rows", column.name], descending=[True, False])
    levels: list[Any] = counts[column.name].head(LEVELS_MAX).to_list()
    places = {level: place for place, level in enumerate(levels)}
    codes = column.replace_strict(list(places), list(places.values()), default=len(levels), return_dtype=pl.Int64).to_numpy()
    codes = np.where(column.is_null().to_numpy(), len(levels) + 1, codes)
    names = [f"{level:g}" if isinstance(level, float) else str(level) for level in levels]
    return codes, [*[f"{column.name}={name}" for name in names], f"{column.name} {OTHER}", f"{column.name} {MISSING}"]
