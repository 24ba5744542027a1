"""Answers as partitioned Parquet, readable by any tool as one data set:

    OUT/answers/date=2013-05-01/chunk-000012-<16 digits of its digest>.parquet    partitions by event time: days, months or years
    OUT/refused/chunk-000012-<digest>.parquet                                    rows without an answer, with their reasons
    OUT/_job.json                                                                whose results these are
    OUT/_progress/000012.json                                                    the chunk counts: its files with digests, its figures
    OUT/_manifest.json                                                           written last: all chunks, totals

The same rows give the same bytes under the same names, so a chunk that was cut off is written over by its own repetition. Readers that
must not see a chunk before it counts read the files that `_manifest.json` names.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlock.control.scoring.results import Done, Head
from interlock.errors import SettingsError, StaleState, StoreError
from interlock.records.lake import Period, parquet_bytes
from interlock.records.pointer import write_durably

if TYPE_CHECKING:
    import polars as pl

ROWS_PER_FILE = 2_000  # partitions grow from days to months to years until a chunk's files hold about this many rows


class ParquetFolder:
    """A folder of one job's results."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.name = str(self.root)

    def open(self, head: Head) -> dict[int, Done]:
        path = self.root / "_job.json"
        try:
            known = json.loads(path.read_bytes()) if path.is_file() else None
            if known is None:
                if self.root.is_dir() and any(self.root.iterdir()):
                    raise SettingsError("the folder for the results is not empty, and they are not of a batch", value=self.root)
                write_durably(path, json.dumps(head.to_json(), indent=1).encode())
        except ValueError as error:
            raise StoreError("the folder's _job.json is damaged", value=path, next_step="choose another folder") from error
        except OSError as error:
            raise SettingsError(f"the folder for the results cannot be written: {error.strerror}", value=self.root) from error
        if known is not None and known["job"] != head.job:
            raise StaleState(f"the folder holds results of another batch: {known['source']} by version {known['version']}",
                             value=known["job"], allowed=head.job, next_step="choose another folder, or repeat that batch with --version")
        return {done.index: done for done in map(_read, sorted((self.root / "_progress").glob("[0-9]*.json")))}

    def write(self, head: Head, done: Done, answers: pl.DataFrame, refused: pl.DataFrame) -> Done:
        files: dict[str, str] = {}
        for day, part in _parts(answers):
            self._put(files, f"answers/date={day.isoformat()}", done.index, part)
        if refused.height:
            self._put(files, "refused", done.index, refused)
        whole = Done(done.index, done.answered, done.refused, done.reasons, files)
        write_durably(self.root / "_progress" / f"{done.index:06d}.json", json.dumps(whole.to_json()).encode())
        return whole

    def finish(self, head: Head, summary: dict[str, Any]) -> None:
        done = [_read(path) for path in sorted((self.root / "_progress").glob("[0-9]*.json"))]
        files = {name: digest for one in done for name, digest in one.files.items()}
        text = json.dumps({**summary, "job": head.to_json(), "files": files}, indent=1, sort_keys=True).encode()
        path = self.root / "_manifest.json"
        if not path.is_file() or path.read_bytes() != text:
            write_durably(path, text)

    def close(self) -> None:
        """Nothing is held."""

    def _put(self, files: dict[str, str], folder: str, index: int, frame: pl.DataFrame) -> None:
        data = parquet_bytes(frame)
        digest = hashlib.sha256(data).hexdigest()
        name = f"{folder}/chunk-{index:06d}-{digest[:16]}.parquet"
        write_durably(self.root / name, data)
        files[name] = f"sha256:{digest}"


def _read(path: Path) -> Done:
    try:
        return Done(**json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise StoreError("the progress of the batch is damaged", value=path,
                         next_step="remove the file: the chunk is scored again") from error


def _parts(frame: pl.DataFrame) -> list[tuple[date, pl.DataFrame]]:
    """The rows by partition, ascending."""
    import polars as pl

    if frame.is_empty():
        return []
    periods: tuple[Period, ...] = ("1d", "1mo")
    times = frame["event_time"].dt
    period = next((one for one in periods if frame.height >= ROWS_PER_FILE * times.truncate(one).n_unique()), "1y")
    days = frame.with_columns(pl.col("event_time").dt.date().dt.truncate(period).alias("_day"))
    found = days.partition_by("_day", as_dict=True, include_key=False, maintain_order=True)
    return sorted(((day, part) for (day,), part in found.items()), key=lambda item: str(item[0]))
