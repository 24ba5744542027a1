"""How much each row counts in training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interlock.spec.usecase import UseCase

Floats = NDArray[np.float64]


def class_weights(use_case: UseCase, labels: Floats) -> Floats | None:
    """A weight per row (n,) by its class, as `[training] class_weight` says; None where every row counts the same.

    balanced: n / (classes present × rows of the class), so that the weights add up to n (King and Zeng 2001, "Logistic regression
    in rare events data"; scikit-learn's `balanced`). Weights move the probabilities: a model with weights needs a calibration
    where its answers are read as probabilities.
    """
    wanted, prediction = use_case.training.class_weight, use_case.prediction
    if wanted == "none" or prediction.task == "regression":
        return None
    codes = labels.astype(np.int64)
    if isinstance(wanted, dict):
        names = ["negative", "positive"] if prediction.task == "binary" else prediction.classes or []
        return np.array([wanted[name] for name in names], dtype=np.float64)[codes]
    counts = np.bincount(codes)
    present = np.count_nonzero(counts)
    return codes.size / (present * counts[codes].astype(np.float64))
