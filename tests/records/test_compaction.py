"""Compaction: every captured row reaches the lake once, however often and wherever it is interrupted."""

from __future__ import annotations

import fcntl
import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from interlock.records import compaction
from interlock.records.compaction import (
    captured_gaps,
    captured_span,
    compact,
    count_predictions,
    label_history,
    load_labels,
    load_predictions,
    requests_by_day,
)
from interlock.records.lake import lake_from
from interlock.records.segments import SegmentWriter
from interlock.settings import Settings

DAY = datetime(2013, 5, 4, tzinfo=UTC)
pack = msgspec.msgpack.encode


def prediction(request_id: str, hours: float = 1, **changes: Any) -> dict[str, Any]:
    return {"distance": 700, "carrier": "AA", "night": False, "sex": 1, "_request_id": request_id, "_version": 1, "_digest": "sha256:a",
            "_generation": 3, "_arm": "champion", "_event_time": DAY + timedelta(hours=hours), "_seen_time": DAY, "_score": 0.25,
            "_scores": None, "_prediction": "0", "_latency_ms": 1.5, "_flags": ["unseen:carrier"]} | changes


def predictions(*rows: dict[str, Any]) -> bytes:
    kinds = {"sha256:a": {"distance": "numeric", "carrier": "category", "night": "boolean", "sex": "context"}}
    return pack({"kind": "predictions", "columns": kinds, "rows": list(rows)})


def label(request_id: str, value: Any, received: float = 0) -> dict[str, Any]:
    return {"_request_id": request_id, "_label": value, "_label_seen_time": DAY, "_received_at": DAY + timedelta(hours=received)}


def all_of(settings: Settings) -> pl.DataFrame:
    return load_predictions(settings, "late", DAY - timedelta(days=365), DAY + timedelta(days=365))


def test_rows_arrive_once_however_often_it_runs(settings: Settings, segment: SegmentWriter) -> None:
    lake = lake_from(settings)
    segment.append([predictions(prediction("a"), prediction("b"))])
    assert compact(settings, lake) == {"late": {"predictions": 2, "labels": 0, "gaps": 0}}
    assert compact(settings, lake) == {"late": {"predictions": 0, "labels": 0, "gaps": 0}}
    segment.append([predictions(prediction("c"))])  # the segment is still being written
    assert compact(settings, lake)["late"]["predictions"] == 1
    assert all_of(settings)["_request_id"].to_list() == ["a", "b", "c"]
    assert count_predictions(settings, "late") == 3


def test_columns_have_one_type_whatever_was_sent(settings: Settings, segment: SegmentWriter) -> None:
    segment.append([predictions(prediction("a", distance=700, carrier=12, sex=True)),
                    predictions(prediction("b", distance=1.5, carrier=None, night=None, sex="f"))])
    compact(settings, lake_from(settings))
    frame = all_of(settings)
    assert frame.select("distance", "carrier", "night", "sex").rows() == [(700.0, "12", False, "true"), (1.5, None, None, "f")]
    assert frame.schema["_event_time"] == pl.Datetime("us", "UTC")
    assert frame["_flags"].to_list() == [["unseen:carrier"], ["unseen:carrier"]]


def test_windows_are_half_open_in_event_time(settings: Settings, segment: SegmentWriter) -> None:
    segment.append([predictions(*(prediction(str(hours), hours) for hours in (0, 23.9, 24, 30, 48)))])
    compact(settings, lake_from(settings))
    found = load_predictions(settings, "late", DAY, DAY + timedelta(hours=24))
    assert found["_request_id"].to_list() == ["0", "23.9"]
    assert captured_span(settings, "late") == (DAY, DAY + timedelta(hours=48))
    assert count_predictions(settings, "late", DAY + timedelta(hours=23), DAY + timedelta(hours=48)) == 3


def test_a_repeated_request_counts_once_with_its_last_answer(settings: Settings, segment: SegmentWriter) -> None:
    segment.append([predictions(prediction("a", _score=0.1), prediction("a", _score=0.9, _seen_time=DAY + timedelta(seconds=1)))])
    compact(settings, lake_from(settings))
    assert all_of(settings).select("_request_id", "_score").rows() == [("a", 0.9)]


def test_the_latest_label_of_a_request_counts(settings: Settings, segment: SegmentWriter) -> None:
    segment.append([pack({"kind": "labels", "rows": [label("a", 0.0), label("b", 1.0)]})])
    compact(settings, lake_from(settings))
    segment.append([pack({"kind": "labels", "rows": [label("a", 1.0, received=1)]})])
    compact(settings, lake_from(settings))
    assert sorted(load_labels(settings, "late").select("_request_id", "_label").rows()) == [("a", 1.0), ("b", 1.0)]


def test_an_older_label_that_comes_late_does_not_win_and_all_are_kept(settings: Settings, segment: SegmentWriter) -> None:
    for value, learned, received in ((1.0, 48, 1), (0.0, 24, 2), (1.0, 24, 3)):  # learned after two days, told first; then older ones
        row = label("a", value, received=received) | {"_label_seen_time": DAY + timedelta(hours=learned)}
        segment.append([pack({"kind": "labels", "rows": [row]})])
        compact(settings, lake_from(settings))
    assert load_labels(settings, "late")["_label"].to_list() == [1.0]
    kept = label_history(settings, "late").select("_label", "_label_seen_time", "_received_at").rows()
    assert kept == [(0.0, DAY + timedelta(hours=24), DAY + timedelta(hours=2)), (1.0, DAY + timedelta(hours=24), DAY + timedelta(hours=3)),
                    (1.0, DAY + timedelta(hours=48), DAY + timedelta(hours=1))]


def test_nothing_captured_is_an_empty_frame(settings: Settings) -> None:
    assert compact(settings, lake_from(settings)) == {}
    assert captured_span(settings, "late") is None
    assert count_predictions(settings, "late") == 0
    assert all_of(settings).height == 0
    assert {"_request_id", "_score", "_event_time"} <= set(all_of(settings).columns)
    assert load_labels(settings, "late").columns == ["_request_id", "_label", "_label_seen_time", "_received_at"]


@pytest.mark.parametrize("dies_at", ["write_manifest", "_merge"])
def test_a_run_that_dies_before_its_manifest_changes_nothing(settings: Settings, segment: SegmentWriter, dies_at: str,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    segment.append([predictions(prediction("a"), prediction("b"))])

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(compaction, dies_at, die)
    with pytest.raises(KeyboardInterrupt):
        compact(settings, lake_from(settings))
    monkeypatch.undo()
    assert all_of(settings).height == 0
    segment.append([predictions(prediction("c"))])
    compact(settings, lake_from(settings))
    assert all_of(settings)["_request_id"].to_list() == ["a", "b", "c"]
    assert count_predictions(settings, "late") == 3
    assert len(lake_from(settings).keys("late", "predictions")) == 1  # the dead run's file (a and b) is gone: no retention would find it


def test_only_one_process_compacts(settings: Settings, segment: SegmentWriter) -> None:
    segment.append([predictions(prediction("a"))])
    with (settings.folder("capture") / "late" / "compaction.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert compact(settings, lake_from(settings)) == {}
    assert compact(settings, lake_from(settings))["late"]["predictions"] == 1


def test_who_needs_one_use_case_neither_compacts_nor_waits_for_another(settings: Settings, segment: SegmentWriter) -> None:
    segment.append([predictions(prediction("a"))])
    other = settings.folder("capture") / "other"
    other.mkdir()
    with (other / "compaction.lock").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        assert compact(settings, lake_from(settings), "late", patience_s=600) == {"late": {"predictions": 1, "labels": 0, "gaps": 0}}


def test_who_needs_every_row_waits_for_the_other_process(settings: Settings, segment: SegmentWriter) -> None:
    segment.append([predictions(prediction("a"))])
    with (settings.folder("capture") / "late" / "compaction.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        soon = threading.Timer(0.3, lambda: fcntl.flock(other, fcntl.LOCK_UN))
        soon.start()
        assert compact(settings, lake_from(settings), patience_s=30)["late"]["predictions"] == 1
        soon.join()


def test_many_small_files_become_one(settings: Settings, segment: SegmentWriter) -> None:
    lake = lake_from(settings)
    for number in range(compaction.FILES_PER_DAY_MAX + 1):
        segment.append([predictions(prediction(f"r{number:02}"))])
        compact(settings, lake)
    assert len(lake.keys("late", "predictions")) == 1
    assert all_of(settings)["_request_id"].to_list() == [f"r{number:02}" for number in range(17)]


def test_closed_segments_go_once_they_are_compacted_and_old(settings: Settings, segment: SegmentWriter,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "SEGMENT_KEPT_S", -1)
    segment.append([predictions(prediction("a"))])
    compact(settings, lake_from(settings))
    assert segment.path.exists(), "its writer lives"
    segment.close()
    compact(settings, lake_from(settings))
    assert not segment.path.exists()
    assert all_of(settings).height == 1


def test_a_kill_while_a_segment_is_removed_doubles_nothing(settings: Settings, segment: SegmentWriter,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "SEGMENT_KEPT_S", -1)
    segment.append([predictions(prediction("a"))])
    segment.close()

    unlink = Path.unlink

    def die(path: Path, **more: bool) -> None:
        if path == segment.path:
            raise KeyboardInterrupt
        unlink(path, **more)

    with monkeypatch.context() as killed:
        killed.setattr(Path, "unlink", die)
        with pytest.raises(KeyboardInterrupt):
            compact(settings, lake_from(settings))
    assert segment.path.exists()
    assert compact(settings, lake_from(settings))["late"]["predictions"] == 0
    assert count_predictions(settings, "late") == 1
    assert not segment.path.exists()
    compact(settings, lake_from(settings))
    assert json.loads((segment.path.parent / "compaction.json").read_bytes())["segments"] == {}


def waited_for_long(settings: Settings, monkeypatch: pytest.MonkeyPatch, bound: int = 1) -> None:
    """Nine segments of three rows wait; no pass may hold more than the bound and one segment."""
    monkeypatch.setattr(compaction, "PASS_BYTES", bound)
    held: list[int] = []
    frame = compaction.predictions_frame
    monkeypatch.setattr(compaction, "predictions_frame", lambda bodies: held.append(len(bodies)) or frame(bodies))
    for number in range(9):
        writer = SegmentWriter(settings.folder("capture") / "late" / f"w0-{number}.seg")
        writer.append([predictions(prediction(f"{number}-{row}")) for row in range(3)])
        writer.close()
    assert compact(settings, lake_from(settings))["late"]["predictions"] == 27
    assert compact(settings, lake_from(settings))["late"]["predictions"] == 0
    assert count_predictions(settings, "late") == all_of(settings).height == 27
    assert max(held) == 3


def test_what_waited_for_long_is_taken_piece_by_piece(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    waited_for_long(settings, monkeypatch)


def test_one_that_holds_all_that_waited_is_caught(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError):
        waited_for_long(settings, monkeypatch, bound=2**40)


def test_gaps_and_damage_are_kept(settings: Settings, segment: SegmentWriter) -> None:
    gap = {"kind": "gap", "from": DAY, "to": DAY, "rows": 7, "error": "No space left on device"}
    segment.append([predictions(prediction("a")), pack(gap), predictions(prediction("b"))])
    data = bytearray(segment.path.read_bytes())
    data[40] ^= 1
    segment.path.write_bytes(bytes(data))
    compact(settings, lake_from(settings))
    assert [found["kind"] for found in captured_gaps(settings, "late")] == ["damage", "gap"]
    assert captured_gaps(settings, "late")[1]["rows"] == 7
    assert all_of(settings)["_request_id"].to_list() == ["b"]


def test_too_many_rows_are_sampled_while_reading(settings: Settings, segment: SegmentWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = lake_from(settings)
    for day in range(6):  # a file each; every id is answered twice, the later answer in a later file
        segment.append([predictions(*(prediction(f"{(day % 3) * 20 + n}", 24 * day, _score=day / 10, _seen_time=DAY + timedelta(days=day))
                                      for n in range(20)))])
        compact(settings, lake)
    held: list[int] = []
    sampled = compaction._sampled
    monkeypatch.setattr(compaction, "_sampled", lambda parts, own: (held.append(sum(p.height for p in parts)), sampled(parts, own))[1])
    small = settings.model_copy(update={"window_rows_max": 10})
    found = all_of(small)
    assert found.height == 10
    assert max(held) <= 2 * 10 + 20
    assert min(found["_score"].to_list()) >= 0.3, "the last answer of each request"
    assert found.equals(all_of(small)), "the same rows each time"
    everything = all_of(settings)
    assert everything.height == 60
    assert found.equals(compaction._sampled([everything], small).sort("_event_time", "_request_id")), "as if drawn from all at once"


def test_requests_by_day_come_from_the_manifest(settings: Settings, segment: SegmentWriter) -> None:
    lake = lake_from(settings)
    segment.append([predictions(prediction("a"), prediction("b", 30), prediction("c", _seen_time=DAY + timedelta(days=2)))])
    compact(settings, lake)
    for key in lake.keys("late", "predictions"):
        lake.delete(key)
    assert requests_by_day(settings, "late") == {"2013-05-04": 2, "2013-05-06": 1}


def test_files_without_counts_are_read(settings: Settings, segment: SegmentWriter) -> None:
    segment.append([predictions(prediction("a"), prediction("b", 30))])
    compact(settings, lake_from(settings))
    path = settings.folder("capture") / "late" / "compaction.json"
    manifest = json.loads(path.read_bytes())
    for file in manifest["files"]:
        del file["answered"]
    path.write_text(json.dumps(manifest))
    assert requests_by_day(settings, "late") == {"2013-05-04": 2}
