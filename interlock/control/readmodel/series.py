"""Windows as one line of numbers each: what pages draw over time without reading a window's findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select

from interlock.control.readmodel.numbers import number
from interlock.control.windows.window_series import KEY, series_of
from interlock.records.store import Store
from interlock.records.tables import Window
from interlock.rules.findings import Finding

ANY = "any column"
ROWS_MAX = 120  # windows on a chart
LONG_MAX = 1_000  # windows of a look back


@dataclass(frozen=True)
class Point:
    """One number of one window; `value` None: not measured, `note` (or `state`) says why."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    state: str = "ok"
    note: str = ""
    unit: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def why(self) -> str:
        return self.note or self.state


@dataclass(frozen=True)
class WindowRow:
    """One window of one version: `columns` PSI by column, `metrics` findings over all rows by metric."""

    start: datetime
    end: datetime
    version: int
    digest: str
    rows: int
    labelled: int
    state: str
    columns: Mapping[str, Point] = field(default_factory=dict)
    metrics: Mapping[str, Point] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How an address names it."""
        return f"{self.start:%Y-%m-%dT%H:%M}v{self.version}"

    def value(self, metric: str) -> float | None:
        """The metric's value, None where it was not measured."""
        return self.metrics[metric].value if metric in self.metrics else None


def window_rows(store: Store, use_case: str, limit: int = ROWS_MAX, since: datetime | None = None,
                only: tuple[str, ...] | None = None) -> list[WindowRow]:
    """The newest windows (that end after `since`), oldest first; `only`: no other columns and metrics than these, `ANY` being the column
    that moved most. Findings are read only of windows judged before this line was kept, and of those at most the newest `ROWS_MAX`."""
    wanted = (Window.id, Window.start, Window.end, Window.version, Window.package_digest, Window.rows, Window.labelled, Window.state,
              Window.reports[KEY])
    query = select(*wanted).where(Window.use_case == use_case)
    query = query if since is None else query.where(Window.end > since)
    with store.reading() as session:
        found = session.execute(query.order_by(Window.start.desc(), Window.version.desc()).limit(limit)).all()
        bare = [row[0] for row in found if not isinstance(row[8], dict)][:ROWS_MAX]
        full = session.execute(select(Window.id, Window.findings).where(Window.id.in_(bare))).all() if bare else []
    lines = {place: series_of(Finding.model_construct(**_typed(one)) for one in findings) for place, findings in full}
    every = [(row, row[8] if isinstance(row[8], dict) else lines.get(row[0], {})) for row in reversed(found)]
    return [_row(row, line if only is None else _part(line, only)) for row, line in every]


def columns_of(rows: Sequence[WindowRow]) -> list[str]:
    """Every column, the one that moved most in any window first."""
    peak: dict[str, float] = {}
    for row in rows:
        for name, point in row.columns.items():
            peak[name] = max(peak.get(name, -1.0), -1.0 if point.value is None else point.value)
    return sorted(peak, key=lambda name: (-peak[name], name))


def row_labels(rows: Sequence[WindowRow]) -> list[str]:
    """Short, different names of windows: month and day, the year, the hour and the version only where they tell windows apart."""
    hours = any(row.start.hour or row.start.minute for row in rows)
    days = "%Y-%m-%d" if len({row.start.year for row in rows}) > 1 else "%m-%d"
    versions = len({row.version for row in rows}) > 1
    return [f"{row.start:{days} %H:%M}" * hours + f"{row.start:{days}}" * (not hours) + f" v{row.version}" * versions for row in rows]


def _typed(one: Mapping[str, Any]) -> dict[str, Any]:
    """A stored finding for `model_construct`, which checks nothing: what is stored was checked when it was written."""
    from interlock.rules.findings import State

    return dict(one) | {"state": State(one.get("state", "ok"))}


def _part(line: Mapping[str, Mapping[str, Sequence[Any]]], only: tuple[str, ...]) -> dict[str, dict[str, Sequence[Any]]]:
    columns = {name: one for name, one in line.get("columns", {}).items() if name in only}
    moved = max((one for one in line.get("columns", {}).values() if one[0] is not None), key=lambda one: one[0], default=None)
    if ANY in only and moved is not None:
        columns[ANY] = moved
    return {"columns": columns, "metrics": {name: one for name, one in line.get("metrics", {}).items() if name in only}}


def _row(row: Any, line: Mapping[str, Mapping[str, Sequence[Any]]]) -> WindowRow:
    columns, metrics = ({name: Point(number(one[0]), number(one[1]), number(one[2]), *one[3:]) for name, one in line.get(part, {}).items()}
                        for part in ("columns", "metrics"))
    _, start, end, version, digest, rows, labelled, state, _ = row
    return WindowRow(start, end, version, digest, rows, labelled, state, columns, metrics)
