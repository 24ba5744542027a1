"""Everything measured on one window of captured predictions, per version of the model that answered.

Each report is wrapped: one that raises becomes a finding of state ERROR, and the window cannot be called fine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from interlock.control.evidence.fairness_reports import judged_measures, window_fairness, window_rates
from interlock.control.windows.window_abstentions import METRIC, abstentions_of
from interlock.control.windows.window_attribution import attribution_of
from interlock.control.windows.window_drift import WindowDrift
from interlock.control.windows.window_estimates import estimates_of
from interlock.control.windows.window_outcomes import KEY as TOLD
from interlock.control.windows.window_outcomes import Outcomes, outcomes_of
from interlock.control.windows.window_performance import performance_of
from interlock.control.windows.window_profiles import Known
from interlock.control.windows.window_series import KEY, series_of
from interlock.errors import PackageError
from interlock.modeling.package import read_package
from interlock.records.compaction import captured_gaps
from interlock.rules.findings import Finding, State, failed
from interlock.rules.monitoring import Judgement, judge_window, signals_for
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

    from reports.profiles import Profile

ESTIMATE_ERROR = "performance.estimate_error"  # kept apart, because later windows read it without the other findings
Skip = Callable[[str, int, Outcomes], bool]
Report = Callable[[], list[Finding]]
LABELLED_METRICS = frozenset({"performance.drop", "performance.bias"})  # wait for outcomes


@dataclass(frozen=True)
class Judged:
    """One window of one version: what was measured and what it means."""

    start: datetime
    end: datetime
    digest: str
    version: int
    rows: int
    outcomes: Outcomes
    findings: list[Finding]
    judgement: Judgement
    generation: int = 0
    profile: Profile | None = field(default=None, repr=False, compare=False)

    @property
    def labelled(self) -> int:
        """Rows whose outcome is known."""
        return self.outcomes.known

    @property
    def failed(self) -> dict[str, str]:
        """Reports that raised, with what they said."""
        return {finding.metric: finding.note for finding in self.findings if finding.state is State.ERROR}

    def reports(self) -> dict[str, Any]:
        """What goes into the window's `reports` column."""
        measured = {finding.metric for finding in self.findings} & LABELLED_METRICS
        return {"judgement": self.judgement.model_dump(mode="json"), "generation": self.generation, "failed": self.failed,
                "outcomes": bool(measured - set(self.judgement.unknown)),
                "estimate_errors": [finding.model_dump(mode="json") for finding in self.findings if finding.metric == ESTIMATE_ERROR],
                KEY: series_of(self.findings), TOLD: self.outcomes.model_dump()}


def judge_versions(settings: Settings, use_case: UseCase, bounds: tuple[datetime, datetime], frame: pl.DataFrame, labels: pl.DataFrame,
                   *, skip: Skip, known: Callable[[str], Known] = lambda digest: Known()) -> list[Judged]:
    """Judge each version that answered as champion in `frame` (predictions of the window); `skip(digest, rows, outcomes)` spares work,
    `known(digest)` gives what the window is compared with beside its package."""
    import polars as pl

    if frame.is_empty():
        return []
    joined = frame.filter(pl.col("_arm") == "champion").join(labels, on="_request_id", how="left")
    judged = []
    for (digest,), rows in joined.sort("_generation", "_event_time").group_by(["_digest"], maintain_order=True):
        outcomes = outcomes_of(rows)
        if not skip(str(digest), rows.height, outcomes):
            judged.append(_judge_one(settings, use_case, bounds, str(digest), rows, outcomes, known(str(digest))))
    return judged


def _judge_one(settings: Settings, use_case: UseCase, bounds: tuple[datetime, datetime], digest: str, rows: pl.DataFrame,
               outcomes: Outcomes, known: Known) -> Judged:
    findings, profile = window_findings(settings, use_case, digest, rows, bounds, known)
    return Judged(
        start=bounds[0], end=bounds[1], digest=digest, version=int(rows["_version"][-1]), rows=rows.height, outcomes=outcomes,
        findings=findings, judgement=judge_window(findings, signals_for(use_case)), generation=int(rows["_generation"][-1]),
        profile=profile)


def window_findings(settings: Settings, use_case: UseCase, digest: str, rows: pl.DataFrame, bounds: tuple[datetime, datetime],
                    known: Known) -> tuple[list[Finding], Profile | None]:
    """Drift, performance, fairness, latency, gaps and volume of one version's rows (joined with `_label`, null: not known), and the
    window's profile; None where it could not be made."""
    reports: dict[str, Report] = {
        "volume.predictions": lambda: [Finding(metric="volume.predictions", value=float(rows.height), sample_size=rows.height)],
        "capture.gaps": lambda: [gaps_of(captured_gaps(settings, use_case.name), bounds, rows.height)],
        "latency.p99_ms": lambda: [latency_of(rows, use_case.monitoring.rows_min)],
    }
    if use_case.serving.abstention.on:
        reports[METRIC] = lambda: [abstentions_of(rows, use_case.monitoring.rows_min)]
    try:
        package = read_package(settings.folder("packages"), digest)
    except PackageError as error:
        broken = [failed(metric, error) for metric in ("drift.share", "drift.score", "performance.drop")]
        return _windowed(_run(reports) + broken, bounds), None
    drift = WindowDrift(use_case, package, rows, known)
    reports |= {
        "drift.share": drift.features, "drift.score": drift.score, "drift.target": drift.target, "drift.previous_share": drift.previous,
        "drift.segment_share": drift.segments, "drift.reconstruction": drift.reconstruction,
        "performance.drop": lambda: performance_of(use_case, package, rows, seed=settings.seed),
        "explain.attribution_drift": lambda: attribution_of(use_case, package, rows, known.importance(), seed=settings.seed),
        "performance.estimated_drop": lambda: estimates_of(settings, use_case, package, rows),
    }
    if use_case.sensitive_columns and (judged := judged_measures(use_case)):
        reports[next(iter(judged))] = lambda: window_fairness(use_case, rows)
    if use_case.sensitive_columns:
        reports["fairness.groups"] = lambda: window_rates(use_case, rows)
    found = _run(reports)
    found += _run({"drift.impact": lambda: drift.impact(found)})
    return _windowed(found, bounds), drift.made


def latency_of(rows: pl.DataFrame, rows_min: int) -> Finding:
    """99th percentile of the server's own latency per request, in milliseconds (nearest rank, so it is a latency that occurred)."""
    values = rows["_latency_ms"].drop_nulls().to_numpy()
    if values.size < rows_min:
        return Finding(metric="latency.p99_ms", unit="ms", sample_size=int(values.size), needed=rows_min, state=State.TOO_FEW,
                       note=f"not enough evidence: n = {values.size:,}, at least {rows_min:,} needed")
    return Finding(metric="latency.p99_ms", value=float(np.quantile(values, 0.99, method="inverted_cdf")), unit="ms",
                   sample_size=int(values.size))


def gaps_of(gaps: list[dict[str, Any]], bounds: tuple[datetime, datetime], rows: int) -> Finding:
    """Answers that were not recorded while the window lasted: rows lost in gaps that overlap it. Gaps are known by the server's clock."""
    lost = [gap for gap in gaps if gap.get("from") and _moment(gap["from"]) < bounds[1] and _moment(gap["to"]) >= bounds[0]]
    total = sum(int(gap.get("rows", 0)) for gap in lost)
    note = f"{total:,} answers were not recorded: {lost[-1].get('error', '')}" if lost else ""
    return Finding(metric="capture.gaps", value=float(total), sample_size=rows, note=note)


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def _run(reports: dict[str, Report]) -> list[Finding]:
    findings: list[Finding] = []
    for metric, report in reports.items():
        try:
            findings += report()
        except Exception as error:  # noqa: BLE001 - a report that fails is recorded as a finding of state ERROR
            findings.append(failed(metric, error))
    return findings


def _windowed(findings: list[Finding], bounds: tuple[datetime, datetime]) -> list[Finding]:
    return [finding.model_copy(update={"window_start": bounds[0], "window_end": bounds[1]}) for finding in findings]
