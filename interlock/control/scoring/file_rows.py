"""Rows of a CSV or Parquet file to be scored: read and typed as ingestion does, though the outcome's column need not be there."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from interlock.control.scoring.rows import RefusedRow, raw_text, records_of
from interlock.errors import SourceError, did_you_mean
from interlock.modeling import schema
from interlock.modeling.inputs import accepted_fields, required_fields
from interlock.modeling.package import Manifest
from interlock.modeling.times import event_times
from interlock.records.byte_blocks import RecordBlocks, opened
from interlock.records.sources import RawFile, RawRows, row_blocks
from interlock.spec.data import Column, FileSource, SourceFile, Time
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

KINDS = {"numeric": "float", "boolean": "boolean", "category": "category", "context": "category"}
EVENT_TIME = "event_time"
PART_ROWS = 5_000


class FileRows:
    """The rows of one file. `moment`: event time of rows that have none. `id_column`: default the use case's unique identifier, else `id`;
    rows without an id get one made of the file's digest and their number.

    Raises `SourceError` where the file is not there, lacks a field that the model needs, or has a column that nobody knows.
    """

    def __init__(self, use_case: UseCase, path: Path, manifest: Manifest, moment: datetime, id_column: str | None = None) -> None:
        if not path.is_file():
            raise SourceError("there is no such file", value=path, allowed="a CSV or Parquet file, or the digest of a snapshot")
        self.name = path.name
        self.digest, self.rows = _digest(path)
        self._manifest, self._moment = manifest, moment
        self._source = _source(use_case, path)
        names = _header(path, self._source, use_case)
        self._id = id_column or _id_column(use_case, names)
        self._case = _case(use_case, self._source, _columns(use_case, manifest, names, self._id, path.name))
        self._file = RawFile(path, path.name, self.digest, None, self._source.files[0].skip_rows)
        self._hidden = {name for name in names if name in use_case.columns and use_case.columns[name].role == "subject"}
        if self._id in self._hidden:
            raise SourceError("the column with the ids names persons: an answer must not carry it", value=self._id,
                              next_step="choose another column: --id COLUMN")

    def entries(self) -> Iterator[tuple[int, dict[str, Any] | RefusedRow]]:
        for block in row_blocks(self._file, self._source, list(self._case.columns)):
            even = block.evened()
            for part in _parts(RawRows(even.text(), even.malformed, even.last_number)):
                yield from sorted(self._block(part), key=lambda entry: entry[0])

    def _block(self, raw: RawRows) -> Iterator[tuple[int, dict[str, Any] | RefusedRow]]:
        numbers = raw.frame["_row_number"].to_list()
        clean = schema.cleaned(raw.frame, self._case)
        frame = schema.typed(clean, self._case)
        times = self._times(frame, clean)
        wrong: dict[int, list[str]] = {}
        for row, reason in schema.untypable(clean, frame, self._case).iter_rows():
            wrong.setdefault(row, []).append(reason)
        for row in times.is_null().arg_true():
            wrong.setdefault(row, []).append("event_time")
        ids = clean[self._id].to_list() if self._id else [None] * len(numbers)
        made = self.digest.removeprefix("sha256:")[:12]
        known = [value or f"{made}-{number:09d}" for value, number in zip(ids, numbers, strict=True)]
        for row, record in enumerate(records_of(frame, self._manifest, known, times.fill_null(self._moment).to_list())):
            reasons = wrong.get(row)
            yield numbers[row], record if reasons is None else RefusedRow(numbers[row], reasons, self._raw(raw, row))
        for number, text, reason in raw.malformed.select("_row_number", "_raw", "_reason").iter_rows():
            shown = f"withheld: {len(text.encode())} bytes that may name a person" if self._hidden else text
            yield number, RefusedRow(number, [reason], shown)

    def _times(self, frame: pl.DataFrame, clean: pl.DataFrame) -> pl.Series:
        """By the use case's clock where its column is there, by a column `event_time`, else the moment of the job."""
        import polars as pl

        if self._case.time.column is not None:
            return event_times(frame, clean, self._case, first_row=0, now=self._moment)
        if EVENT_TIME in frame.columns:
            return frame[EVENT_TIME].alias("_event_time")
        return pl.Series("_event_time", [self._moment] * frame.height, dtype=pl.Datetime("us", "UTC"))

    def _raw(self, raw: RawRows, row: int) -> str:
        values = raw.frame.row(row, named=True)
        return raw_text({name: value for name, value in values.items() if name not in self._hidden and name != "_row_number"})


def _parts(raw: RawRows) -> Iterator[RawRows]:
    """A block a few rows at a time: rows as records take ten times the memory of their text."""
    import polars as pl

    low = 0
    for start in range(0, max(raw.frame.height, 1), PART_ROWS):
        part, following = raw.frame.slice(start, PART_ROWS), raw.frame["_row_number"].slice(start + PART_ROWS, 1).to_list()
        malformed = raw.malformed.filter(pl.col("_row_number") >= low)
        if following:
            low = following[0]
            malformed = malformed.filter(pl.col("_row_number") < low)
        yield RawRows(part, malformed, raw.last_number)


def _digest(path: Path) -> tuple[str, int | None]:
    """Digest of the bytes, and how many lines or rows they are (for the progress bar; None: compressed)."""
    hashed, lines = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            hashed.update(piece)
            lines += piece.count(b"\n")
    return f"sha256:{hashed.hexdigest()}", None if path.suffix in {".gz", ".bz2", ".zip", ".parquet"} else lines


def _source(use_case: UseCase, path: Path) -> FileSource:
    """How the file is read: as the use case's own files are, where it has any."""
    own = use_case.source
    kind: Literal["csv", "parquet"] = "parquet" if path.suffix == ".parquet" else "csv"
    files = [SourceFile(path=str(path), skip_rows=own.files[0].skip_rows if isinstance(own, FileSource) and kind == "csv" else 0)]
    if isinstance(own, FileSource) and own.format == kind:
        return own.model_copy(update={"files": files})
    return FileSource(kind="files", files=files, format=kind)


def _header(path: Path, source: FileSource, use_case: UseCase) -> list[str]:
    """The file's columns."""
    import polars as pl

    if source.format == "parquet":
        try:
            return list(pl.read_parquet_schema(path))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise SourceError(f"{path.name} is not a Parquet file: {error}", value=path) from error
    if not source.header:
        return list(use_case.columns)
    with opened(path, path.name) as stream:
        blocks = RecordBlocks(stream, source.quote.encode())
        for _ in range(source.files[0].skip_rows):
            blocks.line()
        line = blocks.line().decode("latin-1" if source.encoding == "latin-1" else "utf-8-sig", "replace")
    fields = next(csv.reader(io.StringIO(line), delimiter=source.separator, quotechar=source.quote), [])
    return [name.strip() for name in fields]


def _id_column(use_case: UseCase, names: list[str]) -> str | None:
    unique = [name for name, column in use_case.columns.items() if column.role == "identifier" and column.unique and name in names]
    return unique[0] if unique else "id" if "id" in names else None


def _columns(use_case: UseCase, manifest: Manifest, names: list[str], id_column: str | None, file: str) -> dict[str, Column]:
    """The file's columns with their types: those of the use case, those that only requests carry, an id, an event time."""
    fields = accepted_fields(manifest)
    missing = [name for name in required_fields(manifest) if name not in names]
    if missing:
        raise SourceError(f"{file} lacks fields that the model needs", value=", ".join(missing), allowed=", ".join(fields))
    found: dict[str, Column] = {}
    for name in names:
        if name in use_case.columns:
            found[name] = use_case.columns[name]
        elif name in fields:
            found[name] = Column(type=KINDS[fields[name]])  # type: ignore[arg-type]
        elif name in {id_column, EVENT_TIME}:
            found[name] = Column(type="datetime" if name == EVENT_TIME else "text", role="ignore")
        else:
            raise SourceError(f"{file} has a column that is neither in [columns] nor a field of the model", value=name,
                              next_step=did_you_mean(name, [*use_case.columns, *fields]) or "remove it, or name it with --id")
    if id_column is not None and id_column not in found:
        raise SourceError(f"{file} has no column '{id_column}'", allowed=", ".join(names))
    return found


def _case(use_case: UseCase, source: FileSource, columns: dict[str, Column]) -> UseCase:
    """The use case as far as this file goes; its clock only where every column of it is there."""
    clock = use_case.time
    needed = [name for name in (clock.column, clock.plus_minutes, clock.plus_hours) if name is not None]
    time = clock if clock.column is not None and all(name in columns for name in needed) else Time()
    return use_case.model_copy(update={"source": source, "columns": columns, "checks": [], "time": time})


