"""No captured row outlives the manifest that names its file: what a killed compaction left in the lake goes with the next run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from interlock.records import compaction
from interlock.records.captured_files import captured_files
from interlock.records.compaction import compact, count_predictions
from interlock.records.lake import lake_from
from interlock.records.segments import SegmentWriter
from interlock.records.unnamed_files import NOTE, note, remove_unnamed
from interlock.settings import Settings
from tests.records.test_compaction import prediction, predictions


def test_files_that_were_merged_go_though_the_run_died_before_it_removed_them(settings: Settings, segment: SegmentWriter,
                                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    lake = lake_from(settings)
    for number in range(compaction.FILES_PER_DAY_MAX):
        segment.append([predictions(prediction(f"r{number:02}"))])
        compact(settings, lake)
    segment.append([predictions(prediction("r16"))])
    began = iter([True, False])

    def at_the_start_only(*given: Any) -> None:
        if not next(began):
            raise KeyboardInterrupt
        remove_unnamed(*given)

    with monkeypatch.context() as killed:
        killed.setattr(compaction, "remove_unnamed", at_the_start_only)
        with pytest.raises(KeyboardInterrupt):
            compact(settings, lake)
    assert len(lake.keys("late", "predictions")) == 18  # 17 small ones and the one that the manifest names
    compact(settings, lake)
    assert lake.keys("late", "predictions") == [file.key for file in captured_files(settings, "late")]
    assert count_predictions(settings, "late") == 17


def test_a_new_note_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    really = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name), really(handle)))
    note(tmp_path, ["a"])
    note(tmp_path, ["b"])
    assert synced == [NOTE, tmp_path.name, NOTE]  # a name without its folder's fsync may be gone; it is needed once


def test_a_file_that_a_kill_left_unfinished_goes_with_its_key(settings: Settings, segment: SegmentWriter,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    segment.append([predictions(prediction("a"))])

    def die(*_: object) -> None:
        os.link(*[next(settings.folder("lake").rglob(".writing-*")), settings.folder("run") / "kept"])
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(os, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            compact(settings, lake_from(settings))
    noted = (settings.folder("capture") / "late" / NOTE).read_text().strip()
    left = settings.folder("lake") / Path(noted).with_name(f".writing-{Path(noted).name[:32]}-x1")
    (settings.folder("run") / "kept").rename(left)  # a kill -9 runs no clean-up
    segment.append([predictions(prediction("b"))])
    compact(settings, lake_from(settings))
    assert not left.exists()
    assert count_predictions(settings, "late") == 2


def test_a_note_that_a_power_cut_left_unfinished_costs_nothing(settings: Settings, segment: SegmentWriter) -> None:
    segment.append([predictions(prediction("a"))])
    compact(settings, lake_from(settings))
    [key] = lake_from(settings).keys("late", "predictions")
    (settings.folder("capture") / "late" / NOTE).write_text(f"{key}\nlocal/late/predic")
    compact(settings, lake_from(settings))
    assert lake_from(settings).keys("late", "predictions") == [key]  # noted, and named by the manifest
    assert not (settings.folder("capture") / "late" / NOTE).exists()
