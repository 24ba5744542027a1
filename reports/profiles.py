"""Profiles: mergeable per-column summaries of a window of rows; the baseline of a model and each monitored window are profiles.

Bins and category lists are fitted once, on the baseline, and reused for every later window (`like=`), so that two profiles can
be compared bin by bin and windows can be added up without reading rows again. A profile is a few kilobytes per column, whatever
the number of rows: at most `BINS` quantile bins plus under- and overflow, at most `CATEGORIES_MAX` categories plus "other".
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import reduce
from typing import Annotated, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from interlock.errors import DataError, did_you_mean

PROFILE_FORMAT = 1
BINS = 100
CATEGORIES_MAX = 200
SUPPRESS_BELOW = 5
Kind = Literal["numeric", "category", "boolean"]
Floats = NDArray[np.float64]


class NumericProfile(BaseModel):
    """Summary of a numeric column.

    Bin i of `counts` holds values in [edges[i-1], edges[i]); bin 0 is the underflow (below the baseline's minimum), the last one
    the overflow (above its maximum). Missing and infinite values are counted apart and enter neither bins nor moments.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["numeric"] = "numeric"
    rows: int = Field(ge=0, description="Rows, missing and infinite ones included.")
    missing: int = Field(ge=0, description="Null or NaN.")
    infinite: int = Field(ge=0, description="+inf or -inf.")
    zero: int = Field(ge=0, description="Exactly zero.")
    count: int = Field(ge=0, description="Finite values.")
    mean: float = Field(description="Mean of the finite values; 0 where there are none.")
    m2: float = Field(ge=0, description="Sum of squared distances from the mean (variance x count).")
    minimum: float | None = Field(description="Smallest finite value; None where there are none.")
    maximum: float | None
    edges: list[float] = Field(description="Ascending bin edges from the baseline; empty where it had no finite value.")
    counts: list[int] = Field(description="Rows per bin: one more than there are edges.")
    sums: list[float] = Field(description="Sum of the values per bin, in the column's unit.")

    @property
    def std(self) -> float:
        """Population standard deviation, in the column's unit; 0 for fewer than two finite values."""
        return float(np.sqrt(self.m2 / self.count)) if self.count > 1 else 0.0


class CategoryProfile(BaseModel):
    """Summary of a category or boolean column: exact counts of the baseline's listed categories, the rest in `other`.

    Listed are the baseline's `CATEGORIES_MAX` most frequent values with at least `SUPPRESS_BELOW` rows (rare values can identify
    people). `other` therefore holds values that the baseline saw rarely and values it never saw.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["category", "boolean"]
    rows: int = Field(ge=0)
    missing: int = Field(ge=0)
    categories: list[str] = Field(description="Listed values, most frequent in the baseline first.")
    counts: list[int] = Field(description="Rows per listed value, same order.")
    other: int = Field(ge=0, description="Rows with any value that is not listed.")

    @property
    def count(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing


ColumnProfile = Annotated[NumericProfile | CategoryProfile, Field(discriminator="kind")]


class Profile(BaseModel):
    """Per-column summaries of one set of rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = PROFILE_FORMAT
    rows: int = Field(ge=0)
    columns: dict[str, ColumnProfile]

    @staticmethod
    def merge(first: Profile, second: Profile) -> Profile:
        """The profile of both sets of rows together.

        Counts add exactly, so merging is associative and commutative for them; means, M2 and sums are so up to rounding
        (Chan, Golub, LeVeque 1979). Raises `DataError` where columns, bins or categories differ: fit the later with `like=`.
        """
        if list(first.columns) != list(second.columns):
            raise DataError("profiles of different columns cannot be merged", value=sorted(set(first.columns) ^ set(second.columns)),
                            next_step="fit both with like= the same baseline")
        columns = {name: _merge_column(name, column, second.columns[name]) for name, column in first.columns.items()}
        return Profile(rows=first.rows + second.rows, columns=columns)

    def to_json(self) -> bytes:
        """UTF-8 JSON, keys sorted, no spaces: the same profile gives the same bytes."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @staticmethod
    def from_json(data: bytes | str) -> Profile:
        """Read back what `to_json` wrote; raises `DataError` where it is not a profile of this format."""
        try:
            profile = Profile.model_validate_json(data)
        except ValueError as problem:
            raise DataError("this is not a profile", value=str(problem), allowed=f"a profile of format {PROFILE_FORMAT}") from problem
        if profile.format != PROFILE_FORMAT:
            raise DataError("profile of an unknown format", value=profile.format, allowed=str(PROFILE_FORMAT))
        return profile

    def published(self, suppress_below: int = SUPPRESS_BELOW) -> Profile:
        """A copy fit to be shown: listed categories with 1 to `suppress_below` - 1 rows are counted under `other` instead."""
        return self.model_copy(update={"columns": {name: _suppress(column, suppress_below) for name, column in self.columns.items()}})


def fit_profile(frame: pl.DataFrame, columns: Mapping[str, Kind], *, like: Profile | None = None,
                suppress_below: int = SUPPRESS_BELOW) -> Profile:
    """Summarise `columns` (name → kind) of `frame` (n rows; n may be 0).

    Without `like` the bins (quantiles, at most `BINS`; one per value where there are fewer) and category lists are fitted here: a
    baseline. With `like` they are taken from it. Null and NaN are missing; infinities are counted apart. Numbers, booleans and
    numeric text are not converted into each other: a numeric column must have a numeric or boolean type. Category values are
    compared as text. Raises `DataError` for a column that the frame or the baseline does not have, or of a type that does not fit.
    """
    fitted: dict[str, ColumnProfile] = {}
    for name, kind in columns.items():
        if name not in frame.columns:
            raise DataError(f"there is no column '{name}' to profile", allowed=", ".join(frame.columns),
                            next_step=did_you_mean(name, frame.columns))
        base = like.columns.get(name) if like is not None else None
        if like is not None and (base is None or base.kind != kind):
            raise DataError(f"the baseline has no {kind} column '{name}'", value=base.kind if base else None,
                            allowed=", ".join(like.columns))
        if kind == "numeric":
            fitted[name] = _fit_numeric(frame[name], base if isinstance(base, NumericProfile) else None)
        else:
            fitted[name] = _fit_category(frame[name], kind, base if isinstance(base, CategoryProfile) else None, suppress_below)
    return Profile(rows=frame.height, columns=fitted)


def merge_all(profiles: list[Profile]) -> Profile:
    """All of them together, from left to right; raises `DataError` for an empty list."""
    if not profiles:
        raise DataError("there is no profile to merge")
    return reduce(Profile.merge, profiles)


def quantile_edges(finite: Floats, bins: int = BINS) -> list[float]:
    """Bin edges for values (n,), finite: quantiles i/bins (lower of the two neighbours), or every value where there are at most `bins`.

    The first edge is the minimum, the last lies one float above the maximum, so that exactly the values outside the range fall
    into under- and overflow. Repeated quantiles collapse. Empty input gives no edges.
    """
    if finite.size == 0:
        return []
    ordered = np.sort(finite)
    distinct = ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))]
    if distinct.size > bins:
        distinct = np.unique(ordered[(np.arange(bins) * ordered.size) // bins])
    top = min(float(np.nextafter(ordered[-1], np.inf)), sys.float_info.max)  # JSON has no infinity
    return [float(edge) for edge in (*distinct, top)]


def _fit_numeric(series: pl.Series, base: NumericProfile | None) -> NumericProfile:
    if not (series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null)):
        raise DataError(f"column '{series.name}' is not numeric", value=str(series.dtype), allowed="integer, float or boolean")
    values = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    finite = values[np.isfinite(values)]
    missing = int(np.isnan(values).sum())
    edges = base.edges if base is not None else quantile_edges(finite)
    place = np.searchsorted(np.asarray(edges, dtype=np.float64), finite, side="right")
    mean = float(finite.mean()) if finite.size else 0.0
    return NumericProfile(
        rows=values.size, missing=missing, infinite=values.size - missing - finite.size, zero=int((finite == 0).sum()),
        count=finite.size, mean=mean, m2=float(((finite - mean) ** 2).sum()),
        minimum=float(finite.min()) if finite.size else None, maximum=float(finite.max()) if finite.size else None, edges=edges,
        counts=np.bincount(place, minlength=len(edges) + 1).tolist(),
        sums=np.bincount(place, weights=finite, minlength=len(edges) + 1).astype(np.float64).tolist())


def _fit_category(series: pl.Series, kind: Literal["category", "boolean"], base: CategoryProfile | None, suppress: int) -> CategoryProfile:
    if series.dtype.is_float():
        series = series.fill_nan(None)
    if kind == "boolean" and series.dtype not in (pl.Boolean, pl.Null):
        raise DataError(f"column '{series.name}' is not boolean", value=str(series.dtype), allowed="boolean")
    table = series.cast(pl.String).drop_nulls().alias("value").value_counts(name="rows").sort(["rows", "value"], descending=[True, False])
    found: dict[str, int] = dict(zip(table["value"].to_list(), table["rows"].to_list(), strict=True))
    if base is not None:
        listed = base.categories
    elif kind == "boolean":
        listed = ["false", "true"]
    else:
        listed = [value for value, rows in found.items() if rows >= suppress][:CATEGORIES_MAX]
    counts = [found.get(value, 0) for value in listed]
    return CategoryProfile(kind=kind, rows=series.len(), missing=series.null_count(), categories=listed, counts=counts,
                           other=sum(found.values()) - sum(counts))


def _merge_column(name: str, first: ColumnProfile, second: ColumnProfile) -> ColumnProfile:
    if isinstance(first, NumericProfile) and isinstance(second, NumericProfile) and first.edges == second.edges:
        return _merge_numeric(first, second)
    if (isinstance(first, CategoryProfile) and isinstance(second, CategoryProfile)
            and (first.kind, first.categories) == (second.kind, second.categories)):
        return first.model_copy(update={
            "rows": first.rows + second.rows, "missing": first.missing + second.missing, "other": first.other + second.other,
            "counts": [a + b for a, b in zip(first.counts, second.counts, strict=True)]})
    raise DataError(f"profiles of '{name}' with different bins or categories cannot be merged",
                    next_step="fit both with like= the same baseline")


def _merge_numeric(first: NumericProfile, second: NumericProfile) -> NumericProfile:
    count = first.count + second.count
    gap = second.mean - first.mean
    weight = second.count / count if count else 0.0
    lows = [value for value in (first.minimum, second.minimum) if value is not None]
    highs = [value for value in (first.maximum, second.maximum) if value is not None]
    return NumericProfile(
        rows=first.rows + second.rows, missing=first.missing + second.missing, infinite=first.infinite + second.infinite,
        zero=first.zero + second.zero, count=count, mean=first.mean + gap * weight,
        m2=first.m2 + second.m2 + gap * gap * first.count * weight,
        minimum=min(lows, default=None), maximum=max(highs, default=None), edges=first.edges,
        counts=[a + b for a, b in zip(first.counts, second.counts, strict=True)],
        sums=[a + b for a, b in zip(first.sums, second.sums, strict=True)])


def _suppress(column: ColumnProfile, below: int) -> ColumnProfile:
    if not isinstance(column, CategoryProfile):
        return column
    small = sum(rows for rows in column.counts if rows < below)
    return column.model_copy(update={"counts": [rows if rows >= below else 0 for rows in column.counts], "other": column.other + small})
