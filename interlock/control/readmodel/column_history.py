"""Columns over time as `ingest` and `monitor` prepared them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from interlock.control.windows.column_history import KIND
from interlock.records.store import Store
from interlock.records.tables import Prepared


@dataclass(frozen=True)
class ColumnPoint:
    """One column in one set of rows: a `snapshot` (rows to train on) or a `window` (requests). `figures` as prepared; empty: not in it."""

    kind: str
    at: datetime
    rows: int
    version: int | None
    figures: dict[str, Any]


@dataclass(frozen=True)
class ColumnHistory:
    """`points`: column → its points, oldest first. `problems`: profiles that could not be read."""

    points: dict[str, tuple[ColumnPoint, ...]]
    problems: tuple[str, ...]
    prepared_at: datetime


def column_history(store: Store, use_case: str) -> ColumnHistory | None:
    """None before the first run that prepares it."""
    with store.reading() as session:
        row = session.get(Prepared, (KIND, use_case))
    if row is None:
        return None
    found: dict[str, list[ColumnPoint]] = {}
    for point in row.body["points"]:
        for name, figures in point.get("columns", {}).items():
            found.setdefault(name, []).append(
                ColumnPoint(point["kind"], datetime.fromisoformat(point["at"]), point["rows"], point.get("version"), figures))
    problems = [f"{point['kind']} of {point['at'][:10]}: {point['problem']}" for point in row.body["points"] if "problem" in point]
    return ColumnHistory({name: tuple(points) for name, points in found.items()}, tuple(problems), row.prepared_at)
