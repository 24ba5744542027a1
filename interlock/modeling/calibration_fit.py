"""Fit a calibration on margins of rows that the scoring model did not see."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.modeling.calibrator import Calibration, Curve, log_odds

Floats = NDArray[np.float64]
Kind = Literal["sigmoid", "isotonic"]
Source = Literal["validation", "out_of_fold"]
ROWS_MIN = 50  # below, two numbers are already more than the rows can tell


def fit_calibration(kind: Kind, margins: NDArray[np.float32], labels: Floats, *, source: Source) -> Calibration:
    """A curve per class from margins (n,) or (n, classes) and labels (n,): 0/1, or class numbers. Pure: the same input, the same numbers.

    `DataError` with fewer than 50 rows, or where a class does not occur: nothing can be learned about it. Sources: Platt 1999,
    "Probabilistic outputs for support vector machines"; Zadrozny and Elkan 2002, "Transforming classifier scores into accurate
    multiclass probability estimates" (one curve per class against the rest, then made to add up to 1).
    """
    if labels.size < ROWS_MIN:
        raise DataError("too few rows to learn a calibration from", value=labels.size, allowed=f"at least {ROWS_MIN}",
                        next_step='raise [training] validation_fraction, or set calibration = "none"')
    odds = log_odds(margins)
    columns = odds[:, None] if odds.ndim == 1 else odds
    curves = []
    for place in range(columns.shape[1]):
        hits = labels == (1.0 if odds.ndim == 1 else float(place))
        if hits.all() or not hits.any():
            raise DataError("a calibration needs rows of a class and rows of others",
                            value=f"{int(hits.sum())} of {hits.size} rows are of class {place if odds.ndim > 1 else 1}",
                            next_step='take in more rows, or set [training] calibration = "none"')
        curves.append(_sigmoid(columns[:, place], hits) if kind == "sigmoid" else _isotonic(columns[:, place], hits))
    return Calibration(kind=kind, curves=curves, rows=int(labels.size), source=source)


def _sigmoid(odds: Floats, hits: NDArray[np.bool_]) -> Curve:
    """Platt's two numbers by maximum likelihood, with his targets (n+ + 1)/(n+ + 2) and 1/(n- + 2) in place of 1 and 0.

    A falling curve (a model worse than chance on these rows) becomes a flat one: the order of answers never turns around.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    ones, zeros = int(hits.sum()), int((~hits).sum())
    goal = np.where(hits, (ones + 1) / (ones + 2), 1 / (zeros + 2))

    def loss(numbers: Floats) -> tuple[float, Floats]:
        line = numbers[0] * odds + numbers[1]
        off = (expit(line) - goal) / odds.size
        return float(np.mean(np.logaddexp(0, line) - goal * line)), np.array([off @ odds, off.sum()])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.0, 50.0), (-50.0, 50.0)],
                     options={"ftol": 1e-12, "gtol": 1e-9, "maxiter": 500})
    return Curve(slope=float(found.x[0]), shift=float(found.x[1]))


def _isotonic(odds: Floats, hits: NDArray[np.bool_]) -> Curve:
    """Pool adjacent violators (scikit-learn's), kept within 1/(n + 2) of 0 and 1: no finite number of rows proves certainty."""
    from sklearn.isotonic import IsotonicRegression

    edge = 1 / (hits.size + 2)
    fitted = IsotonicRegression(y_min=edge, y_max=1 - edge, out_of_bounds="clip").fit(odds, hits.astype(np.float64))
    return Curve(x=[float(value) for value in fitted.X_thresholds_], y=[float(value) for value in fitted.y_thresholds_])
