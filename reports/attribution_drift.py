"""Attribution drift: whether a model still decides for the reasons for which it was let through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.rules.findings import Finding, State
from reports.intervals import midranks

Floats = NDArray[np.float64]
METRIC = "explain.attribution_drift"
REPLICATES = 200
FEATURES_SHOWN = 12
CONFIDENCE = 0.95


def ndcg(reference: Mapping[str, float], current: Mapping[str, float]) -> float:
    """Normalised discounted cumulative gain of the current order of features under the reference's importance, range (0, 1], 1 = same.

    DCG = sum over places i of reference importance of the feature at place i / log2(i + 1), divided by the DCG of the reference's own
    order. Features that one side lacks count as 0; ties in the current order go by name. 1 where the reference has no importance at all.
    Source: Nigenda et al. 2022, 'Amazon SageMaker Model Monitor', feature attribution drift.
    """
    names = sorted({*reference, *current})
    gains = np.array([reference.get(name, 0.0) for name in names])
    order = sorted(range(len(names)), key=lambda place: (-current.get(names[place], 0.0), names[place]))
    discounts = 1 / np.log2(np.arange(len(names)) + 2)
    best = float((np.sort(gains)[::-1] * discounts).sum())
    return float((gains[order] * discounts).sum()) / best if best > 0 else 1.0


def agreement(reference: Mapping[str, float], current: Mapping[str, float]) -> dict[str, Any]:
    """How alike two importance tables order the features: `ndcg`, `spearman`, `kendall` (tau-b), and the feature that moved most.

    Rank correlations lie in [-1, 1]; None where a side has no differences or there are fewer than 3 features.
    """
    names = sorted({*reference, *current})
    first = np.array([reference.get(name, 0.0) for name in names])
    second = np.array([current.get(name, 0.0) for name in names])
    comparable = len(names) >= 3 and np.ptp(first) > 0 and np.ptp(second) > 0
    moved = max(names, key=lambda name: (abs(reference.get(name, 0.0) - current.get(name, 0.0)), name)) if names else ""
    return {"ndcg": ndcg(reference, current), "features": len(names), "moved": moved, "before": reference.get(moved, 0.0),
            "now": current.get(moved, 0.0),
            "spearman": float(np.corrcoef(midranks(first), midranks(second))[0, 1]) if comparable else None,
            "kendall": _kendall(first, second) if comparable else None}


def attribution_drift(contributions: Floats, names: list[str], reference: Mapping[str, float], *, rows_total: int, rows_min: int,
                      seed: int) -> Finding:
    """`explain.attribution_drift` = 1 - nDCG of mean |SHAP| over these rows against the reference shares, range [0, 1), 0 = same reasons.

    `contributions` (n, f + 1) or (n, k, f + 1) over a sample of `rows_total` rows. The interval is a seeded percentile bootstrap over
    rows; sampling noise can only raise the value, so its lower end matters. Fewer than `rows_min` rows: TOO_FEW. No reference, or fewer
    than 3 features: MISSING or TOO_FEW. The detail's `shares` is {feature: [share in the reference, share now]} of the 12 features with
    the largest of the two. Limit 0.1 (nDCG 0.9) as in SageMaker Clarify's documentation.
    """
    rows = contributions.shape[0]
    if not reference:
        return Finding(metric=METRIC, sample_size=rows, state=State.MISSING, note="the package carries no importance to compare with")
    if rows < rows_min or len(names) < 3:
        needed = f"n = {rows:,}, at least {rows_min:,} needed" if rows < rows_min else "fewer than 3 features have no order"
        return Finding(metric=METRIC, sample_size=rows, needed=rows_min, state=State.TOO_FEW, note=f"not enough evidence: {needed}")
    sizes = np.abs(contributions[..., :-1]).reshape(rows, -1, len(names)).mean(axis=1)
    shares = _shares(sizes.mean(axis=0), names)
    found = agreement(reference, shares)
    weights = np.random.default_rng(seed).multinomial(rows, np.full(rows, 1 / rows), REPLICATES) / rows
    drawn = np.array([1 - ndcg(reference, _shares(means, names)) for means in weights @ sizes])
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    of = "" if rows == rows_total else f" On a seeded sample of {rows:,} of {rows_total:,} answers."
    value = 1 - found["ndcg"]
    return Finding(metric=METRIC, value=value, low=min(float(low), value), high=max(float(high), value), confidence=CONFIDENCE,
                   sample_size=rows, detail=found | {"shares": _largest(reference, shares)},
                   note=f"Largest change of share: {found['moved']} {found['before']:.1%} → {found['now']:.1%}.{of}")


def _largest(reference: Mapping[str, float], current: Mapping[str, float]) -> dict[str, list[float]]:
    order = sorted({*reference, *current}, key=lambda name: (-max(reference.get(name, 0.0), current.get(name, 0.0)), name))
    return {name: [round(reference.get(name, 0.0), 5), round(current.get(name, 0.0), 5)] for name in order[:FEATURES_SHOWN]}


def _shares(means: Floats, names: list[str]) -> dict[str, float]:
    total = float(means.sum())
    return {name: float(mean) / total if total > 0 else 0.0 for name, mean in zip(names, means, strict=True)}


def _kendall(first: Floats, second: Floats) -> float:
    """Kendall's tau-b (Kendall 1945): concordant minus discordant pairs over the geometric mean of the pairs not tied on either side."""
    upper = np.triu_indices(first.size, 1)
    one = np.sign(first[:, None] - first[None])[upper]
    other = np.sign(second[:, None] - second[None])[upper]
    return float((one * other).sum() / np.sqrt((one != 0).sum() * (other != 0).sum()))
