"""Ingestion: source → judged rows → files in the lake → rows and position in one transaction → snapshot. Exactly once in effect.

Files are written first, under their own digest; only the transaction makes them count. After a crash the same work gives the same
files again, and a batch whose position has moved on meanwhile is not taken a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from interlock.errors import DataError, StaleState
from interlock.records.intake import Piece, pieces, unchanged
from interlock.records.lake import Lake, Period, lake_from, read_frames, write_frame
from interlock.records.quarantine import Judged, judge_rows
from interlock.records.snapshots import batches_of, compose, latest_snapshot, row_files
from interlock.records.store import Store, utc_now
from interlock.records.tables import Batch, Snapshot
from interlock.records.tokens import token_key
from interlock.rules.canonical import digest
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

Progress = Callable[[str], None]
ROWS_PER_FILE = 5_000  # partitions grow from days to months to years until files hold about this many rows
PROFILED = {"integer": "numeric", "float": "numeric", "boolean": "boolean", "category": "category"}


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
    now = as_of or utc_now()
    added = refused = 0
    for piece in pieces(settings, store, use_case, contract, as_of=as_of):
        judged = judge_rows(piece.rows, use_case, piece.origin, now=now, key=key, window=piece.window,
                            taken=_taken(lake, store, use_case, contract))
        if _commit(store, lake, use_case, contract, piece, judged):
            added, refused = added + judged.accepted.height, refused + judged.refused.height
            tell(f"{piece.origin.name}: {judged.accepted.height:,} rows taken in, {judged.refused.height:,} refused")
    return _conclude(store, lake, use_case, contract, before, (added, refused))


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


def _commit(store: Store, lake: Lake, use_case: UseCase, contract: str, piece: Piece, judged: Judged) -> bool:
    """Files first, then rows and position in one transaction; False where there is nothing to take."""
    if judged.accepted.is_empty() and judged.refused.is_empty() and not piece.closes:
        return False
    every = _period(judged.accepted)
    files = [entry | {"kind": "rows"} for entry in write_frame(lake, use_case.name, "rows", judged.accepted, "_event_time", every)]
    files += [entry | {"kind": "quarantine"}
              for entry in write_frame(lake, use_case.name, "quarantine", judged.refused, "_event_time", _period(judged.refused))]
    batch = Batch(use_case=use_case.name, source_digest=piece.source_digest, offset=piece.offset, rows=judged.accepted.height,
                  quarantined=judged.refused.height, files=[*files, piece.entry(contract)], reasons=judged.reasons(), created_at=utc_now())
    with store.writing() as session:
        if not unchanged(session, use_case.name, contract, piece):
            raise StaleState("another ingestion took in these rows a moment ago; nothing was changed",
                             next_step=f"interlock ingest {use_case.name}")
        session.add(batch)
    return True


def _conclude(store: Store, lake: Lake, use_case: UseCase, contract: str, before: Snapshot | None, new: tuple[int, int]) -> IngestResult:
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
        frame = read_frames(lake, [entry["key"] for entry in row_files(batches)])
        span = (frame["_event_time"].min(), frame["_event_time"].max())
        made = compose(use_case.name, contract, batches, span=span, profile_key=_store_profile(lake, use_case, frame, span[1]))
        _record(store, made)
        warnings = _warnings(frame, use_case)
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


def _store_profile(lake: Lake, use_case: UseCase, frame: pl.DataFrame, newest: Any) -> str:
    """Profile of every column that is kept and is not a person's identifier, with small counts suppressed."""
    from reports.profiles import fit_profile

    kinds = {name: PROFILED[column.type] for name, column in use_case.columns.items()
             if column.type in PROFILED and column.role not in {"subject", "identifier"}}
    profile = fit_profile(frame, kinds, suppress_below=use_case.privacy.suppress_below)  # type: ignore[arg-type]
    return lake.put(use_case.name, "profiles", newest.date(), profile.published(use_case.privacy.suppress_below).to_json())


def _warnings(frame: pl.DataFrame, use_case: UseCase) -> list[str]:
    """What is allowed but will stop or weaken a training, so it is said at once."""
    empty = [name for name in use_case.columns if frame[name].null_count() == frame.height]
    found = [f"column '{name}' is empty in all {frame.height:,} rows" for name in empty]
    labels = frame["_label"].drop_nulls()
    if labels.is_empty():
        found.append("no row has a label")
    elif labels.n_unique() == 1:
        found.append(f"all labels are the same ({labels[0]}): nothing can be learned from one class")
    if labels.len() < use_case.training.rows_min:
        found.append(f"{labels.len():,} labelled rows; training needs {use_case.training.rows_min:,}")
    return found


def _taken(lake: Lake, store: Store, use_case: UseCase, contract: str) -> dict[str, pl.Series]:
    """Values that unique columns already have in the lake."""
    unique = [name for name, column in use_case.columns.items() if column.unique]
    if not unique:
        return {}
    with store.reading() as session:
        keys = [entry["key"] for entry in row_files(batches_of(session, use_case.name, contract))]
    frame = read_frames(lake, keys)
    return {name: frame[name] for name in unique} if keys else {}


def _period(frame: pl.DataFrame) -> Period:
    """Days where they hold enough rows, else months, else years: many tiny files help nobody."""
    if frame.is_empty():
        return "1d"
    times = frame["_event_time"].drop_nulls().dt
    periods: Iterator[Period] = iter(("1d", "1mo"))
    return next((period for period in periods if frame.height >= ROWS_PER_FILE * times.truncate(period).n_unique()), "1y")


def _told(reasons: dict[str, int]) -> str:
    return ", ".join(f"{reason}: {count:,}" for reason, count in sorted(reasons.items(), key=lambda item: -item[1])[:10])
