"""From a snapshot's rows to a package: split, features, tuning, final fit, golden rows, baseline profile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.modeling.boosting import load_xgboost
from interlock.modeling.features import FeatureSpace
from interlock.modeling.measures import held_out_metrics
from interlock.modeling.package import Manifest, Model, Package, Scores, golden_rows, read_package, write_package
from interlock.modeling.split import Split, hashed_order, split_rows, target
from interlock.modeling.trials import Columns, Data, fit_booster
from interlock.modeling.tuning import Tuned, tune
from interlock.modeling.weights import class_weights
from interlock.rules.canonical import iso
from interlock.spec.usecase import UseCase
from reports.profiles import Profile, fit_profile

GOLDEN_ROWS = 32
SCORE_COLUMN = "_score"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Made:
    """A package as written, with what only the run's record needs."""

    package: Package
    split: Split
    tuned: Tuned
    tuning_rows: int


def make_package(root: Path, use_case: UseCase, frame: pl.DataFrame, *, snapshot_digest: str, spec_digest: str,
                 as_of: datetime | None = None, studies: Path | None = None,
                 progress: Progress = lambda text: None) -> Made:
    """Train on the snapshot and write the package under `root`. Same frame, use case, XGBoost and threads: same digest.

    `studies`: folder that keeps finished trials of the search; None: a killed training starts anew.
    """
    split = split_rows(use_case, frame, as_of)
    seed = use_case.training.seed
    progress(f"{split.train.height:,} rows to train, {split.validation.height:,} to tune, {split.test.height:,} held out: {split.note}")
    narrow = bounded(use_case, split.train, "tuning rows")
    tuning_space = FeatureSpace.fit(use_case, narrow)
    tuned = tune(use_case, tuning_space, _data(use_case, tuning_space, narrow),
                 _data(use_case, tuning_space, bounded(use_case, split.validation, "validation rows")),
                 seed=seed, studies=studies, progress=progress)
    rows = split.fit_rows
    space = FeatureSpace.fit(use_case, rows)
    progress(f"final fit: {rows.height:,} rows, {tuned.rounds} rounds")
    booster = fit_booster(Columns.of(space), _data(use_case, space, rows), tuned.parameters, tuned.rounds)
    manifest = _manifest(use_case, space, split, tuned, narrow.height, snapshot_digest, spec_digest)
    model = _unpackaged(booster, manifest)
    scores = model.score(space.encode_frame(split.test))
    manifest = manifest.model_copy(update={"baseline": held_out_metrics(use_case, target(use_case.prediction, split.test), scores)})
    digest = write_package(root, booster_ubj=booster, manifest=manifest, golden=_golden(space, rows, model, seed),
                           profile_json=baseline_profile(use_case, rows, scores).to_json())
    return Made(read_package(root, digest), split, tuned, narrow.height)


def top_score(scores: Scores) -> NDArray[np.float64]:
    """One number per row: P(1), the value, or the probability of the most likely class."""
    return scores.max(axis=1).astype(np.float64) if scores.ndim == 2 else scores.astype(np.float64)


def baseline_profile(use_case: UseCase, rows: pl.DataFrame, held_out_scores: Scores) -> Profile:
    """Profile of the fitting rows' features, and of the scores of the held-out rows (`_score`): those of rows a model has
    learned from are more extreme than any it will give in service."""
    below = use_case.privacy.suppress_below
    profile = fit_profile(rows, profile_columns(use_case), suppress_below=below)
    scores = fit_profile(pl.DataFrame({SCORE_COLUMN: top_score(held_out_scores)}), {SCORE_COLUMN: "numeric"}, suppress_below=below)
    return profile.model_copy(update={"columns": {**profile.columns, **scores.columns}})


def profile_columns(use_case: UseCase) -> dict[str, Any]:
    """The feature columns of the source and the derived ones, with the kind of their profile."""
    kinds = {"integer": "numeric", "float": "numeric", "boolean": "boolean"}
    return {name: kinds.get(column.type, "category") for name, column in use_case.model_columns.items()}


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


def _data(use_case: UseCase, space: FeatureSpace, rows: pl.DataFrame) -> Data:
    labels = target(use_case.prediction, rows)
    return Data(space.encode_frame(rows), labels, class_weights(use_case, labels))


def _unpackaged(booster: bytes, manifest: Manifest) -> Model:
    return Package(digest="", manifest=manifest, files={"model.ubj": booster}).open_model()


def _manifest(use_case: UseCase, space: FeatureSpace, split: Split, tuned: Tuned, tuning_rows: int, snapshot: str, spec: str) -> Manifest:
    xgboost = load_xgboost()
    prediction = use_case.prediction
    return Manifest(
        use_case=use_case.name, title=use_case.title, task=prediction.task, classes=prediction.classes or [], features=space,
        context_columns=use_case.context_columns, threshold=prediction.threshold, meaning=prediction.meaning, moment=prediction.moment,
        xgboost_version=xgboost.__version__, code_version=code_version(), snapshot_digest=snapshot, spec_digest=spec,
        training={
            "split": use_case.training.split, "split_note": split.note, "labels_until": iso(split.labels_until),
            "rows_train": split.train.height, "rows_validation": split.validation.height, "rows_test": split.test.height,
            "rows_tuning": tuning_rows, "fit_span": _span(split.fit_rows), "test_span": _span(split.test),
            "rounds": tuned.rounds, "trials": len(tuned.trials), "validation_loss": tuned.loss, "validation_metric": tuned.metric,
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
    return golden_rows(records, times, model.margin(matrix))


def _json_value(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
