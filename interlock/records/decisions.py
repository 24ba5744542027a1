"""Decisions: `identity` is UNIQUE, so that one effect has one decision, whoever clicks how often (law 2)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.errors import DecisionRefused
from interlock.records import ledger
from interlock.records.ids import new_id
from interlock.records.tables import Decision
from interlock.rules.approval import Waiver
from interlock.rules.canonical import iso


def on_evidence(evidence_digest: str) -> str:
    """Identity of a yes or no: the first decision on this evidence wins."""
    return f"evidence:{evidence_digest}"


def on_generation(use_case: str, generation: int) -> str:
    """Identity of a rollback: one way back from each generation of a route."""
    return f"rollback:{use_case}:{generation}"


def on_retirement(candidate_id: str) -> str:
    """Identity of a retirement: a version is retired once, for good."""
    return f"retire:{candidate_id}"


def known(session: Session, identity: str) -> Decision | None:
    """The decision that already has this identity."""
    return session.scalars(select(Decision).where(Decision.identity == identity)).first()


def refuse_second(decision: Decision) -> DecisionRefused:
    """The error for whoever comes second."""
    return DecisionRefused(f"already decided by {decision.actor} at {iso(decision.created_at)}: {decision.kind}",
                           value=decision.reason, next_step="interlock history")


def record(session: Session, *, kind: str, identity: str, use_case: str, actor: str, reason: str, now: datetime,
           detail: dict[str, Any], candidate_id: str | None = None, evidence_digest: str | None = None, package_digest: str | None = None,
           policy_digest: str | None = None, expected_generation: int | None = None, expires_at: datetime | None = None) -> Decision:
    """Write the decision and its ledger entry; both in the caller's transaction. `detail["ledger_seq"]` names the entry."""
    row = Decision(id=new_id(), identity=identity, kind=kind, use_case=use_case, candidate_id=candidate_id, evidence_digest=evidence_digest,
                   package_digest=package_digest, policy_digest=policy_digest, expected_generation=expected_generation, actor=actor,
                   reason=reason, created_at=now, expires_at=expires_at, detail=detail)
    session.add(row)
    entry = ledger.append(session, f"decision.{kind}", {
        "decision_id": row.id, "identity": identity, "actor": actor, "reason": reason, "candidate_id": candidate_id,
        "evidence_digest": evidence_digest, "package_digest": package_digest, "policy_digest": policy_digest,
        "expected_generation": expected_generation, "expires_at": expires_at, "detail": detail}, use_case, at=now)
    row.detail = {**detail, "ledger_seq": entry.seq}
    session.flush()
    return row


def add_detail(session: Session, decision: Decision, **more: Any) -> None:
    """Remember what the decision caused (release, intent, generation), so that a replay can answer with it."""
    decision.detail = {**decision.detail, **more}
    session.flush()


def automatic_rollbacks(session: Session, use_case: str, limit: int = 100) -> list[Decision]:
    """Rollbacks of the live version that no person decided, the newest first (the end of a canary or a waiver is none)."""
    query = select(Decision).where(Decision.use_case == use_case, Decision.kind == "rollback", Decision.actor == "interlock")
    rows = session.scalars(query.order_by(Decision.id.desc()).limit(limit))
    return [row for row in rows if row.detail.get("from") != row.detail.get("to")
            and not str(row.detail.get("breach", "")).endswith(":waiver")]


def taken_off(session: Session, use_case: str, limit: int = 1_000) -> dict[str, datetime]:
    """Packages that a rollback took off as champion, by whomever, and when the last time."""
    query = select(Decision.detail, Decision.created_at).where(Decision.use_case == use_case, Decision.kind == "rollback")
    found: dict[str, datetime] = {}
    for detail, at in session.execute(query.order_by(Decision.id.desc()).limit(limit)):
        bad = (detail.get("from") or {}).get("digest")
        if bad is not None and detail.get("from") != detail.get("to"):
            found.setdefault(str(bad), at)
    return found


def waivers_for(session: Session, evidence_digest: str) -> list[Waiver]:
    """The waivers signed for this evidence."""
    rows = session.scalars(select(Decision).where(Decision.kind == "waive", Decision.evidence_digest == evidence_digest))
    return [Waiver(row.id, row.actor, frozenset(row.detail["gates"]), row.expires_at) for row in rows if row.expires_at is not None]


def history(session: Session, use_case: str | None = None, limit: int = 100) -> list[Decision]:
    """The newest decisions first."""
    query = select(Decision).order_by(Decision.id.desc()).limit(limit)
    return list(session.scalars(query.where(Decision.use_case == use_case) if use_case else query))
