"""From a model's margins to calibrated probabilities: one function for training and for serving, made of plain numbers.

    binary       margin m → P(1)
    multiclass   margins → softmax → log odds of each class → one curve per class → made to add up to 1

Imported by the prediction server: NumPy and Pydantic only. Fitting is `calibration_fit`'s.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Floats = NDArray[np.float64]
ODDS_MAX = 30.0  # log odds beyond ±30 are probabilities within 1e-13 of 0 or 1


class Curve(BaseModel):
    """A rising map from log odds to a probability.

    sigmoid: 1 / (1 + exp(-(slope · x + shift))) with slope ≥ 0 (Platt 1999). isotonic: straight lines between the knots (x, y), flat
    outside (Zadrozny and Elkan 2002).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    slope: float = Field(default=1.0, ge=0)
    shift: float = 0.0
    x: list[float] = Field(default_factory=list, description="isotonic: log odds of the knots, rising.")
    y: list[float] = Field(default_factory=list, description="isotonic: probability at each knot, never falling.")


class Calibration(BaseModel):
    """The calibration of one model: a curve per class (binary: one, for P(1))."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["sigmoid", "isotonic"]
    curves: list[Curve] = Field(min_length=1)
    rows: int = Field(ge=0, description="Rows that taught it.")
    source: Literal["validation", "out_of_fold"]


def calibrated(calibration: Calibration, margins: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of margins: (n,) for binary, (n, classes) for multiclass, as float32.

    Monotone in the margin (binary) up to ties. A multiclass row whose curves all say 0 gets equal shares.
    """
    odds = log_odds(margins)
    if odds.ndim == 1:
        return _curve(calibration.kind, calibration.curves[0], odds).astype(np.float32)
    raw = np.column_stack([_curve(calibration.kind, curve, odds[:, place]) for place, curve in enumerate(calibration.curves)])
    total = raw.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, raw / np.where(total > 0, total, 1.0), 1.0 / raw.shape[1])
    return shares.astype(np.float32)


def log_odds(margins: NDArray[np.float32]) -> Floats:
    """What the curves take: the margin itself (n,), or the log odds of each class's softmax share (n, classes); within ±30."""
    wide = margins.astype(np.float64)
    if wide.ndim == 2:
        wide = wide - wide.max(axis=1, keepdims=True)
        powers = np.exp(wide)
        others = powers.sum(axis=1, keepdims=True) - powers
        with np.errstate(divide="ignore"):
            wide = wide - np.log(others)
    return np.clip(wide, -ODDS_MAX, ODDS_MAX)


def _curve(kind: str, curve: Curve, odds: Floats) -> Floats:
    if kind == "isotonic":
        return np.interp(odds, curve.x, curve.y)
    return np.exp(-np.logaddexp(0.0, -(curve.slope * odds + curve.shift)))
