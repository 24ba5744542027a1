"""Labels that name no captured request: said with the newest window instead of vanishing in a join. Observed only, no limit judges it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from interlock.records.captured_files import CapturedFile
from interlock.records.late_labels import without_request
from interlock.records.tables import Window
from interlock.rules.findings import Finding, State
from interlock.settings import Settings

if TYPE_CHECKING:
    import polars as pl

    from interlock.control.windows.window_findings import Judged

UNMATCHED = "labels.unmatched"


def unmatched_labels(settings: Settings, files: Sequence[CapturedFile], labels: pl.DataFrame, bounds: tuple[datetime, datetime]) -> Finding:
    """`labels.unmatched`: how many of the labels seen since the window began name no captured request.

    `labels` as in `labels_seen`; `files`: captured predictions, oldest first, at least the newest `FILES_READ_MAX`. Only the ids are
    read, the newest file first, until every label has its request, of any version and arm, at most `FILES_READ_MAX` files; the note says
    how far back that reached. 0: every label has its request. No label since then: MISSING. A request whose answer could not be recorded
    (`capture.gaps`) cannot be found either.
    """
    import polars as pl

    ids = labels.filter(pl.col("_label_seen_time") >= bounds[0])["_request_id"].drop_nulls().unique()
    since, (start, end) = f"{bounds[0]:%Y-%m-%d %H:%M} UTC", bounds
    if ids.is_empty():
        return Finding(metric=UNMATCHED, state=State.MISSING, note=f"no label was seen since {since}", unit="labels", window_start=start,
                       window_end=end)
    strange, oldest = without_request(settings, files, ids)
    if strange == 0:
        note = f"Each of the {ids.len():,} labels seen since {since} names a captured request."
    else:
        back = f"those captured since {oldest:%Y-%m-%d %H:%M} UTC" if oldest is not None else "those captured"
        note = f"{strange:,} of {ids.len():,} labels seen since {since} name no request among {back}: they count nowhere."
    return Finding(metric=UNMATCHED, value=float(strange), sample_size=ids.len(), unit="labels", note=note,
                   window_start=start, window_end=end)


def told_differently(known: Mapping[str, Window], digest: str, now: Finding | None) -> bool:
    """Whether the recorded window of this version says another number of labels without a request; False where nothing is asked."""
    if now is None or now.value is None or digest not in known:
        return False
    said = next((body["value"] for body in known[digest].findings if body["metric"] == UNMATCHED), None)
    return (said or 0.0) != now.value


def with_unmatched(judged: Sequence[Judged], found: Finding | None) -> list[Judged]:
    """The windows with the finding, where there is one."""
    return [replace(one, findings=[*one.findings, found]) for one in judged] if found is not None else list(judged)
