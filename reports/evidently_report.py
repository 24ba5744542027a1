"""The Evidently drift report that is attached to the evidence for people; decisions rest on our own profiles."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from interlock.errors import DataError
from reports.profiles import Kind

ROWS_MAX = 5_000
ROWS_MIN = 30


def drift_report(reference: pl.DataFrame, current: pl.DataFrame, columns: Mapping[str, Kind], *, rows_max: int = ROWS_MAX,
                 seed: int = 2013) -> tuple[bytes, dict[str, Any]]:
    """Evidently's `DataDriftPreset` on `current` against `reference`: (self-contained HTML, its JSON plus what was sampled).

    `columns`: name → kind of the columns compared; frames may hold more. Either side with more than `rows_max` rows is replaced by a
    seeded sample of that size (stated under `sample` in the JSON). Columns without a value on one side are left out and named under
    `left_out`. Raises `DataError` where a side has fewer than 30 rows or no column is left: Evidently would call that "no drift".
    """
    for side, frame in (("reference", reference), ("current", current)):
        if frame.height < ROWS_MIN:
            raise DataError(f"too few rows for a drift report: {side}", value=frame.height, allowed=f"at least {ROWS_MIN}")
    used = [name for name in columns if _has_values(reference, name) and _has_values(current, name)]
    if not used:
        raise DataError("no column holds a value on both sides", value=list(columns))
    sides = [_sampled(frame.select(used), rows_max, seed) for frame in (reference, current)]
    html, found = _run(sides[0], sides[1], {name: columns[name] for name in used})
    found["sample"] = {"seed": seed, "reference_rows": reference.height, "current_rows": current.height,
                       "reference_used": sides[0].height, "current_used": sides[1].height}
    found["left_out"] = [name for name in columns if name not in used]
    return html, found


def _run(reference: pl.DataFrame, current: pl.DataFrame, columns: Mapping[str, Kind]) -> tuple[bytes, dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Evidently 0.7 warns about its own dependencies; what it returns is checked here
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(numerical_columns=[name for name, kind in columns.items() if kind == "numeric"],
                                    categorical_columns=[name for name, kind in columns.items() if kind != "numeric"])
        datasets = [Dataset.from_pandas(_pandas(frame, columns), data_definition=definition) for frame in (current, reference)]
        snapshot = Report([DataDriftPreset()], include_tests=True).run(datasets[0], datasets[1])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "drift.html"
            snapshot.save_html(str(path))
            html = path.read_bytes()
    found = json.loads(snapshot.json())
    if not found.get("metrics"):
        raise DataError("Evidently returned a report without metrics", next_step="see the log; the report is not attached")
    return html, dict(found)


def _pandas(frame: pl.DataFrame, columns: Mapping[str, Kind]) -> Any:
    """A pandas frame of plain float and object columns: Evidently drops nullable numeric columns without a word."""
    import pandas

    data: dict[str, Any] = {}
    for name, kind in columns.items():
        if kind == "numeric":
            data[name] = frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        else:
            data[name] = np.array(frame[name].cast(pl.String).to_list(), dtype=object)
    return pandas.DataFrame(data)


def _has_values(frame: pl.DataFrame, name: str) -> bool:
    if name not in frame.columns:
        return False
    column = frame[name].drop_nulls()
    return bool(column.is_finite().any()) if column.dtype.is_float() else column.len() > 0


def _sampled(frame: pl.DataFrame, rows_max: int, seed: int) -> pl.DataFrame:
    if frame.height <= rows_max:
        return frame
    kept = np.sort(np.random.default_rng(seed).choice(frame.height, rows_max, replace=False))
    return frame[kept]
