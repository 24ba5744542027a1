"""A window is looked at again exactly when a file that overlaps it comes, goes or is another one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from interlock.control.windows.window_inputs import Bounds, Inputs
from interlock.records.compaction_manifest import fresh_manifest, write_manifest
from interlock.records.late_labels import FILES_READ_MAX
from interlock.rules.canonical import iso
from interlock.settings import Settings
from tests.control.traffic import DAY0, spec

HOUR = timedelta(hours=1)
WINDOW: Bounds = (DAY0 + 48 * HOUR, DAY0 + 53 * HOUR)


def add(settings: Settings, *spans: tuple[float, float]) -> None:
    """Files of predictions with first and last event at these hours."""
    folder = settings.folder("capture") / "small_loans"
    folder.mkdir(parents=True, exist_ok=True)
    manifest = fresh_manifest(folder)
    for first, last in spans:
        manifest["files"].append({"kind": "predictions", "key": f"k{len(manifest['files'])}", "rows": 1, "day": "",
                                  "first": iso(DAY0 + first * HOUR), "last": iso(DAY0 + last * HOUR)})
    write_manifest(folder, manifest)


def inputs(settings: Settings) -> Inputs:
    return Inputs(settings, spec(), DAY0 + 1_000 * HOUR, lambda _: 0)


@pytest.mark.parametrize(("first", "last", "overlaps"), [
    (24, 47.99, False), (24, 48, True), (30, 60, True), (48, 48, True), (52.99, 70, True), (53, 70, False), (0, 1, False)])
def test_only_a_file_that_overlaps_a_window_changes_it(settings: Settings, first: float, last: float, overlaps: bool) -> None:
    add(settings, (25, 50), (49, 51), (60, 70))  # the order of the manifest is no order of time
    seen = inputs(settings)
    assert seen.changed(WINDOW), "never looked at"
    seen.remember(WINDOW, settled=True)
    assert not seen.changed(WINDOW)
    seen.save([WINDOW], caught_up=True)
    add(settings, (first, last))
    assert inputs(settings).changed(WINDOW) is overlaps


def test_recent_files_are_in_order_and_the_newest_are_at_hand(settings: Settings) -> None:
    hours = [(float(number), number + 0.5) for number in range(FILES_READ_MAX + 10)]
    add(settings, *reversed(hours))
    made = inputs(settings)
    assert [file.first for file in made.recent] == [DAY0 + first * HOUR for first, _ in hours]
    assert made.newest == made.recent[10:]
