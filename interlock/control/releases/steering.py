"""A person at the wheel of a release that is on its way: resume a paused step, or abort. And the keeper's brake on a canary."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from interlock.control.access.people import AUTOMATIC, Person, name_of, require
from interlock.control.decisions.once import once
from interlock.control.decisions.receipts import Receipt
from interlock.control.decisions.standing import suspend_after
from interlock.control.deployments import ROLLBACK
from interlock.control.endpoint import Endpoint, reached
from interlock.control.releases.deploying import overtaken, plan_of
from interlock.control.releases.rollbacks import settle
from interlock.errors import StaleState, Unavailable
from interlock.records import decisions, outbox, releases
from interlock.records.routes import change_route, read_route
from interlock.records.store import Store, utc_now
from interlock.records.tables import Decision, Release
from interlock.rules.releases import OPEN, ReleaseState
from interlock.rules.routes import Route
from interlock.rules.strategies import route_changes, step_of
from interlock.settings import Settings


def abort(settings: Settings, store: Store, *, actor: str | Person, release_id: str, reason: str, nonce: str, expected_generation: int,
          endpoint: Endpoint | None = None, clock: Callable[[], datetime] = utc_now) -> Receipt:
    """End a release that is not live yet: the candidate leaves the route at once, the champion is untouched.

    Where the store cannot write, the endpoint drops the candidate alone, and the keeper writes it down later.
    """
    standing, actor = require(settings, actor, "abort", reason), name_of(actor)
    with store.reading() as session:
        release = releases.get(session, release_id)
    with reached(settings, endpoint) as seam:
        try:
            return _act(store, "abort", f"abort:{release_id}", actor, nonce, seam,
                        lambda session: end_open(session, release_id, kind="abort", actor=actor, reason=reason, now=clock(),
                                                 expected_generation=expected_generation, detail={"nonce": nonce, **standing}))
        except Unavailable as error:
            if release.state not in {ReleaseState.SHADOW, ReleaseState.CANARY}:
                raise
            observed = seam.rollback(release.use_case, actor=actor, reason=reason, override_id=nonce, to="champion",
                                     expected_generation=expected_generation)
            warning = error.what
        return Receipt(decision_id=None, kind="abort", use_case=release.use_case, actor=actor, reason=reason, at=clock(), nonce=nonce,
                       generation=observed.generation, release_id=release_id, observed=observed, warnings=[warning],
                       sentence="the candidate answers nothing now; the keeper writes it down later")


def brake(store: Store, endpoint: Endpoint, release: Release, *, reason: str, breach: str,
          judgement: dict[str, Any], clock: Callable[[], datetime] = utc_now) -> Receipt:
    """The automatic rollback of a canary: actor `interlock`, identity = the breach."""
    return _act(store, "rollback", f"rollback:breach:{breach}", AUTOMATIC, breach[-64:], endpoint,
                lambda session: end_open(session, release.id, kind="rollback", actor=AUTOMATIC, reason=reason, now=clock(),
                                         expected_generation=read_route(session, release.use_case).generation, judgement=judgement,
                                         detail={"nonce": breach[-64:], "breach": breach}, identity=f"rollback:breach:{breach}"))


def resume(settings: Settings, store: Store, *, actor: str | Person, release_id: str, reason: str, nonce: str, expected_generation: int,
           endpoint: Endpoint | None = None, clock: Callable[[], datetime] = utc_now) -> Receipt:
    """Let a paused release begin its present step anew, with the step's share of the requests."""
    standing, actor = require(settings, actor, "resume", reason), name_of(actor)
    with store.reading() as session:
        revision = releases.get(session, release_id).revision
    with reached(settings, endpoint) as seam:
        return _act(store, "resume", f"resume:{release_id}:{nonce}", actor, nonce, seam,
                    lambda session: _resume(settings, session, release_id, revision, actor, reason, expected_generation,
                                            {"nonce": nonce, **standing}, clock()))


def end_open(session: Session, release_id: str, *, kind: str, actor: str, reason: str, now: datetime, expected_generation: int,
             detail: dict[str, Any], identity: str | None = None, judgement: dict[str, Any] | None = None) -> Decision:
    """Decision, release, route and intent of ending a release that is not live, in the caller's transaction."""
    release = releases.get(session, release_id)
    if ReleaseState(release.state) not in OPEN:
        raise StaleState(f"this release is {release.state}: there is nothing left to end", value=release_id, next_step="interlock status")
    route = _route(session, release, expected_generation)
    decision = decisions.record(session, kind=kind, identity=identity or f"abort:{release_id}", use_case=release.use_case, actor=actor,
                                reason=reason, now=now, candidate_id=release.candidate_id, expected_generation=expected_generation,
                                detail={**detail, "judgement": judgement})
    answered = release.state not in {ReleaseState.PLANNED, ReleaseState.STAGED}
    releases.move(session, release, ReleaseState.ROLLED_BACK if answered else ReleaseState.FAILED, now=now, reason=reason, actor=actor,
                  judgement=judgement)
    if answered and judgement is not None:  # it was judged, not only overtaken by a change of the champion
        suspend_after(session, release, reason, now)
    if route.candidate is not None:
        route = change_route(session, route, actor=actor, reason=reason, decision_id=decision.id, at=now, candidate=None,
                             candidate_percent=0)
    intent = outbox.enqueue(session, decision.id, ROLLBACK, {"use_case": release.use_case, "decision_id": decision.id}, at=now)
    decisions.add_detail(session, decision, release_id=release.id, outbox_id=intent.id, generation=route.generation,
                         sentence="the candidate left the route; the champion answers everything")
    return decision


def _resume(settings: Settings, session: Session, release_id: str, revision: int, actor: str, reason: str, expected_generation: int,
            detail: dict[str, Any], now: datetime) -> Decision:
    release = releases.get(session, release_id)
    if release.state != ReleaseState.PAUSED or release.revision != revision:
        raise StaleState(f"this release is {release.state}, not paused", value=release_id, next_step="interlock status")
    route = _route(session, release, expected_generation)
    plan = plan_of(settings, session, release)
    if why := plan.unsealed or overtaken(session, plan, now):
        raise StaleState(f"{why}: this release cannot go on as it was approved", value=release_id,
                         next_step=f"interlock abort {release_id}, then validate and approve again")
    rollout = plan.rollout
    step = step_of(rollout, release.step)
    decision = decisions.record(session, kind="resume", identity=f"resume:{release_id}:{detail['nonce']}", use_case=release.use_case,
                                actor=actor, reason=reason, now=now, candidate_id=release.candidate_id,
                                expected_generation=expected_generation, detail=detail)
    releases.move(session, release, step.state, now=now, reason=reason, actor=actor)
    route = change_route(session, route, actor=actor, reason=reason, decision_id=decision.id, at=now,
                         **route_changes(rollout, step, release.id))
    decisions.add_detail(session, decision, release_id=release.id, generation=route.generation,
                         sentence=f"step {release.step} begins anew: {step.words}")
    return decision


def _route(session: Session, release: Release, expected_generation: int) -> Route:
    route = read_route(session, release.use_case)
    if route.generation != expected_generation:
        raise StaleState("the route is not the one that you saw; nothing was changed", value=f"generation {expected_generation}",
                         allowed=f"generation {route.generation}", next_step="look again: interlock status")
    return route


def _act(store: Store, kind: str, identity: str, actor: str, nonce: str, endpoint: Endpoint,
         write: Callable[[Session], Decision]) -> Receipt:
    """Decide once, then let the endpoint follow at once; the keeper repeats what fails here."""
    receipt = once(store, identity, kind, actor, nonce, write)
    with store.reading() as session:
        route = read_route(session, receipt.use_case)
    warnings: list[str] = []
    observed = settle(endpoint, route, None, warnings)
    return receipt.model_copy(update={"observed": observed, "warnings": warnings})
