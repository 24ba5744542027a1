"""Ingestion: source → judged rows → files in the lake → rows and position in one transaction → snapshot. Exactly once in effect.

A source is read, judged and written block by block, so memory does not grow with it. Files are written first, under their own digest;
only the transaction at the end of the source's piece makes them count. After a crash the same work gives the same files again, and a
piece whose position has moved on meanwhile is not taken a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from interlock.errors import DataError, StaleState
from interlock.records.ahead import ahead
from interlock.records.intake import Piece, pieces, unchanged
from interlock.records.judging import judge_block
from interlock.records.lake import Lake, Period, lake_from, read_columns, write_frame
from interlock.records.quarantine import Judged, stacked
from interlock.records.snapshots import batches_of, compose, latest_snapshot, row_files
from interlock.records.store import Store, utc_now
from interlock.records.summaries import Fresh, summarise
from interlock.records.tables import Batch, Snapshot
from interlock.records.tokens import token_key
from interlock.records.uniqueness import Seen
from interlock.rules.canonical import digest
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

Progress = Callable[[str], None]
ROWS_PER_FILE = 5_000  # partitions grow from days to months to years until files hold about this many rows
REFUSED_ROWS, REFUSED_BYTES = 50_000, 16 * 1024**2  # of refused rows that wait for the next ones, to be written together


@dataclass(frozen=True)
class IngestResult:
    """What an ingestion did. `quarantined` and `reasons` are those of the whole snapshot; `new_*` those of this run."""

    snapshot_digest: str
    rows_total: int
    new_rows: int
    quarantined: int
    reasons: dict[str, int]
    changed: bool
    new_quarantined: int = 0
    warnings: list[str] = field(default_factory=list)


def ingest(settings: Settings, store: Store, use_case: UseCase, *, as_of: datetime | None = None,
           progress: Progress | None = None) -> IngestResult:
    """Take in the rows that are new, below `as_of` in event time if given, and make the snapshot over all rows taken so far.

    Running it again changes nothing. Raises `SourceError` where a source cannot be read (nothing is changed then) and `DataError`
    where every row was refused (they are in quarantine then).
    """
    tell = progress or (lambda _: None)
    contract = data_contract(use_case)
    lake, before = lake_from(settings), latest_snapshot(store, use_case.name)
    key = token_key(settings, use_case) if use_case.by_role("subject") else None
    now, fresh = as_of or utc_now(), Fresh(use_case)
    added = refused = 0
    for piece in pieces(settings, store, use_case, contract, as_of=as_of):
        with ExitStack() as stack:
            taken = _taken(stack, settings, lake, store, use_case, contract)
            written = _write(lake, use_case, piece, now=now, key=key, taken=taken, fresh=fresh)
        if _commit(store, use_case, contract, piece, written):
            added, refused = added + written.rows, refused + written.quarantined
            tell(f"{piece.origin.name}: {written.rows:,} rows taken in, {written.quarantined:,} refused")
    return _conclude(store, lake, use_case, contract, before, (added, refused), fresh)


def data_contract(use_case: UseCase) -> str:
    """Digest of everything that decides what a row becomes. When it changes, the source is judged anew; other edits change nothing."""
    dumped = use_case.model_dump(mode="json", include={"name", "source", "time", "columns", "checks"})
    dumped["source"].pop("batch_rows", None)
    for column in dumped["columns"].values():
        column["role"] = "subject" if column["role"] == "subject" else None
        column.pop("title")
        column.pop("description")
    job = use_case.prediction.model_dump(mode="json", include={"task", "target", "positive", "at_least", "missing_is_positive", "classes"})
    return digest(dumped | {"label": job, "delay_hours": use_case.labels.delay_hours})


@dataclass
class Written:
    """What lies in the lake of a piece, and does not count yet."""

    files: list[dict[str, object]] = field(default_factory=list)
    rows: int = 0
    quarantined: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    last_number: int = 0

    def count(self, judged: Judged) -> None:
        """Count the rows of a block in."""
        self.rows += judged.accepted.height
        self.quarantined += judged.refused.height
        for reason, count in judged.reasons().items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count


@dataclass
class _Writing:
    """Writes one piece's rows in the order of its blocks; refused rows of several blocks go together, so that few files are made."""

    lake: Lake
    use_case: UseCase
    fresh: Fresh
    refused: list[pl.DataFrame] = field(default_factory=list)

    def put(self, judged: Judged) -> list[dict[str, object]]:
        """Write what is accepted, and what is refused once it is enough for a file; the files' entries."""
        frame, first = judged.accepted, 0
        files = write_frame(self.lake, self.use_case.name, "rows", frame, "_event_time", _period(frame))
        for entry in files:
            rows = int(str(entry["rows"]))
            self.fresh.add(str(entry["key"]), frame.slice(first, rows))
            first += rows
        files = [entry | {"kind": "rows"} for entry in files]
        self.refused += [judged.refused] if judged.refused.height else []
        enough = sum(part.height for part in self.refused) >= REFUSED_ROWS or sum(map(_size, self.refused)) >= REFUSED_BYTES
        return [*files, *self.flush()] if enough else files

    def flush(self) -> list[dict[str, object]]:
        """Write the refused rows that wait."""
        if not self.refused:
            return []
        frame, self.refused = stacked(self.refused), []
        files = write_frame(self.lake, self.use_case.name, "quarantine", frame, "_event_time", _period(frame))
        return [entry | {"kind": "quarantine"} for entry in files]


def _size(frame: pl.DataFrame) -> int:
    return int(frame.estimated_size())


def _write(lake: Lake, use_case: UseCase, piece: Piece, *, now: datetime, key: bytes | None, taken: Seen | None, fresh: Fresh) -> Written:
    """Read, judge and write block by block; reading runs one block ahead of judging, writing one block behind it."""
    written, sparse, writing = Written(), set[str](), _Writing(lake, use_case, fresh)
    waiting: Future[list[dict[str, object]]] | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="lake") as pool:
        for block in ahead(piece.blocks):
            judged = judge_block(block, use_case, piece.origin, now=now, window=piece.window, key=key, taken=taken, sparse=sparse)
            written.last_number = block.last_number
            written.count(judged)
            if waiting is not None:
                written.files += waiting.result()
            waiting = pool.submit(writing.put, judged)
        if waiting is not None:
            written.files += waiting.result()
    written.files += writing.flush()
    return written


def _commit(store: Store, use_case: UseCase, contract: str, piece: Piece, written: Written) -> bool:
    """Rows and position in one transaction; False where there is nothing to take."""
    if not written.rows and not written.quarantined and not piece.closes:
        return False
    batch = Batch(use_case=use_case.name, source_digest=piece.source_digest, offset=piece.offset, rows=written.rows,
                  quarantined=written.quarantined, files=[*written.files, piece.entry(contract, written.last_number)],
                  reasons=dict(sorted(written.reasons.items())), created_at=utc_now())
    with store.writing() as session:
        if not unchanged(session, use_case.name, contract, piece):
            raise StaleState("another ingestion took in these rows a moment ago; nothing was changed",
                             next_step=f"interlock ingest {use_case.name}")
        session.add(batch)
    return True


def _conclude(store: Store, lake: Lake, use_case: UseCase, contract: str, before: Snapshot | None, new: tuple[int, int],
              fresh: Fresh) -> IngestResult:
    """The snapshot over all batches of this contract: found again if nothing is new, else made with its profile."""
    with store.reading() as session:
        batches = batches_of(session, use_case.name, contract)
    made = compose(use_case.name, contract, batches, span=(None, None), profile_key=None)
    if made.rows == 0:
        what = f"no valid row: all {made.quarantined:,} rows were refused" if made.quarantined else "no row yet"
        raise DataError(f"{use_case.name} has {what}", value=_told(made.manifest["reasons"]) or None,
                        next_step="look at the Data page, or correct [columns] and [[checks]]")
    warnings: list[str] = []
    if before is None or before.digest != made.digest:
        summary, profile = summarise(lake, use_case, row_files(batches), fresh)
        published = profile.published(use_case.privacy.suppress_below).to_json()
        stored = lake.put(use_case.name, "profiles", summary.span[1].date(), published) if summary.span[1] is not None else None
        made = compose(use_case.name, contract, batches, span=summary.span, profile_key=stored)
        _record(store, made)
        warnings = summary.warnings(use_case)
    return IngestResult(snapshot_digest=made.digest, rows_total=made.rows, new_rows=new[0], quarantined=made.quarantined,
                        reasons=dict(made.manifest["reasons"]), changed=before is None or before.digest != made.digest,
                        new_quarantined=new[1], warnings=warnings)


def _record(store: Store, made: Snapshot) -> None:
    with store.writing() as session:
        known = session.get(Snapshot, made.digest)
        if known is None:
            session.add(made)
        else:
            known.created_at = made.created_at  # an earlier data contract is in force again: its snapshot is the newest


def _taken(stack: ExitStack, settings: Settings, lake: Lake, store: Store, use_case: UseCase, contract: str) -> Seen | None:
    """Values that unique columns already have in the lake; None where no column is unique."""
    unique = [name for name, column in use_case.columns.items() if column.unique]
    if not unique:
        return None
    seen = stack.enter_context(Seen(settings.folder("run")))
    with store.reading() as session:
        keys = [entry["key"] for entry in row_files(batches_of(session, use_case.name, contract))]
    for frame in (read_columns(lake, key, unique) for key in keys):
        for name in unique:
            seen.add(frame[name])
    return seen


def _period(frame: pl.DataFrame) -> Period:
    """Days where they hold enough rows, else months, else years: many tiny files help nobody."""
    import polars as pl

    if frame.is_empty():
        return "1d"
    days = frame.select(pl.col("_event_time").cast(pl.Date)).to_series().drop_nulls().unique()
    periods: Iterator[Period] = iter(("1d", "1mo"))
    return next((period for period in periods if frame.height >= ROWS_PER_FILE * days.dt.truncate(period).n_unique()), "1y")


def _told(reasons: dict[str, int]) -> str:
    return ", ".join(f"{reason}: {count:,}" for reason, count in sorted(reasons.items(), key=lambda item: -item[1])[:10])
