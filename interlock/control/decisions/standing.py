"""Standing approvals: granted and revoked by persons, used by the keeper in their name, suspended after a rollback.

Nothing about them is mutable: grant, revocation, suspension and each use are decisions, and what counts now is read from these. A use is
an approval like any other (same facts, same objections, same identity: one decision per evidence), with the narrower rules of
`interlock.rules.standing` before it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from interlock.control.access.authorship import committer_of
from interlock.control.access.known_roles import granted_by
from interlock.control.access.people import AUTOMATIC, Person, name_of, require
from interlock.control.decisions.approving import approve_in, sealed
from interlock.control.decisions.once import once
from interlock.control.decisions.receipts import Receipt
from interlock.control.decisions.undecided import Waiting, undecided
from interlock.control.keeping.alerting import record_alert
from interlock.errors import DecisionRefused, InterlockError
from interlock.records import decisions, ledger
from interlock.records.routes import read_route
from interlock.records.standing import active, find, standings
from interlock.records.store import Store, utc_now
from interlock.records.tables import Decision, Release
from interlock.rules.approval import may, same_person
from interlock.rules.standing import Standing, evidence_objections, limits_objections, standing_objections
from interlock.rules.strategies import answering_steps
from interlock.settings import Settings
from interlock.spec.load import find_use_case, spec_digest

UNTIL = "every gate passes, only data changed, and a canary comes first"


def grant(settings: Settings, store: Store, *, actor: str | Person, use_case: str, reason: str, nonce: str, days: float = 30.0,
          uses_max: int = 30, per_week: int = 7, clock: Callable[[], datetime] = utc_now) -> Receipt:
    """Permit data-only retrainings of one use case for `days`, at most `uses_max` in all and `per_week` in any seven days.

    Raises `DecisionRefused` where the actor may not approve, wrote the use case, or one is active already; or the limits are no limits.
    """
    right, actor = require(settings, actor, "grant", reason), name_of(actor)
    path, case = find_use_case(settings, use_case)
    found = limits_objections(days=days, uses_max=uses_max, per_week=per_week, steps=answering_steps(case.rollout))
    wrote = [name for name in (case.approval.author, committer_of(path)) if name and same_person(actor, name)]
    if wrote and not settings.single_person:
        found.append(f"{actor} is the author of the use case ({wrote[0]}): somebody else must grant it")
    if found:
        raise DecisionRefused(f"this standing approval cannot be granted: {'; '.join(found)}", next_step="interlock standing --help")

    def write(session: Session) -> Decision:
        now = clock()
        if (other := next((one for one in standings(session, use_case) if one.state(now) == "active"), None)) is not None:
            raise DecisionRefused(f"a standing approval of {other.grantor} is active already", value=other.id,
                                  next_step=f"interlock standing revoke {other.id}")
        limits = {"uses_max": uses_max, "per_week": per_week}
        return decisions.record(
            session, kind="grant", identity=identity, use_case=use_case, actor=actor, reason=reason, now=now,
            policy_digest=spec_digest(path), expires_at=now + timedelta(days=days), detail={"nonce": nonce, **right, **limits, "sentence":
            f"retrainings of '{use_case}' are approved in the name of {actor} for {days:g} days, where {UNTIL}"})

    with store.reading() as session:
        before = session.scalar(select(func.count()).where(Decision.use_case == use_case, Decision.kind == "grant")) or 0
        again = next((row for row in session.scalars(select(Decision).where(Decision.use_case == use_case, Decision.kind == "grant"))
                      if row.detail.get("nonce") == nonce), None)
    identity = again.identity if again is not None else f"grant:{use_case}:{before + 1}"
    return once(store, identity, "grant", actor, nonce, write)


def revoke(settings: Settings, store: Store, *, actor: str | Person, standing_id: str, reason: str, nonce: str,
           clock: Callable[[], datetime] = utc_now) -> Receipt:
    """End a standing approval at once: by whoever granted it, or anybody who may approve. What it let through and has not answered a
    customer yet is void with it."""
    with store.reading() as session:
        standing = find(session, standing_id)
    own = name_of(actor).strip() == standing.grantor
    right, actor = require(settings, actor, "revoke own" if own else "revoke", reason), name_of(actor)

    def write(session: Session) -> Decision:
        return decisions.record(session, kind="revoke", identity=f"revoke:{standing_id}", use_case=standing.use_case, actor=actor,
                                reason=reason, now=clock(), detail={"nonce": nonce, **right, "standing_approval": standing_id, "sentence":
                                f"the standing approval of {standing.grantor} for '{standing.use_case}' ends now"})

    return once(store, f"revoke:{standing_id}", "revoke", actor, nonce, write)


def use_all(settings: Settings, store: Store, *, clock: Callable[[], datetime] = utc_now,
            guard: Callable[[str, Callable[[], None]], None] = lambda step, action: action()) -> list[str]:
    """Decide on everything that waits and is covered; sentences about what was approved.

    `guard` carries out each piece of work by its name: with the keeper's, an error in one leaves the others alone.
    """
    with store.reading() as session:
        ids = [(standing.id, standing.use_case) for standing in active(session, clock())]
    pairs: list[tuple[str, Waiting]] = []
    said: list[str] = []

    def look(standing_id: str, name: str) -> None:
        with store.reading() as session:
            pairs.extend((standing_id, waiting) for waiting in undecided(settings, session, name))

    def decide(standing_id: str, waiting: Waiting) -> None:
        said.extend(filter(None, [use(settings, store, standing_id, waiting, clock=clock)]))

    for standing_id, name in ids:
        guard(f"see what waits for the standing approval of {name}", partial(look, standing_id, name))
    for standing_id, waiting in pairs:
        guard(f"use the standing approval of {waiting.use_case} for version {waiting.version}", partial(decide, standing_id, waiting))
    return said


def use(settings: Settings, store: Store, standing_id: str, waiting: Waiting, *, clock: Callable[[], datetime] = utc_now) -> str:
    """Approve one candidate in the name of the person, where nothing objects; empty where something does (a person decides then)."""
    try:
        with store.writing() as session:
            if decisions.known(session, decisions.on_evidence(waiting.evidence_digest)) is not None:
                return ""
            standing, now = find(session, standing_id), clock()
            if objections(settings, session, standing, waiting.evidence_digest, now):
                return ""
            decision = _approve(settings, session, standing, waiting, now)
            return f"version {waiting.version} of {waiting.use_case} approved by standing approval {standing_id} (decision {decision.id})"
    except (DecisionRefused, IntegrityError):  # an objection that every approval knows, or somebody else decided in this very moment
        return ""


def objections(settings: Settings, session: Session, standing: Standing, evidence_digest: str, now: datetime) -> list[str]:
    """Why this standing approval does not cover this candidate now, of what goes beyond any approval; empty: it does."""
    row, evidence, _ = sealed(session, evidence_digest)
    path, case = find_use_case(settings, standing.use_case)
    other = ["it is for another use case"] if row.use_case != standing.use_case else []
    return [*other, *standing_objections(standing, now, policy_digest=spec_digest(path),
                                         may_approve=may(_grantor(settings, session, standing, now).roles or (), "approve")),
            *evidence_objections(evidence, steps=answering_steps(case.rollout),
                                 champion=read_route(session, row.use_case).champion is not None)]


def why_not(settings: Settings, store: Store, standing: Standing, evidence_digest: str, now: datetime) -> list[str]:
    """The same for a screen: what stands in the way, in sentences; an error is one of them."""
    try:
        with store.reading() as session:
            return objections(settings, session, standing, evidence_digest, now)
    except InterlockError as error:
        return [error.what]


def suspend_after(session: Session, release: Release, reason: str, now: datetime) -> None:
    """A release that a standing approval let through was rolled back: it lets nothing more through. In the caller's transaction."""
    decision = session.get(Decision, release.decision_id)
    standing_id = decision.detail.get("standing_approval") if decision is not None else None
    if standing_id is None or decisions.known(session, f"suspend:{standing_id}") is not None:
        return
    sentence = f"a release that it approved was rolled back: {reason}"[:2_000]
    decisions.record(session, kind="suspend", identity=f"suspend:{standing_id}", use_case=release.use_case, actor=AUTOMATIC, now=now,
                     reason=sentence, candidate_id=release.candidate_id,
                     detail={"nonce": standing_id, "standing_approval": standing_id, "release_id": release.id, "sentence": sentence})
    record_alert(session, identity=f"suspend:{standing_id}", use_case=release.use_case, severity="warning", at=now,
                 title=f"{release.use_case}: its standing approval is suspended", body=f"{sentence}. Candidates wait for a person again.")


def ended_words(session: Session, decision: Decision) -> str:
    """Why the standing approval under this decision counts no longer; empty where there is none, or it still does."""
    standing_id = decision.detail.get("standing_approval")
    if standing_id is None:
        return ""
    ended = find(session, standing_id).ended
    return f"the standing approval under it was ended by {ended.actor}: {ended.reason}" if ended is not None else ""


def _grantor(settings: Settings, session: Session, standing: Standing, now: datetime) -> Person:
    return granted_by(settings, session, standing.grantor, session.get_one(Decision, standing.id).detail, now)


def _approve(settings: Settings, session: Session, standing: Standing, waiting: Waiting, now: datetime) -> Decision:
    """Decision, release and intent as by the person, a ledger entry of the use, and a word to people."""
    grantor = _grantor(settings, session, standing, now)
    right: dict[str, object] = {"roles": sorted(grantor.roles or ()), "roles_from": grantor.roles_from,
                                "single_person": settings.single_person, "standing_approval": standing.id}
    generation = read_route(session, standing.use_case).generation
    decision = approve_in(settings, session, actor=standing.grantor, evidence_digest=waiting.evidence_digest,
                          reason=f"by standing approval {standing.id}: {standing.reason}"[:2_000], nonce=f"standing:{standing.id}",
                          expected_generation=generation, standing=right, now=now)
    used = len(standing.used) + 1
    sentence = (f"version {waiting.version} approved in the name of {standing.grantor} by standing approval {standing.id}: use {used} of "
                f"{standing.uses_max}, {standing.in_week(now) + 1} of {standing.per_week} this week")
    ledger.append(session, "standing.used", {"standing_approval": standing.id, "decision_id": decision.id, "grantor": standing.grantor,
                                             "evidence_digest": waiting.evidence_digest, "use": used, "sentence": sentence},
                  standing.use_case, at=now)
    record_alert(session, identity=f"standing:{decision.id}", use_case=standing.use_case, severity="info", at=now,
                 title=f"{standing.use_case}: version {waiting.version} was approved by standing approval",
                 body=f"{sentence}. To end it at once: interlock standing revoke {standing.id}")
    return decision
