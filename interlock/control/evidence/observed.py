"""Reports that depend on the machine, the moment or live traffic: shown and gated, never replayed."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from interlock.control.evidence.case import Case, Report
from interlock.records.store import utc_now

LATENCY_ROWS, LATENCY_WARM_UP = 300, 30
TRAFFIC_WINDOWS = 4
TRAFFIC_ROWS_MAX = 50_000
POLARS: dict[str, Any] = {"numeric": pl.Float64, "boolean": pl.Boolean, "category": pl.String}


def latency(case: Case) -> Report:
    """Milliseconds per one-row answer in this process, from raw values to the score, one thread, as the server does it."""
    from reports.latency import latency_findings

    space, model = case.package.manifest.features, case.package.open_model(threads=1)
    rows = case.held_out.rows.head(LATENCY_ROWS)
    records, times = rows.select(space.input_names).to_dicts(), rows["_event_time"].to_list()
    count = LATENCY_ROWS + LATENCY_WARM_UP
    took = np.empty(count)
    for number in range(count):
        place = number % len(records)
        begin = time.perf_counter()
        matrix, _ = space.encode_records(records[place:place + 1], times[place:place + 1])
        model.score(matrix)
        took[number] = (time.perf_counter() - begin) * 1_000
    return latency_findings(took, warm_up=LATENCY_WARM_UP), {}


def freshness(case: Case) -> Report:
    """Days from the newest row to `as_of`, or to now."""
    from reports.quality import quality_findings

    newest = case.frame["_event_time"].max()
    found = quality_findings(rows=0, quarantined=0, duplicates=0, labelled=0, matured=0, holdout_rows=0,
                             newest_event=newest if isinstance(newest, datetime) else None, as_of=case.as_of or utc_now())
    return [finding for finding in found if finding.metric == "quality.age_days"], {}


def traffic(case: Case) -> pl.DataFrame:
    """Captured predictions of the newest `TRAFFIC_WINDOWS` windows before `as_of`, at most the newest `TRAFFIC_ROWS_MAX`.

    Empty only where nothing was captured by `as_of`: an odd time in the future is not the newest traffic, and hides none.
    """
    from interlock.records.captured_files import captured_files, event_times
    from interlock.records.compaction import load_predictions

    moment = case.as_of or utc_now()
    begun = [file for file in captured_files(case.settings, case.use_case.name) if file.first <= moment]
    if not begun:
        return pl.DataFrame()
    end = max(file.last if file.last <= moment else max(at for at in event_times(case.settings, file) if at <= moment) for file in begun)
    begin = end - timedelta(hours=case.use_case.monitoring.window_hours * TRAFFIC_WINDOWS)
    rows = load_predictions(case.settings, case.use_case.name, begin, end + timedelta(microseconds=1))
    return rows.sort("_event_time").tail(TRAFFIC_ROWS_MAX) if rows.height else pl.DataFrame()


def comparable(rows: pl.DataFrame, kinds: dict[str, Any]) -> pl.DataFrame:
    """Captured JSON values in the types that profiles take; what cannot be read as such counts as missing."""
    return rows.select(pl.col(name).cast(POLARS[kind], strict=False) for name, kind in kinds.items())
