"""What the panel shows of a use case's newest monitored windows, prepared when they change: signals, the trend of one metric, labels.

A window's findings are long (a hundred kilobytes); what is kept of the newest `POINTS` of them is a few hundred bytes each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.signals import Signal, SignalState
from interlock.control.readmodel.windows import WindowView, window_signals
from interlock.modeling.measures import PRIMARY
from interlock.records.prepared import Body, prepared
from interlock.records.store import Store
from interlock.records.tables import Window
from interlock.rules.findings import Finding, State
from interlock.rules.monitoring import WindowState

KIND, FORMAT = "windows", "2"  # FORMAT: raise it when what is kept of a window changes
POINTS = 24  # newest windows on a trend
SHARE = "drift.share"
READ_MAX = 10_000
_READ: dict[str, tuple[Body, Watched]] = {}
NAMES = {"auc": "AUC", "log_loss": "log loss", "rmse": "RMSE"}


@dataclass(frozen=True)
class Trend:
    """The main metric over the newest windows, oldest first: the one the model is judged by where outcomes are known in at least two of
    them, else the share of features that moved (0 to 1). `values`: None where it could not be measured; `beyond`: whether the window went
    beyond a limit. Empty before the first window."""

    metric: str = ""
    name: str = ""
    values: tuple[float | None, ...] = ()
    beyond: tuple[bool, ...] = ()

    @property
    def newest(self) -> float | None:
        """The last measured value."""
        return next((value for value in reversed(self.values) if value is not None), None)


@dataclass(frozen=True)
class Watched:
    """What the newest windows of a use case say. `judged_at`: when the newest was recorded. `unlabelled`: how many of the newest windows
    in a row have not one outcome; `windows`: how many of the newest were looked at."""

    signals: tuple[Signal, ...]
    trend: Trend
    windows: int = 0
    newest_end: datetime | None = None
    judged_at: datetime | None = None
    unlabelled: int = 0


def watched(store: Store, entries: Sequence[Entry], *, keep: bool = False) -> dict[str, Watched]:
    """The newest windows of each use case, in one query where nothing has changed. `keep`: store what was prepared."""
    by_name = {entry.name: entry for entry in entries}
    with store.reading() as session:
        counted = session.execute(select(Window.use_case, func.count(), func.sum(Window.revision), func.max(Window.start))
                                  .group_by(Window.use_case)).all()
    seen = {name: f"{FORMAT}:{count}:{revisions}:{last.isoformat()}" for name, count, revisions, last in counted if name in by_name}
    keys = {name: f"{key}:{by_name[name].stamp}" for name, key in seen.items()}
    bodies = prepared(store, KIND, keys, lambda name, old: _body_or_trouble(store, by_name[name], old), keep=keep)
    none = Watched(tuple(window_signals(None, None)), Trend())
    return {name: _read(name, bodies[name]) if name in bodies else none for name in by_name}


def _read(name: str, body: Body) -> Watched:
    """The same object for the same body: a list of a thousand is not made anew for every look."""
    held = _READ.get(name)
    if held is None or held[0] is not body:
        while len(_READ) >= READ_MAX:
            _READ.pop(next(iter(_READ)), None)
        held = _READ[name] = body, _watched(body)
    return held[1]


def _body_or_trouble(store: Store, entry: Entry, old: Body | None) -> Body:
    """One window that cannot be read makes its own signals unknown, and says why; the other use cases stand."""
    try:
        return _body(store, entry, old)
    except (ValueError, KeyError, TypeError) as error:  # findings of another format; ValidationError is a ValueError
        return {"trouble": f"The newest windows cannot be read: {type(error).__name__}: {str(error)[:300]}"}


def _body(store: Store, entry: Entry, old: Body | None) -> Body:
    """What is kept of the newest windows; points of windows that have not changed are taken over from `old`."""
    with store.reading() as session:
        ids = _newest_ids(session, entry.name)
        known: Mapping[str, Any] = {point["id"]: point for point in (old or {}).get("points", [])}
        fresh = [number for position, (number, name) in enumerate(ids) if position == 0 or name not in known]
        rows = {row.id: row for row in session.scalars(select(Window).where(Window.id.in_(fresh)))}
    points = [_point(rows[number], name) if number in rows else known[name] for number, name in ids]
    newest = rows[ids[0][0]]
    view = WindowView(newest.start, newest.end, newest.version, newest.package_digest, newest.rows, newest.labelled, newest.state,
                      newest.revision, tuple(Finding.model_validate(item) for item in newest.findings))
    return {"points": points[::-1], "judged_at": newest.created_at.isoformat(),
            "signals": [_plain(signal) for signal in window_signals(view, entry.spec)]}


def _newest_ids(session: Session, use_case: str) -> list[tuple[int, str]]:
    """Number and name (it changes with the revision) of the newest windows, newest first; of one span that of the newest version."""
    query = (select(Window.id, Window.start, Window.revision).where(Window.use_case == use_case)
             .order_by(Window.start.desc(), Window.version.desc()).limit(4 * POINTS))
    first: dict[datetime, tuple[int, str]] = {}
    for number, start, revision in session.execute(query):
        first.setdefault(start, (number, f"{number}:{revision}"))
    return list(first.values())[:POINTS]


def _point(row: Window, name: str) -> Body:
    values = {finding["metric"]: finding.get("value") for finding in row.findings
              if finding.get("segment", "all") == "all" and finding.get("state", "ok") == State.OK.value
              and finding["metric"] in {SHARE, *(f"performance.{primary}" for primary in PRIMARY.values())}}
    return {"id": name, "start": row.start.isoformat(), "end": row.end.isoformat(), "version": row.version, "rows": row.rows,
            "labelled": row.labelled, "state": row.state, "values": {metric: _finite(value) for metric, value in values.items()}}


def _watched(body: Body) -> Watched:
    if "trouble" in body:
        return Watched(tuple(replace(signal, sentence=body["trouble"]) for signal in window_signals(None, None)), Trend())
    points = body["points"]
    unlabelled = next((n for n, point in enumerate(reversed(points)) if point["labelled"]), len(points))
    return Watched(tuple(_signal(item) for item in body["signals"]), _trend(points), len(points), _time(points[-1]["end"]),
                   _time(body["judged_at"]), unlabelled)


def _trend(points: Sequence[Body]) -> Trend:
    measured = [metric for metric in (f"performance.{primary}" for primary in PRIMARY.values())
                if sum(point["values"].get(metric) is not None for point in points) >= 2]
    metric = measured[0] if measured else SHARE
    return Trend(metric, NAMES.get(metric.removeprefix("performance."), "moved"), tuple(point["values"].get(metric) for point in points),
                 tuple(point["state"] == WindowState.BREACH.value for point in points))


def _plain(signal: Signal) -> Body:
    """A signal in values that JSON can hold."""
    body = asdict(replace(signal, value=_finite(signal.value), limit=_finite(signal.limit)))
    return body | {"state": signal.state.value, "at": signal.at.isoformat() if signal.at else None}


def _signal(body: Body) -> Signal:
    return Signal(**{**body, "state": SignalState(body["state"]), "at": _time(body["at"])})


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < float("inf") else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
