"""The findings of one kind in every monitored window: what a chart over time shows, without the bodies of all the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from interlock.records.store import Store
from interlock.records.tables import Window
from interlock.rules.findings import Finding

WINDOWS_MAX = 120  # the newest, read for one chart


@dataclass(frozen=True)
class WindowPart:
    """One window of event time, half-open, judged for one version; `labelled` of `rows` have a known outcome."""

    start: datetime
    end: datetime
    version: int
    rows: int
    labelled: int
    findings: tuple[Finding, ...]


def window_part(store: Store, use_case: str, prefix: str, limit: int = WINDOWS_MAX) -> list[WindowPart]:
    """The newest windows, oldest first, each with the findings whose metric starts with `prefix` (perhaps none)."""
    wanted = (Window.start, Window.end, Window.version, Window.rows, Window.labelled, Window.findings)
    query = select(*wanted).where(Window.use_case == use_case).order_by(Window.start.desc(), Window.version.desc()).limit(limit)
    with store.reading() as session:
        rows = session.execute(query).all()
    return [WindowPart(start, end, version, count, labelled, tuple(
        Finding.model_validate(one) for one in findings if str(one.get("metric", "")).startswith(prefix)))
        for start, end, version, count, labelled, findings in reversed(rows)]
