"""What is said about a snapshot's rows without holding them all: span, profile, and warnings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from interlock.records.lake import Lake, read_columns
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

    from reports.profiles import Profile

PROFILED = {"integer": "numeric", "float": "numeric", "boolean": "boolean", "category": "category"}
CELLS_AT_ONCE = 20_000_000  # profiled in one piece; more are profiled file by file, in two passes


@dataclass
class Summary:
    """Counts over all rows of a snapshot; `label_values` holds one label only where all rows have the same."""

    rows: int = 0
    labels: int = 0
    span: tuple[datetime | None, datetime | None] = (None, None)
    filled: set[str] = field(default_factory=set)
    label_values: set[Any] = field(default_factory=set)

    def add(self, frame: pl.DataFrame) -> None:
        """Count the rows in."""
        if frame.is_empty():
            return
        low, high = frame["_event_time"].min(), frame["_event_time"].max()
        first, last = self.span
        self.span = (low if first is None else min(first, low), high if last is None else max(last, high))  # type: ignore[type-var, assignment]
        self.rows += frame.height
        self.filled |= {name for name in frame.columns if frame[name].null_count() < frame.height}
        labels = frame["_label"].drop_nulls()
        self.labels += labels.len()
        if len(self.label_values) < 2:
            self.label_values |= set(labels.unique().sort().head(2))

    def join(self, other: Summary) -> None:
        """Count the rows of another summary in."""
        ends = [end for end in (*self.span, *other.span) if end is not None]
        self.span = (min(ends), max(ends)) if ends else (None, None)
        self.rows, self.labels = self.rows + other.rows, self.labels + other.labels
        self.filled |= other.filled
        self.label_values |= other.label_values

    def warnings(self, use_case: UseCase) -> list[str]:
        """What is allowed but will stop or weaken a training, so it is said at once."""
        found = [f"column '{name}' is empty in all {self.rows:,} rows" for name in use_case.columns if name not in self.filled]
        if not self.labels:
            found.append("no row has a label")
        elif len(self.label_values) == 1:
            [only] = self.label_values
            found.append(f"all labels are the same ({only}): nothing can be learned from one class")
        if self.labels < use_case.training.rows_min:
            found.append(f"{self.labels:,} labelled rows; training needs {use_case.training.rows_min:,}")
        return found


class Fresh:
    """What is known of the files that were just written, so that they need not be read again.

    Their rows' profiled columns are held up to `CELLS_AT_ONCE` values in all; beyond that only the counts are.
    """

    def __init__(self, use_case: UseCase) -> None:
        self._kinds = profiled(use_case)
        self._summaries: dict[str, Summary] = {}
        self._frames: dict[str, pl.DataFrame] = {}
        self._cells = 0

    def add(self, key: str, frame: pl.DataFrame) -> None:
        """The accepted rows of a file."""
        if key in self._summaries:
            return
        self._summaries[key] = Summary()
        self._summaries[key].add(frame)
        self._cells += frame.height * max(len(self._kinds), 1)
        if self._cells <= CELLS_AT_ONCE:
            self._frames[key] = frame.select(list(self._kinds))
        else:
            self._frames.clear()

    def summary(self, key: str) -> Summary | None:
        """Of the file's rows; None where the file is not of this run."""
        return self._summaries.get(key)

    def frame(self, key: str) -> pl.DataFrame | None:
        """The profiled columns of the file; None where they are not held."""
        return self._frames.get(key)


def profiled(use_case: UseCase) -> dict[str, str]:
    """The columns that have a profile, with its kind: those that are no person's identifier and no free text."""
    return {name: PROFILED[column.type] for name, column in use_case.columns.items()
            if column.type in PROFILED and column.role not in {"subject", "identifier"}}


def summarise(lake: Lake, use_case: UseCase, files: list[dict[str, Any]], fresh: Fresh) -> tuple[Summary, Profile]:
    """Both for the rows of the files: the profile of every column that is kept and is not a person's identifier.

    Memory is bounded by the largest file, or by `CELLS_AT_ONCE` values where all of them are fewer. Files of this run that `fresh`
    still holds are not read.
    """
    kinds = profiled(use_case)
    wanted = [*use_case.columns, "_event_time", "_label"]
    below = use_case.privacy.suppress_below
    at_once = sum(int(entry["rows"]) for entry in files) * max(len(kinds), 1) <= CELLS_AT_ONCE
    summary, kept = Summary(), []
    for key in (entry["key"] for entry in files):
        known, frame = fresh.summary(key), fresh.frame(key)
        if known is None or (frame is None and at_once):
            frame = read_columns(lake, key, wanted)
        if known is None and frame is not None:
            summary.add(frame)
        elif known is not None:
            summary.join(known)
        if at_once and frame is not None:
            kept.append(frame.select(list(kinds)))
    return summary, _at_once(kept, kinds, below) if at_once else _streamed(_frames(lake, files, list(kinds)), kinds, below)


def _at_once(frames: list[pl.DataFrame], kinds: dict[str, str], below: int) -> Profile:
    import polars as pl

    from reports.profiles import fit_profile

    return fit_profile(pl.concat(frames, how="vertical_relaxed"), kinds, suppress_below=below)  # type: ignore[arg-type]


def _frames(lake: Lake, files: list[dict[str, Any]], columns: list[str]) -> Callable[[], Iterator[pl.DataFrame]]:
    return lambda: (read_columns(lake, entry["key"], columns) for entry in files)


def _streamed(frames: Callable[[], Iterable[pl.DataFrame]], kinds: dict[str, str], below: int) -> Profile:
    from reports.profile_stream import profile_stream

    return profile_stream(frames, kinds, suppress_below=below)  # type: ignore[arg-type]
