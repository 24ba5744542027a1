"""Which pieces of a source are new: file by file (and window by window under `as_of`), or watermark by watermark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from interlock.errors import SourceError
from interlock.records.plain_lines import PlainLines
from interlock.records.quarantine import Origin, Window
from interlock.records.snapshots import batches_of, source_entry
from interlock.records.sources import RawFile, RawRows, find_files, row_blocks
from interlock.records.sources_sql import SqlReader
from interlock.records.store import Store
from interlock.records.tables import Batch
from interlock.rules.canonical import digest, iso
from interlock.settings import Settings
from interlock.spec.data import FileSource
from interlock.spec.usecase import UseCase

Block = RawRows | PlainLines
END = "end"
OFFSET_MAX = 200  # characters of batches.offset


@dataclass(frozen=True)
class Piece:
    """New rows of a source, block by block, with their identity: source digest + offset.

    `position` is what the last batch of the source had reached.
    """

    blocks: Iterable[Block]
    origin: Origin
    source_digest: str
    offset: str
    position: str | None
    upto: str
    window: Window = (None, None)
    closes: bool = False
    detail: dict[str, Any] = field(default_factory=dict)

    def entry(self, contract: str, rows_in_file: int) -> dict[str, Any]:
        """What the batch remembers of its source; `rows_in_file` is the number of the last record read."""
        counted = {"rows_in_file": rows_in_file} if self.detail else {}
        return {"kind": "source", "name": self.origin.name, "contract": contract, "upto": self.upto,
                "first_row": self.origin.first_row, **self.detail, **counted}


def pieces(settings: Settings, store: Store, use_case: UseCase, contract: str, *, as_of: datetime | None) -> Iterator[Piece]:
    """The pieces that are new, one after the other; each is to be committed before the next is asked for."""
    if isinstance(use_case.source, FileSource):
        yield from _file_pieces(settings, store, use_case, use_case.source, contract, as_of)
    else:
        yield from _sql_pieces(store, use_case, contract, as_of)


def unchanged(session: Session, use_case_name: str, contract: str, piece: Piece) -> bool:
    """Whether the source still stands where it stood when the piece was read (asked inside the writing transaction)."""
    return _position(batches_of(session, use_case_name, contract), piece.source_digest) == piece.position


def _file_pieces(settings: Settings, store: Store, use_case: UseCase, source: FileSource, contract: str,
                 as_of: datetime | None) -> Iterator[Piece]:
    for file in {found.digest: found for found in reversed(find_files(settings, source))}.values().__reversed__():
        with store.reading() as session:
            batches = batches_of(session, use_case.name, contract)
        identity = digest({"file": file.digest, "contract": contract})
        position = _position(batches, identity)
        if position == END:
            continue
        start = None if position is None else datetime.fromisoformat(position)
        if start is not None and as_of is not None and as_of <= start:
            continue
        yield _file_piece(file, source, use_case, batches, identity, position, (start, as_of))


def _file_piece(file: RawFile, source: FileSource, use_case: UseCase, batches: list[Batch], identity: str, position: str | None,
                window: Window) -> Piece:
    skipped = _already_taken(file, batches, identity)
    known = next((source_entry(batch) for batch in batches if batch.source_digest == identity), None)
    first_row = known["first_row"] if known is not None else _rows_before(batches, file.name if skipped else None)
    if not use_case.timed:
        window = (None, None)  # event time is the time of ingestion: everything there is belongs to it
    upto = END if window[1] is None else iso(window[1])
    offset = f"{'start' if window[0] is None else iso(window[0])}..{upto}"
    origin = Origin(file.name, file.digest.removeprefix("sha256:")[:12], file.split, first_row)
    blocks = (block.beyond(skipped) if skipped else block for block in row_blocks(file, source, list(use_case.columns)))
    return Piece(blocks=blocks, origin=origin, source_digest=identity, offset=offset, position=position, upto=upto, window=window,
                 closes=window[1] is None, detail={"digest": file.digest, "bytes": file.path.stat().st_size, "passed_over": skipped})


def _already_taken(file: RawFile, batches: list[Batch], identity: str) -> int:
    """Rows to pass over because the file is an earlier one that has grown; `SourceError` where it was changed in any other way."""
    if any(batch.source_digest == identity for batch in batches):
        return int(next(source_entry(batch).get("passed_over", 0) for batch in batches if batch.source_digest == identity))
    earlier = [source_entry(batch) for batch in batches if source_entry(batch)["name"] == file.name]
    if not earlier:
        return 0
    last = earlier[-1]
    grown = _digest_of(file.path, last["bytes"]) == last["digest"]
    if grown and last["upto"] == END and file.path.suffix not in {".gz", ".bz2", ".zip", ".parquet"}:
        return int(last["rows_in_file"])
    raise SourceError(f"{file.name} was changed after it was taken in: its rows would count twice",
                      value=file.digest, allowed=last["digest"],
                      next_step="deliver new rows in a new file, or append them to the uncompressed file")


def _digest_of(path: Path, size: int) -> str:
    """Digest of the first `size` bytes."""
    found = sha256()
    with path.open("rb") as stream:
        while size > 0 and (data := stream.read(min(size, 1 << 20))):
            found.update(data)
            size -= len(data)
    return "sha256:" + found.hexdigest()


def _rows_before(batches: list[Batch], grown: str | None) -> int:
    """Rows of the files that came before this one in the source (a grown file starts where it started)."""
    entries = {entry["name"]: entry for entry in map(source_entry, batches)}
    if grown is not None:
        return int(entries[grown]["first_row"])
    return sum(int(entry["rows_in_file"]) for entry in entries.values())


def _position(batches: list[Batch], source_digest: str) -> str | None:
    """How far the source was taken in: a time or watermark, `end`, or None where nothing was."""
    own = [batch for batch in batches if batch.source_digest == source_digest]
    return str(source_entry(own[-1])["upto"]) if own else None


def _sql_pieces(store: Store, use_case: UseCase, contract: str, as_of: datetime | None) -> Iterator[Piece]:
    source = use_case.source
    if isinstance(source, FileSource):
        return
    # `as_of` bounds the watermark only where the watermark is the clock; otherwise all there is is taken in, and training looks at times.
    before = as_of if use_case.time.column == source.watermark else None
    with closing(SqlReader(source, list(use_case.columns))) as reader:
        identity = digest({"source": reader.identity(), "contract": contract})
        with store.reading() as session:
            batches = batches_of(session, use_case.name, contract)
        position = _position(batches, identity)
        first_row = sum(batch.rows + batch.quarantined for batch in batches if batch.source_digest == identity)
        for batch in reader.batches(position, before.astimezone(UTC) if before is not None else None):
            offset = _bounded(f"{position or 'start'}..{batch.upto}")
            origin = Origin(reader.name, digest([identity, offset]).removeprefix("sha256:")[:12], None, first_row)
            yield Piece(blocks=[batch.rows], origin=origin, source_digest=identity, offset=offset, position=position, upto=batch.upto)
            first_row, position = first_row + batch.rows.rows, batch.upto


def _bounded(offset: str) -> str:
    """The offset as the store can hold it: long text watermarks by their digest."""
    return offset if len(offset) <= OFFSET_MAX else digest(offset)
