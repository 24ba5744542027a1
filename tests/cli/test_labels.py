"""`interlock labels`: corrections keep their history, and the command shows it."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from typer.testing import CliRunner

from interlock.cli.main import app
from interlock.errors import DataError
from interlock.records.compaction import compact
from interlock.records.lake import lake_from
from interlock.records.segments import SegmentWriter
from interlock.settings import Settings


def test_it_shows_every_label_and_which_counts(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.settings.load_settings", lambda: settings)
    segment = SegmentWriter(settings.folder("capture") / "loan_approvals" / "w0-1.seg")
    rows = [{"_request_id": "a", "_label": value, "_label_seen_time": datetime(2024, 3, learned, tzinfo=UTC),
             "_received_at": datetime(2024, 3, received, tzinfo=UTC)} for value, learned, received in ((0.0, 2, 2), (1.0, 5, 6))]
    segment.append([msgspec.msgpack.encode({"kind": "labels", "rows": rows})])
    compact(settings, lake_from(settings))
    assert CliRunner().invoke(app, ["labels", "loan_approvals", "a"]).output.splitlines() == [
        "2024-03-02 00:00:00  0  corrected  delivered 2024-03-02 00:00:00", "2024-03-05 00:00:00  1  counts  delivered 2024-03-06 00:00:00"]
    assert isinstance(CliRunner().invoke(app, ["labels", "loan_approvals", "b"]).exception, DataError)
