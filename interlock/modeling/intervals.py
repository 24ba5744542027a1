"""The interval of a regression answer, from a second booster that predicts quantiles. NumPy and Pydantic only: the server imports it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field


class Intervals(BaseModel):
    """How intervals are made of the quantile booster's answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    levels: list[float] = Field(min_length=2, description="Quantiles of the booster's outputs, rising; the outer two are the interval.")
    correction: float = Field(default=0.0, description="Added to the high and taken off the low end (conformal; may be negative).")
    conformal: bool = Field(default=False, description="Whether the correction was learned, on rows that the quantile booster did not see.")
    rows: int = Field(default=0, ge=0, description="Rows that taught the correction.")
    crossed_share: float = Field(default=0.0, ge=0, le=1, description="Share of those rows whose quantiles crossed.")

    @property
    def coverage(self) -> float:
        """Share of outcomes that should lie within the interval."""
        return self.levels[-1] - self.levels[0]


def interval_of(intervals: Intervals, quantiles: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 2) low and high of quantile answers (n, levels) and values (n,).

    Crossing quantiles are put in order per row (Chernozhukov et al. 2010, "Quantile and probability curves without crossing"), then
    corrected; ends that a negative correction makes cross meet in their middle. The interval always holds the value that is answered:
    stretched to it where the mean lies outside the quantiles, which can only raise coverage.
    """
    ordered = np.sort(quantiles.astype(np.float64), axis=1)
    low, high = ordered[:, 0] - intervals.correction, ordered[:, -1] + intervals.correction
    middle = (low + high) / 2
    low, high = np.minimum(low, middle), np.maximum(high, middle)
    given = values.astype(np.float64)
    return np.column_stack([np.minimum(low, given), np.maximum(high, given)]).astype(np.float32)
