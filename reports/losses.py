"""Losses of single rows: what averages, intervals and comparisons are built from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interlock.errors import DataError

Floats = NDArray[np.float64]

CLIP = 1e-7


def log_loss_rows(y: Floats, score: Floats) -> Floats:
    """-ln of the probability given to what happened, per row, in nats; range [0, 16.1], 0 = certain and right.

    Binary: `y` (n,) 0/1, `score` (n,) = P(1). Multiclass: `y` (n,) class numbers 0 … k-1, `score` (n, k). Probabilities are clipped
    to [1e-7, 1 - 1e-7], so one certain and wrong answer costs 16.1, not infinity.
    """
    given = score[np.arange(y.size), y.astype(np.int64)] if score.ndim == 2 else np.where(y == 1, score, 1.0 - score)
    losses: Floats = -np.log(np.clip(given, CLIP, 1.0 - CLIP))
    return losses


def wrong_rows(y: Floats, score: Floats, threshold: float) -> Floats:
    """1.0 where the decision (P(1) >= threshold, or the most probable class) differs from `y`, else 0.0; shape (n,)."""
    decided = score.argmax(axis=1) if score.ndim == 2 else (score >= threshold)
    wrong: NDArray[np.bool_] = decided.astype(np.float64) != y
    return wrong.astype(np.float64)


def squared_rows(y: Floats, score: Floats) -> Floats:
    """(score - y)², per row, in the square of the target's unit."""
    return (score - y) ** 2


def pinball_rows(y: Floats, score: Floats, level: float) -> Floats:
    """Loss of a predicted quantile, per row: `level` x how far the outcome lies above it, (1 - level) x how far below; 0 = hit."""
    error = y - score
    return np.maximum(level * error, (level - 1) * error)


def check_rows(task: str, y: Floats, score: Floats, name: str = "score") -> tuple[Floats, Floats]:
    """Both as float64; raises `DataError` where shapes, classes or probabilities cannot be right, or anything is missing."""
    y, score = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
    if y.ndim != 1 or score.shape[:1] != y.shape or (score.ndim == 2) != (task == "multiclass"):
        raise DataError(f"{name} and labels do not fit together", value=f"labels {y.shape}, {name} {score.shape}",
                        allowed="(n,) and (n,), multiclass (n,) and (n, classes)")
    if not (np.isfinite(y).all() and np.isfinite(score).all()):
        raise DataError(f"{name} or labels hold missing or infinite values", next_step="leave rows without a label out first")
    if task != "regression" and score.size and (score.min() < 0 or score.max() > 1):
        raise DataError(f"{name} is not a probability", value=f"{score.min():.4g} to {score.max():.4g}", allowed="0 to 1")
    if task == "binary" and not np.isin(y, (0.0, 1.0)).all():
        raise DataError("binary labels must be 0 or 1", value=np.unique(y)[:5].tolist())
    if task == "multiclass" and y.size and not np.isin(y, np.arange(score.shape[1])).all():
        raise DataError("labels must be class numbers", value=np.unique(y)[:5].tolist(), allowed=f"0 … {score.shape[1] - 1}")
    return y, score
