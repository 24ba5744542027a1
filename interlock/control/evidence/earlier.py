"""The snapshot before a candidate's: what of it the evidence compares with."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import select

from interlock.records.snapshots import load_snapshot
from interlock.records.store import Store
from interlock.records.tables import Snapshot
from interlock.settings import Settings


@dataclass(frozen=True)
class Earlier:
    """The previous snapshot: its digest, its rows, and column → rows in which it is missing."""

    digest: str
    rows: int
    missing: dict[str, int] = field(default_factory=dict)


def earlier_snapshot(store: Store, snapshot: Snapshot) -> str | None:
    """Digest of the newest snapshot of the use case that was made before this one; None where it is the first."""
    with store.reading() as session:
        return session.scalars(
            select(Snapshot.digest).where(Snapshot.use_case == snapshot.use_case, Snapshot.created_at < snapshot.created_at)
            .order_by(Snapshot.created_at.desc(), Snapshot.digest).limit(1)).first()


def count_earlier(settings: Settings, store: Store, digest: str) -> Earlier:
    """Rows and missing values of that snapshot. Raises `DataError` where a file of it is missing or was altered."""
    from reports.quality_history import missing_counts

    frame = load_snapshot(settings, store, digest)
    return Earlier(digest, frame.height, missing_counts(frame, [name for name in frame.columns if not name.startswith("_")]))
