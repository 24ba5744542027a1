"""Captured rows leave by whole files, once, and a kill in between leaves neither rows nor a half-told story."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from interlock.records.captured_files import captured_files
from interlock.records.compaction import compact, label_history, load_predictions
from interlock.records.compaction_manifest import fresh_manifest
from interlock.records.lake import Lake, lake_from
from interlock.records.retention import Removed, expire
from interlock.records.segments import SegmentWriter
from interlock.settings import Settings

DAY = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def folder(settings: Settings) -> Path:
    """Five days with two predictions and one label each."""
    folder = settings.folder("capture") / "late"
    segment = SegmentWriter(folder / "w0-1.seg")
    for day in range(5):
        moment = DAY + timedelta(days=day, hours=12)
        rows: list[dict[str, Any]] = [
            {"_request_id": f"{day}-{number}", "_version": 1, "_digest": "sha256:a", "_generation": 1, "_arm": "champion",
             "_event_time": moment, "_seen_time": moment, "_score": 0.5, "_scores": None, "_prediction": "1", "_latency_ms": 1.0,
             "_flags": []} for number in range(2)]
        label = {"_request_id": f"{day}-0", "_label": 1.0, "_label_seen_time": moment, "_received_at": moment}
        segment.append([msgspec.msgpack.encode({"kind": "predictions", "columns": {"sha256:a": {}}, "rows": rows}),
                        msgspec.msgpack.encode({"kind": "labels", "rows": [label]})])
    segment.close()
    compact(settings, lake_from(settings))
    return folder


def left(settings: Settings) -> list[str]:
    frame = load_predictions(settings, "late", DAY, DAY + timedelta(days=30))
    return sorted({name.split("-")[0] for name in frame["_request_id"].to_list()})


def parquet_files(settings: Settings) -> int:
    return len(list(settings.folder("lake").rglob("*.parquet")))


def test_whole_days_leave_with_their_labels_and_it_is_told_what(settings: Settings, folder: Path) -> None:
    told: list[Removed] = []
    removed = expire(folder, lake_from(settings), DAY + timedelta(days=2), told.append)
    assert removed is not None
    assert told == [removed]
    assert (removed.predictions_files, removed.predictions_rows, removed.labels_files, removed.labels_rows) == (2, 4, 2, 2)
    assert (removed.first, removed.last) == ("2024-03-01T12:00:00.000000Z", "2024-03-02T12:00:00.000000Z")
    assert left(settings) == ["2", "3", "4"]
    assert label_history(settings, "late")["_request_id"].to_list() == ["2-0", "3-0", "4-0"]
    assert parquet_files(settings) == 6
    assert expire(folder, lake_from(settings), DAY + timedelta(days=2), told.append) is None


def test_mirrored_answers_leave_too_and_are_counted(settings: Settings, folder: Path) -> None:
    row = {"_request_id": "s", "_version": 2, "_digest": "sha256:b", "_generation": 2, "_arm": "shadow", "_event_time": DAY,
           "_seen_time": DAY, "_score": 0.5, "_scores": None, "_prediction": "1", "_latency_ms": 1.0, "_flags": []}
    segment = SegmentWriter(folder / "w1-1.seg")
    segment.append([msgspec.msgpack.encode({"kind": "shadow", "columns": {"sha256:b": {}}, "rows": [row]})])
    segment.close()
    compact(settings, lake_from(settings))
    removed = expire(folder, lake_from(settings), DAY + timedelta(days=1), lambda _: None)
    assert removed is not None
    assert (removed.predictions_rows, removed.labels_rows, removed.mirrored_files, removed.mirrored_rows) == (2, 1, 1, 1)


def test_a_file_with_one_newer_row_stays(settings: Settings, folder: Path) -> None:
    assert expire(folder, lake_from(settings), DAY + timedelta(hours=12), lambda _: None) is None
    assert left(settings) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("dies_at", [0, 1, 3])
def test_a_kill_in_between_is_made_good_by_the_next_run(settings: Settings, folder: Path, dies_at: int) -> None:
    class Dying:
        """Ends the run at this deletion (3: while it is written down)."""

        def __init__(self, lake: Lake) -> None:
            self.lake, self.deleted = lake, 0

        def delete(self, key: str) -> None:
            if self.deleted == dies_at:
                raise KeyboardInterrupt
            self.deleted += 1
            self.lake.delete(key)

    def record(removed: Removed) -> None:
        if dies_at == 3:
            raise KeyboardInterrupt
        told.append(removed)

    told: list[Removed] = []
    lake: Any = Dying(lake_from(settings))
    if dies_at == 3:
        lake = lake_from(settings)
    with pytest.raises(KeyboardInterrupt):
        expire(folder, lake, DAY + timedelta(days=2), record)
    assert left(settings) == ["2", "3", "4"]  # nobody reads what leaves, not even before it is gone
    compact(settings, lake_from(settings))
    removed = expire(folder, lake_from(settings), DAY + timedelta(days=2), told.append)
    assert removed is not None
    assert [one.predictions_rows for one in told] == [4]
    assert parquet_files(settings) == 6
    assert "leaving" not in fresh_manifest(folder)


def test_what_arrives_later_for_an_old_day_leaves_with_the_next_run(settings: Settings, folder: Path) -> None:
    expire(folder, lake_from(settings), DAY + timedelta(days=5), lambda _: None)
    assert captured_files(settings, "late") == []
    assert parquet_files(settings) == 0
