"""Reports that come out bit for bit the same from the same snapshot, package and champion."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from interlock.control.case import Case
from interlock.control.case import Report as Report
from interlock.errors import InterlockError
from interlock.modeling.boosting import load_xgboost
from interlock.modeling.making import SCORE_COLUMN, profile_columns
from interlock.modeling.package import Package
from interlock.rules.findings import failed
from reports.profiles import Profile, fit_profile

EXPLAINED_ROWS = 2_000


def performance(case: Case) -> Report:
    """The candidate on rows it never saw, beside naive rules and the champion on the same rows."""
    from reports.performance import performance_findings

    given: dict[str, Any] = {"threshold": case.package.manifest.threshold, "prior": case.held_out.naive.prior,
                             "last_label": case.held_out.naive.last_label, "seed": case.seed}
    task = case.use_case.prediction.task
    try:
        return performance_findings(task, case.held_out.labels, case.scores, champion_score=case.champion_scores, **given)
    except InterlockError as error:
        if case.champion is None or case.champion.error is not error:
            raise
        found, figures = performance_findings(task, case.held_out.labels, case.scores, **given)
        kept = [finding for finding in found if finding.metric != "performance.vs_champion"]
        return [*kept, failed("performance.vs_champion", error)], figures


def calibration(case: Case) -> Report:
    """Whether probabilities come true: P(1), or the probability of the likeliest class."""
    from reports.calibration import calibration_findings

    if case.use_case.prediction.task == "multiclass":
        right = (case.held_out.predictions == case.held_out.labels).astype(np.float64)
        return calibration_findings(right, case.scores.max(axis=1), seed=case.seed)
    return calibration_findings(case.held_out.labels, case.scores, seed=case.seed)


def explanation(case: Case) -> Report:
    """SHAP values of a seeded sample of held-out rows, and of the champion for the same rows."""
    from reports.explain import beeswarm, explain_findings, global_importance, sample_rows

    picked = sample_rows(case.held_out.rows.height, seed=case.seed, rows_max=EXPLAINED_ROWS)
    rows, space = case.held_out.rows[picked], case.package.manifest.features
    contributions, margins = _contributions(case, case.package, rows)
    champion, broken = None, None
    if case.champion is not None:
        try:
            package = case.champion.checked().package
            if package is not None:
                champion = global_importance(_contributions(case, package, rows)[0], package.manifest.features.names)
        except InterlockError as error:
            broken = failed("explain.stability", error)
    found, figures = explain_findings(contributions, margins, space.names, rows_total=case.held_out.rows.height,
                                      champion_importance=champion)
    if case.use_case.prediction.task != "multiclass":
        values = space.encode_frame(rows).astype(np.float64)
        figures = figures | {"beeswarm": beeswarm(contributions, values, space.names, seed=case.seed)}
    if broken is not None:
        found = [finding for finding in found if finding.metric != broken.metric] + [broken]
    return found, figures


def holdout_drift(case: Case) -> Report:
    """How far the held-out rows lie from those learned from."""
    from reports.drift import drift_findings

    baseline = training_profile(case)
    current = fit_profile(case.held_out.rows, profile_columns(case.use_case), like=baseline)
    monitoring = case.use_case.monitoring
    return drift_findings(baseline, current, rows_min=monitoring.rows_min, psi_max=monitoring.drift_psi_max, family="drift.holdout_"), {}


def training_profile(case: Case) -> Profile:
    """The package's baseline without the score."""
    profile = Profile.from_json(case.package.profile_json)
    return profile.model_copy(update={"columns": {name: column for name, column in profile.columns.items() if name != SCORE_COLUMN}})


def _contributions(case: Case, package: Package, rows: pl.DataFrame) -> tuple[Any, Any]:
    xgboost = load_xgboost()
    from reports.explain import shap_values

    space, threads = package.manifest.features, case.use_case.training.threads
    matrix = xgboost.DMatrix(space.encode_frame(rows), feature_names=space.names, feature_types=space.feature_types,
                             enable_categorical=True, nthread=threads)
    return shap_values(package.open_model(threads).booster, matrix)
