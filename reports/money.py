"""What decisions are worth in money: per 1,000 cases, against the champion and against rules that need no model, at every threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from interlock.spec.model import Task
from reports.intervals import Interval, bootstrap
from reports.losses import check_rows
from reports.measured import measured
from reports.money_thresholds import best_threshold, decision_curve, threshold_table

Floats = NDArray[np.float64]

PER = 1_000.0


def value_findings(task: Task, y: Floats, score: Floats, matrix: Mapping[str, float], *, currency: str, threshold: float = 0.5,
                   scale: Floats | None = None, prior: Floats | None = None, champion_score: Floats | None = None, seed: int = 2013
                   ) -> tuple[list[Finding], dict[str, Any]]:
    """`performance.value_per_1000`, `value_vs_naive`, `value_vs_champion` and, binary, `value_threshold_gain`.

    `y`, `score` (n,) as in `performance.figures_of`, tasks binary and regression. `matrix`: `true_positive`, `false_positive`,
    `true_negative`, `false_negative` in `currency` per case (gains positive, losses negative), or `over` and `under`, costs per unit of
    error. `scale` (n,) multiplies the amounts of its row; rows where it is missing, infinite or negative are left out and counted in the
    note. value_per_1000 = 1,000 x mean value of a row's decision. Against naive: minus that of answering always no, and always yes
    (regression: always `prior` (n,)); against the champion: minus the champion's (None: MISSING, no champion yet); same rows, paired.
    value_threshold_gain: the threshold worth most on one seeded half of the rows, minus the present one, measured on the other half
    (so that the choice does not flatter itself); `detail` names it, and `calibrated_threshold`, what would be best for probabilities
    that come true (Elkan 2001). Seeded bootstrap, 95 %. No usable row: TOO_FEW. Raises `DataError` where the matrix does not fit the
    task. Figures: `{"money": {...}}` as in `money_thresholds.threshold_table`, `{"decision_curve": {...}}` as in `decision_curve`.
    """
    y, score = check_rows(task, y, score)
    wanted = {"over", "under"} if task == "regression" else {"true_positive", "false_positive", "true_negative", "false_negative"}
    if task == "multiclass" or set(matrix) != wanted:
        raise DataError(f"the value matrix does not fit a {task} task", value=sorted(matrix), allowed=", ".join(sorted(wanted)))
    factor, kept, lost = _usable(y, scale)
    y, score, factor = y[kept], score[kept], factor[kept]
    champion = None if champion_score is None else check_rows(task, *_both(y, champion_score, kept), "champion's score")[1]
    own = _values(task, y, score, matrix, threshold) * factor
    found = [_per_1000("performance.value_per_1000", own, None, currency, seed, note=f"{lost:,} rows without a usable scale left out."
                       if lost else "")]
    for rule, answer in _naive(task, y, prior, kept):
        found.append(_per_1000("performance.value_vs_naive", own, _values(task, y, answer, matrix, threshold) * factor, currency, seed,
                               segment=f"naive={rule}", note=f"Against the rule: {rule.replace('_', ' ')}."))
    if champion is None:
        found.append(Finding(metric="performance.value_vs_champion", state=State.MISSING, note="no champion yet"))
    else:
        found.append(_per_1000("performance.value_vs_champion", own, _values(task, y, champion, matrix, threshold) * factor, currency, seed,
                               note="Same rows, paired."))
    if task != "binary":
        return found, {}
    gain, proposal = best_threshold(y, score, matrix, factor, threshold=threshold, currency=currency, seed=seed)
    named = {"currency": currency, "present": threshold, "proposal": proposal}
    return [*found, gain], {"money": threshold_table(y, score, matrix, factor, champion=champion) | named,
                            "decision_curve": decision_curve(y, score, champion)}


def value_rows(y: Floats, decided: Floats, matrix: Mapping[str, float]) -> Floats:
    """Worth of each decision (n,): `y` and `decided` 0/1."""
    yes = np.where(y == 1, matrix["true_positive"], matrix["false_positive"])
    no = np.where(y == 1, matrix["false_negative"], matrix["true_negative"])
    return np.where(decided == 1, yes, no).astype(np.float64)


def cost_rows(y: Floats, score: Floats, matrix: Mapping[str, float]) -> Floats:
    """Worth of each prediction (n,), at most 0: minus `over` per unit too high, minus `under` per unit too low."""
    error = score - y
    costs: Floats = -(matrix["over"] * np.maximum(error, 0.0) + matrix["under"] * np.maximum(-error, 0.0))
    return costs


def _values(task: Task, y: Floats, score: Floats, matrix: Mapping[str, float], threshold: float) -> Floats:
    return cost_rows(y, score, matrix) if task == "regression" else value_rows(y, (score >= threshold).astype(np.float64), matrix)


def _usable(y: Floats, scale: Floats | None) -> tuple[Floats, NDArray[np.bool_], int]:
    if scale is None:
        return np.ones(y.size), np.ones(y.size, dtype=np.bool_), 0
    scale = np.asarray(scale, dtype=np.float64)
    if scale.shape != y.shape:
        raise DataError("the scale does not fit the rows", value=scale.shape, allowed=str(y.shape))
    kept = np.isfinite(scale) & (scale >= 0)
    return scale, kept, int((~kept).sum())


def _both(y: Floats, champion: Floats, kept: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    if champion.shape != kept.shape:
        raise DataError("the champion's scores do not fit the rows", value=champion.shape, allowed=str(kept.shape))
    return y, champion[kept]


def _naive(task: Task, y: Floats, prior: Floats | None, kept: NDArray[np.bool_]) -> list[tuple[str, Floats]]:
    if task == "regression":
        return [] if prior is None else [("always_the_mean", np.asarray(prior, dtype=np.float64)[kept])]
    return [("always_no", np.zeros(y.size)), ("always_yes", np.ones(y.size))]


def _per_1000(metric: str, own: Floats, other: Floats | None, currency: str, seed: int, *, segment: str = "all", note: str = "") -> Finding:
    """Mean of `own` (minus `other`) x 1,000 with a paired bootstrap interval."""
    difference = own if other is None else own - other
    found = bootstrap(difference[np.newaxis], {"v": lambda means: means[0] * PER}, seed=seed)["v"] if own.size else Interval(*[np.nan] * 3)
    return measured(metric, found, sample_size=own.size, unit=f"{currency} per 1,000", segment=segment, note=note,
                    why_missing="no row with a usable amount")
