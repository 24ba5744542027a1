"""Performance on held-out rows: figures with intervals, per task. Primary: AUC (binary), log loss (multiclass), RMSE (regression)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.rules.findings import Finding
from interlock.spec.model import Task
from reports.comparison import champion_findings, naive_findings
from reports.curves import binary_curves, class_table, regression_curves
from reports.losses import check_rows
from reports.performance_classes import binary_figures, class_figures
from reports.performance_values import regression_figures

Floats = NDArray[np.float64]

PRIMARY: dict[Task, str] = {"binary": "performance.auc", "multiclass": "performance.log_loss", "regression": "performance.rmse"}
HIGHER_IS_BETTER: dict[Task, bool] = {"binary": True, "multiclass": False, "regression": False}


def performance_findings(task: Task, y: Floats, score: Floats, *, threshold: float = 0.5, prior: Floats, last_label: Floats | None = None,
                         champion_score: Floats | None = None, classes: Sequence[str] | None = None, seed: int = 2013
                         ) -> tuple[list[Finding], dict[str, Any]]:
    """All `performance.*` findings of a candidate on held-out rows, and the plain data of its pictures.

    `y`, `score` as in `figures_of`; `prior`, `last_label` as in `comparison.naive_findings`; `champion_score` shaped like `score`, None
    where there is no champion; `classes`: names of a multiclass task's classes. Figures: `curves.binary_curves` (binary),
    `curves.class_table` (multiclass), `curves.regression_curves` (regression). Raises `DataError` for shapes, labels or probabilities
    that cannot be right.
    """
    findings = figures_of(task, y, score, threshold=threshold, classes=classes, seed=seed)
    findings += naive_findings(task, y, score, threshold=threshold, prior=prior, last_label=last_label, seed=seed)
    findings += champion_findings(task, y, score, champion_score, threshold=threshold, seed=seed)
    y, score = check_rows(task, y, score)
    if task == "binary":
        return findings, binary_curves(y, score, threshold)
    if task == "multiclass":
        return findings, class_table(y, score, classes)
    return findings, regression_curves(y, score)


def figures_of(task: Task, y: Floats, score: Floats, *, threshold: float = 0.5, classes: Sequence[str] | None = None,
               seed: int = 2013) -> list[Finding]:
    """The absolute figures of one model, also used window by window in production.

    `y` (n,): 0/1, class numbers, or values; `score`: P(1) (n,), class probabilities (n, k), or predictions (n,), no missing values.
    binary: `auc` (0.5 chance, 1 perfect; DeLong interval), `average_precision` (share of positives: chance, 1 perfect), `log_loss`
    (nats, 0 perfect), `brier` (mean squared error of P(1), 0 perfect, 0.25 coin toss); at `threshold`, 0 to 1, 1 perfect: `accuracy`,
    `balanced_accuracy` (mean recall of the two classes, 0.5 chance), `precision`, `recall`, `f1`; and `mcc` (correlation of answer and
    outcome, Matthews 1975: -1 to 1, 0 chance). multiclass: `log_loss`; of the most probable class `accuracy`, `macro_f1`,
    `balanced_accuracy`; `auc` (mean of one class against the rest), and per class `class_*`. regression, in the unit of the target,
    0 perfect: `rmse`, `mae`, `median_ae`, `bias` (mean prediction - mean outcome); `r2` (1 perfect, 0 the mean of these rows, below 0
    worse). Intervals, 95 %: DeLong for AUC, else seeded bootstrap (counts: 1,000 multinomial tables; rows: 200 resamples). With fewer
    than 10 rows of a class, classification figures say TOO_FEW; no row at all: every figure TOO_FEW.
    """
    y, score = check_rows(task, y, score)
    if task == "regression":
        return regression_figures(y, score, seed)
    if task == "binary":
        return binary_figures(y, score, threshold, seed)
    return class_figures(y, score, seed, classes or [str(number) for number in range(score.shape[1])])
