"""Data taken in: snapshots, what was refused and why, how fresh it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from interlock.control.access.people import Person, permit
from interlock.control.readmodel.signals import Signal, SignalState
from interlock.records.store import Store
from interlock.records.tables import Batch, Candidate, Snapshot
from interlock.settings import Settings

QUARANTINE_WARN = 0.01  # share of refused rows that warns
QUARANTINE_FAIL = 0.10


@dataclass(frozen=True)
class SnapshotView:
    """One snapshot with the model versions trained on it."""

    digest: str
    rows: int
    quarantined: int
    time_from: datetime | None
    time_to: datetime | None
    created_at: datetime
    versions: tuple[int, ...]


@dataclass(frozen=True)
class Intake:
    """A use case's data. Rows, refused rows and `reasons` are those of the newest snapshot: earlier data contracts do not count."""

    snapshots: tuple[SnapshotView, ...]
    reasons: dict[str, int]
    batches: int
    rows: int
    quarantined: int
    last_batch: datetime | None

    @property
    def signal(self) -> Signal:
        """Share of rows refused; UNKNOWN before the first batch."""
        return refused_signal(self.rows, self.quarantined, self.last_batch)


def refused_signal(rows: int, quarantined: int, at: datetime | None) -> Signal:
    """Share of the rows of a snapshot's making that were refused; UNKNOWN where there are none. `at`: when the last came in."""
    taken = rows + quarantined
    if not taken:
        return Signal("Data", SignalState.UNKNOWN, "No rows have been taken in yet.")
    share = quarantined / taken
    state = SignalState.FAIL if share > QUARANTINE_FAIL else SignalState.WARN if share > QUARANTINE_WARN else SignalState.PASS
    text = f"{quarantined:,} of {taken:,} rows refused ({share:.2%}); at most {QUARANTINE_FAIL:.0%} is usual."
    return Signal("Data", state, text, value=share, limit=QUARANTINE_FAIL, sample_size=taken, at=at)


def intake(store: Store, use_case: str, limit: int = 50) -> Intake:
    """Snapshots (newest first, at most `limit`), reasons and totals."""
    with store.reading() as session:
        query = select(Snapshot).where(Snapshot.use_case == use_case).order_by(Snapshot.created_at.desc()).limit(limit)
        rows = session.scalars(query).all()
        used = session.execute(select(Candidate.snapshot_digest, Candidate.number).where(Candidate.use_case == use_case)).all()
        batches = session.scalars(select(Batch).where(Batch.use_case == use_case)).all()
    views = tuple(SnapshotView(row.digest, row.rows, row.quarantined, row.time_from, row.time_to, row.created_at,
                               tuple(sorted(number for digest, number in used if digest == row.digest))) for row in rows)
    newest = rows[0] if rows else None
    reasons = Counter({str(reason): int(count) for reason, count in (newest.manifest.get("reasons") or {}).items()} if newest else {})
    return Intake(views, dict(reasons.most_common()), len(batches), newest.rows if newest else 0, newest.quarantined if newest else 0,
                  max((batch.created_at for batch in batches), default=None))


def quarantine(settings: Settings, store: Store, person: Person, use_case: str, reason: str | None = None,
               limit: int = 200) -> list[dict[str, Any]]:
    """Refused rows as they were read, with their reasons, newest first; at most `limit`, of one reason where it is named.

    Raises `DecisionRefused` for whoever may not see rows.
    """
    from interlock.records.snapshots import quarantined_rows

    permit(settings, person, "see rows")
    return quarantined_rows(settings, store, use_case, limit, reason).to_dicts()
