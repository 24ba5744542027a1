"""A snapshot beside the one before it: how many rows, and which columns lost their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from interlock.rules.findings import Finding, State
from reports.intervals import NORMAL_95
from reports.quality_shares import absent, share_finding

FIRST = "first snapshot: nothing to compare with"


def missing_findings(frame: pl.DataFrame, columns: Sequence[str]) -> list[Finding]:
    """`quality.missing_share` per column (`column=<name>`): missing values (null or NaN) / n rows, range [0, 1], Wilson's interval.

    Only columns with a missing value are listed, the emptiest first. No row: nothing.
    """
    counts = missing_counts(frame, columns)
    gone = sorted(((count, name) for name, count in counts.items() if count), key=lambda item: (-item[0], item[1]))
    return [share_finding("quality.missing_share", count, frame.height, segment=f"column={name}",
                          note=f"'{name}' has no value at all." if count == frame.height else "") for count, name in gone]


def missing_counts(frame: pl.DataFrame, columns: Sequence[str]) -> dict[str, int]:
    """Column → rows in which it is null or NaN; columns that the frame lacks are left out."""
    known = [name for name in columns if name in frame.columns]
    floats = [name for name in known if frame.schema[name].is_float()]
    counted = frame.select(pl.col(name).fill_nan(None).null_count() if name in floats else pl.col(name).null_count() for name in known)
    return {name: int(counted[name][0]) for name in known} if frame.height else dict.fromkeys(known, 0)


def volume_finding(rows: int, before: int | None) -> Finding:
    """`quality.volume_ratio` = rows / rows of the previous snapshot; 1 = as many, range [0, inf). n = rows now.

    MISSING where there is no previous snapshot, TOO_FEW where that had no row. A growing history gives a ratio above 1.
    """
    metric = "quality.volume_ratio"
    if before is None:
        return absent(metric, FIRST)
    if before <= 0:
        return Finding(metric=metric, sample_size=rows, needed=1, state=State.TOO_FEW, note="the previous snapshot had no row")
    return Finding(metric=metric, value=rows / before, sample_size=rows, note=f"{rows:,} rows after {before:,} in the previous snapshot.")


def missing_change_finding(now: Mapping[str, int], rows: int, before: Mapping[str, int] | None, rows_before: int) -> Finding:
    """`quality.missing_change`: largest change of a column's missing share against the previous snapshot, range [0, 1], 0 = none.

    `now`, `before`: column → missing rows (`missing_counts`). Interval: that of a difference of two shares, normal approximation, of the
    column named in the note. Columns that only one of them has are left out. MISSING without a previous snapshot, TOO_FEW without rows.
    """
    metric = "quality.missing_change"
    if before is None:
        return absent(metric, FIRST)
    common = [name for name in now if name in before]
    if not rows or not rows_before or not common:
        return Finding(metric=metric, sample_size=rows, needed=1, state=State.TOO_FEW, note="no rows or columns to compare")
    shares = {name: (now[name] / rows, before[name] / rows_before) for name in common}
    worst = max(common, key=lambda name: abs(shares[name][0] - shares[name][1]))
    here, there = shares[worst]
    half = NORMAL_95 * (here * (1 - here) / rows + there * (1 - there) / rows_before) ** 0.5
    change = abs(here - there)
    moved: dict[str, Any] = {name: round(shares[name][0] - shares[name][1], 6) for name in common if shares[name][0] != shares[name][1]}
    return Finding(metric=metric, value=change, low=max(0.0, change - half), high=min(1.0, change + half), confidence=0.95,
                   sample_size=rows, detail={"column": worst, "changes": moved},
                   note=f"'{worst}': missing {there:.1%} → {here:.1%}." if change else "")
