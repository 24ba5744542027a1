"""From a snapshot's rows to a package: split, features, tuning, final fit, golden rows, baseline profile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.modeling.baseline import SCORE_COLUMN as SCORE_COLUMN
from interlock.modeling.baseline import baseline_profile
from interlock.modeling.baseline import profile_columns as profile_columns
from interlock.modeling.boosting import load_xgboost
from interlock.modeling.calibrating import calibration_of
from interlock.modeling.features import FeatureSpace
from interlock.modeling.fitting import Fitted, data_of, fit_on
from interlock.modeling.inputs import manifest_inputs
from interlock.modeling.interval_fit import fit_quantiles
from interlock.modeling.intervals import Intervals
from interlock.modeling.measures import held_out_metrics
from interlock.modeling.mitigation_fit import mitigate
from interlock.modeling.package import Manifest, Model, Package, Scores, ViewInput, golden_rows, read_package, write_package
from interlock.modeling.selection import propose_drops
from interlock.modeling.split import Split, hashed_order, split_rows, target
from interlock.modeling.steady import steadied
from interlock.modeling.trials import Columns, Data
from interlock.modeling.tuning import Tuned, tune
from interlock.modeling.windows import Chosen, choose_window
from interlock.rules.canonical import iso
from interlock.spec.usecase import UseCase

GOLDEN_ROWS = 32
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Made:
    """A package as written, with what only the run's record needs. `proposals`: see `selection.propose_drops`; None: none tried."""

    package: Package
    split: Split
    tuned: Tuned
    tuning_rows: int
    proposals: dict[str, Any] | None = None


def make_package(root: Path, use_case: UseCase, frame: pl.DataFrame, *, snapshot_digest: str, spec_digest: str,
                 as_of: datetime | None = None, drifted_at: datetime | None = None, studies: Path | None = None,
                 views: Sequence[ViewInput] = (), progress: Progress = lambda text: None) -> Made:
    """Train on the snapshot and write the package under `root`. Same frame, use case, XGBoost and threads: same digest.

    `drifted_at`: when the last drift began, for windows that ask. `studies`: folder that keeps finished trials of the search; None: a
    killed training starts anew. `views`: what the frame's looked-up columns were read from.
    """
    chosen = choose_window(use_case, frame, as_of, drifted_at, progress=progress)
    split = split_rows(use_case, frame, as_of, chosen.since)
    seed = use_case.training.seed
    progress(f"{split.train.height:,} rows to train, {split.validation.height:,} to tune, {split.test.height:,} held out: {split.note}; "
             f"{chosen.note}")
    narrow = bounded(use_case, split.train, "tuning rows")
    space = FeatureSpace.fit(use_case, narrow)
    learned, checked = data_of(use_case, space, narrow), data_of(use_case, space, bounded(use_case, split.validation, "validation rows"))
    tuned = tune(use_case, space, learned, checked, seed=seed, studies=studies, progress=progress)
    tuned = steadied(tuned, Columns.of(space), learned, checked)
    rows = split.fit_rows
    progress(f"final fit: {rows.height:,} rows, {tuned.rounds} rounds")
    fitted = fit_on(use_case, rows, tuned.parameters, tuned.rounds, progress=progress)
    quantiles, intervals = _intervals(use_case, fitted.space, split, tuned, progress)
    calibration = calibration_of(use_case, split, tuned.parameters, tuned.rounds, progress=progress)
    mitigated = mitigate(use_case, split, tuned.parameters, tuned.rounds, fitted, calibration, progress=progress)
    fitted = mitigated.fitted
    manifest = _manifest(use_case, fitted.space, split, tuned, narrow.height, snapshot_digest, spec_digest, chosen).model_copy(
        update=mitigated.changes | {"calibration": calibration, "intervals": intervals, **manifest_inputs(use_case, views)})
    package = _written(root, use_case, split, fitted, quantiles, manifest)
    return Made(package, split, tuned, narrow.height, _proposals(use_case, space, learned, checked, tuned, progress))


def _written(root: Path, use_case: UseCase, split: Split, fitted: Fitted, quantiles: bytes | None, manifest: Manifest) -> Package:
    """Measure on the held-out rows, write, read back."""
    rows, model = split.fit_rows, _unpackaged(fitted.booster, quantiles, manifest)
    scores = model.score(fitted.space.encode_frame(split.test))
    manifest = manifest.model_copy(update={"baseline": held_out_metrics(use_case, target(use_case.prediction, split.test), scores)})
    digest = write_package(root, booster_ubj=fitted.booster, quantiles_ubj=quantiles, manifest=manifest,
                           golden=_golden(fitted.space, rows, model, use_case.training.seed),
                           profile_json=baseline_profile(use_case, rows, top_score(scores)).to_json())
    return read_package(root, digest)


def propose(use_case: UseCase, frame: pl.DataFrame, *, as_of: datetime | None = None, since: datetime | None = None, tries: int,
            parameters: dict[str, Any], rounds: int, progress: Progress = lambda text: None) -> dict[str, Any]:
    """Drop proposals with given parameters and rounds, as `selection.propose_drops` gives them; `tries` features are tried."""
    split = split_rows(use_case, frame, as_of, since)
    narrow = bounded(use_case, split.train, "tuning rows")
    space = FeatureSpace.fit(use_case, narrow)
    progress(f"{tries} features are tried on {narrow.height:,} rows")
    return propose_drops(Columns.of(space), data_of(use_case, space, narrow),
                         data_of(use_case, space, bounded(use_case, split.validation, "validation rows")), parameters, rounds,
                         tries=tries, seed=use_case.training.seed)


def _proposals(use_case: UseCase, space: FeatureSpace, learned: Data, checked: Data, tuned: Tuned, progress: Progress
               ) -> dict[str, Any] | None:
    tries = use_case.training.proposals
    if not tries or len(space.specs) < 2:
        return None
    progress(f"proposals: {tries} features are tried without")
    return propose_drops(Columns.of(space), learned, checked, tuned.parameters, tuned.rounds, tries=tries, seed=use_case.training.seed)


def _intervals(use_case: UseCase, space: FeatureSpace, split: Split, tuned: Tuned, progress: Progress
               ) -> tuple[bytes | None, Intervals | None]:
    """The quantile booster and how its answers become intervals; nothing where the use case asks for none."""
    if not use_case.training.quantiles:
        return None, None
    progress("intervals: fit of the quantiles")
    return fit_quantiles(use_case.training, Columns.of(space), data_of(use_case, space, split.train),
                         data_of(use_case, space, split.validation), tuned.parameters)


def top_score(scores: Scores) -> NDArray[np.float64]:
    """One number per row: P(1), the value, or the probability of the most likely class."""
    return scores.max(axis=1).astype(np.float64) if scores.ndim == 2 else scores.astype(np.float64)


def bounded(use_case: UseCase, rows: pl.DataFrame, purpose: str) -> pl.DataFrame:
    """At most `tune_rows_max` rows: the newest where time orders them, else chosen by hash."""
    most = use_case.training.tune_rows_max
    if rows.height <= most:
        return rows
    if use_case.training.split == "time":
        return rows.tail(most)
    chosen = np.sort(np.argsort(hashed_order(rows["_row_id"], use_case.training.seed, purpose), kind="stable")[:most])
    return rows[chosen]


def code_version() -> str:
    """Version of this program."""
    try:
        return version("interlock-control")
    except PackageNotFoundError:
        return "unknown"


def _unpackaged(booster: bytes, quantiles: bytes | None, manifest: Manifest) -> Model:
    files = {"model.ubj": booster} | ({"quantiles.ubj": quantiles} if quantiles is not None else {})
    return Package(digest="", manifest=manifest, files=files).open_model()


def _manifest(use_case: UseCase, space: FeatureSpace, split: Split, tuned: Tuned, tuning_rows: int, snapshot: str, spec: str,
              window: Chosen) -> Manifest:
    xgboost = load_xgboost()
    prediction = use_case.prediction
    return Manifest(
        use_case=use_case.name, title=use_case.title, task=prediction.task, classes=prediction.classes or [], features=space,
        context_columns=use_case.context_columns, threshold=prediction.threshold, meaning=prediction.meaning, moment=prediction.moment,
        xgboost_version=xgboost.__version__, code_version=code_version(), snapshot_digest=snapshot, spec_digest=spec,
        training={
            "split": use_case.training.split, "split_note": split.note, "window": window.as_json(), "labels_until": iso(split.labels_until),
            "rows_train": split.train.height, "rows_validation": split.validation.height, "rows_test": split.test.height,
            "rows_tuning": tuning_rows, "fit_span": _span(split.fit_rows), "test_span": _span(split.test),
            "rounds": tuned.rounds, "trials": len(tuned.trials), "trial": tuned.number,
            "validation_loss": tuned.loss, "validation_metric": tuned.metric,
            "parameters": tuned.parameters, "seed": use_case.training.seed, "threads": use_case.training.threads})


def _span(rows: pl.DataFrame) -> list[str]:
    first, last = rows["_event_time"].min(), rows["_event_time"].max()
    return [iso(moment) for moment in (first, last) if isinstance(moment, datetime)]


def _golden(space: FeatureSpace, rows: pl.DataFrame, model: Model, seed: int) -> dict[str, Any]:
    """Rows no person ever was: every column is drawn on its own. The last one is all missing."""
    draw = np.random.default_rng(seed)
    picked = {name: rows[name].gather(draw.integers(0, rows.height, GOLDEN_ROWS)).to_list() for name in space.input_names}
    records = [{name: _json_value(values[place]) for name, values in picked.items()} for place in range(GOLDEN_ROWS)]
    records.append(dict.fromkeys(space.input_names))
    times = rows["_event_time"].gather(draw.integers(0, rows.height, GOLDEN_ROWS + 1)).to_list()
    matrix, _ = space.encode_records(records, times)
    scores = model.score(matrix)
    return golden_rows(records, times, model.margin(matrix), scores=scores if model.manifest.calibration else None,
                       intervals=model.interval(matrix, scores))


def _json_value(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
