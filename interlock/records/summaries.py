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
    """Counts over all rows of a snapshot; `label_values` holds at most two different labels."""

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


def summarise(lake: Lake, use_case: UseCase, files: list[dict[str, Any]]) -> tuple[Summary, Profile]:
    """Both for the rows of the files: the profile of every column that is kept and is not a person's identifier.

    Memory is bounded by the largest file, or by `CELLS_AT_ONCE` values where all of them are fewer.
    """
    from reports.profiles import fit_profile

    kinds = {name: PROFILED[column.type] for name, column in use_case.columns.items()
             if column.type in PROFILED and column.role not in {"subject", "identifier"}}
    wanted = [*use_case.columns, "_event_time", "_label"]
    below = use_case.privacy.suppress_below
    summary = Summary()
    if sum(int(entry["rows"]) for entry in files) * max(len(kinds), 1) > CELLS_AT_ONCE:
        for frame in _frames(lake, files, wanted)():
            summary.add(frame)
        return summary, _streamed(_frames(lake, files, list(kinds)), kinds, below)
    kept: list[pl.DataFrame] = []
    for frame in _frames(lake, files, wanted)():
        summary.add(frame)
        kept.append(frame.select(list(kinds)))
    import polars as pl

    return summary, fit_profile(pl.concat(kept, how="vertical_relaxed"), kinds, suppress_below=below)  # type: ignore[arg-type]


def _frames(lake: Lake, files: list[dict[str, Any]], columns: list[str]) -> Callable[[], Iterator[pl.DataFrame]]:
    return lambda: (read_columns(lake, entry["key"], columns) for entry in files)


def _streamed(frames: Callable[[], Iterable[pl.DataFrame]], kinds: dict[str, str], below: int) -> Profile:
    from reports.profile_stream import profile_stream

    return profile_stream(frames, kinds, suppress_below=below)  # type: ignore[arg-type]
