"""How a version does on the outcomes known so far, against its value on the rows held out when it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from interlock.modeling.measures import PRIMARY
from interlock.modeling.package import Package
from interlock.rules.findings import Finding, State
from interlock.spec.usecase import UseCase
from reports.calibration import calibration_findings
from reports.comparison import enough_of_each
from reports.intervals import Interval, auc_interval, bootstrap
from reports.losses import log_loss_rows, squared_rows
from reports.measured import measured

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
DROP, BIAS = "performance.drop", "performance.bias"


def performance_of(use_case: UseCase, package: Package, rows: pl.DataFrame, *, seed: int) -> list[Finding]:
    """The primary metric on the rows whose outcome is known, and `performance.drop`, its loss against the package's own value.

    Drop: binary, fall of the AUC; multiclass, rise of the log loss in nats; regression, rise of the RMSE as a share of the package's
    RMSE. 0: as good as when it was made; positive: worse. The interval is the metric's own (DeLong; bootstrap), the package's value
    taken as fixed.
    binary also `performance.bias`: distance between the mean answer and the observed rate, 0: right on average, at most 1.
    Fewer than `labels_min` outcomes, or one class only: TOO_FEW, no value; an AUC from fewer than 10 outcomes of a class: TOO_FEW too.
    """
    import polars as pl

    task = use_case.prediction.task
    known = rows.filter(pl.col("_label").is_not_null())
    needed = use_case.monitoring.labels_min
    metric = f"performance.{PRIMARY[task]}"
    if known.height < needed:
        note = f"outcomes come later: {known.height:,} known, at least {needed:,} needed"
        names = (metric, DROP, BIAS) if task == "binary" else (metric, DROP)
        return [Finding(metric=name, sample_size=known.height, needed=needed, state=State.TOO_FEW, note=note) for name in names]
    primary = package.manifest.baseline.get("primary")
    outcomes, answers = known_answers(use_case, known)
    bias = [_bias(outcomes, answers, seed=seed)] if task == "binary" else []
    value = primary_of(task, outcomes, answers, seed=seed)
    found = measured(metric, value, sample_size=known.height, why_missing="only one class among the known outcomes")
    found = enough_of_each(found, outcomes) if task == "binary" else found
    if primary is None:
        return [found, *bias, Finding(metric=DROP, state=State.MISSING, note="the package carries no value to compare with")]
    drop = measured(DROP, drop_of(task, primary, value), sample_size=known.height, why_missing=found.note,
                    detail={"metric": PRIMARY[task], "when_made": primary, "now": found.value})
    return [found, *bias, enough_of_each(drop, outcomes) if task == "binary" else drop]


def _bias(outcomes: Floats, answers: Floats, *, seed: int) -> Finding:
    """|mean answer - observed rate| with the seeded bootstrap's interval folded at 0; the detail says which way."""
    signed = next(found for found in calibration_findings(outcomes, answers, seed=seed)[0] if found.metric == "calibration.bias")
    if signed.value is None or signed.low is None or signed.high is None:
        return signed.model_copy(update={"metric": BIAS})
    near, far = sorted((abs(signed.low), abs(signed.high)))
    near = 0.0 if signed.low <= 0 <= signed.high else near
    return signed.model_copy(update={"metric": BIAS, "value": abs(signed.value), "low": near, "high": far,
                                     "detail": {"mean_answer": float(answers.mean()), "observed_rate": float(outcomes.mean())}})


def known_answers(use_case: UseCase, known: pl.DataFrame) -> tuple[Floats, Floats]:
    """Outcomes (n,) and answers: (n,) or, multiclass, (n, classes). An outcome that is no class of the use case is an error."""
    if use_case.prediction.task != "multiclass":
        return known["_label"].to_numpy().astype(np.float64), known["_score"].to_numpy().astype(np.float64)
    places = {name: float(place) for place, name in enumerate(use_case.prediction.classes or [])}
    outcomes = np.array([places[label] for label in known["_label"].to_list()])
    answers = np.array(known["_scores"].to_list(), dtype=np.float64)
    return outcomes, answers / answers.sum(axis=1, keepdims=True)


def primary_of(task: str, outcomes: Floats, answers: Floats, *, seed: int) -> Interval:
    """AUC (DeLong), mean log loss in nats, or RMSE (bootstrap) of answers to rows with known outcomes."""
    if task == "binary":
        return auc_interval(outcomes, answers)
    losses = log_loss_rows(outcomes, answers) if task == "multiclass" else squared_rows(outcomes, answers)
    shape: dict[str, Any] = {"value": (lambda means: means[0]) if task == "multiclass" else (lambda means: np.sqrt(means[0]))}
    return bootstrap(losses[np.newaxis, :], shape, seed=seed)["value"]


def drop_of(task: str, primary: float, now: Interval) -> Interval:
    """How much worse `now` is than `primary`, the package's own value, as in `performance_of`; NaN where that is no basis."""
    if task == "binary":
        return Interval(primary - now.value, primary - now.high, primary - now.low)
    scale = primary if task == "regression" else 1.0
    if scale <= 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    return Interval((now.value - primary) / scale, (now.low - primary) / scale, (now.high - primary) / scale)
