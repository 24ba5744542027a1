"""What is judged in production, and when a retraining starts. Pure: times, findings and states in, answers out.

A window is half-open in event time, `[start, end)`, as long as `window_hours`, aligned to 1970-01-01 00:00 UTC. It is complete when
the moment of looking (`as_of`) is at least `watermark_hours` after its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from interlock.rules.fairness_gates import judged_metrics
from interlock.rules.findings import Finding, State
from interlock.spec.operation import Monitoring
from interlock.spec.usecase import UseCase

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DRIFT_FAMILIES = ("drift.", "performance.")  # what new data can mend; latency or a gap in the capture is no drift


class WindowState(StrEnum):
    """What a window says. Only OK is good news; UNKNOWN is not."""

    OK = "ok"
    WARN = "warn"
    BREACH = "breach"
    UNKNOWN = "unknown"


class Signal(BaseModel):
    """A limit on one metric of a window."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str = Field(description="Finding it judges; of several (one per column or group) the worst counts.")
    title: str = Field(description="Name for people.")
    direction: Literal["at_most", "at_least"]
    limit: float
    unit: str = ""
    effect: Literal["breach", "warn"] = Field(default="breach", description="State that crossing the limit gives.")
    judge_by: Literal["value", "interval"] = Field(
        default="value", description="interval: the favourable end must lie beyond 0 too, else it is a warning.")
    retrains: bool = Field(default=False, description="Whether new data can mend it, so that a breach counts towards a retraining.")
    required: bool = Field(default=False, description="Whether the window is UNKNOWN without it; others may wait for late labels.")
    source: str = Field(description="Where the limit comes from.")


class Judgement(BaseModel):
    """A window's state with its reasons."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: WindowState
    breached: list[str] = Field(default_factory=list, description="Metrics over their limit.")
    warned: list[str] = Field(default_factory=list)
    unknown: list[str] = Field(default_factory=list, description="Metrics that could not be judged (yet).")
    retrains: bool = Field(default=False, description="At least one breach that new data can mend.")
    sentences: list[str] = Field(default_factory=list, description="One per signal, for a person.")


def window_of(moment: datetime, window_hours: float) -> tuple[datetime, datetime]:
    """The window that holds the moment: the moment of a boundary opens the window that starts there."""
    length = timedelta(hours=window_hours)
    start = EPOCH + ((moment - EPOCH) // length) * length
    return start, start + length


def complete_windows(
    first: datetime, last: datetime, as_of: datetime, window_hours: float, watermark_hours: float
) -> list[tuple[datetime, datetime]]:
    """The complete windows that hold or lie between the events `first` and `last`, oldest first; incomplete ones are left out.

    An event at the very edge of the calendar, whose window would begin before it, is in none.
    """
    length = timedelta(hours=window_hours)
    try:
        start = window_of(first, window_hours)[0]
    except OverflowError:
        return []
    found = []
    while start <= last and start <= as_of - length - timedelta(hours=watermark_hours):
        found.append((start, start + length))
        start += length
    return found


def signals_for(use_case: UseCase) -> list[Signal]:
    """The limits of a use case, from its `[monitoring]` and `[fairness]`."""
    limits, fairness = use_case.monitoring, use_case.fairness
    found = [*_drift_signals(limits), _performance_signal(limits), _estimate_signal(limits), *_service_signals(limits)]
    if use_case.prediction.task == "binary":
        found.append(Signal(metric="performance.bias", title="Answers too high or too low on average", direction="at_most", retrains=True,
                            judge_by="interval", limit=limits.bias_max, source="[monitoring] bias_max; the interval must exclude 0"))
    if use_case.serving.abstention.on:
        found.append(Signal(metric="serving.abstained_share", title="Answers left to a fallback", direction="at_most", retrains=True,
                            limit=limits.abstained_share_max, source="[monitoring] abstained_share_max"))
    if use_case.sensitive_columns:
        found += [Signal(metric=metric, title=title, limit=limit, direction=direction, source=source)
                  for metric, direction, limit, title, source in judged_metrics(use_case.prediction.task, fairness)]
    return found


def _drift_signals(limits: Monitoring) -> list[Signal]:
    basis = "PSI over 0.25: Siddiqi 2006, 'Credit Risk Scorecards' (a convention)"
    return [
        Signal(metric="drift.share", title="Share of features that moved", direction="at_most", limit=limits.drift_share_max, retrains=True,
               required=True, source="[monitoring] drift_share_max"),
        Signal(metric="drift.psi", title="A feature moved", direction="at_most", limit=limits.drift_psi_max, effect="warn", source=basis),
        Signal(metric="drift.missing_change", title="Values went missing", direction="at_most", limit=0.1, effect="warn",
               source="1 value in 10 more than when the model was made, as the gate missing_change: a convention"),
        Signal(metric="drift.score", title="Answers moved", direction="at_most", limit=limits.drift_psi_max, retrains=True, source=basis),
        Signal(metric="drift.target", title="Outcomes moved", direction="at_most", limit=limits.drift_psi_max, effect="warn", source=basis),
        Signal(metric="drift.reconstruction", title="Columns no longer belong together", direction="at_most", limit=0.5, effect="warn",
               unit="standard deviations", judge_by="interval", source="half a standard deviation, a medium effect: Cohen 1988"),
        Signal(metric="explain.attribution_drift", title="Reasons moved", direction="at_most", limit=0.1, effect="warn", unit="nDCG lost",
               source="nDCG below 0.9: Amazon SageMaker Clarify, feature attribution drift (docs/explainability.md)"),
        *[Signal(metric="drift.segment_share", title="Share of features that moved within a segment", direction="at_most",
                 limit=limits.drift_share_max, effect="warn", source="[monitoring] drift_share_max") for _ in limits.segments[:1]],
    ]


def _performance_signal(limits: Monitoring) -> Signal:
    return Signal(metric="performance.drop", title="Worse than the evidence", direction="at_most", limit=limits.performance_drop_max,
                  judge_by="interval", retrains=True, source="[monitoring] performance_drop_max; the interval must exclude no change")


def _estimate_signal(limits: Monitoring) -> Signal:
    """An estimate is no proof: it warns, and neither breaches nor starts a retraining."""
    return Signal(metric="performance.estimated_drop", title="Estimated to be worse, before labels", direction="at_most", effect="warn",
                  limit=limits.performance_drop_max, judge_by="interval",
                  source="[monitoring] performance_drop_max; an estimate from the answers alone (docs/performance.md)")


def _service_signals(limits: Monitoring) -> list[Signal]:
    return [
        Signal(metric="latency.p99_ms", title="Slow answers", direction="at_most", limit=limits.latency_p99_ms_max, unit="ms",
               source="[monitoring] latency_p99_ms_max"),
        Signal(metric="capture.gaps", title="Predictions not recorded", direction="at_most", limit=0, effect="warn",
               source="every prediction is recorded; a gap is said"),
        Signal(metric="volume.predictions", title="Predictions", direction="at_least", limit=limits.rows_min, effect="warn", required=True,
               source="[monitoring] rows_min"),
    ]


def judge_window(findings: Sequence[Finding], signals: Iterable[Signal]) -> Judgement:
    """The window's state: BREACH before UNKNOWN before WARN before OK.

    A report that failed (State.ERROR) makes the window UNKNOWN unless something else breached. A signal without a finding, with too
    few rows or still without labels is listed as unknown; it makes the window UNKNOWN only where it is required.
    """
    verdicts = [(signal, *_worst(signal, [f for f in findings if f.metric == signal.metric])) for signal in signals]
    states = [state for _, state, _ in verdicts]
    broken = [finding.metric for finding in findings if finding.state is State.ERROR]
    blind = broken or any(state is WindowState.UNKNOWN and signal.required for signal, state, _ in verdicts)
    if WindowState.BREACH in states:
        overall = WindowState.BREACH
    elif blind:
        overall = WindowState.UNKNOWN
    else:
        overall = WindowState.WARN if WindowState.WARN in states else WindowState.OK
    return Judgement(
        state=overall, breached=_metrics(verdicts, WindowState.BREACH), warned=_metrics(verdicts, WindowState.WARN),
        unknown=sorted({*_metrics(verdicts, WindowState.UNKNOWN), *broken}),
        retrains=any(signal.retrains and state is WindowState.BREACH for signal, state, _ in verdicts),
        sentences=[sentence for _, _, sentence in verdicts])


def retraining_due(states: Sequence[bool], *, breaches: int, of: int) -> bool:
    """Whether a retraining is due. `states` says per window, oldest first, whether it breached in a way that new data can mend.

    True where the latest window breached and at least `breaches` of the last `of` windows did. Windows that are unknown take their
    place among the `of` and count as not breached.
    """
    recent = list(states)[-of:]
    return bool(recent) and recent[-1] and sum(recent) >= breaches


def cooled_down(window_end: datetime, earlier: Iterable[datetime], cooldown_hours: float) -> bool:
    """Whether no retraining was started for a window that ended less than `cooldown_hours` before this one, or later (event time)."""
    limit = window_end - timedelta(hours=cooldown_hours)
    return not any(end > limit for end in earlier)


def drift_began(breached: Mapping[datetime, Iterable[str]]) -> datetime | None:
    """Start of the earliest window of the latest unbroken run of windows with a breach of drift or performance; None where none is.

    `breached` names by window start the metrics over their limit. A window that is not in it had no traffic and breaks no run.
    """
    began: datetime | None = None
    for start in sorted(breached, reverse=True):
        if any(name.startswith(DRIFT_FAMILIES) for name in breached[start]):
            began = start
        elif began is not None:
            break
    return began


def _worst(signal: Signal, findings: list[Finding]) -> tuple[WindowState, str]:
    """State and sentence of the finding that is worst for this signal."""
    judged = [finding for finding in findings if finding.state is State.OK and finding.value is not None and finding.value == finding.value]
    if not judged:
        why = next((f.note or f.state.value for f in findings), "nothing was measured")
        return WindowState.UNKNOWN, f"{signal.title}: unknown — {why}"
    sign = 1 if signal.direction == "at_most" else -1
    worst = max(judged, key=lambda finding: sign * _number(finding.value))
    state = _state(signal, worst)
    where = "" if worst.segment == "all" else f" ({worst.segment})"
    unit = f" {signal.unit}" if signal.unit else ""
    bound = "at most" if signal.direction == "at_most" else "at least"
    return state, (f"{signal.title}: {state.value} — {worst.value:.4g}{unit}{where}, {bound} {signal.limit:.4g}{unit} allowed, "
                   f"n = {worst.sample_size:,}")


def _state(signal: Signal, finding: Finding) -> WindowState:
    if not _crosses(signal, finding.value, signal.limit):
        return WindowState.OK
    if signal.judge_by == "interval":
        favourable = finding.low if signal.direction == "at_most" else finding.high
        if favourable is None or not _crosses(signal, favourable, 0.0):
            return WindowState.WARN
    return WindowState(signal.effect)


def _crosses(signal: Signal, value: float | None, limit: float) -> bool:
    number = _number(value)
    return number > limit if signal.direction == "at_most" else number < limit


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _metrics(verdicts: Iterable[tuple[Signal, WindowState, str]], wanted: WindowState) -> list[str]:
    return [signal.metric for signal, state, _ in verdicts if state is wanted]
