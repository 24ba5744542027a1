"""Interactions: which pairs of features act together, from XGBoost's own Shapley interaction values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.rules.findings import Finding, State

Floats = NDArray[np.float64]
Values = NDArray[np.float32]
METRIC = "explain.interaction_share"
PAIRS_MAX = 10
WORK_MAX = 2_000_000  # rows * leaves * features that are computed: about half a second
ROWS_MIN, ROWS_MAX = 20, 500


def interaction_rows(leaves: int, features: int) -> int:
    """Rows that a model of this size is asked for, between 20 and 500: the cost grows with rows, leaves and features."""
    return int(np.clip(WORK_MAX // max(leaves * features, 1), ROWS_MIN, ROWS_MAX))


def interaction_values(booster: Any, values: Values, types: list[str], *, threads: int = 2) -> Floats:
    """Shapley interaction values (n, f + 1, f + 1), or (n, k, f + 1, f + 1), in margin; symmetric, each effect halved over its two cells.

    The diagonal holds main effects; a row of the matrix sums to the feature's Shapley value; the last place is the bias. Path-dependent.
    Source: Fujimoto et al. 2006; Lundberg et al. 2020, 'From local explanations to global understanding'.
    """
    import xgboost

    matrix = xgboost.DMatrix(values, feature_names=booster.feature_names, feature_types=types, enable_categorical=True, nthread=threads)
    return np.asarray(booster.predict(matrix, pred_interactions=True), dtype=np.float64)


def interaction_findings(interactions: Floats, names: list[str], *, rows_total: int) -> tuple[list[Finding], dict[str, Any]]:
    """`explain.interaction_share` and the strongest pairs.

    Strength of a pair: mean over rows (and classes) of |both its cells|; of a feature alone: mean |diagonal|. The share is the pairs'
    strength over all strength, range [0, 1), 0 = a purely additive model. Figure: {"pairs": [{"first", "second", "strength", "share"}],
    "share", "partner": {feature: its strongest partner}, "rows", "rows_total"}; strength in margin, share of all strength. One feature,
    no row or a constant model: TOO_FEW, no value.
    """
    rows = interactions.shape[0]
    if rows == 0 or len(names) < 2:
        note = "no row to explain" if rows == 0 else "one feature has nobody to interact with"
        return [Finding(metric=METRIC, sample_size=rows, state=State.TOO_FEW, note=note)], {}
    cells = np.abs(interactions[..., :-1, :-1]).reshape(-1, len(names), len(names)).mean(axis=0)
    upper = np.triu_indices(len(names), 1)
    strengths = (cells + cells.T)[upper]
    total = float(strengths.sum() + np.diag(cells).sum())
    if total <= 0:
        return [Finding(metric=METRIC, sample_size=rows, state=State.TOO_FEW, note="the model gives every row the same answer")], {}
    order = np.argsort(-strengths, kind="stable")[:PAIRS_MAX]
    pairs = [{"first": names[upper[0][place]], "second": names[upper[1][place]], "strength": float(strengths[place]),
              "share": float(strengths[place]) / total} for place in order if strengths[place] > 0]
    share = float(strengths.sum()) / total
    both = cells + cells.T - np.diag(np.inf * np.ones(len(names)))
    partner = {name: names[int(both[place].argmax())] for place, name in enumerate(names)}
    strongest = f"Strongest: {pairs[0]['first']} with {pairs[0]['second']} ({pairs[0]['share']:.1%}). " if pairs else ""
    note = f"{share:.1%} of the effect comes from features acting together. {strongest}On {rows:,} of {rows_total:,} rows."
    return [Finding(metric=METRIC, value=share, sample_size=rows, note=note)], {
        "pairs": pairs, "share": share, "partner": partner, "rows": rows, "rows_total": rows_total}
