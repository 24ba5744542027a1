"""How differently groups of people are treated: by a candidate on held-out rows, and by a version in one window of production."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.control.evidence.case import Case
from interlock.control.evidence.fairness_tables import window_groups
from interlock.rules.fairness_gates import fairness_gates
from interlock.rules.findings import Finding, State
from interlock.spec.usecase import UseCase

Report = tuple[list[Finding], dict[str, Any]]
Floats = NDArray[np.float64]
WITHOUT_OUTCOME = {"selection_rate_ratio", "demographic_parity_difference", "mean_prediction_difference"}


def fairness(case: Case) -> Report:
    """Differences between groups of the held-out rows, by the decisions that would be served."""
    rows = case.held_out.rows.select(case.use_case.sensitive_columns)
    found, figures = compared(case.use_case, case.held_out.labels, case.held_out.predictions, case.scores, rows)
    by_group = case.package.manifest.group_thresholds
    return ([*found, accuracy_as_served(case, by_group.column)] if by_group is not None else found), figures


def accuracy_as_served(case: Case, column: str) -> Finding:
    """Share of right decisions with the thresholds by group, Wilson interval; `performance.accuracy` is that of the ordinary threshold."""
    from reports.fairness_intervals import shares

    right = case.held_out.predictions == case.held_out.labels
    found = shares(np.array([float(right.sum())]), np.array([float(right.size)]))
    return Finding(metric="fairness.accuracy_as_served", value=float(found.value[0]), low=float(found.low[0]), high=float(found.high[0]),
                   confidence=0.95, sample_size=int(right.size),
                   note=f"Right decisions with the thresholds by {column} that are served; performance.accuracy uses one for all.")


def compared(use_case: UseCase, labels: Floats, predictions: Floats, scores: Floats, sensitive: pl.DataFrame) -> Report:
    """The task's fairness report. Labels and predictions as numbers (0/1, class numbers, values), scores as the model gives them.

    Groups of fewer than `[privacy] suppress_below` rows are neither listed nor named: a rate of one row is one person's outcome.
    """
    from reports.fairness import fairness_findings
    from reports.fairness_classes import class_findings
    from reports.fairness_small import without_small
    from reports.fairness_values import value_findings

    task, policy = use_case.prediction.task, use_case.fairness
    gated = {gate.metric for gate in use_case.gates.values() if gate.metric is not None}
    if task == "regression":
        found = value_findings(labels, predictions, sensitive, policy, gated=gated)
    elif task == "multiclass":
        found = class_findings(labels, predictions, scores, use_case.prediction.classes or [], sensitive, policy, gated=gated)
    else:
        found = fairness_findings(labels, predictions, scores, sensitive, policy, gated=gated)
    return without_small(*found, use_case.privacy.suppress_below)


def judged_measures(use_case: UseCase) -> dict[str, str]:
    """Metric of each finding that a gate or a limit of production judges → the measure that it shows."""
    policy = use_case.fairness
    if policy.rules:
        return {rule.finding: rule.metric for rule in policy.rules}
    return {gate.metric: policy.metric for gate in fairness_gates(use_case.prediction.task, policy)}


def window_fairness(use_case: UseCase, rows: pl.DataFrame) -> list[Finding]:
    """The judged differences between groups of the context columns that were captured; nothing where no rule and no limit asks.

    `rows`: captured predictions with `_label` (null: not known yet). What people were answered counts (`_prediction`). A selection rate
    or a mean prediction needs no outcome, so it rests on every answer; the other measures rest on rows whose outcome is known.
    """
    judged = judged_measures(use_case)
    captured = [name for name in use_case.sensitive_columns if name in rows.columns]
    if not captured:
        return [Finding(metric=metric, state=State.MISSING, note="no sensitive attribute came with the requests") for metric in judged]
    known = rows.filter(pl.col("_label").is_not_null())
    found: list[Finding] = []
    for part, wanted in ((rows, [metric for metric, measure in judged.items() if measure in WITHOUT_OUTCOME]),
                         (known, [metric for metric, measure in judged.items() if measure not in WITHOUT_OUTCOME])):
        if wanted:
            predictions, scores = _answers(use_case, part)
            outcomes = predictions if part is rows else _outcomes(use_case, part)
            findings, _ = compared(use_case, outcomes, predictions, scores, _groups(use_case, part, captured))
            found += [finding for finding in findings if finding.metric in wanted]
    return found


def window_rates(use_case: UseCase, rows: pl.DataFrame) -> list[Finding]:
    """`fairness.groups` of the attributes that were captured (`fairness_tables.window_groups`): shown over time, judged by no limit."""
    captured = [name for name in use_case.sensitive_columns if name in rows.columns]
    if use_case.prediction.task != "binary" or not captured:
        return []
    outcomes = rows["_label"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return window_groups(use_case, _answers(use_case, rows)[0], outcomes, _groups(use_case, rows, captured))


def _answers(use_case: UseCase, rows: pl.DataFrame) -> tuple[Floats, Floats]:
    """What was answered, as numbers, and the scores behind it."""
    if use_case.prediction.task == "regression":
        values = rows["_score"].cast(pl.Float64).to_numpy()
        return values, values
    if use_case.prediction.task == "multiclass":
        classes = use_case.prediction.classes or []
        scores = np.array(rows["_scores"].to_list(), dtype=np.float64).reshape(rows.height, len(classes))
        return _places(rows["_prediction"], classes), scores
    return (rows["_prediction"].cast(pl.String) == "1").cast(pl.Float64).to_numpy(), rows["_score"].cast(pl.Float64).to_numpy()


def _outcomes(use_case: UseCase, rows: pl.DataFrame) -> Floats:
    if use_case.prediction.task == "multiclass":
        return _places(rows["_label"], use_case.prediction.classes or [])
    return rows["_label"].cast(pl.Float64).to_numpy()


def _places(names: pl.Series, classes: list[str]) -> Floats:
    """Class numbers; a name that is no class of the use case is a KeyError."""
    places = {name: float(place) for place, name in enumerate(classes)}
    return np.array([places[str(name)] for name in names.to_list()], dtype=np.float64)


def _groups(use_case: UseCase, rows: pl.DataFrame, captured: list[str]) -> pl.DataFrame:
    """The captured attributes in the types that the evidence has them in: context is captured as text."""
    types: dict[str, list[Any]] = {"integer": [pl.Float64, pl.Int64], "float": [pl.Float64]}
    columns = []
    for name in captured:
        column = pl.col(name)
        for kind in types.get(use_case.columns[name].type, []):
            column = column.cast(kind, strict=False)
        columns.append(column)
    return rows.select(columns)
