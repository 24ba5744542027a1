"""What a profile keeps of one column, and how two of them are merged."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from interlock.errors import DataError
from reports.profile_heavy import REGISTERS, STORED_COUNTERS, Heavy, distinct_of, joined, lightened, unnamed
from reports.profile_sketch import QuantileSketch, merged

SUPPRESS_BELOW = 5
LARGEST = float(np.finfo(np.float64).max)
Kind = Literal["numeric", "category", "boolean", "date"]


class NumericProfile(BaseModel):
    """Summary of a numeric column, or of a date column as seconds since 1970-01-01 UTC.

    Bin i of `counts` holds values in [edges[i-1], edges[i]); bin 0 is the underflow (below the baseline's minimum), the last one
    the overflow (above its maximum). Missing and infinite values are counted apart and enter neither bins nor moments nor the sketch.
    Sums beyond 1.8e308 stay there, because JSON has no infinity.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["numeric", "date"] = "numeric"
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
    sketch: QuantileSketch = Field(default_factory=QuantileSketch, description="Quantiles within bins and beyond them, with their error.")

    @property
    def std(self) -> float:
        """Population standard deviation, in the column's unit; 0 for fewer than two finite values."""
        return float(np.sqrt(self.m2 / self.count)) if self.count > 1 else 0.0


class CategoryProfile(BaseModel):
    """Summary of a category or boolean column: exact counts of the baseline's listed categories, the rest in `other`.

    Listed are the baseline's `CATEGORIES_MAX` most frequent values with at least `SUPPRESS_BELOW` rows (rare values can identify
    people). `other` therefore holds values that the baseline saw rarely and values it never saw. The most frequent of those are named
    in `heavy`, each counted at most `heavy_error` rows too low and never too high; at most other / 33 rows when nothing is suppressed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["category", "boolean"]
    rows: int = Field(ge=0)
    missing: int = Field(ge=0)
    categories: list[str] = Field(description="Listed values, most frequent in the baseline first.")
    counts: list[int] = Field(description="Rows per listed value, same order.")
    other: int = Field(ge=0, description="Rows with any value that is not listed.")
    heavy: dict[str, int] = Field(default_factory=dict, description="Frequent values among the others, and their rows.")
    heavy_error: int = Field(default=0, ge=0, description="Rows by which a count of `heavy` can be too low at most.")
    registers: str = Field(default="", description="HyperLogLog registers of all values, hexadecimal; empty: not counted.")

    @property
    def count(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing

    @property
    def distinct(self) -> int | None:
        """About how many different values there are (standard error 6.5 %); None where that was not counted."""
        return distinct_of(np.frombuffer(bytes.fromhex(self.registers), dtype=np.uint8)) if self.registers else None


ColumnProfile = Annotated[NumericProfile | CategoryProfile, Field(discriminator="kind")]


def merge_columns(name: str, first: ColumnProfile, second: ColumnProfile) -> ColumnProfile:
    """The profile of both columns together; `DataError` where bins or categories differ."""
    if (isinstance(first, NumericProfile) and isinstance(second, NumericProfile)
            and (first.kind, first.edges) == (second.kind, second.edges)):
        return _merge_numeric(first, second)
    if (isinstance(first, CategoryProfile) and isinstance(second, CategoryProfile)
            and (first.kind, first.categories) == (second.kind, second.categories)):
        return _merge_category(first, second)
    raise DataError(f"profiles of '{name}' with different bins or categories cannot be merged",
                    next_step="fit both with like= the same baseline")


def suppressed(column: ColumnProfile, below: int) -> ColumnProfile:
    """Fit to be shown: listed categories with 1 to `below` - 1 rows are counted under `other`, and rare unlisted ones lose their name."""
    if isinstance(column, NumericProfile):
        return column
    small = sum(rows for rows in column.counts if rows < below)
    heavy = unnamed(Heavy(column.heavy, column.heavy_error), below)
    return column.model_copy(update={"counts": [rows if rows >= below else 0 for rows in column.counts], "other": column.other + small,
                                     "heavy": heavy.counts, "heavy_error": heavy.error})


def stored_heavy(heavy: Heavy, below: int) -> dict[str, object]:
    """The two fields of a profile that name the frequent values among the others."""
    small = unnamed(lightened(heavy, STORED_COUNTERS), below)
    return {"heavy": dict(sorted(small.counts.items())), "heavy_error": small.error}


def saturated(values: NDArray[np.float64] | float) -> list[float]:
    """Plain floats without infinities."""
    return [float(value) for value in np.nan_to_num(np.atleast_1d(values), nan=0.0, posinf=LARGEST, neginf=-LARGEST)]


def merge_moments(first: tuple[int, float, float], second: tuple[int, float, float]) -> tuple[int, float, float]:
    """(count, mean, sum of squared distances) of both together. Source: Chan, Golub, LeVeque 1979."""
    count = first[0] + second[0]
    weight = second[0] / count if count else 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        gap = np.float64(second[1]) - first[1]
        return count, saturated(first[1] + gap * weight)[0], saturated(np.float64(first[2]) + second[2] + gap * gap * first[0] * weight)[0]


def _merge_numeric(first: NumericProfile, second: NumericProfile) -> NumericProfile:
    count, mean, m2 = merge_moments((first.count, first.mean, first.m2), (second.count, second.mean, second.m2))
    lows = [value for value in (first.minimum, second.minimum) if value is not None]
    highs = [value for value in (first.maximum, second.maximum) if value is not None]
    with np.errstate(over="ignore"):
        sums = saturated(np.asarray(first.sums, dtype=np.float64) + np.asarray(second.sums, dtype=np.float64))
    return NumericProfile(
        kind=first.kind, rows=first.rows + second.rows, missing=first.missing + second.missing, infinite=first.infinite + second.infinite,
        zero=first.zero + second.zero, count=count, mean=mean, m2=m2, minimum=min(lows, default=None), maximum=max(highs, default=None),
        edges=first.edges, counts=[a + b for a, b in zip(first.counts, second.counts, strict=True)], sums=sums,
        sketch=QuantileSketch.of(merged(first.sketch.summary(), second.sketch.summary())))


def _merge_category(first: CategoryProfile, second: CategoryProfile) -> CategoryProfile:
    heavy = joined(Heavy(first.heavy, first.heavy_error), second.heavy, second.heavy_error, STORED_COUNTERS)
    registers = ""
    if len(first.registers) == len(second.registers) == 2 * REGISTERS:
        pair = [np.frombuffer(bytes.fromhex(one.registers), dtype=np.uint8) for one in (first, second)]
        registers = np.maximum(*pair).tobytes().hex()
    return first.model_copy(update={
        "rows": first.rows + second.rows, "missing": first.missing + second.missing, "other": first.other + second.other,
        "counts": [a + b for a, b in zip(first.counts, second.counts, strict=True)], "heavy": dict(sorted(heavy.counts.items())),
        "heavy_error": heavy.error, "registers": registers})
