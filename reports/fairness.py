"""Fairness: how differently a model treats groups of people. It helps to assess and mitigate differences; it proves nothing fair.

Figures per group come from Fairlearn's `MetricFrame`; groups too small to say anything are named, not judged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from interlock.spec.fairness import Fairness
from reports.intervals import Interval, bootstrap
from reports.losses import check_rows
from reports.measured import measured

Floats = NDArray[np.float64]

BANDS = 4
DISTINCT_MAX = 12
MISSING = "(missing)"
GATED = ("selection_rate_ratio", "equal_opportunity_difference", "equalized_odds_difference")


def fairness_findings(y: Floats, prediction: Floats, score: Floats, sensitive: pl.DataFrame, policy: Fairness, *,
                      seed: int = 2013) -> tuple[list[Finding], dict[str, Any]]:
    """`fairness.<measure>` per sensitive attribute (segment `attribute=<name>`), TOO_FEW per small group, and a table per attribute.

    `y`, `prediction` (n,) 0/1, `score` (n,) = P(1), `sensitive` n rows. With favourable = "negative" both are swapped first, so that
    1 is the favourable answer. Over the groups that are large enough:
    selection_rate_ratio = smallest / largest share of favourable answers, range [0, 1], 1 = equal (demographic parity ratio);
    equal_opportunity_difference = largest difference of the share of deserving people (y favourable) who get the favourable answer;
    equalized_odds_difference = the larger of that and the same for people whose outcome is unfavourable; both [0, 1], 0 = equal.
    A group needs `policy.group_rows_min` rows in every denominator of the measure; otherwise it gets its own finding, TOO_FEW, segment
    `<attribute>=<group>`, and the gate says UNKNOWN. Fewer than two sufficient groups: the attribute itself is TOO_FEW. Missing
    values form no group; their number is in the detail. Numeric attributes with more than 12 values are cut into quartile bands.
    No sensitive column: MISSING with a note. Intervals: seeded bootstrap over all rows (a ratio of extremes leans low in small groups).
    Raises `DataError` for shapes that do not fit. Source: Fairlearn 0.15; Hardt, Price, Srebro 2016; 29 CFR 1607.4(D).
    """
    y, prediction = check_rows("binary", y, prediction, "prediction")
    if sensitive.height != y.size and sensitive.width:
        raise DataError("sensitive attributes and labels do not fit together", value=sensitive.height, allowed=f"{y.size} rows")
    if not sensitive.width:
        note = "no sensitive attribute is declared for this use case"
        return [Finding(metric=f"fairness.{name}", state=State.MISSING, note=note) for name in GATED], {}
    if policy.favourable == "negative":
        y, prediction, score = 1 - y, 1 - prediction, 1 - score
    findings: list[Finding] = []
    tables: dict[str, Any] = {}
    for name in sensitive.columns:
        groups = group_names(sensitive[name])
        known = groups != MISSING
        table = group_table(y[known], prediction[known], score[known], groups[known])
        tables[name] = {"groups": table, "missing": int((~known).sum()), "favourable": policy.favourable}
        for measure in GATED:
            findings += _attribute(name, measure, y, prediction, groups, table, policy, seed)
    return findings, tables


def group_names(values: pl.Series) -> NDArray[np.str_]:
    """The group of each row (n,) as text: the value itself, a quartile band for a numeric attribute with more than 12 values, or
    `(missing)` for null and NaN."""
    if values.dtype.is_float():
        values = values.fill_nan(None)
    if values.dtype.is_numeric() and values.drop_nulls().n_unique() > DISTINCT_MAX:
        numbers = values.cast(pl.Float64)
        cuts = sorted({float(numbers.quantile(i / BANDS, "lower") or 0.0) for i in range(1, BANDS)})
        labels = [f"≤ {cuts[0]:g}", *(f"{low:g} < … ≤ {high:g}" for low, high in zip(cuts, cuts[1:], strict=False)), f"> {cuts[-1]:g}"]
        place = np.searchsorted(cuts, numbers.fill_null(float("nan")).to_numpy(), side="left")
        named = np.array(labels)[np.minimum(place, len(labels) - 1)]
        return np.where(numbers.is_null().to_numpy(), MISSING, named)
    return values.cast(pl.String).fill_null(MISSING).to_numpy().astype(str)


def group_table(y: Floats, prediction: Floats, score: Floats, groups: NDArray[np.str_]) -> list[dict[str, Any]]:
    """Per group, in order of size: rows, positives, selection rate, true and false positive rate, accuracy, mean score, base rate.

    Rates without a denominator are None. All but counts in [0, 1]. Computed by Fairlearn's `MetricFrame`.
    """
    if y.size == 0:
        return []
    from fairlearn.metrics import MetricFrame, count, false_positive_rate, selection_rate, true_positive_rate
    from sklearn.metrics import accuracy_score
    frame = MetricFrame(metrics={"rows": count, "selection_rate": selection_rate, "true_positive_rate": true_positive_rate,
                                 "false_positive_rate": false_positive_rate, "accuracy": accuracy_score},
                        y_true=y.astype(int), y_pred=prediction.astype(int), sensitive_features=groups).by_group
    rows: list[dict[str, Any]] = []
    for group, figures in frame.iterrows():
        here = groups == group
        positives = int(y[here].sum())
        rows.append({"group": str(group), "rows": int(here.sum()), "positives": positives, "mean_score": float(score[here].mean()),
                     "base_rate": positives / int(here.sum()), "selection_rate": float(figures["selection_rate"]),
                     "true_positive_rate": float(figures["true_positive_rate"]) if positives else None,
                     "false_positive_rate": float(figures["false_positive_rate"]) if positives < here.sum() else None,
                     "accuracy": float(figures["accuracy"])})
    return sorted(rows, key=lambda row: (-row["rows"], row["group"]))


def _attribute(name: str, measure: str, y: Floats, prediction: Floats, groups: NDArray[np.str_], table: list[dict[str, Any]],
               policy: Fairness, seed: int) -> list[Finding]:
    metric, needed = f"fairness.{measure}", policy.group_rows_min
    small = {row["group"]: _denominator(row, measure) for row in table if _denominator(row, measure) < needed}
    judged = [row["group"] for row in table if row["group"] not in small]
    what = "rows" if measure == "selection_rate_ratio" else "rows per rate"
    findings = [Finding(metric=metric, segment=f"{name}={group}", sample_size=rows, needed=needed, state=State.TOO_FEW,
                        note=f"not enough evidence: n = {rows:,}, at least {needed:,} needed ({what})") for group, rows in small.items()]
    size = int(sum(row["rows"] for row in table if row["group"] in judged))
    segment = f"attribute={name}"
    if len(judged) < 2:
        note = f"not enough evidence: {len(judged)} group(s) with at least {needed:,} {what}, 2 needed to compare"
        return [*findings, Finding(metric=metric, segment=segment, sample_size=size, needed=needed, state=State.TOO_FEW, note=note)]
    interval = _interval(measure, y, prediction, groups, judged, seed)
    worst = _extremes(table, judged, "true_positive_rate" if measure == "equal_opportunity_difference" else "selection_rate")
    missing = int((groups == MISSING).sum())
    return [*findings, measured(metric, interval, sample_size=size, segment=segment, note=worst,
                                detail={"groups": judged, "too_small": sorted(small), "missing": missing},
                                why_missing="no group gets the favourable answer at all: no ratio")]


def _denominator(row: dict[str, Any], measure: str) -> int:
    if measure == "selection_rate_ratio":
        return int(row["rows"])
    if measure == "equal_opportunity_difference":
        return int(row["positives"])
    return int(min(row["positives"], row["rows"] - row["positives"]))


def _interval(measure: str, y: Floats, prediction: Floats, groups: NDArray[np.str_], judged: list[str], seed: int) -> Interval:
    inside = np.stack([(groups == group).astype(np.float64) for group in judged])
    parts = [inside * prediction, inside, inside * y * prediction, inside * y, inside * (1 - y) * prediction, inside * (1 - y)]
    k = len(judged)

    def rate(means: Floats, number: int) -> Floats:
        found: Floats = means[number * k:(number + 1) * k] / means[(number + 1) * k:(number + 2) * k]
        return found

    def value(means: Floats) -> Floats:
        selected = rate(means, 0)
        ratio: Floats = selected.min(axis=0) / selected.max(axis=0)
        deserving: Floats = np.ptp(rate(means, 2), axis=0)
        odds: Floats = np.maximum(deserving, np.ptp(rate(means, 4), axis=0))
        return {"selection_rate_ratio": ratio, "equal_opportunity_difference": deserving, "equalized_odds_difference": odds}[measure]
    return bootstrap(np.vstack(parts), {measure: value}, seed=seed)[measure]


def _extremes(table: list[dict[str, Any]], judged: list[str], rate: str) -> str:
    rows = [row for row in table if row["group"] in judged]
    low, high = min(rows, key=lambda row: row[rate] or 0.0), max(rows, key=lambda row: row[rate] or 0.0)
    name = "Favourable answers" if rate == "selection_rate" else "Favourable answers to the deserving"
    return f"{name}: " + ", ".join(f"{row['group']} {row[rate] or 0:.1%} (n = {row['rows']:,})" for row in (low, high)) + "."
