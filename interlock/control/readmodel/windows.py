"""Monitored windows with their findings: signals, metrics over time, distributions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from interlock.control.readmodel.signals import SEVERITY, Signal, SignalState, from_window
from interlock.records.store import Store
from interlock.records.tables import Window
from interlock.rules.findings import Finding, State
from interlock.rules.monitoring import Signal as Rule
from interlock.rules.monitoring import WindowState, judge_window, signals_for
from interlock.spec.usecase import UseCase

WINDOWS_MAX = 120  # windows read for one page
GROUPS: dict[str, str | tuple[str, ...]] = {
    "Drift": "drift.", "Performance": "performance.", "Fairness": "fairness.", "Latency": "latency.", "Reasons": "explain.",
    "Traffic": ("volume.", "capture.")}


@dataclass(frozen=True)
class WindowView:
    """One window of event time, half-open, judged for one model version. `labelled` of `rows` have a known outcome."""

    start: datetime
    end: datetime
    version: int
    package_digest: str
    rows: int
    labelled: int
    state: str
    revision: int
    findings: tuple[Finding, ...]

    def by_metric(self, prefix: str | tuple[str, ...]) -> list[Finding]:
        """Findings whose metric starts with `prefix` (with one of them)."""
        return [finding for finding in self.findings if finding.metric.startswith(prefix)]


@dataclass(frozen=True)
class MetricPoint:
    """One metric in one window."""

    start: datetime
    end: datetime
    version: int
    finding: Finding


def windows(store: Store, use_case: str, limit: int = WINDOWS_MAX) -> list[WindowView]:
    """The newest windows, oldest first; of one span only those of the model that answered it."""
    query = select(Window).where(Window.use_case == use_case).order_by(Window.start.desc(), Window.version.desc()).limit(limit)
    with store.reading() as session:
        rows = session.scalars(query).all()
    return [_view(row) for row in reversed(rows)]


def one_window(store: Store, use_case: str, start: datetime, package_digest: str) -> WindowView | None:
    """One window with all its findings, None where there is none."""
    query = select(Window).where(Window.use_case == use_case, Window.start == start, Window.package_digest == package_digest)
    with store.reading() as session:
        row = session.scalars(query.order_by(Window.id.desc()).limit(1)).first()
    return _view(row) if row is not None else None


def latest(store: Store) -> dict[str, WindowView]:
    """The newest window of every use case."""
    newest = select(Window.use_case, func.max(Window.start).label("start")).group_by(Window.use_case).subquery()
    query = (select(Window).join(newest, (Window.use_case == newest.c.use_case) & (Window.start == newest.c.start))
             .order_by(Window.version))
    with store.reading() as session:
        return {row.use_case: _view(row) for row in session.scalars(query)}


def window_signals(window: WindowView | None, case: UseCase | None) -> list[Signal]:
    """Drift, performance, fairness, latency, reasons and traffic of one window, by the rules `monitor` judges with.

    UNKNOWN where nothing was measured.
    """
    if window is None or case is None:
        why = "No window has been monitored yet." if window is None else "The use-case file cannot be read, so its limits are unknown."
        return [Signal(name, SignalState.UNKNOWN, why) for name in GROUPS]
    rules = signals_for(case)
    return [_group(name, prefix, window, rules) for name, prefix in GROUPS.items()]


def _group(name: str, prefix: str | tuple[str, ...], window: WindowView, rules: list[Rule]) -> Signal:
    """The worst answer of the rules over one kind of metric; a failed report or a required answer that is missing outranks a pass."""
    own = [rule for rule in rules if rule.metric.startswith(prefix)]
    if not own:
        why = "No sensitive attribute is declared, so groups are not compared." if name == "Fairness" else "No limit is set."
        return Signal(name, SignalState.UNKNOWN, why, at=window.end)
    answers: list[Signal] = []
    quiet: list[Signal] = []
    for rule in own:
        found = window.by_metric(rule.metric)
        judgement = judge_window(found, [rule])
        answer = from_window(name, judgement.state if not judgement.unknown else WindowState.UNKNOWN, judgement.sentences[0],
                             max((finding.sample_size for finding in found), default=0), window.end)
        late = answer.state is SignalState.UNKNOWN and not rule.required  # its labels may come later: it hides no known answer
        (quiet if late else answers).append(answer)
    answers += [Signal(name, SignalState.UNKNOWN, f"The report {finding.metric} failed: {finding.note}", at=window.end)
                for finding in window.by_metric(prefix) if finding.state is State.ERROR]
    return min(answers or quiet, key=lambda answer: SEVERITY[answer.state])


def series(views: list[WindowView], prefix: str, *, overall: bool = True) -> dict[str, list[MetricPoint]]:
    """Metric (and segment, unless `overall` keeps only findings over all rows) → its points over the windows."""
    found: dict[str, list[MetricPoint]] = {}
    for view in views:
        for finding in view.by_metric(prefix):
            name = finding.metric if finding.segment == "all" else f"{finding.metric} {finding.segment}"
            if finding.segment == "all" or not overall:
                found.setdefault(name, []).append(MetricPoint(view.start, view.end, view.version, finding))
    return found


def _view(row: Window) -> WindowView:
    return WindowView(start=row.start, end=row.end, version=row.version, package_digest=row.package_digest, rows=row.rows,
                      labelled=row.labelled, state=row.state, revision=row.revision,
                      findings=tuple(Finding.model_validate(item) for item in row.findings))


@dataclass(frozen=True)
class Shape:
    """Shares per bin of a column, when trained and in the window. Shares of each sum to 1 (0 where there were no rows)."""

    labels: tuple[str, ...]
    baseline: tuple[float, ...]
    current: tuple[float, ...]
    rows_baseline: int
    rows_current: int


def shape(finding: Finding) -> Shape | None:
    """The two distributions behind a PSI, None where the finding carries none."""
    detail = finding.detail
    if not detail.get("baseline") or not detail.get("current"):
        return None
    labels = [str(name) for name in detail["categories"]] if "categories" in detail else _ranges(detail.get("edges", []))
    before, now = [float(count) for count in detail["baseline"]], [float(count) for count in detail["current"]]
    if not len(labels) == len(before) == len(now):
        return None
    return Shape(tuple(labels), _shares(before), _shares(now), int(sum(before)), int(sum(now)))


def _ranges(edges: list[float]) -> list[str]:
    """`below 3`, `3 to 5`, `5 and over`: open-ended groups between the cuts."""
    if not edges:
        return ["all values"]
    inner = [f"{low:.4g} to {high:.4g}" for low, high in zip(edges, edges[1:], strict=False)]
    return [f"below {edges[0]:.4g}", *inner, f"{edges[-1]:.4g} and over"]


def _shares(counts: list[float]) -> tuple[float, ...]:
    total = sum(counts)
    return tuple(count / total if total else 0.0 for count in counts)
