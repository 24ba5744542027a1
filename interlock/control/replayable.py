"""Reports that come out bit for bit the same from the same snapshot, package and champion."""

from __future__ import annotations

from interlock.control.case import Case
from interlock.control.case import Report as Report
from interlock.modeling.making import SCORE_COLUMN, profile_columns
from reports.profiles import Profile, fit_profile


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
