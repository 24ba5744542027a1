"""Fairness of predicted values (regression): whether groups are predicted equally high, and equally well."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from interlock.spec.fairness import VALUE_MEASURES, Fairness
from reports.fairness import named, undeclared
from reports.fairness_groups import GROUPS_MAX, MISSING, all_groups
from reports.fairness_intervals import Figures, difference, means, pairs_of, ratio
from reports.losses import check_rows
from reports.measured import measured

Floats = NDArray[np.float64]
UNIT = "units of the target"
SMALL_MAX = 20
FIGURES = ("mean_prediction", "mean_outcome", "bias", "mae", "rmse")
WORDS = {"mean_prediction": "Mean prediction", "bias": "Mean of prediction minus outcome", "mae": "Mean absolute error",
         "rmse": "Root mean squared error"}


@dataclass(frozen=True)
class Values:
    """Sums per group (k,), the largest first: `sums` and `squares` of each row quantity, over `rows` rows. `missing`: in no group."""

    names: list[str]
    rows: Floats
    sums: dict[str, Floats]
    squares: dict[str, Floats]
    missing: int

    def figure(self, name: str, places: list[int], *, comparisons: int = 1) -> Figures:
        """A figure of the groups at these places. The error is the mean of the squared errors' interval, under the root."""
        source = "squared" if name == "rmse" else name
        found = means(self.sums[source][places], self.squares[source][places], self.rows[places], comparisons=comparisons)
        if name != "rmse":
            return found
        return Figures(np.sqrt(found.value), np.sqrt(np.maximum(found.low, 0.0)), np.sqrt(found.high))


def value_findings(y: Floats, prediction: Floats, sensitive: pl.DataFrame, policy: Fairness, *, gated: Collection[str] = ()
                   ) -> tuple[list[Finding], dict[str, Any]]:
    """`fairness.<measure>` per sensitive attribute for predicted values, and per rule of the policy `fairness.rule_<name>`.

    `y`, `prediction` (n,) in units of the target, `sensitive` n rows. mean_prediction_difference, bias_difference (bias = mean of
    prediction minus outcome, signed), mae_difference, rmse_difference: largest minus smallest over the groups, 0 = equal, in units of the
    target; mae_ratio, rmse_ratio: smallest over largest, 1 = equal. Intervals: Student's per group, shared among all pairs. A group
    with fewer than `policy.group_rows_min` rows is TOO_FEW (no difference in the target's unit is given that could be planned for);
    other states, and `gated`, as in `fairness_findings`.
    Figures: attribute → {"value_groups": [{"group", "rows", "mean_prediction", "mean_outcome", "bias", "mae", "rmse", "intervals"}],
    "missing"}. Definitions: Fairlearn's `MetricFrame` over `mean_prediction`, scikit-learn's errors. Raises `DataError` for shapes.
    """
    y, prediction = check_rows("regression", y, prediction, "prediction")
    if sensitive.height != y.size and sensitive.width:
        raise DataError("sensitive attributes and labels do not fit together", value=sensitive.height, allowed=f"{y.size} rows")
    if not sensitive.width:
        return undeclared(policy, "mean_prediction_difference"), {}
    single, crossed = all_groups(sensitive)
    counted = {name: _count(y, prediction, groups) for name, groups in (single | crossed).items()}
    findings: list[Finding] = []
    for rule in policy.rules:
        for name in named(rule, list(single), counted):
            findings += _compare(name, counted[name], rule.metric, policy, metric=rule.finding) if name in counted else [
                Finding(metric=rule.finding, segment=f"attribute={name}", state=State.MISSING,
                        note=f"the sensitive attribute '{name}' did not come with the rows")]
    findings += [found for name in single for measure in VALUE_MEASURES for found in _compare(name, counted[name], measure, policy)
                 if found.segment.startswith("attribute=") or measure == "mean_prediction_difference" or found.metric in gated]
    return findings, {name: _table(counted[name]) for name in single}


def _count(y: Floats, prediction: Floats, groups: NDArray[np.str_]) -> Values:
    known = groups != MISSING
    y, prediction = y[known], prediction[known]
    names, place = np.unique(groups[known], return_inverse=True)
    k = names.size
    rows = np.bincount(place, minlength=k).astype(np.float64)
    order = np.lexsort((names, -rows)) if k else np.empty(0, dtype=np.int64)
    error = prediction - y
    quantities = {"mean_prediction": prediction, "mean_outcome": y, "bias": error, "mae": np.abs(error), "squared": error**2}

    def total(values: Floats) -> Floats:
        return np.bincount(place, weights=values, minlength=k).astype(np.float64)[order]

    return Values([str(name) for name in names[order]], rows[order], {name: total(values) for name, values in quantities.items()},
                  {name: total(values**2) for name, values in quantities.items()}, int((~known).sum()))


def _compare(name: str, counts: Values, measure: str, policy: Fairness, *, metric: str | None = None) -> list[Finding]:
    metric, segment, needed = metric or f"fairness.{measure}", f"attribute={name}", policy.group_rows_min
    judged = [place for place in range(len(counts.names)) if counts.rows[place] >= needed]
    size = int(counts.rows[judged].sum()) if judged else 0
    if trouble := _nothing_to_compare(counts, len(judged), needed):
        return [Finding(metric=metric, segment=segment, sample_size=size, needed=needed, state=State.TOO_FEW, note=trouble)]
    small = [place for place in range(len(counts.names)) if counts.rows[place] < needed]
    findings = [Finding(metric=metric, segment=f"{name}={counts.names[place]}", sample_size=int(counts.rows[place]), needed=needed,
                        state=State.TOO_FEW, note=f"not enough evidence: n = {int(counts.rows[place]):,}, at least {needed:,} needed")
                for place in small[-SMALL_MAX:]]
    part, _, kind = measure.rpartition("_")
    figure = counts.figure(part, judged, comparisons=pairs_of(len(judged)))
    found = (ratio if kind == "ratio" else difference)(figure)
    ends = [int(np.argmin(figure.value)), int(np.argmax(figure.value))]
    said = ", ".join(f"{counts.names[judged[end]]} {figure.value[end]:.4g} (n = {int(counts.rows[judged[end]]):,})" for end in ends)
    detail = {"groups": [counts.names[place] for place in judged], "missing": counts.missing,
              "too_small": [counts.names[place] for place in small]}
    return [measured(metric, found, sample_size=size, segment=segment, unit="" if kind == "ratio" else UNIT, detail=detail,
                     note=f"{WORDS[part]}: {said}.", why_missing="no group has an error above 0: no ratio"), *findings]


def _nothing_to_compare(counts: Values, judged: int, needed: int) -> str:
    if not counts.names:
        return "no row carries this attribute" if counts.missing else "there is no row"
    if len(counts.names) > GROUPS_MAX:
        return f"{len(counts.names):,} different values are no groups of people: at most {GROUPS_MAX} can be compared"
    if len(counts.names) == 1:
        return f"all {int(counts.rows[0]):,} rows are in one group ({counts.names[0]}): nothing to compare"
    if judged < 2:
        return f"not enough evidence: 2 groups with at least {needed:,} rows are needed to compare, found {judged}"
    return ""


def _table(counts: Values) -> dict[str, Any]:
    every = list(range(min(len(counts.names), GROUPS_MAX)))
    figures = {name: counts.figure(name, every) for name in FIGURES}
    rows = [{"group": counts.names[place], "rows": int(counts.rows[place]),
             **{name: float(figure.value[place]) for name, figure in figures.items()},
             "intervals": {name: [_plain(figure.low[place]), _plain(figure.high[place])] for name, figure in figures.items()}}
            for place in every]
    return {"value_groups": rows, "missing": counts.missing}


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
