"""How a model is watched, approved and paid for: `[monitoring]`, `[approval]`, `[costs]`, `[alerts]`, `[schedules]`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from interlock.spec.data import Section


class Monitoring(Section):
    """What is watched in production."""

    window_hours: float = Field(default=24, ge=1 / 60, description="Length of a monitored window of event time; at least a minute.")
    watermark_hours: float = Field(default=1, ge=0, description="A window is complete this long after its end.")
    rows_min: int = Field(default=200, ge=1, description="Predictions below which a window says UNKNOWN.")
    drift_psi_max: float = Field(default=0.25, gt=0, description="PSI of a feature against the model's baseline that breaches (0.25: Siddiqi 2006, 'Credit Risk Scorecards', convention).")
    drift_share_max: float = Field(default=0.3, gt=0, le=1, description="Share of features over `drift_psi_max` that breaches.")
    performance_drop_max: float = Field(default=0.05, gt=0, description="Fall of the primary metric below its value in the evidence that breaches (regression: relative rise of RMSE).")
    bias_max: float = Field(default=0.1, gt=0, le=1, description="binary: distance between a window's mean answer and its observed rate that breaches; the interval must exclude 0.")
    labels_min: int = Field(default=100, ge=1, description="Labels below which performance says UNKNOWN.")
    latency_p99_ms_max: float = Field(default=100, gt=0, description="99th percentile of latency that breaches.")
    abstained_share_max: float = Field(default=0.2, gt=0, le=1, description="With `[serving.abstention]`: share of a window's answers left to the fallback that breaches (a convention: a model that leaves every fifth answer to others is not the one that was approved).")
    breaches: int = Field(default=2, ge=1, description="Breached windows among the last `of`, the latest included, that start a retraining.")
    of: int = Field(default=5, ge=1, description="Windows looked back over.")
    cooldown_hours: float = Field(default=24, ge=0, description="No second retraining within this event time.")
    retrain: bool = Field(default=True, description="Whether a breach starts `train`.")
    rollback_on: list[Literal["performance.drop", "performance.bias", "drift.share", "drift.score", "latency.p99_ms", "fairness"]] = Field(default_factory=list, description="Breaches that bring the previous version back without a person, by the rule of `breaches` and `of` over the windows since it went live (fairness: any fairness limit); empty: people are told.")
    segments: list[str] = Field(default_factory=list, max_length=8, description="Category, boolean or whole-number columns by whose values drift is measured too, each value against the same part of the training rows; the 8 most frequent values with `rows_min` training rows each.")
    evidently: Literal["breach", "newest", "never"] = Field(default="breach", description="When `monitor` adds Evidently's full report (about 15 s, at most one window per run): the newest window that breached, the newest judged, or none.")


class Approval(Section):
    """Who may say yes, and for how long it counts."""

    author: str | None = Field(default=None, description="Declared author of the use case, beside the last committer of this file; neither may approve.")
    expires_hours: float = Field(default=72, gt=0, description="A decision not carried out by then is void.")
    evidence_days_max: float = Field(default=30, gt=0, description="Evidence older than this is stale.")


class Costs(Section):
    """Own prices, in US dollars; missing ones come from the installation's price table."""

    cpu_hour_usd: float | None = Field(default=None, ge=0, description="One CPU core for one hour.")
    storage_gb_month_usd: float | None = Field(default=None, ge=0, description="One gigabyte for one month.")
    million_requests_usd: float | None = Field(default=None, ge=0, description="One million predictions.")
    monthly_budget_usd: float | None = Field(default=None, gt=0, description="Budget shown on the Costs page.")


class Alerts(Section):
    """Who is told."""

    url_envs: list[str] = Field(default_factory=list, description="Environment variables that hold Apprise URLs (never the URLs themselves).")


class Schedules(Section):
    """Cron expressions (UTC); a missing one means: only by hand."""

    lifecycle: str | None = Field(default=None, description="ingest → train → validate.")
    ingest: str | None = Field(default=None, description="Take in new rows.")
    train: str | None = Field(default=None, description="Make a candidate from the newest snapshot.")
    monitor: str | None = Field(default=None, description="Judge complete windows.")
    costs: str | None = Field(default=None, description="Add up costs.")
    materialize: str | None = Field(default=None, description="Write the online tables of the feature views that it reads or feeds.")
    drill: str | None = Field(default=None, description="Rehearse deploy, breach and rollback on a shadow server; a drill missing for 1.5 intervals is told.")
