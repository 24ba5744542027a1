"""Which windows have to be looked at again: only those whose captured files, or whose labels, are not the ones seen last time.

`<home>/monitor/<use_case>.json` remembers, for the newest windows, from which files they were judged, and a horizon: everything before it
was gone through. It is a memory, not a record: without it the same windows are read once more and nothing is recorded twice.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from interlock.records.captured_files import CapturedFile, captured_entries, captured_file, event_times
from interlock.records.compaction import label_files
from interlock.records.late_labels import FILES_READ_MAX, files_labelled_since, labels_seen
from interlock.records.pointer import write_durably
from interlock.rules.canonical import digest_bytes, iso
from interlock.rules.monitoring import window_of
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

KEPT = 80  # windows remembered, the newest
RECEIVED_EARLY = timedelta(days=1)  # a label may be received this long before its prediction was answered, by another clock
RECEIVED_WITHIN = timedelta(minutes=1)  # of two workers' labels the earlier may come to the lake one run later
EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC) + RECEIVED_EARLY, datetime.max.replace(tzinfo=UTC)
Bounds = tuple[datetime, datetime]


class Inputs:
    """The memory of one use case, for one run at `as_of`."""

    def __init__(self, settings: Settings, use_case: UseCase, as_of: datetime, recorded_before: Callable[[datetime], int]) -> None:
        """`recorded_before`: how many windows on record start before a moment."""
        self._settings, self._use_case, self._as_of = settings, use_case, as_of
        self._path = settings.home.resolve() / "monitor" / f"{use_case.name}.json"
        self._known = _read(self._path)
        self._before = json.dumps(self._known, sort_keys=True)
        self._entries = captured_entries(settings, use_case.name)  # texts: with a long history most are never needed as times
        self.newest = [captured_file(entry) for entry in self._entries[-FILES_READ_MAX:]]
        posted = use_case.labels.source == "post"  # other sources can change unseen
        labels = label_files(settings, use_case.name) if posted else []
        self._labels = _digest(file["key"] for file in labels) if posted else ""
        self._received = max((file["last"] for file in labels), default=None)
        self._labelled_now: set[str] | None = None
        self._read_labels: tuple[datetime, pl.DataFrame] | None = None
        self._next_label: str | None = None
        self._recorded_before = recorded_before
        self.horizon = self._trusted_horizon()
        edge = "" if self.horizon is None else iso(self.horizon)  # texts of one length, ordered as the moments are
        self.recent = [captured_file(entry) for entry in self._entries if entry["last"] >= edge]
        self._firsts = [file.first for file in self.recent]

    def windows_in(self, file: CapturedFile) -> set[Bounds]:
        """The windows that hold events of the file; each file is read for that once."""
        hours, starts = self._use_case.monitoring.window_hours, self._known["starts"].get(file.key)
        if starts is None or self._known["window_hours"] != hours:
            found = {window_of(moment, hours) for moment in event_times(self._settings, file)}
            self._known["starts"][file.key] = sorted(iso(start) for start, _ in found)
            return found
        return {window_of(datetime.fromisoformat(text), hours) for text in starts}

    def changed(self, bounds: Bounds) -> bool:
        """Whether the window may say something else than when it was last judged."""
        seen = self._known["windows"].get(_name(bounds))
        if seen is None or seen["files"] != self._files_of(bounds):
            return True
        if seen["settled"]:
            return any(file.key in self._labelled_since() for file in self._files(bounds))
        waiting = seen["next_label"]
        due = waiting is not None and datetime.fromisoformat(waiting) <= self._as_of
        return not self._labels or seen["labels"] != self._labels or due

    def labels(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The labels seen by now that can belong to these predictions: files received before the first of them are not read."""
        first = frame["_seen_time"].min() if frame.height else None
        since = max(first, EARLIEST) - RECEIVED_EARLY if isinstance(first, datetime) else self._as_of
        if self._read_labels is None or since < self._read_labels[0]:
            if self._labels:  # posted ones: some may be dated later than this moment
                times = labels_seen(self._settings, self._use_case, LATEST, since=since)["_label_seen_time"]
                later = times.filter(times > self._as_of).min()
                self._next_label = iso(later) if isinstance(later, datetime) else None
            self._read_labels = since, labels_seen(self._settings, self._use_case, self._as_of, since=since)
        return self._read_labels[1]

    def remember(self, bounds: Bounds, *, settled: bool) -> None:
        """The window was judged from what is there now. `settled`: every outcome is known, so only corrected labels change it."""
        self._known["windows"][_name(bounds)] = {"files": self._files_of(bounds), "labels": self._labels, "settled": settled,
                                                 "next_label": self._next_label}

    def forget(self, bounds: Bounds) -> None:
        """The window is to be looked at in the next run, whatever changes."""
        self._known["windows"].pop(_name(bounds), None)

    def save(self, newest: Sequence[Bounds], *, caught_up: bool) -> None:
        """Write it down where it changed; of windows and files only those that are still there. `caught_up`: no window was left over."""
        names, keys = {_name(bounds) for bounds in newest[-KEPT:]}, {file.key for file in self.recent}
        if caught_up and len(newest) > KEPT:
            self._known["horizon"] = self._before_horizon(newest[-KEPT][0])
        if caught_up:
            self._known |= {"labels": self._labels, "received": self._received}
        self._known["windows"] = {name: seen for name, seen in self._known["windows"].items() if name in names}
        self._known["starts"] = {key: starts for key, starts in self._known["starts"].items() if key in keys}
        self._known["window_hours"] = self._use_case.monitoring.window_hours
        text = json.dumps(self._known, sort_keys=True)
        if text != self._before:
            write_durably(self._path, text.encode())

    def _trusted_horizon(self) -> datetime | None:
        """The horizon, where files and records before it are the remembered ones; None: everything is looked at."""
        kept = self._known.get("horizon")
        if kept is None or self._known["window_hours"] != self._use_case.monitoring.window_hours:
            return None
        start = datetime.fromisoformat(kept["start"])
        return start if kept == self._before_horizon(start) else None

    def _before_horizon(self, start: datetime) -> dict[str, Any]:
        edge = iso(start)
        return {"start": edge, "files": _digest(entry["key"] for entry in self._entries if entry["first"] < edge),
                "recorded": self._recorded_before(start)}

    def _labelled_since(self) -> set[str]:
        """Keys of files of predictions for which a label was posted since the last run."""
        if self._labelled_now is None:
            since, same = self._known.get("received"), self._known.get("labels") == self._labels
            self._labelled_now = set() if since is None or same else files_labelled_since(
                self._settings, self._use_case.name, self.recent, datetime.fromisoformat(since) - RECEIVED_WITHIN)
        return self._labelled_now

    def _files_of(self, bounds: Bounds) -> str:
        return _digest(file.key for file in self._files(bounds))

    def _files(self, bounds: Bounds) -> list[CapturedFile]:
        """Of a window that does not end before the horizon: a file holds one day, so it begins at most that long before the window."""
        begin, end = bisect_left(self._firsts, max(bounds[0], EARLIEST) - timedelta(days=1)), bisect_left(self._firsts, bounds[1])
        return [file for file in self.recent[begin:end] if file.last >= bounds[0]]


def _read(path: Any) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        found = {}
    whole = isinstance(found, dict) and isinstance(found.get("windows"), dict) and isinstance(found.get("starts"), dict)
    return found if whole else {"windows": {}, "starts": {}, "window_hours": None}


def _digest(keys: Iterable[str]) -> str:
    return digest_bytes("\n".join(sorted(keys)).encode())


def _name(bounds: Bounds) -> str:
    return f"{iso(bounds[0])}/{iso(bounds[1])}"
