"""Quality of the data a candidate was made from: what was refused, repeated, unlabelled, old."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from interlock.rules.findings import Finding, State


def quality_findings(*, rows: int, quarantined: int, duplicates: int, labelled: int, matured: int, holdout_rows: int,
                     newest_event: datetime | None, as_of: datetime | None) -> list[Finding]:
    """Five `quality.*` findings from counts.

    quarantine_share = quarantined / (rows + quarantined); duplicate_share = duplicates / rows (`duplicate_rows`); label_share =
    labelled / matured, matured being the rows whose outcome is due; all in [0, 1], the first two 0 = clean, the last 1 = all known.
    holdout_rows: labelled rows held out. age_days = days from the newest event to `as_of` (both UTC); a time in the future counts as 0;
    MISSING where either is None. Shares without a denominator are TOO_FEW.
    """
    return [
        _share("quality.quarantine_share", quarantined, rows + quarantined, f"{quarantined:,} rows refused and kept with their reasons."),
        _share("quality.duplicate_share", duplicates, rows, f"{duplicates:,} rows repeat another one exactly."),
        _share("quality.label_share", labelled, matured, f"{matured - labelled:,} rows without an outcome that is due."),
        Finding(metric="quality.holdout_rows", value=float(holdout_rows), sample_size=holdout_rows, unit="rows"),
        _age(newest_event, as_of),
    ]


def duplicate_rows(frame: pl.DataFrame, columns: list[str]) -> int:
    """Rows that repeat an earlier row exactly in all `columns` (identifiers and times of arrival left out by the caller); 0 for no row."""
    if frame.height == 0 or not columns:
        return 0
    return frame.height - frame.select(columns).n_unique()


def _share(metric: str, part: int, whole: int, note: str) -> Finding:
    if whole <= 0:
        return Finding(metric=metric, state=State.TOO_FEW, needed=1, note="no row to count")
    return Finding(metric=metric, value=part / whole, sample_size=whole, note=note if part or "without" in note else "")


def _age(newest: datetime | None, as_of: datetime | None) -> Finding:
    if newest is None or as_of is None:
        return Finding(metric="quality.age_days", state=State.MISSING, unit="days", note="")
    days = max((as_of - newest).total_seconds() / 86_400, 0.0)
    return Finding(metric="quality.age_days", value=days, sample_size=1, unit="days", note=f"Newest event: {newest:%Y-%m-%d %H:%M} UTC.")
