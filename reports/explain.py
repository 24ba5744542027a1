"""Explanations: which columns drive the answers (SHAP), whether they add up, and whether they changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from reports.attribution_drift import agreement
from reports.intervals import midranks

Floats = NDArray[np.float64]

ROWS_MAX = 5_000
DOTS_MAX = 300
DOT_FEATURES = 15


def sample_rows(rows: int, *, seed: int, rows_max: int = ROWS_MAX) -> NDArray[np.int64]:
    """Ascending numbers of the rows to explain: all of them, or a seeded sample of `rows_max` without repetition."""
    if rows <= rows_max:
        return np.arange(rows)
    return np.asarray(np.sort(np.random.default_rng(seed).choice(rows, rows_max, replace=False)), dtype=np.int64)


def explain_findings(contributions: Floats, margins: Floats, names: list[str], *, rows_total: int,
                     champion_importance: Mapping[str, float] | None = None) -> tuple[list[Finding], dict[str, Any]]:
    """`explain.additivity`, `explain.dominance`, `explain.stability`, and {"importance": {name: share}, "rows", "rows_total"} as a figure.

    `contributions`, `margins` as from `shapley.explain_rows` over n of `rows_total` rows; `names` the f features in their order.
    additivity = largest |sum of a row's contributions - its margin| / max(1, |margin|), range [0, inf), 0 = every explanation adds up
    (relative for large margins, such as a regression's in its own unit, because sums are 32 bits wide).
    Importance = mean |contribution| over rows (and classes), divided by the sum over features: shares that sum to 1; all 0 for a
    constant model. dominance = largest share, range [0, 1], 1 = one column decides all.
    stability = Spearman correlation of the shares with the champion's over all features of both (absent ones 0), range [-1, 1],
    1 = same order; its detail adds Kendall's tau-b and the nDCG (`attribution_drift`). `champion_importance` None: MISSING, no champion
    yet; fewer than 3 features: TOO_FEW. No row: TOO_FEW.
    Raises `DataError` where shapes do not fit.
    """
    if contributions.shape[-1] != len(names) + 1 or contributions.shape[:-1] != margins.shape:
        raise DataError("contributions, margins and names do not fit together",
                        value=f"{contributions.shape}, {margins.shape}, {len(names)} names", allowed="(n, f + 1), (n,), f names")
    rows = contributions.shape[0]
    if rows == 0:
        return [Finding(metric=f"explain.{name}", state=State.TOO_FEW, note="no row to explain")
                for name in ("additivity", "dominance", "stability")], {"importance": {}}
    note = "" if rows == rows_total else f"On a seeded sample of {rows:,} of {rows_total:,} rows."
    importance = global_importance(contributions, names)
    worst = float((np.abs(contributions.sum(axis=-1) - margins) / np.maximum(np.abs(margins), 1.0)).max())
    top = max(importance, key=lambda name: importance[name])
    findings = [
        Finding(metric="explain.additivity", value=worst, sample_size=rows, unit="margin", note=note),
        Finding(metric="explain.dominance", value=importance[top], sample_size=rows, note=f"Strongest: {top}. {note}".strip(),
                detail={"feature": top}),
        stability_finding(importance, champion_importance, rows),
    ]
    return findings, {"importance": importance, "rows": rows, "rows_total": rows_total}


def global_importance(contributions: Floats, names: list[str]) -> dict[str, float]:
    """Share of mean |contribution| per feature (bias left out), largest first, ties by name; sums to 1, or all 0 for a constant model."""
    mean = np.abs(contributions[..., :-1]).reshape(-1, len(names)).mean(axis=0)
    total = mean.sum()
    share = {name: float(value / total) if total > 0 else 0.0 for name, value in zip(names, mean, strict=True)}
    return dict(sorted(share.items(), key=lambda item: (-item[1], item[0])))


def stability_finding(importance: Mapping[str, float], champion: Mapping[str, float] | None, rows: int) -> Finding:
    """`explain.stability`: Spearman rank correlation of two importance tables, see `explain_findings`."""
    metric = "explain.stability"
    if champion is None:
        return Finding(metric=metric, state=State.MISSING, note="no champion yet")
    names = sorted({*importance, *champion})
    own = np.array([importance.get(name, 0.0) for name in names])
    other = np.array([champion.get(name, 0.0) for name in names])
    if len(names) < 3 or np.ptp(own) == 0 or np.ptp(other) == 0:
        return Finding(metric=metric, state=State.TOO_FEW, sample_size=rows,
                       note="fewer than 3 features, or no differences between them: no order to compare")
    found = agreement(champion, importance)
    change = f"{found['before']:.1%} → {found['now']:.1%}"
    return Finding(metric=metric, value=found["spearman"], sample_size=rows, note=f"Largest change: {found['moved']} {change}.",
                   detail=found)


def beeswarm(contributions: Floats, matrix: Floats, names: list[str], *, seed: int) -> dict[str, list[list[float | None]]]:
    """Dots of a SHAP summary picture: for the 15 strongest features up to 300 [contribution, place of the value among all, 0 to 1].

    `contributions` (n, f + 1) (binary or regression), `matrix` (n, f) encoded values; the place is None where the value is missing.
    """
    kept = sample_rows(contributions.shape[0], seed=seed, rows_max=DOTS_MAX)
    dots: dict[str, list[list[float | None]]] = {}
    for name in list(global_importance(contributions, names))[:DOT_FEATURES]:
        column = names.index(name)
        values = np.asarray(matrix[kept, column], dtype=np.float64)
        known = np.isfinite(values)
        place = np.full(values.size, np.nan)
        place[known] = (midranks(values[known]) - 1) / max(int(known.sum()) - 1, 1)
        pairs = zip(contributions[kept, column], place, strict=True)
        dots[name] = [[round(float(shap), 5), round(float(spot), 4) if spot == spot else None] for shap, spot in pairs]
    return dots
