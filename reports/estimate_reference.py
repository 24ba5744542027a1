"""What estimates without labels rest on: how scores turned out on rows with known outcomes, small enough to keep as JSON."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from interlock.errors import DataError
from interlock.spec.model import Task
from reports.calibration import calibration_findings
from reports.losses import check_rows

Floats = NDArray[np.float64]

BINS = 200
ROWS_MIN = 200
CLASS_ROWS_MIN = 20


class Outcomes(BaseModel):
    """Rows with known outcomes in at most 200 runs of equal size by score: mean score, rows, and how many turned out positive."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scores: list[float]
    rows: list[int]
    positives: list[int]


class Reference(BaseModel):
    """Known outcomes of one model's held-out rows.

    `curves`: one for a binary task, one per class for several, none for regression. `ranges`: matrix column → smallest and largest
    value seen, `missing`: whether one was missing. `calibration_error`: ECE of scores calibrated on one half and examined on the other.
    `errors`: regression, what `estimate_loss.LossReference` keeps, as JSON.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Task
    rows: int
    threshold: float = 0.5
    curves: list[Outcomes] = Field(default_factory=list)
    ranges: dict[str, tuple[float, float, bool]] = Field(default_factory=dict)
    calibration_error: float | None = None
    calibration_luck: float | None = None
    errors: dict[str, float | str] = Field(default_factory=dict)


def class_reference(task: Task, y: Floats, score: Floats, *, threshold: float = 0.5, seed: int = 2013) -> Reference:
    """The reference of a classifier from rows that it did not learn from.

    `y` (n,) 0/1 or class numbers, `score` (n,) or (n, k). Raises `DataError` with fewer than 200 rows or fewer than 20 rows of a class
    (several classes: of one class or of all others): too few to calibrate on.
    """
    y, score = check_rows(task, y, score)
    if task == "regression":
        raise DataError("a regression has no class probabilities", value=task, allowed="binary, multiclass")
    columns = [(y == number, score[:, number]) for number in range(score.shape[1])] if score.ndim == 2 else [(y == 1, score)]
    rarest = min((int(min(own.sum(), y.size - own.sum())) for own, _ in columns), default=0)
    if y.size < ROWS_MIN or rarest < CLASS_ROWS_MIN:
        raise DataError("too few held-out rows to calibrate on", value=f"{y.size:,} rows, {rarest:,} of the rarest class",
                        allowed=f"at least {ROWS_MIN} rows and {CLASS_ROWS_MIN} of every class")
    curves = [outcomes_of(own.astype(np.float64), given) for own, given in columns]
    error, luck = _examined(columns, seed)
    return Reference(task=task, rows=y.size, threshold=threshold, curves=curves, calibration_error=error, calibration_luck=luck)


def with_ranges(reference: Reference, matrix: NDArray[np.float32], names: Sequence[str]) -> Reference:
    """The reference with the ranges of its rows' features; `matrix` (n, len(names)), NaN = missing."""
    ranges = {}
    for place, name in enumerate(names):
        known = matrix[:, place][np.isfinite(matrix[:, place])]
        span = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
        ranges[name] = (*span, bool(known.size < matrix.shape[0]))
    return reference.model_copy(update={"ranges": ranges})


def outcomes_of(y: Floats, score: Floats) -> Outcomes:
    """Rows (n,) in at most `BINS` runs by score; equal scores stay together."""
    ordered = np.sort(score)
    numbers = np.minimum(np.searchsorted(ordered, score, side="left") * BINS // score.size, BINS - 1)
    place = np.unique(numbers, return_inverse=True)[1]
    rows = np.bincount(place)
    return Outcomes(scores=(np.bincount(place, score) / rows).tolist(), rows=rows.tolist(),
                    positives=np.bincount(place, y).astype(int).tolist())


def calibrator(outcomes: Outcomes, positives: Floats | None = None) -> Floats:
    """Calibrated probability of each run (bins,), never falling with the score (isotonic regression, weighted by rows).

    `positives` (bins,) instead of the run's own: redrawn ones, to see how sure the calibration is. Source: Zadrozny and Elkan 2002.
    """
    from sklearn.isotonic import isotonic_regression

    rows = np.array(outcomes.rows, dtype=np.float64)
    rates = (np.array(outcomes.positives, dtype=np.float64) if positives is None else positives) / rows
    fitted: Floats = isotonic_regression(rates, sample_weight=rows, y_min=0.0, y_max=1.0)
    return fitted


def calibrate(outcomes: Outcomes, score: Floats, fitted: Floats | None = None) -> Floats:
    """Probabilities (n,) for scores (n,): straight lines between the runs' mean scores, level outside of them."""
    probabilities: Floats = np.interp(score, outcomes.scores, calibrator(outcomes) if fitted is None else fitted)
    return probabilities


def _examined(columns: list[tuple[NDArray[np.bool_], Floats]], seed: int) -> tuple[float, float]:
    """Mean over the classes of the ECE on rows that the calibration did not see, and of what luck alone gives."""
    errors, lucks = [], []
    for own, score in columns:
        half = np.zeros(score.size, dtype=np.bool_)
        half[np.random.default_rng(seed).permutation(score.size)[:score.size // 2]] = True
        fitted = calibrate(outcomes_of(own[half].astype(np.float64), score[half]), score[~half])
        found = calibration_findings(own[~half].astype(np.float64), fitted, seed=seed)[0][0]
        errors.append(found.value or 0.0)
        lucks.append(found.detail["expected_by_luck"])
    return float(np.mean(errors)), float(np.mean(lucks))
