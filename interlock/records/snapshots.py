"""Snapshots: immutable manifests of validated rows, and the rows that were refused beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.errors import DataError
from interlock.records.lake import lake_from, read_frames
from interlock.records.store import Store, utc_now
from interlock.records.tables import Batch, Snapshot
from interlock.rules.canonical import digest
from interlock.settings import Settings

if TYPE_CHECKING:
    import polars as pl


def latest_snapshot(store: Store, use_case_name: str) -> Snapshot | None:
    """The newest snapshot of the use case, None before the first ingestion."""
    with store.reading() as session:
        return session.scalars(_newest(use_case_name)).first()


def load_snapshot(settings: Settings, store: Store, snapshot_digest: str) -> pl.DataFrame:
    """The rows: source columns in their types and the system columns, sorted by event time and then source order.

    Raises `DataError` where there is no such snapshot or a file of it is missing or was altered.
    """
    with store.reading() as session:
        found = session.get(Snapshot, snapshot_digest)
    if found is None:
        raise DataError("there is no such snapshot", value=snapshot_digest, next_step="interlock ingest USE_CASE")
    frame = read_frames(lake_from(settings), [entry["key"] for entry in found.manifest["files"]])
    if frame.height != found.rows:
        raise DataError("the snapshot's files do not hold its rows", value=f"{frame.height:,}", allowed=f"{found.rows:,}")
    return frame.sort("_event_time", maintain_order=True)


def quarantined_rows(settings: Settings, store: Store, use_case_name: str, limit: int, reason: str | None = None) -> pl.DataFrame:
    """Refused rows, newest batches first, at most `limit`: reasons, row number, source, event time, and the texts as they came.

    `reason`: only rows that were refused for it, among other reasons or alone.

    An empty frame without columns where nothing was refused.
    """
    import polars as pl

    with store.reading() as session:
        refused = select(Batch).where(Batch.use_case == use_case_name, Batch.quarantined > 0)
        batches = session.scalars(refused.order_by(Batch.id.desc())).all()
    lake, frames, rows = lake_from(settings), [], 0
    for entry in (entry for batch in batches for entry in batch.files if entry["kind"] == "quarantine"):
        if rows >= limit:
            break
        found = read_frames(lake, [entry["key"]])
        frames.append((found if reason is None else found.filter(pl.col("_reasons").list.contains(reason))).head(limit - rows))
        rows += frames[-1].height
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()


def batches_of(session: Session, use_case_name: str, contract: str) -> list[Batch]:
    """Batches that were judged by this data contract, in the order they were taken in."""
    found = session.scalars(select(Batch).where(Batch.use_case == use_case_name).order_by(Batch.id)).all()
    return [batch for batch in found if source_entry(batch)["contract"] == contract]


def source_entry(batch: Batch) -> dict[str, Any]:
    """The entry of a batch that says where its rows came from (name, file digest, contract, window, rows in the file)."""
    entries: list[dict[str, Any]] = [entry for entry in batch.files if entry["kind"] == "source"]
    return entries[0]


def row_files(batches: list[Batch]) -> list[dict[str, Any]]:
    """The files of accepted rows, in source order: key, rows, digest."""
    entries = [entry for batch in batches for entry in batch.files if entry["kind"] == "rows"]
    return [{name: entry[name] for name in ("key", "rows", "digest")} for entry in entries]


def compose(use_case_name: str, contract: str, batches: list[Batch], *, span: tuple[Any, Any], profile_key: str | None) -> Snapshot:
    """The snapshot over these batches. Its digest covers rows, refusals and contract; not the clock, not the profile."""
    reasons: dict[str, int] = {}
    for batch in batches:
        for reason, count in batch.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    taken = [{"source_digest": batch.source_digest, "offset": batch.offset} for batch in batches if batch.rows or batch.quarantined]
    identity = {"use_case": use_case_name, "files": row_files(batches), "spec_digest": contract, "reasons": reasons, "batches": taken}
    return Snapshot(digest=digest(identity), use_case=use_case_name, rows=sum(batch.rows for batch in batches),
                    quarantined=sum(batch.quarantined for batch in batches), time_from=span[0], time_to=span[1],
                    manifest=identity | {"profile_key": profile_key}, created_at=utc_now())


def _newest(use_case_name: str) -> Any:
    return select(Snapshot).where(Snapshot.use_case == use_case_name).order_by(Snapshot.created_at.desc(), Snapshot.digest).limit(1)
