"""Counting category and boolean columns: exact for the listed values, with heavy hitters and a distinct count for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import polars as pl

from interlock.errors import DataError
from reports.profile_columns import CategoryProfile, stored_heavy
from reports.profile_heavy import REGISTERS, STREAM_COUNTERS, Heavy, joined, registers_of

CATEGORIES_MAX = 200
SEEN_MAX = 100_000  # texts remembered so that each is hashed once; beyond it some are hashed again, which changes nothing
BOOLEANS = ["false", "true"]
CategoryKind = Literal["category", "boolean"]


class CategoryCounter:
    """The profile of a column, batch by batch. `listed` None: everything goes to the heavy hitters (first pass over a baseline)."""

    def __init__(self, kind: CategoryKind, listed: list[str] | None) -> None:
        self._kind: CategoryKind = kind
        self._listed = dict.fromkeys(listed or [], 0)
        self._rows = self._missing = self._other = 0
        self._heavy = Heavy({}, 0)
        self._registers = np.zeros(REGISTERS, dtype=np.uint8)
        self._seen: set[str] = set()

    def add(self, found: Mapping[str, int], rows: int) -> None:
        """Take in one batch: rows per text of those with a value, and all rows."""
        rest: dict[str, int] = {}
        for text, count in found.items():
            if text in self._listed:
                self._listed[text] += count
            else:
                rest[text] = count
        self._rows += rows
        self._missing += rows - sum(found.values())
        self._other += sum(rest.values())
        self._heavy = joined(self._heavy, rest, 0, STREAM_COUNTERS) if rest else self._heavy
        if self._kind == "category":
            new = found.keys() - self._seen
            if new:
                self._registers = np.maximum(self._registers, registers_of(new))
                self._seen |= set(sorted(new)[:max(0, SEEN_MAX - len(self._seen))])

    def profile(self, suppress_below: int) -> CategoryProfile:
        """What was counted so far; values with fewer than `suppress_below` rows are not named."""
        return CategoryProfile(
            kind=self._kind, rows=self._rows, missing=self._missing, categories=list(self._listed), counts=list(self._listed.values()),
            other=self._other, registers=self._registers.tobytes().hex() if self._kind == "category" else "",
            **stored_heavy(self._heavy, suppress_below))  # type: ignore[arg-type]

    def listing(self, suppress_below: int) -> list[str]:
        """The values that a baseline lists."""
        return listing_of(self._heavy.counts, self._kind, suppress_below)


def listing_of(found: Mapping[str, int], kind: CategoryKind, suppress_below: int) -> list[str]:
    """The most frequent texts with at least `suppress_below` rows, at most `CATEGORIES_MAX`; equally frequent ones by name."""
    if kind == "boolean":
        return list(BOOLEANS)
    ordered = sorted(found, key=lambda text: (-found[text], text))
    return [text for text in ordered if found[text] >= suppress_below][:CATEGORIES_MAX]


def rows_per_text(series: pl.Series, kind: CategoryKind) -> dict[str, int]:
    """Rows per value, compared as text; null and NaN are missing. Values of several types count as their text."""
    if kind == "boolean" and series.dtype not in (pl.Boolean, pl.Null):
        raise DataError(f"column '{series.name}' is not boolean", value=str(series.dtype), allowed="boolean")
    if series.dtype.is_nested():
        raise DataError(f"column '{series.name}' holds lists or structures", value=str(series.dtype), allowed="text, number or boolean")
    if series.dtype.is_float():
        series = series.fill_nan(None)
    if series.dtype == pl.Object:
        series = pl.Series(series.name, [None if value is None else str(value) for value in series.to_list()], dtype=pl.String)
    table = series.alias("value").value_counts(name="rows").filter(pl.col("value").is_not_null())
    found: dict[str, int] = {}
    for text, rows in zip(table["value"].cast(pl.String).to_list(), table["rows"].to_list(), strict=True):
        found[text] = found.get(text, 0) + rows
    return found
