"""Run every report about a candidate; one that raises becomes findings of state ERROR, so that its gates say UNKNOWN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from interlock.control import fairness_reports, observed, quality_reports, replay_reports, replayable
from interlock.control.case import Case
from interlock.control.case import Report as Reported
from interlock.errors import InterlockError
from interlock.modeling.making import profile_columns
from interlock.rules.findings import Finding, failed
from interlock.rules.gates import Gate
from interlock.spec.fairness import MEASURES, VALUE_MEASURES

Report = Callable[[Case], Reported]
Progress = Callable[[str], None]
EVIDENTLY_ROWS_MAX = 5_000


@dataclass(frozen=True)
class Plan:
    """A report, the gated metrics that it owes, and the tasks it is for."""

    name: str
    report: Report
    owes: tuple[str, ...]
    tasks: tuple[str, ...] = ("binary", "multiclass", "regression")


@dataclass
class Assessment:
    """What the reports found: the replayable and the observed section, figures by report (of each section), attached files."""

    findings: list[Finding] = field(default_factory=list)
    observed: list[Finding] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    observed_figures: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    rests_on: list[str] = field(default_factory=list)  # digests of other snapshots that findings rest on


REPLAYABLE = (
    Plan("quality", quality_reports.quality, ("quality.quarantine_share", "quality.duplicate_share", "quality.label_share",
                                              "quality.holdout_rows")),
    Plan("columns", quality_reports.columns, ("quality.schema", "quality.idle_features", "quality.came_alive")),
    Plan("history", quality_reports.history, ("quality.volume_ratio", "quality.missing_change")),
    Plan("labels", quality_reports.labels, ("quality.rarest_class", "leakage.label_shift")),
    Plan("overlap", quality_reports.overlap, ("leakage.entity_overlap", "leakage.missing_tells")),
    Plan("leakage", quality_reports.leakage, ("leakage.later_columns", "leakage.single_feature", "leakage.strongest_feature",
                                              "leakage.same_rows", "leakage.time_travel")),
    Plan("performance", replayable.performance, ("performance.auc", "performance.r2", "performance.vs_naive", "performance.vs_champion",
                                                 "performance.log_loss_skill")),
    Plan("calibration", replayable.calibration, ("calibration.ece",), ("binary", "multiclass")),
    Plan("fairness", fairness_reports.fairness, tuple(f"fairness.{name}" for name in (*MEASURES, *VALUE_MEASURES))),
    Plan("explain", replayable.explanation, ("explain.additivity", "explain.stability", "explain.dominance")),
    Plan("holdout_drift", replayable.holdout_drift, ("drift.holdout_share",)),
    Plan("size", quality_reports.size, ("size.package_mb",)),
)
OBSERVED = (
    Plan("latency", observed.latency, ("latency.p99_ms",)),
    Plan("freshness", observed.freshness, ("quality.age_days",)),
    Plan("serving_drift", observed.serving_drift, ("drift.serving_share",)),
    Plan("replay", replay_reports.replay, ("replay.flip_rate",)),
)


def assess(case: Case, gates: list[Gate], *, with_evidently: bool = True, progress: Progress = lambda text: None) -> Assessment:
    """Every report that the task has, each on its own: one failing report leaves the others standing."""
    gated = {gate.metric for gate in gates}
    done = Assessment(rests_on=[case.earlier] if case.earlier else [])
    for plans, section, figures in ((REPLAYABLE, done.findings, done.figures), (OBSERVED, done.observed, done.observed_figures)):
        for plan in plans:
            if case.use_case.prediction.task in plan.tasks:
                progress(f"report: {plan.name}")
                found, drawn = _run(plan, case, gated)
                section += found
                figures |= {plan.name: drawn} if drawn else {}
    if with_evidently:
        progress("report: Evidently")
        _attach_evidently(case, done)
    return done


def nothing_measured(gates: list[Gate], error: InterlockError) -> Assessment:
    """The assessment of a candidate that could not even be loaded: every gate's metric is an ERROR."""
    return Assessment(findings=[failed(gate.metric, error) for gate in gates])


def _run(plan: Plan, case: Case, gated: set[str]) -> Reported:
    try:
        return plan.report(case)
    except Exception as error:  # noqa: BLE001 - recorded as findings of state ERROR: every gate that waits for them says UNKNOWN
        owed = [metric for metric in plan.owes if metric in gated] or [f"report.{plan.name}"]
        return [failed(metric, error) for metric in owed], {}


def _attach_evidently(case: Case, done: Assessment) -> None:
    """Evidently's drift report: training rows against the newest requests, or against the held-out rows where there are none yet."""
    try:
        from reports.evidently_report import drift_report

        columns = profile_columns(case.use_case)
        rows, other = observed.traffic(case), "captured requests"
        if rows.is_empty():
            rows, other = case.held_out.rows, "held-out rows"
        kinds = {name: kind for name, kind in columns.items() if name in rows.columns}
        reference = observed.comparable(case.held_out.split.fit_rows, kinds)
        html, body = drift_report(reference, observed.comparable(rows, kinds), kinds, rows_max=EVIDENTLY_ROWS_MAX, seed=case.seed)
        done.files |= {"evidently-drift.html": html, "evidently-drift.json": _json(body)}
        done.observed.append(Finding(
            metric="report.evidently", sample_size=min(rows.height, EVIDENTLY_ROWS_MAX),
            note=f"Evidently compared training rows with {other}, at most {EVIDENTLY_ROWS_MAX:,} of each; it informs and decides nothing."))
    except Exception as error:  # noqa: BLE001 - recorded as a finding of state ERROR; no gate rests on this attachment
        done.observed.append(failed("report.evidently", error))


def _json(body: Any) -> bytes:
    import json

    return json.dumps(body, ensure_ascii=False, sort_keys=True).encode()
