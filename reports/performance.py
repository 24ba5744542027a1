"""Performance on held-out rows: figures with intervals, per task. Primary: AUC (binary), log loss (multiclass), RMSE (regression)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.rules.findings import Finding, State
from interlock.spec.model import Task
from reports.comparison import champion_finding, naive_findings
from reports.curves import binary_curves, class_table, regression_curves
from reports.intervals import Interval, auc_components, auc_interval, bootstrap, normal_interval
from reports.losses import check_rows, log_loss_rows, squared_rows, wrong_rows
from reports.measured import measured

Floats = NDArray[np.float64]

PRIMARY: dict[Task, str] = {"binary": "performance.auc", "multiclass": "performance.log_loss", "regression": "performance.rmse"}
HIGHER_IS_BETTER: dict[Task, bool] = {"binary": True, "multiclass": False, "regression": False}
CLASS_ROWS_MIN = 10


def performance_findings(task: Task, y: Floats, score: Floats, *, threshold: float = 0.5, prior: Floats, last_label: Floats | None = None,
                         champion_score: Floats | None = None, seed: int = 2013) -> tuple[list[Finding], dict[str, Any]]:
    """All `performance.*` findings of a candidate on held-out rows, and the plain data of its pictures.

    `y`, `score` as in `figures_of`; `prior`, `last_label` as in `comparison.naive_findings`; `champion_score` shaped like `score`, None
    where there is no champion. Raises `DataError` for shapes, labels or probabilities that cannot be right.
    """
    findings = figures_of(task, y, score, threshold=threshold, seed=seed)
    findings += naive_findings(task, y, score, threshold=threshold, prior=prior, last_label=last_label, seed=seed)
    findings.append(champion_finding(task, y, score, champion_score, seed=seed))
    y, score = check_rows(task, y, score)
    if task == "binary":
        return findings, binary_curves(y, score, threshold)
    if task == "multiclass":
        return findings, class_table(y, score)
    return findings, regression_curves(y, score)


def figures_of(task: Task, y: Floats, score: Floats, *, threshold: float = 0.5, seed: int = 2013) -> list[Finding]:
    """The absolute figures of one model, also used window by window in production.

    `y` (n,): 0/1, class numbers, or values; `score`: P(1) (n,), class probabilities (n, k), or predictions (n,), no missing values.
    binary: `auc` (0.5 chance, 1 perfect; DeLong interval), `log_loss` (nats, 0 perfect), `brier` (mean squared error of P(1), 0
    perfect, 0.25 coin toss), `accuracy` and `f1` at `threshold` (0 to 1, 1 perfect). multiclass: `log_loss`, `accuracy` of the most
    probable class, `auc` (mean of one class against the rest). regression: `rmse`, `mae` (unit of the target, 0 perfect), `r2`
    (1 perfect, 0 the mean of these rows, below 0 worse). Others than AUC: seeded bootstrap, 95 %. With fewer than 10 rows of a
    class, classification figures that need both say TOO_FEW; no row at all: every figure TOO_FEW.
    """
    y, score = check_rows(task, y, score)
    if task == "regression":
        return _regression(y, score, seed)
    smallest = _smallest_class(task, y, score)
    losses = np.stack([log_loss_rows(y, score), 1.0 - wrong_rows(y, score, threshold)])
    statistics = {"log_loss": lambda m: m[0], "accuracy": lambda m: m[1]}
    if task == "binary":
        decided = (score >= threshold).astype(np.float64)
        losses = np.vstack([losses, squared_rows(y, score), decided * y, decided, y])
        statistics |= {"brier": lambda m: m[2], "f1": lambda m: 2 * m[3] / (m[4] + m[5])}
    figures = bootstrap(losses, statistics, seed=seed)
    figures = {"auc": auc_interval(y, score) if task == "binary" else _macro_auc(y, score)} | figures
    return [_with_classes(measured(f"performance.{name}", figure, sample_size=y.size, unit="nats" if name == "log_loss" else ""), smallest)
            for name, figure in figures.items()]


def _regression(y: Floats, score: Floats, seed: int) -> list[Finding]:
    centred = y - y.mean() if y.size else y
    columns = np.stack([squared_rows(y, score), np.abs(score - y), centred, centred**2])
    figures = bootstrap(columns, {"rmse": lambda m: np.sqrt(m[0]), "mae": lambda m: m[1],
                                  "r2": lambda m: 1 - m[0] / (m[3] - m[2] ** 2)}, seed=seed)
    units = {"rmse": "units of the target", "mae": "units of the target", "r2": ""}
    return [measured(f"performance.{name}", figure, sample_size=y.size, unit=units[name]) for name, figure in figures.items()]


def _macro_auc(y: Floats, score: Floats) -> Interval:
    """Mean of the one-against-rest AUCs over the classes that occur; the interval adds standard errors as if fully correlated (wide)."""
    aucs, errors = [], []
    for number in range(score.shape[1]):
        auc, above, below = auc_components((y == number).astype(np.float64), score[:, number])
        if min(above.size, below.size) >= 2:
            aucs.append(auc)
            errors.append(np.sqrt(above.var(ddof=1) / above.size + below.var(ddof=1) / below.size))
    if not aucs:
        return Interval(float("nan"), float("nan"), float("nan"))
    found = normal_interval(float(np.mean(aucs)), float(np.mean(errors)) ** 2)
    return Interval(found.value, max(found.low, 0.0), min(found.high, 1.0))


def _smallest_class(task: Task, y: Floats, score: Floats) -> int:
    classes = 2 if task == "binary" else score.shape[1]
    return int(np.bincount(y.astype(np.int64), minlength=classes).min())


def _with_classes(finding: Finding, smallest: int) -> Finding:
    if smallest >= CLASS_ROWS_MIN:
        return finding
    note = f"not enough evidence: the rarest class has {smallest:,} rows, at least {CLASS_ROWS_MIN} needed"
    return finding.model_copy(update={"state": State.TOO_FEW, "needed": None, "note": note})
