"""The baseline of a package: profiles of what a model learned from, that later windows are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.spec.usecase import UseCase
from reports.profile_plane import fit_plane
from reports.profile_sketch import QuantileSketch
from reports.profiles import NumericProfile, Profile, fit_profile

SCORE_COLUMN, LABEL_COLUMN = "_score", "_label"
SEGMENT_VALUES_MAX = 8


def baseline_profile(use_case: UseCase, rows: pl.DataFrame, answers: NDArray[np.float64]) -> Profile:
    """Profile of the fitting rows' features and labels (`_label`), and of the answers to the held-out rows (`_score`): those of rows a
    model has learned from are more extreme than any it will give in service. With segments, and the plane for reconstruction errors."""
    below, kinds = use_case.privacy.suppress_below, profile_columns(use_case)
    profile = fit_profile(rows, kinds, suppress_below=below)
    columns = dict(profile.columns)
    columns |= fit_profile(pl.DataFrame({SCORE_COLUMN: answers}), {SCORE_COLUMN: "numeric"}, suppress_below=below).columns
    if LABEL_COLUMN in rows.columns:
        known = rows.filter(pl.col(LABEL_COLUMN).is_not_null())
        columns |= fit_profile(known, {LABEL_COLUMN: label_kind(use_case)}, suppress_below=below).columns
    return profile.model_copy(update={"columns": columns, "segments": _segments(use_case, rows, profile, kinds),
                                      "plane": fit_plane(rows, kinds, seed=use_case.training.seed)})


def profile_columns(use_case: UseCase) -> dict[str, Any]:
    """The feature columns of the source, of views, and the derived ones, with the kind of their profile."""
    kinds = {"integer": "numeric", "float": "numeric", "boolean": "boolean"}
    return {name: kinds.get(column.type, "category") for name, column in use_case.model_columns.items()}


def label_kind(use_case: UseCase) -> Any:
    """Kind of the profile of labels: classes are categories, 0/1 and amounts numbers."""
    return "category" if use_case.prediction.task == "multiclass" else "numeric"


def features_of(profile: Profile) -> Profile:
    """Only the features of a baseline."""
    own = [name for name in profile.columns if name not in (SCORE_COLUMN, LABEL_COLUMN)]
    return profile.only(dict.fromkeys(own))


def segment_texts(use_case: UseCase, values: pl.Series) -> pl.Series:
    """Values of a segment column as text, the same for training rows and captured ones; null where a value cannot be read as its type."""
    declared = use_case.columns[values.name].type if values.name in use_case.columns else "category"
    if declared == "integer":
        values = values.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
    return values.cast(pl.String)


def _segments(use_case: UseCase, rows: pl.DataFrame, whole: Profile, kinds: dict[str, Any]) -> dict[str, Profile]:
    """`column=value` → profile of those rows: the most frequent values of each declared column, each with `rows_min` rows or more."""
    found: dict[str, Profile] = {}
    least = max(use_case.monitoring.rows_min, use_case.privacy.suppress_below)
    for column in use_case.monitoring.segments:
        if column not in rows.columns:
            continue
        texts = segment_texts(use_case, rows[column])
        counted = texts.drop_nulls().alias("value").value_counts(name="rows").filter(pl.col("rows") >= least)
        for value in counted.sort(["rows", "value"], descending=[True, False])["value"].head(SEGMENT_VALUES_MAX).to_list():
            others = {name: kind for name, kind in kinds.items() if name != column}
            part = fit_profile(rows.filter(texts == value), others, like=whole, suppress_below=use_case.privacy.suppress_below)
            found[f"{column}={value}"] = _without_sketches(part)
    return found


def _without_sketches(profile: Profile) -> Profile:
    columns = {name: column.model_copy(update={"sketch": QuantileSketch()}) if isinstance(column, NumericProfile) else column
               for name, column in profile.columns.items()}
    return profile.model_copy(update={"columns": columns})
