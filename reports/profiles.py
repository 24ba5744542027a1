"""Profiles: mergeable per-column summaries of a window of rows; the baseline of a model and each monitored window are profiles.

Bins and category lists are fitted once, on the baseline, and reused for every later window (`like=`), so that two profiles can
be compared bin by bin and windows can be added up without reading rows again. The size of a profile does not depend on the number of
rows: a numeric column of different values takes about 12 KB as JSON and 5 KB as it is stored (`packed`), a category column with 40
values about 2 KB and 0.5 KB. `reports.profile_stream` makes the same from batches of rows, in memory that does not grow with them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from interlock.errors import DataError, did_you_mean
from reports.profile_category import CATEGORIES_MAX, CategoryCounter, listing_of, rows_per_text
from reports.profile_columns import SUPPRESS_BELOW, CategoryProfile, ColumnProfile, Kind, NumericProfile, merge_columns, suppressed
from reports.profile_numeric import BINS, NumericCounter, finite_part, ordered_values, quantile_edges
from reports.profile_plane import Plane

__all__ = ["BINS", "CATEGORIES_MAX", "SUPPRESS_BELOW", "CategoryProfile", "ColumnProfile", "Kind", "NumericProfile", "Profile",
           "fit_profile", "merge_all", "quantile_edges"]
PROFILE_FORMAT = 2
THREADS, CELLS_FOR_THREADS = 2, 400_000


class Profile(BaseModel):
    """Per-column summaries of one set of rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = PROFILE_FORMAT
    rows: int = Field(ge=0)
    columns: dict[str, ColumnProfile]
    segments: dict[str, Profile] = Field(default_factory=dict, description="`column=value` → profile of those rows, with the same bins.")
    plane: Plane | None = Field(default=None, description="Baseline only: what reconstruction error is measured with.")

    @staticmethod
    def merge(first: Profile, second: Profile) -> Profile:
        """The profile of both sets of rows together.

        Counts add exactly, so merging is associative and commutative for them; means, M2 and sums are so up to rounding (Chan, Golub,
        LeVeque 1979), sketches and heavy hitters within the errors that they state. Segments of both are merged; a plane is left out.
        Raises `DataError` where columns, bins or categories differ: fit the later with `like=`.
        """
        if list(first.columns) != list(second.columns):
            raise DataError("profiles of different columns cannot be merged", value=sorted(set(first.columns) ^ set(second.columns)),
                            next_step="fit both with like= the same baseline")
        columns = {name: merge_columns(name, column, second.columns[name]) for name, column in first.columns.items()}
        names = sorted({*first.segments, *second.segments})
        pairs = {name: [part for part in (first.segments.get(name), second.segments.get(name)) if part] for name in names}
        return Profile(rows=first.rows + second.rows, columns=columns, segments={name: merge_all(pair) for name, pair in pairs.items()})

    def only(self, names: Mapping[str, Any]) -> Profile:
        """The same rows, only these columns of it (those it has)."""
        return self.model_copy(update={"columns": {name: self.columns[name] for name in names if name in self.columns}})

    def to_json(self) -> bytes:
        """UTF-8 JSON, keys sorted, no spaces: the same profile gives the same bytes."""
        body = self.model_dump(mode="json", exclude_defaults=False)
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()

    @staticmethod
    def from_json(data: bytes | str) -> Profile:
        """Read back what `to_json` wrote, also in format 1 (no sketches and heavy hitters); `DataError` where it is no profile."""
        try:
            profile = Profile.model_validate_json(data)
        except ValueError as problem:
            raise DataError("this is not a profile", value=str(problem), allowed=f"a profile of format {PROFILE_FORMAT}") from problem
        if profile.format not in (1, PROFILE_FORMAT):
            raise DataError("profile of an unknown format", value=profile.format, allowed=f"1 or {PROFILE_FORMAT}")
        return profile.model_copy(update={"format": PROFILE_FORMAT})

    def packed(self) -> bytes:
        """Compressed JSON, for keeping; the same profile gives the same bytes."""
        return zlib.compress(self.to_json(), 6)

    @staticmethod
    def unpacked(data: bytes) -> Profile:
        """Read back what `packed` wrote; `DataError` where it is damaged."""
        try:
            return Profile.from_json(zlib.decompress(data))
        except zlib.error as problem:
            raise DataError("this is not a stored profile", value=str(problem)) from problem

    def published(self, suppress_below: int = SUPPRESS_BELOW) -> Profile:
        """A copy fit to be shown: listed categories with 1 to `suppress_below` - 1 rows are counted under `other` instead."""
        return self.model_copy(update={"columns": {name: suppressed(column, suppress_below) for name, column in self.columns.items()}})


def fit_profile(frame: pl.DataFrame, columns: Mapping[str, Kind], *, like: Profile | None = None,
                suppress_below: int = SUPPRESS_BELOW) -> Profile:
    """Summarise `columns` (name → kind) of `frame` (n rows; n may be 0).

    Without `like` the bins (quantiles, at most `BINS` and one more per value that fills one alone; one per value where there are fewer)
    and category lists are fitted here: a baseline. With `like` they are taken from it. Null and NaN are missing; infinities are counted
    apart. Numbers, booleans and numeric text are not converted into each other: a numeric column must have a numeric or boolean type, a
    date column a date or datetime type. Category values are compared as text. Raises `DataError` for a column that the frame or the
    baseline does not have, or of a type that does not fit.
    """
    bases = {name: base_of(name, kind, frame.columns, like) for name, kind in columns.items()}

    def fit(name: str) -> ColumnProfile:
        return _fit_column(frame[name], columns[name], bases[name], suppress_below)

    if frame.height * len(bases) < CELLS_FOR_THREADS:
        return Profile(rows=frame.height, columns={name: fit(name) for name in bases})
    with ThreadPoolExecutor(THREADS) as pool:  # sorting and counting release the interpreter's lock
        return Profile(rows=frame.height, columns=dict(zip(bases, pool.map(fit, bases), strict=True)))


def merge_all(profiles: list[Profile]) -> Profile:
    """All of them together, in pairs of neighbours, so that the errors of sketches grow with the logarithm of their number.

    Raises `DataError` for an empty list.
    """
    if not profiles:
        raise DataError("there is no profile to merge")
    while len(profiles) > 1:
        pairs = [profiles[place:place + 2] for place in range(0, len(profiles), 2)]
        profiles = [Profile.merge(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return profiles[0]


def base_of(name: str, kind: Kind, names: list[str], like: Profile | None) -> ColumnProfile | None:
    """The baseline's column, None where a baseline is being fitted; `DataError` where the column is missing on a side."""
    if name not in names:
        raise DataError(f"there is no column '{name}' to profile", allowed=", ".join(names), next_step=did_you_mean(name, names))
    base = like.columns.get(name) if like is not None else None
    if like is not None and (base is None or base.kind != kind):
        raise DataError(f"the baseline has no {kind} column '{name}'", value=base.kind if base else None, allowed=", ".join(like.columns))
    return base


def _fit_column(series: pl.Series, kind: Kind, base: ColumnProfile | None, suppress_below: int) -> ColumnProfile:
    if kind == "numeric" or kind == "date":
        ordered = ordered_values(series, kind)
        numbers = NumericCounter(base.edges if isinstance(base, NumericProfile) else quantile_edges(finite_part(ordered)), kind)
        numbers.add(ordered)
        return numbers.profile()
    found = rows_per_text(series, kind)
    texts = CategoryCounter(kind, base.categories if isinstance(base, CategoryProfile) else listing_of(found, kind, suppress_below))
    texts.add(found, series.len())
    return texts.profile(suppress_below)
