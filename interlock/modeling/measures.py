"""The few held-out figures that go into a package's manifest; the evidence measures more, with intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.spec.usecase import UseCase

PRIMARY = {"binary": "auc", "multiclass": "log_loss", "regression": "rmse"}


def held_out_metrics(use_case: UseCase, labels: NDArray[np.float64], scores: NDArray[Any]) -> dict[str, float]:
    """Metrics of the task by name (as scikit-learn defines them), and `primary`: AUC, log loss or RMSE.

    `labels`: 0/1, class numbers, or values. `scores`: P(1), rows × classes, or values. A metric that is not defined (AUC of one
    class) is left out.
    """
    from sklearn import metrics

    task, given = use_case.prediction.task, scores.astype(np.float64)
    if task == "regression":
        found = {"rmse": metrics.root_mean_squared_error(labels, given), "mae": metrics.mean_absolute_error(labels, given),
                 "r2": metrics.r2_score(labels, given)}
    elif task == "multiclass":
        given = given / given.sum(axis=1, keepdims=True)  # float32 sums are off by 1e-7
        classes = list(range(len(use_case.prediction.classes or [])))
        found = {"log_loss": metrics.log_loss(labels, given, labels=classes),
                 "accuracy": metrics.accuracy_score(labels, given.argmax(axis=1))}
    else:
        found = {"log_loss": metrics.log_loss(labels, given, labels=[0, 1]), "brier": metrics.brier_score_loss(labels, given),
                 "accuracy": metrics.accuracy_score(labels, given >= use_case.prediction.threshold)}
        if np.unique(labels).size == 2:
            found["auc"] = metrics.roc_auc_score(labels, given)
    primary = found.get(PRIMARY[task])
    return {name: float(value) for name, value in found.items()} | ({} if primary is None else {"primary": float(primary)})
