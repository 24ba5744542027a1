"""Rows to be scored, in chunks whose bounds depend on the rows alone: a chunk is the same rows whenever it is read.

A snapshot's rows passed when they were taken in. A file's rows are read as ingestion reads them; one that is broken, or whose text is
not of its column's type, is refused with the reason. Whether a value may be served is the server's own check, later.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol

from interlock.control.frames import modelling_frame
from interlock.errors import DataError
from interlock.modeling.inputs import accepted_fields
from interlock.modeling.package import Manifest
from interlock.records.lake import lake_from, read_frames
from interlock.records.store import Store
from interlock.records.tables import Snapshot
from interlock.rules.canonical import iso
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

CHUNK_ROWS = 10_000


@dataclass(frozen=True)
class RefusedRow:
    """A row that gets no answer: its number in the source (from 1), every reason, and what it was."""

    number: int
    reasons: list[str]
    raw: str


@dataclass
class Chunk:
    """Rows with numbers in (index · size, (index + 1) · size]."""

    index: int
    numbers: list[int] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    refused: list[RefusedRow] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return len(self.records) + len(self.refused)


class Source(Protocol):
    """Where rows come from. `digest` names their content; `rows`: how many there are, None where nobody counted."""

    name: str
    digest: str
    rows: int | None

    def entries(self) -> Iterator[tuple[int, dict[str, Any] | RefusedRow]]:
        """Each row with its number, ascending."""
        ...


def chunks(source: Source, size: int = CHUNK_ROWS) -> Iterator[Chunk]:
    """The source's rows, `size` numbers at a time; chunks without a row are left out."""
    chunk: Chunk | None = None
    for number, entry in source.entries():
        index = (number - 1) // size
        if chunk is None or index != chunk.index:
            if chunk is not None:
                yield chunk
            chunk = Chunk(index)
        if isinstance(entry, RefusedRow):
            chunk.refused.append(entry)
        else:
            chunk.numbers.append(number)
            chunk.records.append(entry)
    if chunk is not None:
        yield chunk


class SnapshotRows:
    """The rows of a snapshot in the order of its files; ids are its row ids. A model with features from history or from views gets them as
    of each row's time, computed over the whole snapshot; for others one file is in memory at a time."""

    def __init__(self, settings: Settings, store: Store, use_case: UseCase, digest: str, manifest: Manifest) -> None:
        with store.reading() as session:
            found = session.get(Snapshot, digest)
        if found is None or found.use_case != use_case.name:
            raise DataError(f"'{use_case.name}' has no such snapshot", value=digest, next_step=f"interlock ingest {use_case.name}")
        self.name, self.digest = f"snapshot {digest[:19]}…", digest
        self.rows: int | None = found.rows
        self._settings, self._store, self._use_case, self._manifest = settings, store, use_case, manifest
        self._keys = [entry["key"] for entry in found.manifest["files"]]

    def entries(self) -> Iterator[tuple[int, dict[str, Any] | RefusedRow]]:
        number = 0
        for frame in self._frames():
            for record in records_of(frame, self._manifest, frame["_row_id"].to_list(), frame["_event_time"].to_list()):
                number += 1
                yield number, record

    def _frames(self) -> Iterator[pl.DataFrame]:
        if self._manifest.views or any(feature.from_history for feature in self._manifest.derived):
            yield modelling_frame(self._settings, self._store, self._use_case, self.digest, self._manifest)
            return
        lake = lake_from(self._settings)
        for key in self._keys:
            yield read_frames(lake, [key])


def records_of(frame: pl.DataFrame, manifest: Manifest, ids: list[str], times: list[datetime]) -> Iterator[dict[str, Any]]:
    """Rows as requests would carry them: the fields that the model accepts, an id and an event time."""
    names = [name for name in accepted_fields(manifest) if name in frame.columns]
    for values, request_id, moment in zip(frame.select(names).iter_rows(), ids, times, strict=True):
        record = {name: _plain(value) for name, value in zip(names, values, strict=True)}
        yield record | {"id": request_id, "event_time": iso(moment)}


def raw_text(values: dict[str, Any]) -> str:
    """A row as one text for quarantine."""
    return json.dumps(values, ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:
    """Times as texts, NaN as missing: what a request can carry."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    return None if isinstance(value, float) and value != value else value
