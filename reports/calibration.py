"""Calibration: whether a probability of 30 % comes true in about 30 of 100 cases."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.rules.findings import Finding
from reports.intervals import bootstrap
from reports.losses import check_rows
from reports.measured import measured

Floats = NDArray[np.float64]

BINS = 10


def calibration_findings(y: Floats, score: Floats, *, seed: int = 2013, bins: int = BINS) -> tuple[list[Finding], dict[str, Any]]:
    """`calibration.ece`, `calibration.bias` and the Brier decomposition, with the reliability table as a figure.

    `y` (n,) 0/1, `score` (n,) = P(1), no missing values. Bins: `bins` runs of about equal size by score; equal scores stay together.
    ece = sum over bins of share of rows x |mean outcome - mean score|: range [0, 1], 0 = calibrated. In small samples it is above 0
    even for a perfect model, by roughly 0.4 sqrt(bins / n); the detail holds the figure expected from luck alone (bins of a calibrated
    model, normal approximation). bias = mean score - mean outcome, range [-1, 1], 0 = right on average. Brier = reliability -
    resolution + uncertainty (+ within-bin rest), Murphy 1973. multiclass: pass whether the most probable class was right, and its
    probability. No row: TOO_FEW. Source: Naeini, Cooper, Hauskrecht 2015. Interval: seeded bootstrap with the bins held fixed.
    """
    y, score = check_rows("binary", y, score)
    if y.size == 0:
        empty = bootstrap(np.empty((1, 0)), {"ece": lambda m: m[0]}, seed=seed)["ece"]
        return [measured("calibration.ece", empty, sample_size=0), measured("calibration.bias", empty, sample_size=0)], {"bins": []}
    place = _places(score, bins)
    used = int(place.max()) + 1
    gaps = np.zeros((used, y.size))
    gaps[place, np.arange(y.size)] = score - y
    found = bootstrap(gaps, {"ece": lambda m: np.abs(m).sum(axis=0), "bias": lambda m: m.sum(axis=0)}, seed=seed)
    table = _table(y, score, place, used)
    detail = {"bins": used, "expected_by_luck": _luck(table, y.size)} | _decomposition(y, score, table)
    return [measured("calibration.ece", found["ece"], sample_size=y.size, detail=detail),
            measured("calibration.bias", found["bias"], sample_size=y.size)], {"bins": table}


def _places(score: Floats, bins: int) -> NDArray[np.int64]:
    """Bin number of each row: its quantile by the first row of its score, so that ties share a bin; numbers without gaps."""
    ordered = np.sort(score)
    first = np.searchsorted(ordered, score, side="left")
    numbers = np.minimum(first * bins // score.size, bins - 1)
    return np.asarray(np.unique(numbers, return_inverse=True)[1], dtype=np.int64)


def _table(y: Floats, score: Floats, place: NDArray[np.int64], used: int) -> list[dict[str, float | int]]:
    rows = np.bincount(place, minlength=used)
    mean_score, mean_outcome = np.bincount(place, score, used) / rows, np.bincount(place, y, used) / rows
    return [{"rows": int(rows[i]), "mean_score": float(mean_score[i]), "mean_outcome": float(mean_outcome[i])} for i in range(used)]


def _luck(table: list[dict[str, float | int]], rows: int) -> float:
    """Mean |error| of a calibrated model: sqrt(2 / pi) x standard error of each bin, weighted by its rows."""
    return float(sum(row["rows"] / rows * np.sqrt(2 / np.pi * row["mean_score"] * (1 - row["mean_score"]) / row["rows"]) for row in table))


def _decomposition(y: Floats, score: Floats, table: list[dict[str, float | int]]) -> dict[str, float]:
    weights = np.array([row["rows"] for row in table]) / y.size
    means, outcomes = np.array([row["mean_score"] for row in table]), np.array([row["mean_outcome"] for row in table])
    base = float(y.mean())
    return {"brier": float(((score - y) ** 2).mean()), "reliability": float((weights * (means - outcomes) ** 2).sum()),
            "resolution": float((weights * (outcomes - base) ** 2).sum()), "uncertainty": base * (1 - base)}
