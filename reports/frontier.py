"""The performance–fairness frontier: what each way of mitigation would cost and bring, so that a person chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.rules.findings import Finding, State
from interlock.spec.fairness import Fairness
from reports.fairness_groups import Counts, count_groups
from reports.fairness_intervals import shares
from reports.fairness_measures import Attribute, compare
from reports.intervals import auc_components

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Option:
    """One model that could be: how it was made, how strongly, its decisions and scores on the held-out rows (n,)."""

    name: str
    strength: float
    prediction: Floats = field(repr=False)
    score: Floats = field(repr=False)
    note: str = ""


def frontier_findings(options: Sequence[Option], y: Floats, groups: NDArray[np.str_], attribute: str, measure: str, limit: float,
                      policy: Fairness) -> tuple[list[Finding], dict[str, Any]]:
    """`fairness.mitigation_cost` and one point per option, the first being the model as it is.

    `y` (n,) 0/1, `groups` (n,) the attribute's groups; `measure` and `limit` as the gate has them. A point holds accuracy (share of right
    decisions, Wilson interval), balanced accuracy, AUC, and the measure with its interval. It is on the frontier (`pareto`) where no
    other option is at least as good in both accuracy and fairness and better in one. cost = accuracy of the first option minus that of
    the most accurate option whose value clears the limit: share of rows, negative where it is even more accurate. MISSING where none
    clears it, or no option could be measured.
    Figures: {"attribute", "measure", "limit", "rows", "points": [{"option", "strength", "accuracy", "accuracy_low", "accuracy_high",
    "balanced_accuracy", "auc", "fairness", "fairness_low", "fairness_high", "clears", "pareto", "note", "rates": {group: selected}}]};
    rates only of groups with at least `group_rows_min` rows.
    """
    is_ratio = measure.endswith("_ratio")
    points = [_point(option, y, groups, attribute, measure, limit, policy) for option in options]
    for point in points:
        point["pareto"] = point["fairness"] is not None and not any(_dominates(other, point, is_ratio) for other in points)
    figures = {"attribute": attribute, "measure": measure, "limit": limit, "rows": int(y.size), "points": points}
    return [_cost(points, attribute, measure, limit, int(y.size))], figures


def _point(option: Option, y: Floats, groups: NDArray[np.str_], attribute: str, measure: str, limit: float, policy: Fairness
           ) -> dict[str, Any]:
    right = shares(np.array([(option.prediction == y).sum()], dtype=np.float64), np.array([float(y.size)]))
    given = (y, option.prediction, option.score) if policy.favourable == "positive" else (1 - y, 1 - option.prediction, 1 - option.score)
    counts = count_groups(*given, groups)
    found = next(one for one in compare(Attribute(attribute, counts), measure, policy) if one.segment == f"attribute={attribute}")
    value = found.value
    clears = value is not None and (value >= limit if measure.endswith("_ratio") else value <= limit)
    positive, negative = option.prediction[y == 1], option.prediction[y == 0]
    balanced = (float(positive.mean()) + 1 - float(negative.mean())) / 2 if positive.size and negative.size else None
    auc = auc_components(y, option.score)[0]
    return {"option": option.name, "strength": option.strength, "accuracy": float(right.value[0]), "accuracy_low": float(right.low[0]),
            "accuracy_high": float(right.high[0]), "balanced_accuracy": balanced, "auc": float(auc) if np.isfinite(auc) else None,
            "fairness": value, "fairness_low": found.low, "fairness_high": found.high, "clears": bool(clears),
            "note": option.note or ("" if value is not None else found.note),
            "rates": _rates(counts, policy.group_rows_min)}


def _rates(counts: Counts, rows_min: int) -> dict[str, float]:
    """Share of favourable answers per group of at least `rows_min` rows: of a smaller one it would tell of single people."""
    large = [place for place, rows in enumerate(counts.counted["rows"]) if rows >= rows_min]
    return {counts.names[place]: float(rate) for place, rate in zip(large, counts.rate("selection_rate", large).value, strict=True)}


def _dominates(other: dict[str, Any], point: dict[str, Any], is_ratio: bool) -> bool:
    if other["fairness"] is None:
        return False
    sign = 1 if is_ratio else -1
    better = (other["accuracy"] - point["accuracy"], sign * (other["fairness"] - point["fairness"]))
    return bool(min(better) >= 0 and max(better) > 0)


def _cost(points: list[dict[str, Any]], attribute: str, measure: str, limit: float, rows: int) -> Finding:
    segment, named = f"attribute={attribute}", measure.replace("_", " ")
    clearing = [point for point in points[1:] if point["clears"]]
    if not points or not clearing:
        note = f"None of the {max(len(points) - 1, 0)} ways that were tried brings the {named} to {limit:g}." if points else "no option"
        return Finding(metric="fairness.mitigation_cost", segment=segment, sample_size=rows, state=State.MISSING, note=note)
    best, plain = max(clearing, key=lambda point: (point["accuracy"], point["option"], -point["strength"])), points[0]
    before = "not measured" if plain["fairness"] is None else f"{plain['fairness']:.3f}"
    note = (f"{best['option']} at strength {best['strength']:g} brings the {named} from {before} to {best['fairness']:.3f}; right "
            f"decisions go from {plain['accuracy']:.1%} to {best['accuracy']:.1%} of {rows:,} held-out rows. Small models, to choose by.")
    return Finding(metric="fairness.mitigation_cost", value=plain["accuracy"] - best["accuracy"], sample_size=rows, segment=segment,
                   note=note, detail={"option": best["option"], "strength": best["strength"], "measure": measure})
