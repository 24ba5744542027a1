"""Candidates and their evidence on record."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from interlock.errors import EvidenceError
from interlock.records.ids import new_id
from interlock.records.routes import read_route
from interlock.records.store import utc_now
from interlock.records.tables import Candidate, Decision, EvidenceRow
from interlock.rules.evidence import Evidence, check_seal


def add_candidate(session: Session, *, use_case: str, package_digest: str, snapshot_digest: str, spec_digest: str, author: str,
                  started_by: str, metrics: dict[str, Any]) -> Candidate:
    """A new candidate with the use case's next number, inside the caller's `writing()` block (which holds the write lock)."""
    last = session.scalar(select(func.max(Candidate.number)).where(Candidate.use_case == use_case)) or 0
    candidate = Candidate(
        id=new_id(), use_case=use_case, number=last + 1, package_digest=package_digest, snapshot_digest=snapshot_digest,
        spec_digest=spec_digest, author=author, started_by=started_by, mlflow_run_id=None, mlflow_version=None, metrics=metrics,
        created_at=utc_now())
    session.add(candidate)
    session.flush()
    return candidate


def candidate_of(session: Session, candidate_id: str) -> Candidate:
    """The candidate; `EvidenceError` where there is none."""
    found = session.get(Candidate, candidate_id)
    if found is None:
        raise EvidenceError("there is no such candidate", value=candidate_id, next_step="interlock history")
    return found


def same_package(session: Session, use_case: str, package_digest: str) -> Candidate | None:
    """The newest candidate with exactly this package."""
    query = select(Candidate).where(Candidate.use_case == use_case, Candidate.package_digest == package_digest)
    return session.scalars(query.order_by(Candidate.number.desc()).limit(1)).first()


def rests_on(champion_digest: str | None, policy_digest: str | None) -> ColumnElement[bool]:
    """Whether a row of evidence rests on this champion and this policy; a policy of None is not compared."""
    champion = EvidenceRow.champion_digest
    same = champion.is_(None) if champion_digest is None else champion == champion_digest
    return same if policy_digest is None else and_(same, EvidenceRow.policy_digest == policy_digest)


def superseded(session: Session, row: EvidenceRow, champion_digest: str | None, policy_digest: str) -> bool:
    """Whether there is newer evidence about the candidate that rests on the same champion and policy: that one counts, whatever it says.

    By the times on record, as the lists of what waits order it: the newest that they show is never superseded.
    """
    newer = exists().where(EvidenceRow.candidate_id == row.candidate_id, EvidenceRow.created_at > row.created_at,
                           EvidenceRow.digest != row.digest, rests_on(champion_digest, policy_digest))
    return bool(session.scalar(select(newer)))


def newest_unvalidated(session: Session, use_case: str, policy_digest: str | None) -> Candidate | None:
    """The newest candidate without evidence; evidence that rests on another champion or another policy counts as none.

    Candidates up to the champion's number had their turn: they are looked for only where they have no evidence whatsoever.
    """
    champion = read_route(session, use_case).champion
    own = EvidenceRow.candidate_id == Candidate.id
    retired = exists().where(Decision.kind == "retire", Decision.candidate_id == Candidate.id)
    unseen = ~exists().where(own, rests_on(champion.digest if champion else None, policy_digest))
    wanted: ColumnElement[bool] = and_(unseen, ~retired)
    if champion is not None:
        wanted = and_(wanted, Candidate.package_digest != champion.digest,
                      or_(Candidate.number > champion.version, ~exists().where(own)))
    query = select(Candidate).where(Candidate.use_case == use_case, wanted)
    return session.scalars(query.order_by(Candidate.number.desc()).limit(1)).first()


def numbered(session: Session, use_case: str, number: int) -> Candidate | None:
    """The candidate with this number, None where the use case has none."""
    return session.scalars(select(Candidate).where(Candidate.use_case == use_case, Candidate.number == number)).first()


def add_evidence(session: Session, evidence: Evidence) -> EvidenceRow:
    """Put sealed evidence on record; the same evidence twice is one row."""
    seal = evidence.seal()
    found = session.get(EvidenceRow, seal)
    if found is None:
        found = EvidenceRow(digest=seal, use_case=evidence.use_case, candidate_id=evidence.candidate_id, verdict=evidence.verdict.value,
                            body=evidence.model_dump(mode="json"), created_at=evidence.created_at)
        session.add(found)
        session.flush()
    return found


def evidence_of(row: EvidenceRow) -> Evidence:
    """The evidence of a row, unchanged since it was sealed; else an `EvidenceError`."""
    evidence = Evidence.model_validate(row.body)
    check_seal(evidence, row.digest)
    return evidence
