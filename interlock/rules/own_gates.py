"""Gates that a use case declares itself, on any finding that a report makes."""

from __future__ import annotations

from collections.abc import Iterable

from interlock.errors import did_you_mean
from interlock.rules.gates import Gate
from interlock.spec.gates import GateOverride

# Families whose findings are all named here; the others (per class, per rule, per view) are known by their family only.
CLOSED = {
    "quality": ("quarantine_share", "duplicate_share", "label_share", "holdout_rows", "age_days", "schema", "out_of_range", "repeated_ids",
                "constant_columns", "duplicated_columns", "idle_features", "mixed_types", "came_alive", "dead_stretch", "missing_share",
                "volume_ratio", "missing_change", "rarest_class", "class_share"),
    "leakage": ("later_columns", "same_rows", "time_travel", "single_feature", "strongest_feature", "seen_content", "conflicting_rows",
                "entity_overlap", "missing_tells", "label_shift"),
    "replay": ("flip_rate", "to_yes", "to_no", "money_change", "score_shift", "segment_flip_rate"),
    "latency": ("p50_ms", "p99_ms"),
    "size": ("package_mb",),
}
OPEN = ("performance", "calibration", "fairness", "explain", "drift", "money", "segments", "estimate", "backtest", "proxies")


def own_gate(name: str, declared: GateOverride) -> Gate:
    """The gate that `[gates.NAME]` with a `metric` declares. Its reason stands beside its source; it never passes on absence."""
    if declared.metric is None or declared.direction is None or declared.threshold is None:
        raise ValueError(f"[gates.{name}] is not an own gate")
    title = declared.title or name.replace("_", " ").capitalize()
    return Gate(name=name, title=title, metric=declared.metric, direction=declared.direction, threshold=declared.threshold,
                unit=declared.unit, judge_by=declared.judge_by or "value", rows_min=declared.rows_min or 0, mode=declared.mode,
                segment=declared.segment, question=f"{title}: as this use case asks?",
                source=f"{declared.source.rstrip('.')}. Own gate of this use case: {declared.reason}")


def unknown_metric(metric: str, gated: Iterable[str]) -> str:
    """Why no report makes this finding; empty where one does, or may. Metrics of the default gates are always known."""
    family, _, name = metric.partition(".")
    if metric in set(gated):
        return ""
    if family in CLOSED:
        known = CLOSED[family]
        return "" if name in known else f"no report makes '{metric}'; {_hint(name, known, family)}"
    families = (*CLOSED, *OPEN)
    hint = did_you_mean(family, families) or f"allowed: {', '.join(f'{one}.…' for one in families)}"
    return "" if family in families else f"no report makes '{metric}'; {hint}"


def _hint(name: str, known: tuple[str, ...], family: str) -> str:
    return did_you_mean(name, known) or f"allowed: {', '.join(f'{family}.{one}' for one in known)}"
