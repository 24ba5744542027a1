"""Run every report about a candidate; one that raises becomes findings of state ERROR, so that its gates say UNKNOWN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from interlock.control.evidence import (
    changes,
    drift_reports,
    explain_reports,
    fairness_reports,
    fairness_tables,
    frontier,
    observed,
    performance_reports,
    proxy_reports,
    quality_reports,
    replay_reports,
    training_reports,
)
from interlock.control.evidence.case import Case
from interlock.control.evidence.case import Report as Reported
from interlock.control.evidence.evidently import Pending, evidently_beside
from interlock.control.evidence.shap_beside import METRIC, Drawing, drawn_beside
from interlock.errors import InterlockError
from interlock.rules.findings import Finding, failed
from interlock.rules.gates import Gate
from interlock.spec.fairness import MEASURES, VALUE_MEASURES

Report = Callable[[Case], Reported]
Progress = Callable[[str], None]


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
    Plan("performance", performance_reports.performance, ("performance.auc", "performance.r2", "performance.vs_naive",
                                                          "performance.vs_champion", "performance.log_loss_skill")),
    Plan("calibration", performance_reports.calibration, ("calibration.ece",), ("binary", "multiclass")),
    Plan("slices", performance_reports.slices, ("performance.weakest_slice",)),
    Plan("value", performance_reports.value, ("performance.value_per_1000", "performance.value_vs_naive", "performance.value_vs_champion"),
         ("binary", "regression")),
    Plan("backtest", performance_reports.backtest, ("performance.backtest", "performance.backtest_worst")),
    Plan("estimate", performance_reports.estimate, ("performance.estimate_coverage",)),
    Plan("fairness", fairness_reports.fairness, tuple(f"fairness.{name}" for name in (*MEASURES, *VALUE_MEASURES))),
    Plan("fairness_thresholds", fairness_tables.explorer, (), ("binary",)),
    Plan("proxies", proxy_reports.proxies, ()),
    Plan("frontier", frontier.frontier_where_needed, (), ("binary",)),
    Plan("explain", explain_reports.explanation, ("explain.additivity", "explain.stability", "explain.dominance")),
    Plan("holdout_drift", drift_reports.holdout_drift, ("drift.holdout_share",)),
    Plan("size", quality_reports.size, ("size.package_mb",)),
    Plan("changes", changes.change_list, ()),
    Plan("training", training_reports.training, ()),
)
OBSERVED = (
    Plan("latency", observed.latency, ("latency.p99_ms",)),
    Plan("freshness", observed.freshness, ("quality.age_days",)),
    Plan("serving_drift", drift_reports.serving_drift, ("drift.serving_share",)),
    Plan("replay", replay_reports.replay, ("replay.flip_rate",)),
    Plan("proposals", training_reports.proposals, ()),
)
ALONE = tuple(plan for plan in OBSERVED if plan.name == "latency")  # nothing else may run while it is measured


def assess(case: Case, gates: list[Gate], *, with_evidently: bool = True, progress: Progress = lambda text: None) -> Assessment:
    """Every report that the task has, each on its own: one failing report leaves the others standing. Evidently's report and
    SHAP's plots are made beside them."""
    gated = {gate.metric for gate in gates}
    done = Assessment(rests_on=[case.earlier] if case.earlier else [])
    def run(plans: tuple[Plan, ...], section: list[Finding], figures: dict[str, Any]) -> None:
        for plan in plans:
            if case.use_case.prediction.task in plan.tasks:
                progress(f"report: {plan.name}")
                found, drawn = _run(plan, case, gated)
                section += found
                figures |= {plan.name: drawn} if drawn else {}

    run(ALONE, done.observed, done.observed_figures)
    with evidently_beside(case, wanted=with_evidently) as beside:
        run(REPLAYABLE, done.findings, done.figures)
        with drawn_beside(case, wanted=with_evidently) as pictures:
            run(tuple(plan for plan in OBSERVED if plan not in ALONE), done.observed, done.observed_figures)
            for name, pending in (("Evidently", beside), ("SHAP's plots", pictures)):
                if pending is not None:
                    progress(f"report: {name}")
                    _attach(pending, done)
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


def _attach(beside: Pending | Drawing | Finding, done: Assessment) -> None:
    """The files of a child process and the finding about them; where it failed, a finding of state ERROR."""
    if isinstance(beside, Finding):
        done.observed.append(beside)
        return
    try:
        files, finding = beside.collect()
    except Exception as error:  # noqa: BLE001 - recorded as a finding of state ERROR; no gate rests on these attachments
        done.observed.append(failed("report.evidently" if isinstance(beside, Pending) else METRIC, error))
        return
    done.files |= files
    done.observed.append(finding)
