"""A limit put on trial on the windows of the past: what can be tried, which losses were real, and which key of the file would hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from interlock.control.readmodel.series import ANY, Point, WindowRow
from interlock.rules.alarm_backtest import WINDOWS_MIN, Backtest, Moment, Outcome, backtest, candidate_limits
from interlock.rules.findings import Finding, State
from interlock.rules.monitoring import Signal, WindowState, judge_window, signals_for
from interlock.spec.usecase import UseCase

LOSSES = ("performance.drop", "performance.bias")
KEYS = {"drift.psi": "drift_psi_max", "drift.score": "drift_psi_max", "drift.share": "drift_share_max",
        "performance.estimated_drop": "performance_drop_max"}  # [monitoring] keys that hold the limit


@dataclass(frozen=True)
class Watched:
    """Something a limit can be put on. `key`: where the file says it, None where it says it nowhere; `present`: the limit now."""

    metric: str
    title: str
    key: str | None
    present: float | None


@dataclass(frozen=True)
class Trial:
    """A limit on trial. `moments` and `rows` go together; `problem`: why nothing can be said, empty where it can."""

    watched: Watched
    rows: tuple[WindowRow, ...]
    moments: tuple[Moment, ...]
    tested: Backtest
    others: tuple[Backtest, ...]
    problem: str

    @property
    def sentence(self) -> str:
        """What it would have done, in one sentence."""
        found, all_rows = self.tested, self.rows
        days = (all_rows[-1].end - all_rows[0].start).days if all_rows else 0
        early, same = found.count(Outcome.BEFORE), found.count(Outcome.WITH)
        return (f"In the last {days} days ({found.windows} windows) this would {_times(found.alarms)}"
                + (f" in {found.runs} stretch{'es' if found.runs != 1 else ''}" if found.runs != found.alarms else "")
                + (f": {early} before a real loss, {same} in the window of one, {found.count(Outcome.FALSE)} without any, "
                   f"{found.count(Outcome.OPEN)} not known yet." if found.alarms else ".")
                + f" Real losses: {found.losses}, of which {found.missed} without a warning.")


TITLES = {"drift.psi": "PSI of a column", "drift.share": "Share of columns that moved", "drift.score": "Answers moved (PSI)",
          "drift.impact": "Drift that matters (PSI × SHAP weight)", "drift.reconstruction": "Columns no longer belong together",
          "explain.attribution_drift": "Reasons moved (1 - nDCG)", "performance.estimated_drop": "Estimated loss, before labels"}


def watchable(rows: Sequence[WindowRow], case: UseCase) -> list[Watched]:
    """What was measured in these windows and can be watched: a column's PSI first."""
    limits = {signal.metric: signal.limit for signal in signals_for(case)}
    names = {name for row in rows for name, point in row.metrics.items() if point.value is not None}
    return [Watched(metric, title, KEYS.get(metric), limits.get(metric)) for metric, title in TITLES.items()
            if metric in names or (metric == "drift.psi" and any(row.columns for row in rows))]


def losses_known(case: UseCase) -> list[str]:
    """The losses that this kind of task can have."""
    return [one.metric for one in signals_for(case) if one.metric in LOSSES]


def value_of(row: WindowRow, metric: str, column: str) -> float | None:
    """The watched value of one window; `ANY`: of the column that moved most."""
    if metric != "drift.psi":
        return row.value(metric)
    points = list(row.columns.values()) if column == ANY and ANY not in row.columns else [row.columns.get(column)]
    return max((point.value for point in points if point is not None and point.value is not None), default=None)


def lost(row: WindowRow, rules: Sequence[Signal]) -> bool | None:
    """Whether performance was really lost beyond a limit in this window, by these rules of `monitor`; None: its outcomes are not known."""
    known = [rule for rule in rules if row.value(rule.metric) is not None]
    if not known:
        return None
    found = [_finding(rule.metric, row.metrics[rule.metric]) for rule in known]
    return judge_window(found, known).state is WindowState.BREACH


def rules_of(case: UseCase, counted: Sequence[str]) -> list[Signal]:
    """The rules behind these losses."""
    return [one for one in signals_for(case) if one.metric in counted]


def on_trial(rows: Sequence[WindowRow], case: UseCase, watched: Watched, column: str, limit: float, horizon: int,
             counted: Sequence[str]) -> Trial:
    """Try the limit, and others beside it, on these windows (oldest first). `horizon`: windows of the case's length; `counted`: losses."""
    length = timedelta(hours=case.monitoring.window_hours)
    rules = rules_of(case, counted)
    moments = tuple(Moment(row.start, row.end, row.digest, value_of(row, watched.metric, column), lost(row, rules)) for row in rows)
    ahead = length * (horizon - 1)
    values = [one.value for one in moments]
    tested = backtest(moments, limit, ahead)
    others = tuple(backtest(moments, other, ahead) for other in candidate_limits(values, watched.present))
    problem = ""
    if tested.windows < WINDOWS_MIN:
        problem = (f"Too few windows: {tested.windows} have this value, at least {WINDOWS_MIN} are needed before a count of alarms says "
                   "anything. Each monitor run adds windows.")
    return Trial(watched, tuple(rows), moments, tested, others, problem)


def caveat(trial: Trial) -> str:
    """What the counts cannot say."""
    found = trial.tested
    if found.unknown == len(trial.moments):
        return "No window's outcomes are known yet, so that nothing can be said about losses: alarms are only counted."
    said = []
    if found.unknown:
        said.append(f"Outcomes of {found.unknown} of {len(trial.moments)} windows are not known (yet); losses may hide there.")
    if found.losses == 0:
        said.append("Performance was never really lost in this time, so that it cannot be said what the limit would catch.")
    elif found.losses < 5:
        said.append(f"{found.losses} real loss{'es are' if found.losses != 1 else ' is'} few: a limit that fits them may fit by luck.")
    return " ".join(said)


def _finding(name: str, point: Point) -> Finding:
    return Finding(metric=name, value=point.value, low=point.low, high=point.high, sample_size=point.n, state=State(point.state))


def _times(count: int) -> str:
    return {0: "never have alarmed", 1: "have alarmed once", 2: "have alarmed twice"}.get(count, f"have alarmed {count} times")
