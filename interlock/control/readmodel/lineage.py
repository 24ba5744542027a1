"""Where the rows of a snapshot came from and what was made of them: sources, versions, releases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, tuple_

from interlock.records.snapshots import source_entry
from interlock.records.store import Store
from interlock.records.tables import Batch, Candidate, EvidenceRow, Release, RouteRow, Snapshot

SOURCES_MAX = 200


@dataclass(frozen=True)
class Source:
    """One piece of a source that was taken in. `offset`: which part of it, as the source counts (times or rows)."""

    name: str
    digest: str
    offset: str
    rows: int
    quarantined: int
    taken_at: datetime


@dataclass(frozen=True)
class Made:
    """A version trained on the snapshot: verdict of its newest evidence, state of its newest release, whether it answers now."""

    version: int
    package_digest: str
    trained_at: datetime
    verdict: str | None
    release: str | None
    live: bool


@dataclass(frozen=True)
class Lineage:
    """`sources` are at most 200, in the order they were taken in."""

    sources: tuple[Source, ...]
    made: tuple[Made, ...]


def lineage(store: Store, use_case: str, snapshot_digest: str) -> Lineage:
    """Both directions for one snapshot; empty for one that is not known."""
    with store.reading() as session:
        found = session.get(Snapshot, snapshot_digest)
        if found is None or found.use_case != use_case:
            return Lineage((), ())
        parts = [(one["source_digest"], one["offset"]) for one in found.manifest.get("batches", [])][:SOURCES_MAX]
        batches = session.scalars(select(Batch).where(Batch.use_case == use_case, tuple_(Batch.source_digest, Batch.offset).in_(parts))
                                  .order_by(Batch.id)).all()
        versions = session.scalars(select(Candidate).where(Candidate.use_case == use_case, Candidate.snapshot_digest == snapshot_digest)
                                   .order_by(Candidate.number)).all()
        ids = [one.id for one in versions]
        judged = select(EvidenceRow.candidate_id, EvidenceRow.verdict).where(EvidenceRow.candidate_id.in_(ids))
        released = select(Release.candidate_id, Release.state).where(Release.candidate_id.in_(ids))
        verdicts = dict(session.execute(judged.order_by(EvidenceRow.created_at)).all())
        states = dict(session.execute(released.order_by(Release.created_at)).all())
        route = session.get(RouteRow, use_case)
        live = (route.body.get("champion") or {}).get("digest") if route is not None else None
    return Lineage(
        tuple(Source(str(source_entry(one)["name"]), one.source_digest, one.offset, one.rows, one.quarantined, one.created_at)
              for one in batches),
        tuple(Made(one.number, one.package_digest, one.created_at, verdicts.get(one.id), states.get(one.id), one.package_digest == live)
              for one in versions))
