"""Drift of a candidate's data: held-out rows and captured requests against the rows learned from, column by column and all together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.control.evidence.case import Case, Report
from interlock.control.evidence.observed import traffic
from interlock.control.windows.window_drift import impact_of
from interlock.control.windows.window_profiles import comparable
from interlock.modeling.baseline import features_of
from interlock.modeling.boosting import load_xgboost
from interlock.rules.findings import Finding, failed
from reports.drift_domain import domain_finding, reconstruction_finding
from reports.profiles import Profile, fit_profile

Floats = NDArray[np.float64]
IMPORTANCE_ROWS = 200  # rows whose SHAP values weigh the ranking: at most about half a second
DOMAIN_ROUNDS = 30


def holdout_drift(case: Case) -> Report:
    """How far the held-out rows lie from those learned from, with the ranking by what it costs. Reproducible."""
    return _drift(case, case.held_out.rows, "drift.holdout_", None)


def serving_drift(case: Case) -> Report:
    """How far the newest captured requests lie from the rows learned from; no traffic yet is a state."""
    from reports.drift import no_traffic

    rows = traffic(case)
    if rows.is_empty():
        return [no_traffic()], {}
    found, figures = _drift(case, rows, "drift.serving_", _span(rows))
    return [_said(finding, rows) if finding.metric == "drift.serving_share" else finding for finding in found], figures


def training_profile(case: Case) -> Profile:
    """The package's baseline, features alone."""
    return features_of(Profile.from_json(case.package.profile_json))


def _drift(case: Case, rows: pl.DataFrame, family: str, window: tuple[datetime, datetime] | None) -> Report:
    """Every finding of one comparison. Figures: {"impact": [row, ...]} as `reports.drift_impact` describes them."""
    from reports.drift import drift_findings

    baseline, monitoring = training_profile(case), case.use_case.monitoring
    kinds: dict[str, Any] = {name: column.kind for name, column in baseline.columns.items() if name in rows.columns}
    plain = comparable(rows, kinds)
    current = fit_profile(plain, kinds, like=baseline.only(kinds), suppress_below=case.use_case.privacy.suppress_below)
    found = drift_findings(baseline.only(kinds), current, rows_min=monitoring.rows_min, psi_max=monitoring.drift_psi_max, family=family,
                           window=window)
    limits: dict[str, Any] = {"rows_min": monitoring.rows_min, "seed": case.seed, "family": family}
    learned = case.held_out.split.fit_rows
    figures: dict[str, Any] = {}
    found.append(_tried(f"{family}domain_auc", lambda: domain_finding(
        comparable(learned, kinds), plain, kinds, _classifier(case), **limits)))
    found.append(_tried(f"{family}reconstruction", lambda: reconstruction_finding(baseline.plane, plain, **limits)))

    def ranked() -> Finding:
        one, drawn = impact_of(found, _importance(case), rows.height, family=family)
        figures.update(drawn)
        return one

    return [*found, _tried(f"{family}impact", ranked)], figures


def _tried(metric: str, measure: Callable[[], Finding]) -> Finding:
    try:
        return measure()
    except Exception as error:  # noqa: BLE001 - recorded as a finding of state ERROR; no gate rests on it
        return failed(metric, error)


def _classifier(case: Case) -> Any:
    """A small boosted model that tells two sets of rows apart; weights are the gain of each column."""
    xgboost, threads = load_xgboost(), case.use_case.training.threads

    def fit_score(matrix: Floats, labels: Floats, held: Floats) -> tuple[Floats, Floats]:
        settings = {"objective": "binary:logistic", "max_depth": 4, "eta": 0.2, "nthread": threads, "seed": case.seed}
        booster = xgboost.train(settings, xgboost.DMatrix(matrix, label=labels, nthread=threads), num_boost_round=DOMAIN_ROUNDS)
        gain = booster.get_score(importance_type="total_gain")
        weights = np.array([gain.get(f"f{place}", 0.0) for place in range(matrix.shape[1])])
        return np.asarray(booster.predict(xgboost.DMatrix(held, nthread=threads)), dtype=np.float64), weights

    return fit_score


def _importance(case: Case) -> dict[str, float]:
    """Column → share of the SHAP weight on the first 200 held-out rows (XGBoost's own contributions)."""
    from reports.explain import global_importance

    xgboost, space, threads = load_xgboost(), case.package.manifest.features, case.use_case.training.threads
    data = xgboost.DMatrix(case.held_out.matrix[:IMPORTANCE_ROWS], feature_names=space.names, feature_types=space.feature_types,
                           enable_categorical=True, nthread=threads)
    contributions = case.held_out.model.booster.predict(data, pred_contribs=True)
    return global_importance(np.asarray(contributions, dtype=np.float64), space.names)


def _span(rows: pl.DataFrame) -> tuple[datetime, datetime] | None:
    first, last = rows["_event_time"].min(), rows["_event_time"].max()
    return (first, last) if isinstance(first, datetime) and isinstance(last, datetime) else None


def _said(finding: Finding, rows: pl.DataFrame) -> Finding:
    note = f"{finding.note} The newest {rows.height:,} captured requests.".strip()
    return finding.model_copy(update={"note": note})
