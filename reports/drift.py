"""Drift: how far a window of rows lies from a baseline, column by column, profile against profile."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from reports.distances import jensen_shannon, ks, psi, total_variation
from reports.profiles import CategoryProfile, ColumnProfile, NumericProfile, Profile

GROUPS = 10
CATEGORIES_SHOWN = 20


def drift_findings(baseline: Profile, current: Profile, *, rows_min: int, psi_max: float, family: str = "drift.",
                   window: tuple[datetime, datetime] | None = None) -> list[Finding]:
    """Every distance of every column of `baseline` that `current` has too, and the share of columns that moved.

    Metrics, per column with segment `column=<name>`: `psi` on ten open-ended groups of the baseline's bins (numeric) or on the listed
    categories and "other"; `js`, `tv` on the same groups; `ks` on the fine bins (numeric only); `missing_change`, the difference of
    the missing shares (range [-1, 1], 0 no change; infinite values count as missing); `unseen`, how much larger the share of
    values that the baseline does not list has become (category only, range [0, 1]). Over all columns: `share`, the share of
    columns with psi above `psi_max`, range [0, 1].

    `family` is put in front: "drift." gives `drift.psi`, `drift.share`; "drift.serving_" gives `drift.serving_share`.
    With fewer than `rows_min` rows on either side, or no value in a column, the findings say TOO_FEW and have no value for a gate.
    Raises `DataError` where bins differ (fit the current profile with `like=` the baseline) or no column is common.
    """
    common = [name for name in baseline.columns if name in current.columns]
    if not common:
        raise DataError("the two profiles have no column in common", value=list(current.columns), allowed=", ".join(baseline.columns))
    start, end = window if window is not None else (None, None)
    common_fields: dict[str, Any] = {"window_start": start, "window_end": end}
    rows = min(baseline.rows, current.rows)
    if rows < rows_min:
        note = f"not enough evidence: n = {rows:,}, at least {rows_min:,} needed"
        common_fields |= {"state": State.TOO_FEW, "needed": rows_min, "note": note}
    findings: list[Finding] = []
    for name in common:
        findings += _column_findings(name, baseline.columns[name], current.columns[name], family, psi_max, common_fields)
    return [*findings, _share(findings, family, current.rows, psi_max, common_fields)]


def no_traffic(metric: str = "drift.serving_share") -> Finding:
    """The finding of a use case that has not answered anybody yet: a state, not a failure."""
    return Finding(metric=metric, state=State.MISSING, note="no serving traffic yet")


def grouped(column: NumericProfile, groups: int = GROUPS) -> list[list[int]]:
    """Bin numbers of `column` in at most `groups` runs that hold about equal shares of its own rows.

    Under- and overflow belong to the first and last run (open-ended, as usual for PSI). A bin belongs to the run in which the middle
    of its cumulated share falls; empty runs are left out. A column without a finite value gives one run.
    """
    inner = np.asarray(column.counts[1:-1], dtype=np.float64)
    if inner.sum() == 0:
        return [list(range(len(column.counts)))]
    middle = (np.cumsum(inner) - inner / 2) / inner.sum()
    place = np.minimum((middle * groups).astype(int), groups - 1)
    runs = [[int(bin_) + 1 for bin_ in np.flatnonzero(place == run)] for run in np.unique(place)]
    runs[0].insert(0, 0)
    runs[-1].append(len(column.counts) - 1)
    return runs


def _column_findings(name: str, base: ColumnProfile, now: ColumnProfile, family: str, psi_max: float,
                     fields: dict[str, Any]) -> list[Finding]:
    if isinstance(base, NumericProfile) and isinstance(now, NumericProfile) and base.edges == now.edges:
        pair, extra, detail = _numeric(base, now)
    elif isinstance(base, CategoryProfile) and isinstance(now, CategoryProfile) and base.categories == now.categories:
        pair, extra, detail = _category(base, now)
    else:
        raise DataError(f"'{name}' was profiled with other bins or categories", next_step="fit the current profile with like= the baseline")
    distances = {"psi": psi(*pair), "js": jensen_shannon(*pair), "tv": total_variation(*pair), **extra,
                 "missing_change": _missing_share(now) - _missing_share(base)}
    findings = []
    for metric, value in distances.items():
        own = dict(fields)
        if value != value and own.get("state") is None:
            own |= {"state": State.TOO_FEW, "needed": 1, "note": "no value in this column to compare"}
        known = value if value == value else None
        size = now.rows if metric == "missing_change" else now.count
        findings.append(Finding(metric=family + metric, value=known, sample_size=size, segment=f"column={name}",
                                detail=detail | {"psi_max": psi_max} if metric == "psi" else {}, **own))
    return findings


def _numeric(base: NumericProfile, now: NumericProfile) -> tuple[tuple[list[int], list[int]], dict[str, float], dict[str, Any]]:
    runs = grouped(base)
    pair = ([sum(base.counts[i] for i in run) for run in runs], [sum(now.counts[i] for i in run) for run in runs])
    cuts = [base.edges[run[0] - 1] for run in runs[1:]]
    detail = {"kind": "numeric", "edges": cuts, "baseline": pair[0], "current": pair[1],
              "minimum": base.minimum, "maximum": base.maximum, "mean_baseline": base.mean, "mean_current": now.mean,
              "std_baseline": base.std, "std_current": now.std}
    return pair, {"ks": ks(base.counts, now.counts)}, detail


def _category(base: CategoryProfile, now: CategoryProfile) -> tuple[tuple[list[int], list[int]], dict[str, float], dict[str, Any]]:
    pair = ([*base.counts, base.other], [*now.counts, now.other])
    unseen = max(_share_of(now.other, now.count) - _share_of(base.other, base.count), 0.0) if now.count else float("nan")
    shown = base.categories[:CATEGORIES_SHOWN]
    rest = len(shown)
    detail = {"kind": now.kind, "categories": [*shown, "other"], "baseline": [*pair[0][:rest], sum(pair[0][rest:])],
              "current": [*pair[1][:rest], sum(pair[1][rest:])]}
    return pair, {"unseen": unseen} if now.kind == "category" else {}, detail


def _share(findings: list[Finding], family: str, rows: int, psi_max: float, fields: dict[str, Any]) -> Finding:
    judged = {finding.segment.removeprefix("column="): finding.value for finding in findings
              if finding.metric == f"{family}psi" and finding.value is not None}
    if not judged:
        return Finding(metric=f"{family}share", sample_size=0, **(fields | {
            "state": State.TOO_FEW, "needed": 1, "note": "no column holds a value to compare"}))
    moved = sorted((name for name, value in judged.items() if value > psi_max), key=lambda name: -judged[name])
    fields = dict(fields)
    fields.setdefault("note", f"Moved: {', '.join(moved[:5])}{' and others' if len(moved) > 5 else ''}." if moved else "")
    return Finding(metric=f"{family}share", value=len(moved) / len(judged), sample_size=rows,
                   detail={"moved": moved, "columns": len(judged), "psi_max": psi_max}, **fields)


def _missing_share(column: ColumnProfile) -> float:
    return _share_of(column.rows - column.count, column.rows)


def _share_of(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
