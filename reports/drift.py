"""Drift: how far a window of rows lies from a baseline, column by column, profile against profile."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from reports.distances_doubt import CHANCE, benjamini_hochberg
from reports.drift_columns import ColumnDrift, column_drift, grouped
from reports.profiles import Profile

__all__ = ["drift_findings", "grouped", "no_traffic", "summary_finding"]
UNITS = {"wasserstein": "standard deviations of the baseline"}
SHAPES = ("psi", "js", "tv", "ks", "wasserstein", "p_value")  # what too few rows make meaningless


def drift_findings(baseline: Profile, current: Profile, *, rows_min: int, psi_max: float, family: str = "drift.",
                   window: tuple[datetime, datetime] | None = None) -> list[Finding]:
    """Every distance of every column of `baseline` that `current` has too, and the share of columns that moved.

    Metrics, per column with segment `column=<name>`: `psi`, `js`, `tv`, `ks` and `wasserstein` (numbers and dates), `missing_change`,
    `unseen` (categories; the note names frequent new values) as `reports.drift_columns.column_drift` defines them; `p_value`, the
    chi-square test on the groups of the PSI, adjusted over the columns (Benjamini-Hochberg): it informs, no limit reads it. Over all
    columns: `share`, the share of columns with psi above `psi_max` or that lost so many of their values that too few are left to compare,
    range [0, 1]; its detail lists `moved`, among them those that `lost` their values, and `significant` (adjusted p at most 0.05).

    `family` is put in front: "drift." gives `drift.psi`, `drift.share`; "drift.serving_" gives `drift.serving_share`.
    With fewer than `rows_min` rows on either side, or no value in a column, the findings say TOO_FEW and have no value for a gate; so do
    the shape distances of a column whose PSI chance alone could push over `psi_max` in more than one of 20 windows (many categories need
    more rows: `distances_doubt.psi_rows_needed`).
    Raises `DataError` where bins differ (fit the current profile with `like=` the baseline) or no column is common.
    """
    common = [name for name in baseline.columns if name in current.columns]
    if not common:
        raise DataError("the two profiles have no column in common", value=list(current.columns), allowed=", ".join(baseline.columns))
    fields = _common_fields(min(baseline.rows, current.rows), rows_min, window)
    found = {name: column_drift(name, baseline.columns[name], current.columns[name], psi_max) for name in common}
    adjusted = dict(zip(common, benjamini_hochberg([one.test[2] for one in found.values()]).tolist(), strict=True))
    findings = [finding for name, one in found.items() for finding in _column(name, one, adjusted[name], family, fields)]
    judged = {name: one.distances["psi"] for name, one in found.items()
              if one.distances["psi"] == one.distances["psi"] and one.count >= one.needed}
    lost = [name for name, one in found.items() if _lost(one)]
    share = _share(judged | dict.fromkeys(lost, float("inf")), family, current.rows, psi_max, fields, lost)
    significant = sorted(name for name in judged if adjusted[name] <= CHANCE)
    return [*findings, share.model_copy(update={"detail": share.detail | {"significant": significant}} if share.detail else {})]


def summary_finding(baseline: Profile, current: Profile, *, rows_min: int, psi_max: float, family: str, segment: str = "all",
                    noun: str = "columns") -> Finding:
    """Only the share of columns that moved, with each column's distances in its detail: what is kept for the previous window and segments.

    detail = {"moved": [...], "columns": n, "psi_max": x, "significant": [...], "table": {column: {"psi": x, "js": x, ...}}}.
    """
    findings = drift_findings(baseline, current, rows_min=rows_min, psi_max=psi_max, family=family)
    share, table = findings[-1], dict[str, dict[str, float | None]]()
    for finding in findings[:-1]:
        own = table.setdefault(finding.segment.removeprefix("column="), {})
        own[finding.metric.removeprefix(family)] = finding.value if finding.state is State.OK else None
    note = share.note or f"None of {share.detail.get('columns', 0)} {noun} moved."
    return share.model_copy(update={"segment": segment, "note": note, "detail": share.detail | {"table": table}})


def no_traffic(metric: str = "drift.serving_share") -> Finding:
    """The finding of a use case that has not answered anybody yet: a state, not a failure."""
    return Finding(metric=metric, state=State.MISSING, note="no serving traffic yet")


def _common_fields(rows: int, rows_min: int, window: tuple[datetime, datetime] | None) -> dict[str, Any]:
    fields: dict[str, Any] = {"window_start": window[0], "window_end": window[1]} if window is not None else {}
    if rows < rows_min:
        note = f"not enough evidence: n = {rows:,}, at least {rows_min:,} needed"
        fields |= {"state": State.TOO_FEW, "needed": rows_min, "note": note}
    return fields


def _column(name: str, one: ColumnDrift, adjusted: float, family: str, fields: dict[str, Any]) -> list[Finding]:
    statistic, freedom, p = one.test
    details: dict[str, dict[str, Any]] = {"psi": one.detail}
    if p == p:
        details["p_value"] = {"p": p, "chi_square": statistic, "freedom": freedom}
    if one.new_values:
        details["unseen"] = {"new_values": one.new_values}
    findings = []
    for metric, value in {**one.distances, "p_value": adjusted}.items():
        own = dict(fields)
        if own.get("state") is None:
            own |= _doubt(metric, value, one)
        if metric == "unseen" and one.new_values and "note" not in own:
            own["note"] = "New: " + ", ".join(f"{text} ({rows:,} rows)" for text, rows in list(one.new_values.items())[:3]) + "."
        findings.append(Finding(metric=family + metric, value=value if value == value else None, unit=UNITS.get(metric, ""),
                                sample_size=one.rows if metric == "missing_change" else one.count, segment=f"column={name}",
                                detail=details.get(metric, {}), **own))
    return findings


def _doubt(metric: str, value: float, one: ColumnDrift) -> dict[str, Any]:
    """State, needed rows and note of a figure that cannot be judged; empty where it can."""
    if value != value:
        return {"state": State.TOO_FEW, "needed": 1, "note": "no value in this column to compare"}
    if metric in SHAPES and one.count < one.needed:
        return {"state": State.TOO_FEW, "needed": one.needed, "note": (
            f"not enough evidence: n = {one.count:,}, at least {one.needed:,} needed so that chance rarely passes the limit")}
    return {}


def _lost(one: ColumnDrift) -> bool:
    """Whether too few values are left to compare only because values went missing: with the baseline's missing share there were enough."""
    expected = one.count + one.rows * one.distances["missing_change"]
    return one.count < max(one.needed, 1) <= expected


def _share(judged: dict[str, float], family: str, rows: int, psi_max: float, fields: dict[str, Any], lost: list[str]) -> Finding:
    if not judged:
        empty: dict[str, Any] = {"state": State.TOO_FEW, "needed": 1, "note": "no column holds enough values to compare"} | fields
        return Finding(metric=f"{family}share", sample_size=0, **empty)
    moved = sorted((name for name, value in judged.items() if value > psi_max), key=lambda name: -judged[name])
    fields = dict(fields)
    gone = f" Hardly a value left: {', '.join(lost[:5])}{' and others' if len(lost) > 5 else ''}." if lost else ""
    fields.setdefault("note", f"Moved: {', '.join(moved[:5])}{' and others' if len(moved) > 5 else ''}.{gone}" if moved else "")
    detail = {"moved": moved, "columns": len(judged), "psi_max": psi_max} | ({"lost": lost} if lost else {})
    return Finding(metric=f"{family}share", value=len(moved) / len(judged), sample_size=rows, detail=detail, **fields)
