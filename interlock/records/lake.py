"""The lake: immutable files under their own digest. `environment/use_case/kind/v1/date=YYYY-MM-DD/<sha256>.parquet`.

Writing the same bytes twice is one file; reading verifies the digest, so a damaged file is an error and never an answer.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from interlock.errors import DataError
from interlock.settings import Settings

if TYPE_CHECKING:
    import polars as pl

VERSION = "v1"
SUFFIXES = {"profiles": "json", "windows": "zz"}  # every other kind is Parquet
Period = Literal["1d", "1mo", "1y"]
_PART = re.compile(r"^[a-z0-9][a-z0-9_-]*$")


class Lake(Protocol):
    """What every lake can do; `interlock.records.lake_s3` is the other one."""

    def put(self, use_case: str, kind: str, day: date, data: bytes) -> str:
        """Store the bytes durably and give their key; the same bytes give the same key."""
        ...

    def key(self, use_case: str, kind: str, day: date, data: bytes) -> str:
        """The key that `put` would give."""
        ...

    def get(self, key: str) -> bytes:
        """The bytes of the key, verified; `DataError` where the key is missing or its bytes were altered."""
        ...

    def exists(self, key: str) -> bool:
        """Whether the key is there."""
        ...

    def keys(self, use_case: str, kind: str) -> list[str]:
        """All keys of the kind, sorted (so by date)."""
        ...

    def delete(self, key: str) -> None:
        """Remove the key; one that is not there is no error."""
        ...

    def size_bytes(self, use_case: str, kind: str) -> int:
        """Bytes stored under the kind."""
        ...


class LocalLake:
    """The lake as a folder."""

    def __init__(self, root: Path, environment: str = "local") -> None:
        self.root = root
        self.environment = environment

    def put(self, use_case: str, kind: str, day: date, data: bytes) -> str:
        key = self.key(use_case, kind, day, data)
        path = self._path(key)
        if not path.is_file():
            _write_durably(path, data)
        return key

    def key(self, use_case: str, kind: str, day: date, data: bytes) -> str:
        return lake_key(self.environment, use_case, kind, day, data)

    def get(self, key: str) -> bytes:
        try:
            data = self._path(key).read_bytes()
        except FileNotFoundError as error:
            raise DataError("a file of the lake is missing", value=key, next_step="restore it from the backup") from error
        return verified(key, data)

    def exists(self, key: str) -> bool:
        return self._path(key).is_file()

    def keys(self, use_case: str, kind: str) -> list[str]:
        return sorted(path.relative_to(self.root).as_posix() for path in self._files(use_case, kind))

    def delete(self, key: str) -> None:
        path = self._path(key)
        for left in path.parent.glob(f"{_writing(path)}*"):  # by a writer that was killed
            left.unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def size_bytes(self, use_case: str, kind: str) -> int:
        return sum(path.stat().st_size for path in self._files(use_case, kind))

    def _files(self, use_case: str, kind: str) -> list[Path]:
        folder = self.root / prefix(self.environment, use_case, kind)
        return [path for path in folder.glob("date=*/*") if not path.name.startswith(".")]

    def _path(self, key: str) -> Path:
        path = (self.root / key).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise DataError("a key leads out of the lake", value=key)
        return path


def lake_from(settings: Settings) -> Lake:
    """The installation's lake."""
    if settings.lake == "s3":
        from importlib import import_module

        opened: Lake = import_module("interlock.records.lake_s3").lake_from(settings)
        return opened
    return LocalLake(settings.folder("lake"), settings.environment)


def lake_key(environment: str, use_case: str, kind: str, day: date, data: bytes) -> str:
    """The one key these bytes can have."""
    name = f"{hashlib.sha256(data).hexdigest()}.{SUFFIXES.get(kind, 'parquet')}"
    return f"{prefix(environment, use_case, kind)}/date={day.isoformat()}/{name}"


def prefix(environment: str, use_case: str, kind: str) -> str:
    """Where all keys of a kind begin."""
    for part in (environment, use_case, kind):
        if not _PART.match(part):
            raise DataError("a part of a lake key has characters that paths do not", value=part, allowed=_PART.pattern)
    return f"{environment}/{use_case}/{kind}/{VERSION}"


def verified(key: str, data: bytes) -> bytes:
    """The bytes, if they are the ones that the key names."""
    if hashlib.sha256(data).hexdigest() != Path(key).name.split(".")[0]:
        raise DataError("a file of the lake was altered: its bytes are not those of its name", value=key,
                        next_step="restore it from the backup")
    return data


def write_frame(lake: Lake, use_case: str, kind: str, frame: pl.DataFrame, day_column: str, every: Period = "1d",
                first: Callable[[str], None] = lambda _: None) -> list[dict[str, object]]:
    """Write the rows by day (month, year: under its first day) of `day_column`; one entry (key, rows, digest) per file, by date.

    Rows keep their order within a file. Rows without a day go under 1970-01-01. An empty frame writes nothing. `first` is called with
    each key before its file is written.
    """
    import polars as pl

    if frame.is_empty():
        return []
    days = frame.select(pl.col(day_column).cast(pl.Date).fill_null(date(1970, 1, 1)).alias("_day")).to_series()
    entries: list[dict[str, object]] = []
    for part_day, rows in _parts(frame, days, every):
        data = parquet_bytes(rows)
        first(lake.key(use_case, kind, part_day, data))
        key = lake.put(use_case, kind, part_day, data)
        entries.append({"key": key, "rows": rows.height, "digest": "sha256:" + Path(key).name.split(".")[0]})
    return entries


def _parts(frame: pl.DataFrame, days: pl.Series, every: Period) -> list[tuple[date, pl.DataFrame]]:
    """The rows by period, ascending; slices where the days already ascend, which copies nothing and truncates few days only."""
    import polars as pl

    if not days.is_sorted():
        found = frame.with_columns(days.dt.truncate(every)).partition_by("_day", as_dict=True, include_key=False, maintain_order=True)
        return sorted(((day, rows) for (day,), rows in found.items()), key=lambda item: str(item[0]))
    runs = days.rle().struct.unnest()
    periods = runs.group_by(pl.col("value").dt.truncate(every), maintain_order=True).agg(pl.col("len").cast(pl.Int64).sum())
    starts = periods.select(pl.col("len").cum_sum() - pl.col("len")).to_series().to_list()
    return [(day, frame.slice(start, length)) for (day, length), start in zip(periods.rows(), starts, strict=True)]


def read_frames(lake: Lake, keys: Iterable[str]) -> pl.DataFrame:
    """The rows of all keys, in their order; an empty frame without columns if there are none."""
    import polars as pl

    frames: Sequence[pl.DataFrame] = [pl.read_parquet(io.BytesIO(lake.get(key))) for key in keys]
    return pl.concat(frames, how="diagonal_relaxed", rechunk=True) if frames else pl.DataFrame()


def read_columns(lake: Lake, key: str, columns: list[str]) -> pl.DataFrame:
    """Some columns of one file, verified whole."""
    import polars as pl

    return pl.read_parquet(io.BytesIO(lake.get(key)), columns=columns)


def parquet_bytes(frame: pl.DataFrame) -> bytes:
    """Parquet of the frame; the same frame gives the same bytes (zstd level 1, one row group per 131,072 rows)."""
    buffer = io.BytesIO()
    frame.rechunk().write_parquet(buffer, compression="zstd", compression_level=1, row_group_size=131_072, statistics=True)
    return buffer.getvalue()


def _writing(path: Path) -> str:
    """How the names of a key's unfinished files begin."""
    return f".writing-{path.name[:32]}-"


def _write_durably(path: Path, data: bytes) -> None:
    """Temporary file, fsync, rename, fsync of the folder: after a crash the file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_writing(path))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
