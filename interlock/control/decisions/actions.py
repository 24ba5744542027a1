"""What people may do: approve, reject, waive, roll back, pause, resume, abort. The screen and the command line only call these (law 10).

Each action re-checks actor, role, separation of duties, nonce and expected generation, and commits decision, ledger entry, release or
route, and outbox intent in one transaction. The same nonce again returns the same receipt; anybody else's second try is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from interlock.control.access.people import Person, name_of, require
from interlock.control.decisions.approving import approve_in, sealed
from interlock.control.decisions.once import once
from interlock.control.decisions.receipts import Receipt
from interlock.control.decisions.standing import grant, revoke
from interlock.control.releases.pausing import pause
from interlock.control.releases.retiring import retire
from interlock.control.releases.rollbacks import rollback
from interlock.control.releases.steering import abort, resume
from interlock.errors import DecisionRefused
from interlock.records import decisions
from interlock.records.store import Store, utc_now
from interlock.records.tables import Decision
from interlock.rules.approval import waiver_objections
from interlock.settings import Settings

__all__ = ["abort", "approve", "grant", "pause", "reject", "resume", "retire", "revoke", "rollback", "waive"]
WAIVER_HOURS_MAX = 24.0 * 90


def approve(settings: Settings, store: Store, *, actor: str | Person, evidence_digest: str, reason: str, nonce: str,
            expected_generation: int, clock: Callable[[], datetime] = utc_now) -> Receipt:
    """Say yes to a candidate on sealed evidence; the keeper then starts `deploy`. Raises `DecisionRefused` with every objection."""
    standing, actor = require(settings, actor, "approve", reason), name_of(actor)
    return once(store, decisions.on_evidence(evidence_digest), "approve", actor, nonce,
                lambda session: approve_in(settings, session, actor=actor, evidence_digest=evidence_digest, reason=reason, nonce=nonce,
                                            expected_generation=expected_generation, standing=standing, now=clock()))


def reject(settings: Settings, store: Store, *, actor: str | Person, evidence_digest: str, reason: str, nonce: str,
           expected_generation: int | None = None, clock: Callable[[], datetime] = utc_now) -> Receipt:
    """Say no for good: this evidence can no longer be approved."""
    standing, actor = require(settings, actor, "reject", reason), name_of(actor)

    def write(session: Session) -> Decision:
        row, _, candidate = sealed(session, evidence_digest)
        return decisions.record(session, kind="reject", identity=decisions.on_evidence(evidence_digest), use_case=row.use_case, actor=actor,
                                reason=reason, now=clock(), candidate_id=candidate.id, evidence_digest=evidence_digest,
                                package_digest=candidate.package_digest, expected_generation=expected_generation,
                                detail={"nonce": nonce, **standing, "sentence": f"version {candidate.number} is rejected: nothing changes"})

    return once(store, decisions.on_evidence(evidence_digest), "reject", actor, nonce, write)


def waive(settings: Settings, store: Store, *, actor: str | Person, evidence_digest: str, gates: list[str], reason: str, nonce: str,
          hours: float, on_expiry: str = "rollback", clock: Callable[[], datetime] = utc_now) -> Receipt:
    """The first signature under an exception: these gates need not pass for `hours`. Somebody else must then approve.

    Only a FAIL or a too-few-rows UNKNOWN can be waived. `on_expiry`: "rollback" takes the model off, "ask" raises an alert.
    """
    standing, actor = require(settings, actor, "waive", reason), name_of(actor)
    if not 0 < hours <= WAIVER_HOURS_MAX or on_expiry not in {"rollback", "ask"}:
        raise DecisionRefused("a waiver must end", value=f"{hours} hours, then {on_expiry}",
                              allowed=f"up to {WAIVER_HOURS_MAX:g} hours, then rollback or ask")
    identity = f"waive:{evidence_digest}:{nonce}"

    def write(session: Session) -> Decision:
        row, evidence, candidate = sealed(session, evidence_digest)
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
