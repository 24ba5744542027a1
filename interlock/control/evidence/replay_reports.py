"""Captured production requests through champion and candidate: an observed report, because it rests on the newest traffic."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.control.evidence.case import Case, Report
from interlock.control.evidence.observed import traffic
from interlock.modeling.boosting import load_xgboost
from interlock.modeling.decision import decide_rows
from interlock.modeling.derived import with_formulas
from interlock.modeling.features import Matrix
from interlock.modeling.making import top_score
from interlock.modeling.package import Package
from interlock.rules.canonical import iso
from interlock.rules.findings import Finding, State
from reports.replay import Replayed, no_replay, replay_findings

REPLAY_ROWS_MAX = 20_000
EXPLAINED_FLIPS_MAX = 500
SEGMENT_VALUES_MAX = 50


def replay(case: Case) -> Report:
    """Decisions of champion and candidate on the newest captured requests: flips, who, why, and what they are worth."""
    champion = case.champion.checked().package if case.champion else None
    if champion is None:
        return [no_replay(champion=False)], {}
    rows = bounded(traffic(case), case.seed)
    if rows.is_empty():
        return [no_replay(champion=True)], {}
    rows = with_formulas(case.package.manifest.derived, rows)
    lacking = sorted({name for package in (champion, case.package) for name in package.manifest.features.input_names} - set(rows.columns))
    if lacking:
        return [Finding(metric="replay.flip_rate", sample_size=rows.height, state=State.TOO_FEW,
                        note=f"captured requests do not carry {', '.join(lacking)}, so they cannot be replayed")], {}
    matrices = [encoded(package, rows) for package in (champion, case.package)]
    scores = [package.open_model(case.use_case.training.threads).score(matrix)
              for package, matrix in zip((champion, case.package), matrices, strict=True)]
    replayed = Replayed(
        case.use_case.prediction.task, decide_rows(champion.manifest, scores[0], rows), decide_rows(case.package.manifest, scores[1], rows),
        top_score(scores[0]), top_score(scores[1]), rows["_request_id"].to_list(), segments(case, rows), case.package.manifest.classes)
    found, figures = replay_findings(replayed)
    if not figures:
        return found, {}
    reasons = _reasons(case, champion, matrices, replayed)
    found += _money(case, replayed, rows)
    span = [iso(moment) for moment in (rows["_event_time"].min(), rows["_event_time"].max()) if moment is not None]  # type: ignore[arg-type]
    return found, figures | {"reasons": reasons, "window": span}


def bounded(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """At most 20,000 of the requests: a seeded sample in their order."""
    if rows.height <= REPLAY_ROWS_MAX:
        return rows
    return rows[np.sort(np.random.default_rng(seed).choice(rows.height, REPLAY_ROWS_MAX, replace=False))]


def encoded(package: Package, rows: pl.DataFrame) -> Matrix:
    """The package's matrix of captured requests, by the path that a server takes."""
    space = package.manifest.features
    columns: dict[str, Any] = {}
    for name in space.input_names:
        series = rows[name]
        columns[name] = series.fill_null(float("nan")).to_numpy() if series.dtype.is_float() else series.to_list()
    return space.encode_columns(columns, rows.height, rows["_event_time"].to_list())[0]


def segments(case: Case, rows: pl.DataFrame) -> pl.DataFrame:
    """Columns to look at apart: declared segments, sensitive attributes, and features with few values; numbers in quarters."""
    declared = [*case.use_case.segments.columns, *case.use_case.sensitive_columns] if case.use_case.segments else \
        case.use_case.sensitive_columns
    features = [spec.name for spec in case.package.manifest.features.specs if spec.kind in {"category", "boolean"}]
    names = [name for name in dict.fromkeys((*declared, *features)) if name in rows.columns]
    cut = {name: _quarters(case, rows[name]) for name in names}
    return pl.DataFrame({name: values for name, values in cut.items() if values.n_unique() <= SEGMENT_VALUES_MAX})


def _quarters(case: Case, values: pl.Series) -> pl.Series:
    column = case.use_case.columns.get(values.name)
    if column is None or column.type not in {"integer", "float"}:
        return values.cast(pl.String)
    numbers = values.cast(pl.Float64, strict=False)
    edges = sorted({float(edge) for share in (0.25, 0.5, 0.75) if (edge := numbers.quantile(share, "lower")) is not None})
    return numbers.cut(edges).cast(pl.String)


def _reasons(case: Case, champion: Package, matrices: list[Matrix], replayed: Replayed) -> list[dict[str, Any]]:
    """Features behind at most 500 flips (a seeded sample of more); none for several classes, where a flip has no one direction."""
    from reports.replay_reasons import flip_reasons

    places = np.flatnonzero(replayed.flipped)
    if replayed.task == "multiclass" or not places.size:
        return []
    if places.size > EXPLAINED_FLIPS_MAX:
        places = np.sort(np.random.default_rng(case.seed).choice(places, EXPLAINED_FLIPS_MAX, replace=False))
    told = [_contributions(case, package, matrix[places]) for package, matrix in zip((champion, case.package), matrices, strict=True)]
    towards = np.where(replayed.candidate[places] > replayed.champion[places], 1.0, -1.0)
    return flip_reasons(told[0], champion.manifest.features.names, told[1], case.package.manifest.features.names, towards)


def _contributions(case: Case, package: Package, matrix: Matrix) -> NDArray[np.float64]:
    xgboost, space, threads = load_xgboost(), package.manifest.features, case.use_case.training.threads
    data = xgboost.DMatrix(matrix, feature_names=space.names, feature_types=space.feature_types, enable_categorical=True, nthread=threads)
    return np.asarray(package.open_model(threads).booster.predict(data, pred_contribs=True), dtype=np.float64)


def _money(case: Case, replayed: Replayed, rows: pl.DataFrame) -> list[Finding]:
    from reports.replay_reasons import money_finding

    value = case.use_case.value
    if value is None or replayed.task != "binary" or "true_positive" not in value.matrix:
        return []
    if value.scale_column is not None and value.scale_column not in rows.columns:
        return [Finding(metric="replay.money_change", sample_size=rows.height, state=State.TOO_FEW, unit=value.currency,
                        note=f"captured requests do not carry '{value.scale_column}', which scales the amounts")]
    scale = rows[value.scale_column].cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy() if value.scale_column else None
    return [money_finding(replayed.champion, replayed.candidate, replayed.champion_scores, replayed.candidate_scores, value.matrix,
                          value.currency, scale)]
