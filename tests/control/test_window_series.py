"""The line of numbers kept beside a window's findings."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import event

from interlock.control.readmodel.series import Point, columns_of, row_labels, window_rows
from interlock.control.windows.window_series import series_of
from interlock.records.store import Store
from interlock.records.tables import Window
from interlock.rules.findings import Finding, State

DAY = datetime(2026, 1, 1, tzinfo=UTC)
FOUND = [
    Finding(metric="drift.psi", segment="column=age", value=0.31, sample_size=900, note="kept out: it has a value"),
    Finding(metric="drift.psi", segment="column=city", sample_size=9, needed=200, state=State.TOO_FEW, note="not enough evidence"),
    Finding(metric="drift.js", segment="column=age", value=0.2, sample_size=900),
    Finding(metric="performance.drop", value=0.06, low=0.01, high=0.1, sample_size=400, detail={"when_made": 0.8, "now": 0.74}),
    Finding(metric="drift.share", state=State.ERROR, note="x" * 500),
]


def window(store: Store, start: datetime, reports: dict[str, object], findings: list[Finding], version: int = 1) -> None:
    with store.writing() as session:
        session.add(Window(use_case="x", start=start, end=start + timedelta(days=1), package_digest=f"sha256:{version}", version=version,
                           rows=900, labelled=400, state="ok", findings=[one.model_dump(mode="json") for one in findings], reports=reports,
                           created_at=start))


def test_a_line_holds_psi_by_column_and_what_was_measured_over_all_rows() -> None:
    line = series_of(FOUND)
    assert line["columns"] == {"age": [0.31, None, None, 900, "ok", "", "", {}],
                               "city": [None, None, None, 9, "too_few", "not enough evidence", "", {}]}
    assert line["metrics"]["performance.drop"] == [0.06, 0.01, 0.1, 400, "ok", "", "", {"when_made": 0.8, "now": 0.74}]
    assert line["metrics"]["drift.share"][4:6] == ["error", "x" * 200]
    assert set(line["metrics"]) == {"performance.drop", "drift.share"}
    assert json.loads(json.dumps(line)) == line


def test_a_value_of_a_state_that_is_not_ok_is_no_value() -> None:
    assert series_of([Finding(metric="performance.estimated_drop", value=0.3, state=State.STALE)])["metrics"][
        "performance.estimated_drop"][:3] == [None, None, None]


def test_windows_are_read_from_their_lines_and_older_ones_from_their_findings(store: Store) -> None:
    window(store, DAY, {}, FOUND)  # judged before there was a line
    window(store, DAY + timedelta(days=1), {"series": series_of(FOUND)}, [], version=2)
    old, new = window_rows(store, "x")
    assert (old.columns, old.metrics) == (new.columns, new.metrics)
    assert new.columns["age"] == Point(0.31, None, None, 900)
    assert new.columns["city"].why == "not enough evidence"
    assert new.value("performance.drop") == 0.06
    assert new.value("nowhere") is None
    assert (old.name, new.name) == ("2026-01-01T00:00v1", "2026-01-02T00:00v2")
    assert columns_of([old, new]) == ["age", "city"]
    assert row_labels([old, new]) == ["01-01 v1", "01-02 v2"]
    assert window_rows(store, "x", 1) == [new]
    part = window_rows(store, "x", 1, None, ("any column", "performance.drop"))[0]
    assert (dict(part.columns), set(part.metrics)) == ({"any column": new.columns["age"]}, {"performance.drop"})
    assert window_rows(store, "x", since=DAY + timedelta(days=1)) == [new]


def test_findings_are_read_only_of_windows_without_a_line(store: Store) -> None:
    """The pages' promise: what they draw over time costs one line per window, not a window's findings."""
    asked: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    window(store, DAY, {"series": series_of(FOUND)}, FOUND)
    window_rows(store, "x")
    assert not any("windows.findings" in one for one in asked if one.lstrip().startswith("SELECT"))
    window(store, DAY + timedelta(days=1), {}, FOUND)  # broken on purpose: its line is missing
    window_rows(store, "x")
    assert any("windows.findings" in one for one in asked if one.lstrip().startswith("SELECT"))
