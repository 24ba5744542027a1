"""Plain data behind the pictures of performance: lists of numbers, bounded in length, ready for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

POINTS = 101
BINS = 20
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def binary_curves(y: Floats, score: Floats, threshold: float) -> dict[str, Any]:
    """ROC, precision-recall and threshold curves (at most 101 points each), score histograms by outcome, counts at `threshold` and at
    each of 101 thresholds.

    `y` (n,) 0/1, `score` (n,) in [0, 1]. Rates without a denominator are None.
    """
    cuts = np.linspace(0.0, 1.0, POINTS)
    order = np.sort(score[y == 1]), np.sort(score[y == 0])
    true_positive = order[0].size - np.searchsorted(order[0], cuts, side="left")
    false_positive = order[1].size - np.searchsorted(order[1], cuts, side="left")
    recall, fall_out = _rates(true_positive, order[0].size), _rates(false_positive, order[1].size)
    precision = [_rate(int(tp), int(tp + fp)) for tp, fp in zip(true_positive, false_positive, strict=True)]
    edges = np.linspace(0.0, 1.0, BINS + 1)
    return {
        "roc": roc_points(y, score),
        "thresholds": {"threshold": [round(float(cut), 4) for cut in cuts], "precision": precision, "recall": recall,
                       "false_positive_rate": fall_out, "selection_rate": _rates(true_positive + false_positive, y.size)},
        "scores": {"edges": [round(float(edge), 4) for edge in edges], "positive": np.histogram(order[0], edges)[0].tolist(),
                   "negative": np.histogram(order[1], edges)[0].tolist()},
        "confusion": confusion(y, score, threshold),
        "counts": {"present": threshold, "threshold": [round(float(cut), 4) for cut in cuts], "true_positive": true_positive.tolist(),
                   "false_positive": false_positive.tolist(), "false_negative": (order[0].size - true_positive).tolist(),
                   "true_negative": (order[1].size - false_positive).tolist()},
    }


def roc_points(y: Floats, score: Floats) -> dict[str, list[float]]:
    """ROC curve (false positive rate, true positive rate) from (0, 0) to (1, 1), thinned to at most 101 points; empty for one class."""
    positives, negatives = int(y.sum()), int(y.size - y.sum())
    if positives == 0 or negatives == 0:
        return {"false_positive_rate": [], "true_positive_rate": []}
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    hits = np.concatenate(([0], np.cumsum(y[order])[ends]))
    misses = np.concatenate(([0], (np.arange(1, y.size + 1) - np.cumsum(y[order]))[ends]))
    kept = np.unique(np.linspace(0, hits.size - 1, min(POINTS, hits.size)).round().astype(int))
    return {"false_positive_rate": (misses[kept] / negatives).tolist(), "true_positive_rate": (hits[kept] / positives).tolist()}


def confusion(y: Floats, score: Floats, threshold: float) -> dict[str, int]:
    """Counts of the four outcomes at `threshold`."""
    decided = score >= threshold
    return {"true_positive": int((decided & (y == 1)).sum()), "false_positive": int((decided & (y == 0)).sum()),
            "false_negative": int((~decided & (y == 1)).sum()), "true_negative": int((~decided & (y == 0)).sum())}


def class_table(y: Floats, score: Floats, names: Sequence[str] | None = None) -> dict[str, Any]:
    """multiclass: rows by true class (outer) and most probable class (inner), and the classes' names; `y` (n,), `score` (n, k)."""
    classes = score.shape[1]
    pairs = y.astype(np.int64) * classes + score.argmax(axis=1)
    return {"confusion": np.bincount(pairs, minlength=classes * classes).reshape(classes, classes).tolist(),
            "classes": list(names or map(str, range(classes)))}


def regression_curves(y: Floats, score: Floats) -> dict[str, Any]:
    """Mean prediction and mean outcome in 20 groups of equal size by prediction, a histogram of the errors (prediction - outcome) and
    their quantiles."""
    if y.size == 0:
        return {"groups": {"predicted": [], "actual": [], "rows": []}, "errors": {"edges": [], "rows": []},
                "error_quantiles": {"level": [], "error": []}}
    parts = [part for part in np.array_split(np.argsort(score, kind="stable"), BINS) if part.size]
    rows, edges = np.histogram(score - y, BINS)
    return {"groups": {"predicted": [float(score[part].mean()) for part in parts], "actual": [float(y[part].mean()) for part in parts],
                       "rows": [int(part.size) for part in parts]},
            "errors": {"edges": edges.tolist(), "rows": rows.tolist()},
            "error_quantiles": {"level": list(LEVELS), "error": np.quantile(score - y, LEVELS).tolist()}}


def _rates(parts: NDArray[np.int64], whole: int) -> list[float | None]:
    return [_rate(int(part), whole) for part in parts]


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None
