"""Retirement: a version is archived for good. Its history stays; it cannot be approved, released or gone back to by accident.

Never the champion, the previous version or a candidate on its way. The decision comes first; what follows from it (the package moves to
`packages/retired/`, the server forgets the version, MLflow's version is archived) may fail: the run `retire` and the keeper do it again
(`archiving`).

The server may go back to a version by itself in the very moment when it is retired. What answers is the truth then: its release is live
again, its package stays, and the retirement takes effect once the version has left the route.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.control.access.people import Person, name_of, require
from interlock.control.decisions.once import once
from interlock.control.decisions.receipts import Receipt
from interlock.control.deployments import RETIRE
from interlock.control.endpoint import Endpoint, reached
from interlock.control.releases.archiving import follow_up, held_by
from interlock.errors import DecisionRefused
from interlock.records import decisions, outbox, releases
from interlock.records.candidates import numbered
from interlock.records.registry_archive import archive_version
from interlock.records.routes import read_route
from interlock.records.store import Store, utc_now
from interlock.records.tables import Candidate, Decision, Release
from interlock.rules.releases import OPEN, ReleaseState
from interlock.settings import Settings


def retire(settings: Settings, store: Store, *, actor: str | Person, use_case: str, version: int, reason: str, nonce: str,
           endpoint: Endpoint | None = None, clock: Callable[[], datetime] = utc_now) -> Receipt:
    """Archive a version that answers nobody. Raises `DecisionRefused` for one that answers, is the way back, or is on its way, and
    `Unavailable` where the prediction server cannot be asked: it may have gone back to this very version by itself."""
    right, actor = require(settings, actor, "retire", reason), name_of(actor)
    with store.reading() as session:
        candidate = numbered(session, use_case, version)
    if candidate is None:
        raise DecisionRefused(f"'{use_case}' has no such version", value=version, next_step=f"interlock history {use_case}")
    with reached(settings, endpoint) as seam:
        held = held_by(seam.observed(use_case))
    if candidate.package_digest in held:
        raise DecisionRefused(f"the prediction server holds version {version} of '{use_case}': it cannot be retired",
                              value=f"version {version}", next_step="interlock status")
    receipt = once(store, decisions.on_retirement(candidate.id), "retire", actor, nonce,
                   lambda session: _retire(session, candidate.id, actor, reason, clock(), {"nonce": nonce, **right}))
    warnings = follow_up(settings, store, use_case, endpoint=endpoint, clock=clock)
    mirrored = archive_version(settings, use_case, candidate.mlflow_version) if candidate.mlflow_version is not None else ""
    return receipt.model_copy(update={"warnings": [*warnings, *([mirrored] if mirrored else [])]})


def _retire(session: Session, candidate_id: str, actor: str, reason: str, now: datetime, detail: dict[str, object]) -> Decision:
    candidate = session.get_one(Candidate, candidate_id)
    route = read_route(session, candidate.use_case)
    for word, slot in (("answers now", route.champion), ("is the way back", route.previous), ("is being released", route.candidate)):
        if slot is not None and slot.digest == candidate.package_digest:
            raise DecisionRefused(f"version {candidate.number} of '{candidate.use_case}' {word}: it cannot be retired",
                                  value=f"version {candidate.number}", next_step="interlock status")
    own = list(session.scalars(select(Release).where(Release.candidate_id == candidate_id)))
    if any(ReleaseState(release.state) in OPEN for release in own):
        raise DecisionRefused(f"version {candidate.number} of '{candidate.use_case}' is on its way: abort its release first",
                              next_step="interlock status")
    decision = decisions.record(
        session, kind="retire", identity=decisions.on_retirement(candidate_id), use_case=candidate.use_case, actor=actor, reason=reason,
        now=now, candidate_id=candidate_id, package_digest=candidate.package_digest,
        detail={**detail, "version": candidate.number,
                "sentence": f"version {candidate.number} is archived: it cannot be approved, released or gone back to; its history stays"})
    intent = outbox.enqueue(session, decision.id, RETIRE, {"use_case": candidate.use_case, "decision_id": decision.id}, at=now)
    decisions.add_detail(session, decision, outbox_id=intent.id)
    for release in own:
        if ReleaseState(release.state) is not ReleaseState.RETIRED:
            releases.move(session, release, ReleaseState.RETIRED, now=now, reason=reason, actor=actor)
    return decision
