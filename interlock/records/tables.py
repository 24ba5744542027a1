"""The store's tables. Times are UTC; JSON columns hold canonical, float-free values where they are digested.

Only `interlock migrate` (Alembic, `interlock/records/migrations`) changes the schema.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, DateTime, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, validates
from sqlalchemy.types import TypeDecorator


class Utc(TypeDecorator[datetime]):
    """Times with a zone in Python, UTC in every database (SQLite keeps none)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"time without a zone: {value}")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Table(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map = {datetime: Utc, dict[str, Any]: JSON, list[Any]: JSON}


class Snapshot(Table):
    """Immutable set of validated rows: a manifest of files and digests."""

    __tablename__ = "snapshots"
    digest: Mapped[str] = mapped_column(String(71), primary_key=True)
    use_case: Mapped[str] = mapped_column(String(63), index=True)
    rows: Mapped[int]
    quarantined: Mapped[int]
    time_from: Mapped[datetime | None]
    time_to: Mapped[datetime | None]
    manifest: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    __table_args__ = (Index("snapshots_by_time", "use_case", "created_at"),)


class Batch(Table):
    """One source batch taken in: its identity is source digest + offset, so a replay changes nothing."""

    __tablename__ = "batches"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    use_case: Mapped[str] = mapped_column(String(63))
    source_digest: Mapped[str] = mapped_column(String(71))
    offset: Mapped[str] = mapped_column(String(200))
    rows: Mapped[int]
    quarantined: Mapped[int]
    files: Mapped[list[Any]]
    reasons: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("use_case", "source_digest", "offset", name="batch_identity"),)


class Candidate(Table):
    """A packaged, registered version. `number` counts within the use case; MLflow's number is a mirror."""

    __tablename__ = "candidates"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    use_case: Mapped[str] = mapped_column(String(63), index=True)
    number: Mapped[int]
    package_digest: Mapped[str] = mapped_column(String(71))
    snapshot_digest: Mapped[str] = mapped_column(String(71))
    spec_digest: Mapped[str] = mapped_column(String(71))
    author: Mapped[str] = mapped_column(String(200))
    started_by: Mapped[str] = mapped_column(String(200))
    mlflow_run_id: Mapped[str | None] = mapped_column(String(64))
    mlflow_version: Mapped[int | None]
    metrics: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("use_case", "number", name="candidate_number"),)


class EvidenceRow(Table):
    """Sealed evidence; `body` is the model dump, `digest` its seal."""

    __tablename__ = "evidence"
    digest: Mapped[str] = mapped_column(String(71), primary_key=True)
    use_case: Mapped[str] = mapped_column(String(63), index=True)
    candidate_id: Mapped[str] = mapped_column(ForeignKey("candidates.id"), index=True)
    verdict: Mapped[str] = mapped_column(String(10))
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    champion_digest: Mapped[str | None] = mapped_column(String(71))
    policy_digest: Mapped[str | None] = mapped_column(String(71))
    __table_args__ = (Index("evidence_rests", "candidate_id", "champion_digest", "policy_digest", "created_at", "verdict", "use_case",
                            "digest"),)

    @validates("body")
    def _beside(self, _: str, body: dict[str, Any]) -> dict[str, Any]:
        """What the body says about champion and policy stands beside it too: a list of what waits then reads no bodies."""
        self.champion_digest, self.policy_digest = body.get("champion_digest"), body.get("policy_digest")
        return body


class Decision(Table):
    """approve / reject / waive / rollback / grant / retire … by a named actor. `identity` is UNIQUE: one effect each (law 2)."""

    __tablename__ = "decisions"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    identity: Mapped[str] = mapped_column(String(200), unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    use_case: Mapped[str] = mapped_column(String(63), index=True)
    candidate_id: Mapped[str | None] = mapped_column(String(36))
    evidence_digest: Mapped[str | None] = mapped_column(String(71))
    package_digest: Mapped[str | None] = mapped_column(String(71))
    policy_digest: Mapped[str | None] = mapped_column(String(71))
    expected_generation: Mapped[int | None]
    actor: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    detail: Mapped[dict[str, Any]]
    __table_args__ = (CheckConstraint("kind in ('approve','reject','waive','rollback','resume','abort','grant','revoke','suspend',"
                                      "'retire','pause')", name="decision_kind"),)


class RouteRow(Table):
    """The one truth of what each endpoint should answer with; changed only by compare-and-swap on `generation`."""

    __tablename__ = "routes"
    use_case: Mapped[str] = mapped_column(String(63), primary_key=True)
    generation: Mapped[int]
    body: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime]


class Release(Table):
    """A candidate's way. `revision` is raised by compare-and-swap at every step."""

    __tablename__ = "releases"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    use_case: Mapped[str] = mapped_column(String(63), index=True)
    candidate_id: Mapped[str] = mapped_column(ForeignKey("candidates.id"))
    decision_id: Mapped[str] = mapped_column(ForeignKey("decisions.id"), unique=True)
    state: Mapped[str] = mapped_column(String(20), index=True)
    step: Mapped[int] = mapped_column(default=0)
    revision: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str] = mapped_column(Text, default="")
    analysis: Mapped[list[Any]]
    state_since: Mapped[datetime]
    created_at: Mapped[datetime]
    __table_args__ = (Index("releases_by_time", "use_case", "created_at"),)


class Outbox(Table):
    """Intent to start a Prefect deployment, written in the transaction of its cause; the keeper dispatches it."""

    __tablename__ = "outbox"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    cause: Mapped[str] = mapped_column(String(200), unique=True)
    deployment: Mapped[str] = mapped_column(String(100))
    parameters: Mapped[dict[str, Any]]
    attempt: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(String(20), default="pending", index=True)
    flow_run_id: Mapped[str | None] = mapped_column(String(36))
    lease_until: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    __table_args__ = (CheckConstraint("state in ('pending','dispatched','done','failed')", name="outbox_state"),)


class LedgerEntry(Table):
    """Append-only, hash-chained: `hash` covers `previous_hash` and the canonical `body`."""

    __tablename__ = "ledger"
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    previous_hash: Mapped[str] = mapped_column(String(71))
    hash: Mapped[str] = mapped_column(String(71), unique=True)
    kind: Mapped[str] = mapped_column(String(40), index=True)
    use_case: Mapped[str | None] = mapped_column(String(63), index=True)
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class Window(Table):
    """One monitored window: its findings, state and profile. Recomputed when late labels arrive (`revision`)."""

    __tablename__ = "windows"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    use_case: Mapped[str] = mapped_column(String(63))
    start: Mapped[datetime]
    end: Mapped[datetime]
    package_digest: Mapped[str] = mapped_column(String(71))
    version: Mapped[int]
    rows: Mapped[int]
    labelled: Mapped[int]
    state: Mapped[str] = mapped_column(String(10))
    findings: Mapped[list[Any]]
    reports: Mapped[dict[str, Any]]
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("use_case", "start", "end", "package_digest", name="window_identity"),
                      Index("windows_by_time", "use_case", "start"),
                      Index("windows_seen", "use_case", "start", "version", "revision"))  # spares lists the long findings


class Alert(Table):
    """A message to people; `identity` keeps one breach from being told twice."""

    __tablename__ = "alerts"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    identity: Mapped[str] = mapped_column(String(200), unique=True)
    use_case: Mapped[str | None] = mapped_column(String(63), index=True)
    severity: Mapped[str] = mapped_column(String(10))
    title: Mapped[str] = mapped_column(String(300))
    body: Mapped[str] = mapped_column(Text)
    delivered: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Cost(Table):
    """Use and money of one use case, stage and day."""

    __tablename__ = "costs"
    use_case: Mapped[str] = mapped_column(String(63), primary_key=True)
    stage: Mapped[str] = mapped_column(String(30), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    cpu_seconds: Mapped[float] = mapped_column(Float, default=0.0)
    storage_bytes: Mapped[int] = mapped_column(default=0)
    requests: Mapped[int] = mapped_column(default=0)
    usd: Mapped[float] = mapped_column(Float, default=0.0)
    updated_at: Mapped[datetime]
    __table_args__ = (Index("costs_by_day", "day", "use_case", "usd"),)


class Usage(Table):
    """CPU seconds of one finished piece of work; `costs` adds them up."""

    __tablename__ = "usage"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    use_case: Mapped[str] = mapped_column(String(63), index=True)
    stage: Mapped[str] = mapped_column(String(30))
    cpu_seconds: Mapped[float]
    wall_seconds: Mapped[float]
    flow_run_id: Mapped[str | None] = mapped_column(String(36))
    finished_at: Mapped[datetime]


class ScheduleState(Table):
    """When each schedule of a use case was last started by `tick`."""

    __tablename__ = "schedule_state"
    use_case: Mapped[str] = mapped_column(String(63), primary_key=True)
    flow: Mapped[str] = mapped_column(String(30), primary_key=True)
    last_due: Mapped[datetime]


class DrillRow(Table):
    """One fire drill: its verdict, and in `body` what was measured."""

    __tablename__ = "drills"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    use_case: Mapped[str] = mapped_column(String(63))
    verdict: Mapped[str] = mapped_column(String(10))
    sentence: Mapped[str] = mapped_column(Text)
    started_by: Mapped[str] = mapped_column(String(200))
    body: Mapped[dict[str, Any]]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    __table_args__ = (CheckConstraint("verdict in ('pass','fail')", name="drill_verdict"),
                      Index("drills_by_time", "use_case", "finished_at"))


class Prepared(Table):
    """What takes long to work out for a page: `body` was made from what `key` names, and is made again when that changes."""

    __tablename__ = "prepared"
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    key: Mapped[str] = mapped_column(Text)
    body: Mapped[dict[str, Any]]
    prepared_at: Mapped[datetime]
