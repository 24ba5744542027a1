"""Cohorts: whether different people are answered for different reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.attribution_drift import agreement
from reports.explain import global_importance

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
COHORTS_MAX, FEATURES_MAX = 30, 12


def cohort_figure(contributions: Floats, margins: Floats, names: list[str], cohorts: Mapping[str, Flags], *, rows_min: int
                  ) -> list[dict[str, Any]]:
    """One entry per cohort (rows marked in its mask), in the given order, at most `COHORTS_MAX`.

    {"cohort", "rows", "needed": None, "mean_margin", "importance": {feature: share of mean |SHAP|, the 12 largest of all rows},
    "mean_abs": {feature: mean |contribution|, in margin}, "mean": {feature: mean signed contribution, in margin}, "ndcg", "spearman"
    against all rows}. Below `rows_min` rows only "cohort",
    "rows" and "needed" are given: shares of few rows are noise. One output only; contributions (n, f + 1), margins (n,).
    """
    overall = global_importance(contributions, names)
    shown = list(overall)[:FEATURES_MAX]
    found: list[dict[str, Any]] = []
    for name, mask in list(cohorts.items())[:COHORTS_MAX]:
        rows = int(mask.sum())
        if rows < rows_min:
            found.append({"cohort": name, "rows": rows, "needed": rows_min})
            continue
        importance, means = global_importance(contributions[mask], names), contributions[mask].mean(axis=0)
        sizes = np.abs(contributions[mask]).mean(axis=0)
        alike = agreement(overall, importance)
        found.append({"cohort": name, "rows": rows, "needed": None, "mean_margin": float(margins[mask].mean()),
                      "importance": {feature: round(importance[feature], 5) for feature in shown},
                      "mean_abs": {feature: round(float(sizes[names.index(feature)]), 5) for feature in shown},
                      "mean": {feature: round(float(means[names.index(feature)]), 5) for feature in shown},
                      "ndcg": round(alike["ndcg"], 5), "spearman": alike["spearman"]})
    return found
