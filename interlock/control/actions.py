"""What people may do: approve, reject, waive, roll back, resume, abort. The screen and the command line only call these (law 10).

Each action re-checks actor, role, separation of duties, nonce and expected generation, and commits decision, ledger entry, release or
route, and outbox intent in one transaction. The same nonce again returns the same receipt; anybody else's second try is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from interlock.control.deployments import DEPLOY
from interlock.control.once import once
from interlock.control.people import require
from interlock.control.receipts import Receipt
from interlock.control.rollbacks import rollback
from interlock.control.steering import abort, resume
from interlock.errors import DecisionRefused, EvidenceError
from interlock.records import decisions, ledger, outbox, releases
from interlock.records.routes import read_route
from interlock.records.store import Store, utc_now
from interlock.records.tables import Candidate, Decision, EvidenceRow
from interlock.rules.approval import ApprovalFacts, objections, valid_waivers, waiver_objections
from interlock.rules.evidence import Evidence, check_seal
from interlock.rules.gates import blocking
from interlock.settings import Settings
from interlock.spec.load import find_use_case, spec_digest
from interlock.spec.usecase import UseCase

__all__ = ["abort", "approve", "reject", "resume", "rollback", "waive"]
WAIVER_HOURS_MAX = 24.0 * 90


def approve(settings: Settings, store: Store, *, actor: str, evidence_digest: str, reason: str, nonce: str, expected_generation: int,
            clock: Callable[[], datetime] = utc_now) -> Receipt:
    """Say yes to a candidate on sealed evidence; the keeper then starts `deploy`. Raises `DecisionRefused` with every objection."""
    standing = require(settings, actor, "approve", reason)
    return once(store, decisions.on_evidence(evidence_digest), "approve", actor, nonce,
                lambda session: _approve(settings, session, actor, evidence_digest, reason, nonce, expected_generation, standing, clock()))


def reject(settings: Settings, store: Store, *, actor: str, evidence_digest: str, reason: str, nonce: str,
           expected_generation: int | None = None, clock: Callable[[], datetime] = utc_now) -> Receipt:
    """Say no for good: this evidence can no longer be approved."""
    standing = require(settings, actor, "reject", reason)

    def write(session: Session) -> Decision:
        row, _, candidate = _sealed(session, evidence_digest)
        return decisions.record(session, kind="reject", identity=decisions.on_evidence(evidence_digest), use_case=row.use_case, actor=actor,
                                reason=reason, now=clock(), candidate_id=candidate.id, evidence_digest=evidence_digest,
                                package_digest=candidate.package_digest, expected_generation=expected_generation,
                                detail={"nonce": nonce, **standing, "sentence": f"version {candidate.number} is rejected: nothing changes"})

    return once(store, decisions.on_evidence(evidence_digest), "reject", actor, nonce, write)


def waive(settings: Settings, store: Store, *, actor: str, evidence_digest: str, gates: list[str], reason: str, nonce: str, hours: float,
          on_expiry: str = "rollback", clock: Callable[[], datetime] = utc_now) -> Receipt:
    """The first signature under an exception: these gates need not pass for `hours`. Somebody else must then approve.

    Only a FAIL or a too-few-rows UNKNOWN can be waived. `on_expiry`: "rollback" takes the model off, "ask" raises an alert.
    """
    standing = require(settings, actor, "waive", reason)
    if not 0 < hours <= WAIVER_HOURS_MAX or on_expiry not in {"rollback", "ask"}:
        raise DecisionRefused("a waiver must end", value=f"{hours} hours, then {on_expiry}",
                              allowed=f"up to {WAIVER_HOURS_MAX:g} hours, then rollback or ask")
    identity = f"waive:{evidence_digest}:{nonce}"

    def write(session: Session) -> Decision:
        row, evidence, candidate = _sealed(session, evidence_digest)
        if found := waiver_objections(evidence.gates, gates):
            raise DecisionRefused("these gates cannot be waived", value="; ".join(found), next_step="interlock status")
        if (second := decisions.known(session, decisions.on_evidence(evidence_digest))) is not None:
            raise decisions.refuse_second(second)
        now = clock()
        return decisions.record(session, kind="waive", identity=identity, use_case=row.use_case, actor=actor, reason=reason,
                                now=now, candidate_id=candidate.id, evidence_digest=evidence_digest,
                                package_digest=candidate.package_digest, expires_at=now + timedelta(hours=hours),
                                detail={"nonce": nonce, **standing, "gates": sorted(set(gates)), "on_expiry": on_expiry,
                                        "sentence": f"{', '.join(sorted(set(gates)))} waived: now somebody else must approve"})

    return once(store, identity, "waive", actor, nonce, write)


def _approve(settings: Settings, session: Session, actor: str, evidence_digest: str, reason: str, nonce: str, expected_generation: int,
             standing: dict[str, object], now: datetime) -> Decision:
    row, evidence, candidate = _sealed(session, evidence_digest)
    path, use_case = find_use_case(settings, row.use_case)
    facts = _facts(settings, session, actor, evidence, candidate, use_case, spec_digest(path), expected_generation, evidence_digest, now)
    if found := objections(facts):
        raise DecisionRefused(f"version {candidate.number} of '{row.use_case}' cannot be approved: {'; '.join(found)}",
                              next_step="interlock status")
    used = [waiver for waiver in valid_waivers(facts) if blocking(evidence.gates)]
    decision = decisions.record(
        session, kind="approve", identity=decisions.on_evidence(evidence_digest), use_case=row.use_case, actor=actor, reason=reason,
        now=now, candidate_id=candidate.id, evidence_digest=evidence_digest, package_digest=candidate.package_digest,
        policy_digest=facts.policy_digest, expected_generation=expected_generation,
        expires_at=now + timedelta(hours=use_case.approval.expires_hours),
        detail={"nonce": nonce, **standing, "verdict": evidence.verdict.value, "champion_digest": facts.champion_digest,
                "waivers": [waiver.decision_id for waiver in used],
                "waived_until": min((waiver.expires_at for waiver in used), default=now).isoformat() if used else None})
    _start_release(session, decision, candidate, now)
    return decision


def _start_release(session: Session, decision: Decision, candidate: Candidate, now: datetime) -> None:
    release = releases.plan(session, decision, now)
    intent = outbox.enqueue(session, decision.id, DEPLOY, {"use_case": decision.use_case, "release_id": release.id}, at=now)
    ledger.append(session, "release.planned", {"release_id": release.id, "decision_id": decision.id, "candidate_id": candidate.id,
                                               "package_digest": candidate.package_digest, "outbox_id": intent.id},
                  decision.use_case, at=now)
    decisions.add_detail(session, decision, release_id=release.id, outbox_id=intent.id, generation=decision.expected_generation,
                         sentence=f"version {candidate.number} is approved: `deploy` verifies it and puts it on its way")


def _facts(settings: Settings, session: Session, actor: str, evidence: Evidence, candidate: Candidate, use_case: UseCase, policy: str,
           expected_generation: int, evidence_digest: str, now: datetime) -> ApprovalFacts:
    route = read_route(session, candidate.use_case)
    moving = releases.open_release(session, candidate.use_case)
    return ApprovalFacts(
        now=now, actor=actor, authors=_authors(use_case, candidate), started_by=candidate.started_by,
        single_person=settings.single_person, evidence=evidence, sealed_digest=evidence_digest, candidate_package=candidate.package_digest,
        policy_digest=policy, champion_digest=route.champion.digest if route.champion else None, generation=route.generation,
        expected_generation=expected_generation, evidence_days_max=use_case.approval.evidence_days_max,
        waivers=decisions.waivers_for(session, evidence_digest), open_release=moving.id if moving else None,
    )


def _authors(use_case: UseCase, candidate: Candidate) -> tuple[str, ...]:
    """Everybody who counts as author: a declared author does not take the last committer's place."""
    return tuple(dict.fromkeys(name for name in (use_case.approval.author, candidate.author) if name))


def _sealed(session: Session, evidence_digest: str) -> tuple[EvidenceRow, Evidence, Candidate]:
    """Evidence with its seal checked from the row's own body, and the candidate that it is about."""
    row = session.get(EvidenceRow, evidence_digest)
    if row is None:
        raise EvidenceError("there is no such evidence", value=evidence_digest, next_step="interlock status")
    evidence = _parse(row.body, evidence_digest)
    candidate = session.get(Candidate, row.candidate_id)
    if candidate is None or evidence.candidate_id != candidate.id or evidence.use_case != row.use_case != "":
        raise EvidenceError("the evidence belongs to another candidate", value=evidence_digest, next_step="run validate again")
    return row, evidence, candidate


def _parse(body: dict[str, Any], expected: str) -> Evidence:
    try:
        evidence = Evidence.model_validate(body)
    except ValueError as error:
        raise EvidenceError("the evidence was changed after it was sealed", value=str(error)[:200],
                            next_step="run validate again") from error
    check_seal(evidence, expected)
    return evidence
