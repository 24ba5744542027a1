"""Evidently's full report about one monitored window, for people: made after the windows are judged, kept beside their record.

It lies in `<home>/windows/<use case>/<start>-<end>-<package>/` as `evidently-drift.html` and `evidently-drift.json`; where it could not be
made, `error.json` says why. It informs and decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlock.control.frames import modelling_rows
from interlock.control.windows.monitoring import Told
from interlock.control.windows.window_profiles import comparable
from interlock.modeling.baseline import profile_columns
from interlock.modeling.held_out import since_of
from interlock.modeling.package import read_package
from interlock.modeling.split import split_rows
from interlock.records.compaction import load_predictions
from interlock.records.pointer import write_durably
from interlock.records.store import Store
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

HTML, BODY, FAILURE = "evidently-drift.html", "evidently-drift.json", "error.json"
ROWS_MAX = 5_000


def window_folder(settings: Settings, use_case: str, start: datetime, end: datetime, digest: str) -> Path:
    """Where what is attached to a window of a package lies; it may not exist."""
    name = f"{start:%Y%m%dT%H%M%S}-{end:%Y%m%dT%H%M%S}-{digest.removeprefix('sha256:')[:12]}"
    return settings.home.resolve() / "windows" / use_case / name


def window_to_show(use_case: UseCase, judged: Sequence[Told]) -> Told | None:
    """The one window of a run that gets the report, by `[monitoring] evidently`: the newest that breached, the newest, or none."""
    wanted = use_case.monitoring.evidently
    fitting = [one for one in judged if wanted == "newest" or (wanted == "breach" and one.breached)]
    return max(fitting, key=lambda one: (one.end, one.digest), default=None)


def attach_evidently(settings: Settings, store: Store, use_case: UseCase, judged: Sequence[Told]) -> str:
    """Make the report for the window of this run that should have one; a sentence about it, empty where none should.

    Training rows of the package's snapshot against the window's captured rows, a seeded sample of at most 5,000 of each. A failure is
    written into the folder and said in the sentence; nothing rests on this report.
    """
    one = window_to_show(use_case, judged)
    if one is None:
        return ""
    folder = window_folder(settings, use_case.name, one.start, one.end, one.digest)
    try:
        reference, current = _sides(settings, store, use_case, one)
        html, body = _report(use_case, reference, current)
    except Exception as error:  # noqa: BLE001 - recorded beside the window and told; no judgement rests on this report
        write_durably(folder / FAILURE, json.dumps({"type": type(error).__name__, "text": str(error)[:500]}).encode())
        return f"{one.start:%Y-%m-%d %H:%M}: no Evidently report ({type(error).__name__}: {str(error)[:200]})"
    write_durably(folder / HTML, html)
    write_durably(folder / BODY, json.dumps(body, ensure_ascii=False, sort_keys=True).encode())
    (folder / FAILURE).unlink(missing_ok=True)
    return f"{one.start:%Y-%m-%d %H:%M}: Evidently's report, at most {ROWS_MAX:,} rows of each side: {folder / HTML}"


def _sides(settings: Settings, store: Store, use_case: UseCase, one: Told) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that the package learned from, and those that it answered in the window."""
    import polars as pl

    manifest = read_package(settings.folder("packages"), one.digest).manifest
    frame = modelling_rows(settings, store, use_case, manifest.snapshot_digest, manifest).frame
    learned = split_rows(use_case, frame, datetime.fromisoformat(manifest.training["labels_until"]), since_of(manifest)).fit_rows
    rows = load_predictions(settings, use_case.name, one.start, one.end)
    return learned, rows.filter((pl.col("_digest") == one.digest) & (pl.col("_arm") == "champion"))


def _report(use_case: UseCase, reference: pl.DataFrame, current: pl.DataFrame) -> tuple[bytes, dict[str, Any]]:
    from reports.evidently_report import drift_report

    kinds = {name: kind for name, kind in profile_columns(use_case).items() if name in reference.columns and name in current.columns}
    return drift_report(comparable(reference, kinds), comparable(current, kinds), kinds, rows_max=ROWS_MAX, seed=use_case.training.seed)
