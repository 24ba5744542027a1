"""Drift ranked by what it costs: a column that moved much but that the model hardly uses stands behind one that it leans on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.rules.findings import Finding, State

SHOWN = 20


def impact_finding(effects: Mapping[str, float], importance: Mapping[str, float], change: Finding | None, *, sample_size: int,
                   family: str = "drift.") -> tuple[Finding, dict[str, Any]]:
    """`impact`: where to look first, and {"impact": [row, ...]} as a figure.

    `effects`: column → effect size of its drift (PSI, at least 0). `importance`: column → share of the SHAP weight (0 to 1). `change`: the
    estimated or measured loss of performance, positive is worse; None or not OK: unknown.
    Per column weighted = effect x importance. With a known loss above 0, cost = loss x weighted / sum of all weighted, in the loss's unit:
    the loss shared out in proportion, which is a ranking and not a proof of cause. Otherwise cost is None and the order is by weighted
    alone; a loss of 0 or less costs nothing. The value is the sum of weighted: the PSI of the average feature, weighted by how much the
    model leans on it (0: nothing that matters moved; read like a PSI).
    Rows, largest first: {"column", "effect", "importance", "weighted", "share" (of all weighted, 0 to 1), "cost"}.
    No importance, or no column in common: MISSING.
    """
    metric = f"{family}impact"
    common = [name for name in effects if name in importance]
    if not common:
        why = "what the model leans on is not known: there is no evidence with SHAP values" if not importance else "no column in common"
        return Finding(metric=metric, state=State.MISSING, sample_size=sample_size, note=why), {"impact": []}
    weighted = {name: max(effects[name], 0.0) * max(importance[name], 0.0) for name in common}
    total, loss = sum(weighted.values()), _loss(change)
    rows = [{"column": name, "effect": effects[name], "importance": importance[name], "weighted": value,
             "share": value / total if total > 0 else 0.0,
             "cost": None if loss is None else (loss * value / total if total > 0 else 0.0)}
            for name, value in sorted(weighted.items(), key=lambda pair: (-pair[1], pair[0]))]
    detail = {"ranked": rows[:SHOWN], "loss": loss, "loss_metric": change.metric if change is not None and loss is not None else None}
    return Finding(metric=metric, value=total, sample_size=sample_size, note=_note(rows[0], total, loss, change), detail=detail), {
        "impact": rows}


def _loss(change: Finding | None) -> float | None:
    if change is None or change.state is not State.OK or change.value is None:
        return None
    return max(change.value, 0.0)


def _note(first: dict[str, Any], total: float, loss: float | None, change: Finding | None) -> str:
    if not total > 0:
        return "Nothing moved that the model leans on."
    where = f"Look first at {first['column']}: PSI {first['effect']:.3g}, {first['importance']:.0%} of the SHAP weight"
    if loss is None:
        return f"{where}. What it costs is unknown: no outcomes and no estimate of performance yet."
    if loss == 0:
        return f"{where}. Performance has not fallen, so it costs nothing so far."
    unit = f" {change.unit}" if change is not None and change.unit else ""
    return f"{where}, about {first['cost']:.3g}{unit} of the loss of {loss:.3g}{unit} ({change.metric if change is not None else ''})."
