"""Comparisons on the same held-out rows: against naive rules, which need no model, and against the champion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interlock.rules.findings import Finding, State
from interlock.spec.model import Task
from reports.intervals import RESAMPLES, Interval, auc_difference, auc_interval, bootstrap
from reports.losses import check_rows, log_loss_rows, squared_rows, wrong_rows
from reports.measured import measured

Floats = NDArray[np.float64]

CLASS_ROWS_MIN = 10
PRIOR_RULE = {"binary": "always the base rate of the training rows", "multiclass": "always the class shares of the training rows",
              "regression": "always the mean of the training rows"}
LAST_RULE = {"binary": "repeat the last label known at that moment", "multiclass": "repeat the last label known at that moment",
             "regression": "repeat the last value known at that moment"}


def naive_findings(task: Task, y: Floats, score: Floats, *, threshold: float, prior: Floats, last_label: Floats | None = None,
                   seed: int) -> list[Finding]:
    """`performance.vs_naive`: the skill of the model against each naive rule, one finding per rule, on the same rows.

    skill = 1 - loss(model) / loss(rule): 1 = no loss, 0 = no better than the rule, below 0 = worse; range (-inf, 1]. Loss is, against
    `prior` (shaped like `score`), that of the task's primary figure: 1 - AUC (a constant has AUC 0.5, so skill = 2 AUC - 1, the Gini
    coefficient), log loss for multiclass, RMSE for regression; against `last_label` (n,), hard labels as numbers, NaN where the rule
    knows none yet (such rows are left out): the error rate at `threshold`, for regression RMSE. The latter is the temporal kappa of
    Bifet et al. 2013. For classification `performance.log_loss_skill` comes along: the same against `prior` in log loss, which asks
    for good probabilities too, not only for a good order. Intervals: DeLong for AUC, else paired bootstrap, `RESAMPLES` resamples.
    A rule without a single error leaves nothing to gain: TOO_FEW; so are fewer than 10 rows of a class, for the AUC. Raises `DataError`
    for shapes that do not fit. Source: Murphy 1988.
    """
    y, score = check_rows(task, y, score)
    prior = check_rows(task, y, prior, "prior")[1]
    found = [_auc_skill(y, score)] if task == "binary" else [_prior(task, y, score, prior, seed, "performance.vs_naive")]
    if task != "regression":
        found.append(_prior(task, y, score, prior, seed, "performance.log_loss_skill"))
    if last_label is not None:
        found.append(_last(task, y, score, np.asarray(last_label, dtype=np.float64), threshold, seed))
    return found


def champion_finding(task: Task, y: Floats, score: Floats, champion_score: Floats | None, *, seed: int) -> Finding:
    """`performance.vs_champion`: how much better than the champion on the same rows; + is better, 0 equal.

    binary: AUC minus the champion's AUC, range [-1, 1], DeLong's paired 95 % interval. multiclass: the champion's log loss minus the
    own, in nats. regression: 1 - RMSE / RMSE of the champion. The latter two with a paired bootstrap. `champion_score` None: there
    is no champion yet, a state (MISSING with a note), not a failure.
    """
    metric = "performance.vs_champion"
    if champion_score is None:
        return Finding(metric=metric, state=State.MISSING, note="no champion yet")
    y, score = check_rows(task, y, score)
    champion = check_rows(task, y, champion_score, "champion's score")[1]
    if task == "binary":
        return enough_of_each(measured(metric, auc_difference(y, score, champion), sample_size=y.size, unit="AUC",
                                       note="Same rows, paired (DeLong).", why_missing="one class only: no AUC"), y)
    if task == "multiclass":
        losses = np.stack([log_loss_rows(y, score), log_loss_rows(y, champion)])
        difference = bootstrap(losses, {"d": lambda means: means[1] - means[0]}, seed=seed)["d"]
        return measured(metric, difference, sample_size=y.size, unit="log loss", note="Same rows, paired.")
    losses = np.stack([squared_rows(y, score), squared_rows(y, champion)])
    return measured(metric, _skill(losses, root=True, seed=seed), sample_size=y.size, unit="of RMSE", note="Same rows, paired.",
                    why_missing="the champion makes no error on these rows")


def champion_findings(task: Task, y: Floats, score: Floats, champion_score: Floats | None, *, threshold: float, seed: int) -> list[Finding]:
    """`champion_finding`, and where there is a champion the same rows compared by further losses, + is better, 0 equal.

    Classification: `performance.vs_champion_error` (share of rows answered wrong, binary at `threshold`); binary also `_log_loss`
    (nats) and `_brier`; regression: `_mae` (unit of the target).
    Each is mean loss of the champion minus own mean loss, with a paired seeded bootstrap interval; the detail holds both means.
    """
    found = [champion_finding(task, y, score, champion_score, seed=seed)]
    if champion_score is None:
        return found
    y, score = check_rows(task, y, score)
    champion = check_rows(task, y, champion_score, "champion's score")[1]
    for name, unit, (own, theirs) in _losses(task, y, (score, champion), threshold):
        difference = bootstrap(np.stack([own, theirs]), {"d": lambda means: means[1] - means[0]}, seed=seed)["d"]
        detail = {"own": float(own.mean()), "champion": float(theirs.mean())} if y.size else {}
        found.append(measured(f"performance.vs_champion_{name}", difference, sample_size=y.size, unit=unit, detail=detail,
                              note="Same rows, paired; + is better.", why_missing="no row"))
    return found


def _losses(task: Task, y: Floats, scores: tuple[Floats, Floats], threshold: float) -> list[tuple[str, str, list[Floats]]]:
    """(name, unit, [own loss per row, champion's loss per row])."""
    if task == "regression":
        return [("mae", "units of the target", [np.abs(score - y) for score in scores])]
    found = [("error", "of rows", [wrong_rows(y, score, threshold) for score in scores])]
    if task == "binary":
        return [("log_loss", "nats", [log_loss_rows(y, score) for score in scores]), *found,
                ("brier", "", [squared_rows(y, score) for score in scores])]
    return found


def enough_of_each(finding: Finding, y: Floats) -> Finding:
    """The finding of an AUC, TOO_FEW with fewer than `CLASS_ROWS_MIN` positive or negative rows in `y` (n,) 0/1.

    With two or three rows of a class its variance is a guess: both models may rank them alike by luck, and the interval then has no width.
    """
    smallest = int(min(y.sum(), y.size - y.sum()))
    if smallest >= CLASS_ROWS_MIN or finding.state is not State.OK:
        return finding
    note = f"not enough evidence: the rarest class has {smallest:,} rows, at least {CLASS_ROWS_MIN} needed"
    return finding.model_copy(update={"state": State.TOO_FEW, "note": note})


def _auc_skill(y: Floats, score: Floats) -> Finding:
    auc = auc_interval(y, score)
    skill = Interval(2 * auc.value - 1, 2 * auc.low - 1, 2 * auc.high - 1)
    detail = {"rule": "prior", "loss": "1 - AUC", "model": 1 - auc.value, "naive": 0.5} if auc.value == auc.value else {"rule": "prior"}
    note = f"Naive rule: {PRIOR_RULE['binary']}; AUC {auc.value:.4g} against its 0.5."
    return enough_of_each(measured("performance.vs_naive", skill, sample_size=y.size, segment="naive=prior", detail=detail, note=note,
                                   why_missing="one class only: no AUC"), y)


def _prior(task: Task, y: Floats, score: Floats, prior: Floats, seed: int, metric: str) -> Finding:
    if task == "regression":
        losses, name = np.stack([squared_rows(y, score), squared_rows(y, prior)]), "RMSE"
    else:
        losses, name = np.stack([log_loss_rows(y, score), log_loss_rows(y, prior)]), "log loss"
    return _versus(metric, "prior", PRIOR_RULE[task], name, losses, task == "regression", seed)


def _last(task: Task, y: Floats, score: Floats, last: Floats, threshold: float, seed: int) -> Finding:
    known = np.isfinite(last)
    y, score, last = y[known], score[known], last[known]
    if task == "regression":
        losses, name = np.stack([squared_rows(y, score), squared_rows(y, last)]), "RMSE"
    else:
        losses, name = np.stack([wrong_rows(y, score, threshold), (last != y).astype(np.float64)]), "error rate"
    return _versus("performance.vs_naive", "last_label", LAST_RULE[task], name, losses, task == "regression", seed)


def _versus(metric: str, rule: str, sentence: str, loss_name: str, losses: Floats, root: bool, seed: int) -> Finding:
    segment = f"naive={rule}"
    skill = _skill(losses, root=root, seed=seed)
    if not losses.shape[1]:
        return measured(metric, skill, sample_size=0, segment=segment, why_missing="no row on which the naive rule knows a label")
    own, theirs = (float(value) ** (0.5 if root else 1.0) for value in losses.mean(axis=1))
    note = f"Naive rule: {sentence}; {loss_name} {own:.4g} against its {theirs:.4g}."
    detail = {"rule": rule, "loss": loss_name, "model": own, "naive": theirs, "resamples": RESAMPLES}
    return measured(metric, skill, sample_size=losses.shape[1], segment=segment, note=note, detail=detail,
                    why_missing="the naive rule makes no error on these rows, nothing can be better")


def _skill(losses: Floats, *, root: bool, seed: int) -> Interval:
    def skill(means: Floats) -> Floats:
        ratio: Floats = means[0] / means[1]
        return np.subtract(1.0, np.sqrt(ratio) if root else ratio)
    return bootstrap(losses, {"skill": skill}, seed=seed)["skill"]
