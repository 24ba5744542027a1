"""A yes to a candidate inside the caller's transaction: every fact read anew, every objection named, decision and release written.

Two call it: a person's approval, and the keeper in the name of a person who granted a standing approval.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session, defer

from interlock.control.deployments import DEPLOY
from interlock.errors import DecisionRefused, EvidenceError
from interlock.records import decisions, ledger, outbox, policies, releases
from interlock.records.candidates import superseded
from interlock.records.routes import read_route
from interlock.records.tables import Candidate, Decision, EvidenceRow
from interlock.rules.approval import ApprovalFacts, objections, valid_waivers
from interlock.rules.evidence import Evidence, check_seal
from interlock.rules.gates import blocking
from interlock.settings import Settings
from interlock.spec.load import find_use_case, spec_digest
from interlock.spec.usecase import UseCase


def approve_in(settings: Settings, session: Session, *, actor: str, evidence_digest: str, reason: str, nonce: str,
               expected_generation: int, standing: dict[str, object], now: datetime) -> Decision:
    """The decision with its release and intent; `standing` is what the ledger says about the actor's right.

    Raises `DecisionRefused` with every objection, `EvidenceError` where there is no such evidence or it was altered.
    """
    row, evidence, candidate = sealed(session, evidence_digest)
    facts, use_case = facts_of(settings, session, actor, evidence, candidate, evidence_digest, expected_generation, now)
    path = find_use_case(settings, candidate.use_case)[0]
    if found := objections(facts):
        raise DecisionRefused(f"version {candidate.number} of '{row.use_case}' cannot be approved: {'; '.join(found)}",
                              next_step="interlock status")
    if policies.keep(settings, path) != facts.policy_digest:  # what the release will run under, to its end
        raise DecisionRefused("the use-case file was changed at this very moment: nothing was decided", next_step="interlock status")
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


def facts_of(settings: Settings, session: Session, actor: str, evidence: Evidence, candidate: Candidate, evidence_digest: str,
             expected_generation: int, now: datetime) -> tuple[ApprovalFacts, UseCase]:
    """What an approval by `actor` would rest on at this moment, and the use case it is for."""
    from interlock.modeling.package import folder_of  # with numpy: the keeper is at work before it needs it

    path, use_case = find_use_case(settings, candidate.use_case)
    route, policy = read_route(session, candidate.use_case), spec_digest(path)
    champion = route.champion.digest if route.champion else None
    moving = releases.open_release(session, candidate.use_case)
    facts = ApprovalFacts(
        now=now, actor=actor, authors=_authors(use_case, candidate), started_by=candidate.started_by,
        single_person=settings.single_person, evidence=evidence, sealed_digest=evidence_digest, candidate_package=candidate.package_digest,
        policy_digest=policy, champion_digest=champion, generation=route.generation,
        expected_generation=expected_generation, evidence_days_max=use_case.approval.evidence_days_max,
        waivers=decisions.waivers_for(session, evidence_digest), open_release=moving.id if moving else None,
        retired=decisions.known(session, decisions.on_retirement(candidate.id)) is not None,
        superseded=superseded(session, session.get_one(EvidenceRow, evidence_digest), champion, policy),
        package_there=folder_of(settings.folder("packages"), candidate.package_digest).is_dir())
    return facts, use_case


def _authors(use_case: UseCase, candidate: Candidate) -> tuple[str, ...]:
    """Everybody who counts as author: a declared author does not take the last committer's place."""
    return tuple(dict.fromkeys(name for name in (use_case.approval.author, candidate.author) if name))


def sealed(session: Session, evidence_digest: str,
           read: Callable[[Session, EvidenceRow], Evidence] | None = None) -> tuple[EvidenceRow, Evidence, Candidate]:
    """Evidence with its seal checked from the row's own body, and the candidate that it is about; `read`: another way to check the body."""
    row = session.get(EvidenceRow, evidence_digest, options=[defer(EvidenceRow.body)])
    if row is None:
        raise EvidenceError("there is no such evidence", value=evidence_digest, next_step="interlock status")
    evidence = read(session, row) if read is not None else checked(row.body, evidence_digest)
    candidate = session.get(Candidate, row.candidate_id)
    if candidate is None or evidence.candidate_id != candidate.id or evidence.use_case != row.use_case != "":
        raise EvidenceError("the evidence belongs to another candidate", value=evidence_digest, next_step="run validate again")
    return row, evidence, candidate


def checked(body: dict[str, Any], expected: str) -> Evidence:
    """The evidence in this body. Raises `EvidenceError` where it is not what was sealed."""
    try:
        evidence = Evidence.model_validate(body)
    except ValueError as error:
        raise EvidenceError("the evidence was changed after it was sealed", value=str(error)[:200],
                            next_step="run validate again") from error
    check_seal(evidence, expected)
    return evidence
