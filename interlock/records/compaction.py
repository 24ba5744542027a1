"""From capture segments to the lake: exactly once, whenever it is called and wherever it is killed.

`capture/<use_case>/compaction.json` names how far each segment has been read and which lake files hold the rows. Files are written
first, the manifest last and at once: a run that died before has left files that nobody names (`unnamed_files`: the next run removes
them), and the next run reads the same frames.
"""

from __future__ import annotations

import fcntl
import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from interlock.records.captured_frames import labels_frame, labels_schema, predictions_frame, predictions_schema, rows_in
from interlock.records.compaction_manifest import Manifest, fresh_manifest, read_manifest, write_manifest
from interlock.records.lake import Lake, lake_from, read_frames, write_frame
from interlock.records.segments import SUFFIX, Damage, in_use, sync_folder
from interlock.records.segments import read_frames as read_segment
from interlock.records.unnamed_files import note, remove_unnamed
from interlock.rules.canonical import iso
from interlock.settings import Settings

if TYPE_CHECKING:
    import polars as pl

SEGMENT_KEPT_S = 86_400.0  # a compacted segment that nobody writes any more is removed after this
FILES_PER_DAY_MAX = 16     # more files of one day are merged into one
GAPS_KEPT = 1_000
LOCK_POLL_S = 0.05
PASS_BYTES = 32 * 1024 * 1024  # of segments; after days without a keeper, what waits must not be held in memory all at once
TIME_COLUMN = {"predictions": "_event_time", "shadow": "_event_time", "labels": "_received_at"}  # shadow: mirrored, nobody saw them
_decode = msgspec.msgpack.Decoder().decode
_time = datetime.fromisoformat


def compact(settings: Settings, lake: Lake, only: str = "", patience_s: float = 0.0) -> dict[str, dict[str, int]]:
    """Bring what was captured since the last run, of all use cases or `only` one, into the lake: rows per kind, gaps, damage.

    A use case that another process is compacting right now is left out, or waited for: `patience_s` at most.
    """
    done: dict[str, dict[str, int]] = {}
    for folder in sorted(path for path in settings.folder("capture").iterdir() if path.is_dir() and only in {"", path.name}):
        more = True
        while more:
            with alone(folder, patience_s) as mine:
                if not mine:
                    break
                counts, more = _compact_one(folder, lake)
            known = done.setdefault(folder.name, {})
            known |= {name: known.get(name, 0) + number for name, number in counts.items()}
    return done


def load_predictions(settings: Settings, use_case: str, start: datetime, end: datetime) -> pl.DataFrame:
    """Predictions with start ≤ event time < end, by event time; of several with one request id the last answered counts.

    At most `window_rows_max` rows: beyond that a seeded sample of the request ids, drawn while reading, so that never more than twice
    that and one file are held. Without any, an empty frame with the system columns.
    """
    import polars as pl

    manifest, lake = read_manifest(settings.folder("capture") / use_case), lake_from(settings)
    inside = (pl.col("_event_time") >= start) & (pl.col("_event_time") < end)
    parts: list[pl.DataFrame] = []
    for file in _overlapping(manifest, start, end):
        parts.append(read_frames(lake, [file["key"]]).filter(inside))
        if sum(part.height for part in parts) > 2 * settings.window_rows_max:
            parts = [_sampled(parts, settings)]
    if not parts:
        return pl.DataFrame(schema=predictions_schema())
    return _sampled(parts, settings).sort("_event_time", "_request_id")


def _sampled(parts: list[pl.DataFrame], settings: Settings) -> pl.DataFrame:
    """The last answer of each request; of too many the ids with the smallest seeded hashes, so that sampling in steps is sampling once."""
    import polars as pl

    frame = pl.concat(parts, how="diagonal_relaxed").sort("_seen_time", maintain_order=True)
    frame = frame.unique("_request_id", keep="last", maintain_order=True)
    if frame.height <= settings.window_rows_max:
        return frame
    chosen = frame.select("_request_id", pl.col("_request_id").hash(settings.seed).alias("_hash")).sort("_hash", "_request_id")
    return frame.join(chosen.head(settings.window_rows_max), on="_request_id", how="semi", maintain_order="left")


def load_labels(settings: Settings, use_case: str, since: datetime | None = None) -> pl.DataFrame:
    """The label of each request that was learned last (of several learned at one moment, the one delivered last); older ones stay in
    `label_history`. Empty with the columns if there are none."""
    return label_history(settings, use_case, since).unique("_request_id", keep="last", maintain_order=True)


def label_history(settings: Settings, use_case: str, since: datetime | None = None) -> pl.DataFrame:
    """Every label that was ever posted, corrections included, in the order in which they were learned (`_label_seen_time`), then
    delivered (`_received_at`). `since`: files whose last label was received before it are not read."""
    import polars as pl

    manifest = read_manifest(settings.folder("capture") / use_case)
    edge = iso(since) if since is not None else ""  # texts of one length, ordered as the moments are
    files = [file for file in manifest["files"] if file["kind"] == "labels" and file["last"] >= edge]
    frame = read_frames(lake_from(settings), [file["key"] for file in files])
    if frame.is_empty():
        return pl.DataFrame(schema=labels_schema(pl.Float64()))
    return frame.sort("_label_seen_time", "_received_at", maintain_order=True)


def label_files(settings: Settings, use_case: str) -> list[dict[str, Any]]:
    """The files of compacted labels: `key`, and when the `first` and `last` of their labels were received."""
    return [file for file in read_manifest(settings.folder("capture") / use_case)["files"] if file["kind"] == "labels"]


def captured_span(settings: Settings, use_case: str) -> tuple[datetime, datetime] | None:
    """First and last event time of the compacted predictions; None without any."""
    files = [file for file in read_manifest(settings.folder("capture") / use_case)["files"] if file["kind"] == "predictions"]
    if not files:
        return None
    return _time(min(file["first"] for file in files)), _time(max(file["last"] for file in files))


def count_predictions(settings: Settings, use_case: str, start: datetime | None = None, end: datetime | None = None) -> int:
    """Compacted predictions with start ≤ event time < end, repeated request ids counted each time."""
    import polars as pl

    manifest, lake = read_manifest(settings.folder("capture") / use_case), lake_from(settings)
    low, high = start or datetime.min.replace(tzinfo=UTC), end or datetime.max.replace(tzinfo=UTC)
    total = 0
    for file in _overlapping(manifest, low, high):
        if low <= _time(file["first"]) and _time(file["last"]) < high:
            total += file["rows"]
        else:
            total += read_frames(lake, [file["key"]]).filter((pl.col("_event_time") >= low) & (pl.col("_event_time") < high)).height
    return total


def requests_by_day(settings: Settings, use_case: str) -> dict[str, int]:
    """Compacted predictions by the day (UTC) on which they were answered, whatever their event time; what costs are made of.

    The manifest holds the counts; only files that were written before it did are read.
    """
    import polars as pl

    manifest, lake = read_manifest(settings.folder("capture") / use_case), lake_from(settings)
    days: dict[str, int] = {}
    for file in manifest["files"]:
        if file["kind"] == "predictions":
            counted = file.get("answered")
            if counted is None:
                counted = _by_day(pl.read_parquet(io.BytesIO(lake.get(file["key"])), columns=["_seen_time"]))
            for day, rows in counted.items():
                days[day] = days.get(day, 0) + rows
    return days


def _by_day(frame: pl.DataFrame) -> dict[str, int]:
    """Rows by the day on which they were answered."""
    return {day.isoformat(): rows for day, rows in frame["_seen_time"].dt.date().value_counts(sort=True).iter_rows()}


def captured_gaps(settings: Settings, use_case: str) -> list[dict[str, Any]]:
    """Times in which answers were not recorded (`from`, `to`, `rows`, `error`), and damage found in segments; the newest 1,000."""
    return list(read_manifest(settings.folder("capture") / use_case)["gaps"])


def _compact_one(folder: Path, lake: Lake) -> tuple[dict[str, int], bool]:
    """Bring what is new into the lake, of at most `PASS_BYTES` and one segment at a time; its counts, and whether more waits."""
    manifest = fresh_manifest(folder)
    remove_unnamed(folder, lake, manifest)
    bodies: dict[str, list[dict[str, Any]]] = {"predictions": [], "shadow": [], "labels": [], "gap": []}
    removable, forgotten = [], _forget_removed(folder, manifest)
    read = 0
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if read >= PASS_BYTES:
            break
        closed = not in_use(path)  # asked before reading: what is closed now gets no more frames
        start = manifest["segments"].get(path.name, 0)
        manifest["segments"][path.name] = _read_new(path, start, bodies)
        read += manifest["segments"][path.name] - start
        if closed and time.time() - path.stat().st_mtime > SEGMENT_KEPT_S:
            removable.append(path)
    counts = {kind: sum(map(rows_in, bodies[kind])) for kind in TIME_COLUMN if kind != "shadow" or bodies[kind]}
    counts["gaps"] = len(bodies["gap"])
    added: list[dict[str, Any]] = []
    for kind, make in (("predictions", predictions_frame), ("shadow", predictions_frame), ("labels", labels_frame)):
        if bodies[kind]:
            added += _write(lake, folder, kind, make(bodies[kind]))
    manifest["files"] += added
    manifest["gaps"] = [*manifest["gaps"], *bodies["gap"]][-GAPS_KEPT:]
    merged = _merge(lake, folder, manifest, {(file["kind"], file["day"]) for file in added})
    if any(counts.values()) or merged or forgotten:
        write_manifest(folder, manifest)
    for path in removable:  # the manifest goes on saying that it was read until the file is gone for good
        path.unlink()
    remove_unnamed(folder, lake, manifest)
    return counts, read >= PASS_BYTES


def _forget_removed(folder: Path, manifest: Manifest) -> list[str]:
    """Names of segments that an earlier run removed: the manifest need not say any more how far they were read. A name is never used
    twice, and one that was forgotten before its file is gone would be read, and its rows counted, again."""
    gone = [name for name in manifest["segments"] if not (folder / name).exists()]
    if gone:
        sync_folder(folder)
    for name in gone:
        del manifest["segments"][name]
    return gone


def _read_new(path: Path, start: int, bodies: dict[str, list[dict[str, Any]]]) -> int:
    """Sort the frames after `start` by kind; where the next run goes on."""
    end = start
    for item in read_segment(path, start):
        end = item.end
        if isinstance(item, Damage):
            bodies["gap"].append({"kind": "damage", "segment": path.name, "start": item.start, "end": item.end})
            continue
        body = _decode(item.payload)
        bodies[body["kind"]].append(body)
    return end


def _write(lake: Lake, folder: Path, kind: str, frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Write the rows by day, each key noted first; manifest entries with the first and last time in each file."""
    import polars as pl

    column = TIME_COLUMN[kind]
    entries: list[dict[str, Any]] = []
    days = frame.sort(column, maintain_order=True).with_columns(pl.col(column).dt.date().alias("_day"))
    for part in days.partition_by("_day", maintain_order=True, include_key=False):
        times = part[column]
        span: dict[str, Any] = {"kind": kind, "first": iso(times[0]), "last": iso(times[-1]), "day": str(times[0].date())}
        if kind != "labels":
            span["answered"] = _by_day(part)
        written = write_frame(lake, folder.name, kind, part, column, first=lambda key: note(folder, [key]))
        entries += [entry | span for entry in written]
    return entries


def _merge(lake: Lake, folder: Path, manifest: Manifest, grown: set[tuple[str, str]]) -> list[str]:
    """Make one file of the many of a day, of those (kind, day) that have grown; the keys that the manifest then no longer names, noted."""
    by_day: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for file in manifest["files"] if grown else []:
        if (day := (file["kind"], file["day"])) in grown:
            by_day.setdefault(day, []).append(file)
    gone: list[str] = []
    for (kind, _), files in by_day.items():
        if len(files) > FILES_PER_DAY_MAX:
            keys = [file["key"] for file in files]
            manifest["files"] = [file for file in manifest["files"] if file["key"] not in keys]
            manifest["files"] += _write(lake, folder, kind, read_frames(lake, keys))
            gone += keys
    left = sorted(set(gone) - {file["key"] for file in manifest["files"]}) if gone else []
    if left:
        note(folder, left)
    return left


def _overlapping(manifest: Manifest, start: datetime, end: datetime) -> list[dict[str, Any]]:
    low, high = iso(start), iso(end)  # texts of one length, ordered as the moments are
    return [file for file in manifest["files"] if file["kind"] == "predictions" and file["first"] < high and file["last"] >= low]


@contextmanager
def alone(folder: Path, patience_s: float = 0.0) -> Iterator[bool]:
    """Whether this process is the only one that compacts the folder, for the length of the block; asked for `patience_s`."""
    handle = os.open(folder / "compaction.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        yield _locked(handle, time.monotonic() + patience_s)
    finally:
        os.close(handle)


def _locked(handle: int, until: float) -> bool:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(LOCK_POLL_S)
        else:
            return True
