"""What each row of the model-quality table is made with: the shipped use case, and the keys that a person would write for the loop."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlock.rules.findings import Finding
from interlock.rules.monitoring import Judgement, judge_window, signals_for
from interlock.settings import Settings
from interlock.spec.load import find_use_case
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

    from interlock.modeling.loop import Judge
    from interlock.modeling.package import Package

LOOP = {"trials": 1, "proposals": 0, "test_fraction": 0.02}  # a loop that retrains often searches little and holds out little


@dataclass(frozen=True)
class LoopCase:
    """One replay: what is changed in the file, where it begins (a time, or a share of the rows), how it retrains, and the goal."""

    name: str
    changes: dict[str, dict[str, Any]]
    first: datetime | float
    metric: str
    goal: float
    retrain: str = "breach"
    every_hours: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def rolling(name: str, rows: int, *by: str) -> dict[str, Any]:
    """A derived feature: share of positive outcomes among the last known rows (of the same values in `by`)."""
    return {"name": name, "kind": "rolling", "of": "_label", "statistic": "mean", "rows": rows, "by": list(by)}


def changed(use_case: UseCase, changes: dict[str, dict[str, Any]]) -> UseCase:
    """The use case with some keys of its sections changed, as if a person had edited the file."""
    raw = use_case.model_dump(mode="python", exclude_unset=True)
    return UseCase.model_validate(raw | {name: {**raw.get(name, {}), **keys} for name, keys in changes.items()})


def rows_of(settings: Settings, case: LoopCase) -> tuple[UseCase, pl.DataFrame]:
    """The use case, and its rows taken in by `ingest`, with derived features."""
    from interlock.modeling.derived import with_derived
    from interlock.records.ingest import ingest
    from interlock.records.migrate import migrate
    from interlock.records.snapshots import load_snapshot
    from interlock.records.store import open_store

    use_case = changed(find_use_case(settings, case.name)[1], case.changes)
    with tempfile.TemporaryDirectory() as home:
        own = settings.model_copy(update={"home": Path(home)})
        migrate(own)
        store = open_store(own)
        frame = load_snapshot(own, store, ingest(own, store, use_case).snapshot_digest)
        store.close()
    return use_case, with_derived(use_case, frame)


def judge_of(use_case: UseCase, seed: int) -> Judge:
    """The reports of a monitored window that can ask for a retraining, and the rules' judgement about them."""
    from interlock.control.windows.window_drift import WindowDrift
    from interlock.control.windows.window_performance import performance_of

    def judge(package: Package, rows: pl.DataFrame) -> Judgement:
        drift = WindowDrift(use_case, package, rows)
        volume = Finding(metric="volume.predictions", value=float(rows.height), sample_size=rows.height)
        findings = [volume, *drift.features(), *drift.score(), *drift.target(), *performance_of(use_case, package, rows, seed=seed)]
        return judge_window(findings, signals_for(use_case))

    return judge
