"""A small plane through the baseline's rows: how badly it describes a later row says whether columns still belong together.

Columns can each look as before while their combination is new (tall people who weigh little). The rows of the baseline are encoded (numbers
standardised, categories one-hot), and the directions that explain 65 % of their variance are kept: a principal component analysis. The
distance of a row to its shadow on that plane is its reconstruction error. Method: NannyML's 'data reconstruction with PCA' (2022); share of
variance 0.65 as there. Only means, spreads and directions are kept, never a row.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

VARIANCE_KEPT = 0.65
ROWS_MAX, ROWS_MIN = 5_000, 100
CATEGORIES_USED = 10
FAR = 5.0  # numbers count at most this many standard deviations, so that one outlier is not a drift
Floats = NDArray[np.float64]


class Encoding(BaseModel):
    """How one column becomes numbers: one standardised, or one per listed value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str
    kind: Literal["numeric", "category"]
    centre: float = 0.0
    scale: float = Field(default=1.0, gt=0)
    values: list[str] = Field(default_factory=list, description="category: values with a place of their own; any other, and missing, is 0.")


class Plane(BaseModel):
    """Directions of the baseline, and how far its own rows lie from them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    encodings: list[Encoding]
    means: list[float] = Field(description="Mean of each of the d numbers.")
    directions: list[list[float]] = Field(description="k unit vectors of d numbers each.")
    error_mean: float = Field(description="Mean distance of baseline rows that the directions were not fitted on.")
    error_std: float = Field(description="Standard deviation of those distances.")
    rows: int = Field(description="Baseline rows that error_mean rests on.")

    def errors(self, frame: pl.DataFrame) -> Floats:
        """Distance of each row (n,) to the plane; needs the columns of `encodings`."""
        centred = encoded(frame, self.encodings) - np.asarray(self.means)
        directions = np.asarray(self.directions).reshape(-1, len(self.means))
        return np.asarray(np.linalg.norm(centred - (centred @ directions.T) @ directions, axis=1), dtype=np.float64)


def fit_plane(frame: pl.DataFrame, kinds: dict[str, str], *, seed: int) -> Plane | None:
    """The plane of a baseline (name → kind of profile): fitted on one half of at most 5,000 seeded rows, its error measured on the other.

    None where it would mean nothing: fewer than 100 rows, fewer than two columns that vary, or rows without any distance to the plane.
    """
    if frame.height < ROWS_MIN:
        return None
    chosen = np.random.default_rng(seed).permutation(frame.height)[:ROWS_MAX]
    halves = [frame[np.sort(part)] for part in (chosen[: chosen.size // 2], chosen[chosen.size // 2:])]
    encodings = [one for name, kind in kinds.items() if (one := _encoding(halves[0], name, kind)) is not None]
    if len(encodings) < 2:
        return None
    matrix = encoded(halves[0], encodings)
    means = matrix.mean(axis=0)
    spread, vectors = np.linalg.eigh(np.cov(matrix - means, rowvar=False))
    share = np.cumsum(spread[::-1]) / spread.sum()
    kept = vectors[:, ::-1][:, : int(np.searchsorted(share, VARIANCE_KEPT)) + 1].T
    kept = np.round(kept * np.sign(kept[np.arange(len(kept)), np.abs(kept).argmax(axis=1)])[:, None], 6)
    plane = Plane(encodings=encodings, means=np.round(means, 6).tolist(), directions=kept.tolist(), error_mean=0.0, error_std=0.0, rows=0)
    errors = plane.errors(halves[1])
    if not errors.std() > 1e-9:
        return None
    return plane.model_copy(update={"error_mean": float(errors.mean()), "error_std": float(errors.std()), "rows": errors.size})


def encoded(frame: pl.DataFrame, encodings: list[Encoding]) -> Floats:
    """The rows as numbers (n, d). Missing and infinite numbers stand at the baseline's mean."""
    parts: list[Floats] = []
    for one in encodings:
        if one.kind == "numeric":
            numbers = frame[one.column].cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
            scaled = np.where(np.isfinite(numbers), (np.where(np.isfinite(numbers), numbers, one.centre) - one.centre) / one.scale, 0.0)
            parts.append(np.clip(scaled, -FAR, FAR)[:, None])
        else:
            texts = frame[one.column].cast(pl.String)
            parts.append(np.column_stack([(texts == value).fill_null(False).to_numpy().astype(np.float64) for value in one.values]))
    return np.hstack(parts) if parts else np.empty((frame.height, 0))


def _encoding(frame: pl.DataFrame, name: str, kind: str) -> Encoding | None:
    """None for a column that does not vary."""
    if kind == "numeric":
        numbers = frame[name].cast(pl.Float64, strict=False).drop_nulls().to_numpy()
        numbers = numbers[np.isfinite(numbers)]
        numbers = np.clip(numbers, -1e100, 1e100)
        if numbers.size < 2 or not numbers.std() > 0:
            return None
        return Encoding(column=name, kind="numeric", centre=float(numbers.mean()), scale=float(numbers.std()))
    if kind == "date":
        return None
    counted = frame[name].cast(pl.String).drop_nulls().alias("value").value_counts(name="rows")
    counted = counted.filter(pl.col("rows") >= 5).sort(["rows", "value"], descending=[True, False]).head(CATEGORIES_USED)
    return Encoding(column=name, kind="category", values=counted["value"].to_list()) if counted.height > 1 else None
