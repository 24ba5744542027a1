"""Whether a version still answers for the reasons that its evidence shows, on the captured requests of one window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from interlock.modeling.boosting import load_xgboost
from interlock.modeling.features import Matrix
from interlock.modeling.package import Package
from interlock.rules.findings import Finding
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

ROWS_MAX = 300  # of a window; explaining a row takes about a millisecond


def attribution_of(use_case: UseCase, package: Package, rows: pl.DataFrame, importance: Mapping[str, float], *, seed: int) -> list[Finding]:
    """`explain.attribution_drift` of a seeded sample of the window's rows against `importance` (feature → share, from the evidence).

    Nothing is explained where there is nothing to compare with, or where the window has fewer than `[monitoring] rows_min` rows.
    """
    import numpy as np

    from reports.attribution_drift import attribution_drift
    from reports.explain import sample_rows
    from reports.shapley import explain_rows

    space, needed = package.manifest.features, use_case.monitoring.rows_min
    if not importance or rows.height < needed:
        return [attribution_drift(np.zeros((rows.height, len(space.names) + 1)), space.names, importance, rows_total=rows.height,
                                  rows_min=needed, seed=seed)]
    load_xgboost()
    some = rows[sample_rows(rows.height, seed=seed, rows_max=ROWS_MAX)]
    booster = package.open_model(use_case.training.threads).booster
    made = explain_rows(booster, encoded(package, some), space.feature_types, threads=use_case.training.threads, seed=seed)
    return [attribution_drift(made.contributions, space.names, importance, rows_total=rows.height, rows_min=min(needed, some.height),
                              seed=seed)]


def encoded(package: Package, rows: pl.DataFrame) -> Matrix:
    """Captured rows as the model read them, (n, features); fields that were not captured count as missing."""
    space = package.manifest.features
    columns = {name: rows[name].to_list() for name in space.input_names if name in rows.columns}
    return space.encode_columns(columns, rows.height, rows["_event_time"].to_list())[0]
