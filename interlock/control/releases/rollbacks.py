"""The way back (law 5): the endpoint swaps first and alone; the store, the ledger and the `rollback` deployment follow.

After a rollback the bad version is not the way back from the good one: `previous` becomes the newest version before it that was
superseded in good standing and is still on disk, else nothing, and the status says that there is no way back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from interlock.control.access.people import AUTOMATIC, Person, name_of, require
from interlock.control.decisions.once import check_nonce, replay
from interlock.control.decisions.receipts import Receipt, receipt_of
from interlock.control.decisions.standing import suspend_after
from interlock.control.deployments import ROLLBACK
from interlock.control.endpoint import Endpoint, reached
from interlock.control.releases.known_good import prove, retired, target_of
from interlock.errors import DecisionRefused, InterlockError, StaleState, StoreError, Unavailable
from interlock.records import decisions, outbox, releases
from interlock.records.routes import change_route, read_route
from interlock.records.store import Store, utc_now
from interlock.records.tables import Decision, Release
from interlock.rules.releases import ReleaseState
from interlock.rules.routes import Observed, Route, Slot
from interlock.settings import Settings


def rollback(settings: Settings, store: Store, *, actor: str | Person, use_case: str, reason: str, nonce: str, expected_generation: int,
             to_version: int | None = None, endpoint: Endpoint | None = None, clock: Callable[[], datetime] = utc_now) -> Receipt:
    """Go back now, to the previous version or to any that answered before. Needs the store only to write it down: without it, the keeper
    does that later.

    Raises `DecisionRefused` without a way back, `StaleState` when the route is not the one that the person saw, `PackageError` when an
    older version is not sound any more; nothing is changed then.
    """
    standing, actor = require(settings, actor, "rollback", reason), name_of(actor)
    check_nonce(nonce)
    with reached(settings, endpoint) as seam:
        return roll_back(settings, store, seam, actor=actor, use_case=use_case, reason=reason, nonce=nonce,
                         expected_generation=expected_generation, standing=standing, to_version=to_version, clock=clock)


def roll_back(settings: Settings, store: Store, endpoint: Endpoint, *, actor: str, use_case: str, reason: str, nonce: str,
              expected_generation: int, standing: dict[str, Any], to_version: int | None = None,
              clock: Callable[[], datetime] = utc_now) -> Receipt:
    """The rollback itself, for a person or (actor `interlock`, nonce = breach id) for the keeper."""
    warnings: list[str] = []
    seen = _before(settings, store, use_case, expected_generation, actor, nonce, to_version, warnings)
    if isinstance(seen, Receipt):
        return seen
    older = to_version if seen is None or seen.target != seen.previous else None
    observed = _swap_endpoint(endpoint, use_case, actor, reason, nonce, expected_generation, older, warnings)
    if older is not None and observed is None:
        if seen is None:  # neither has looked at it: the store now has all the time it needs, or nothing is done
            seen = _seen(settings, store, use_case, expected_generation, actor, nonce, to_version)
        if isinstance(seen, Receipt):
            return seen
        prove(settings, seen.target)  # the endpoint did not: nobody answers with it unproven
    try:
        decision, route = _write(settings, store, use_case, expected_generation, observed, actor, reason, nonce,
                                 standing | ({"to_version": to_version} if to_version else {}), clock(), seen.target if seen else None)
    except (Unavailable, StoreError, SQLAlchemyError) as error:
        if observed is None:
            raise
        return Receipt(decision_id=None, kind="rollback", use_case=use_case, actor=actor, reason=reason, at=clock(), nonce=nonce,
                       generation=observed.generation, observed=observed, warnings=[*warnings, str(error).partition("\n")[0]],
                       sentence=f"the endpoint answers with {_name(observed.champion)} now; the keeper writes it down later")
    if decision.actor != actor or decision.detail.get("nonce") != nonce:
        raise decisions.refuse_second(decision)
    return receipt_of(decision, observed=settle(endpoint, route, nonce if observed else None, warnings) or observed, warnings=warnings)


def absorb(settings: Settings, store: Store, endpoint: Endpoint, observed: Observed, *,
           clock: Callable[[], datetime] = utc_now) -> tuple[Route, Observed]:
    """Take an override of the endpoint into the store as decision, route and ledger entry, then tell the endpoint. Safe to repeat."""
    standing: dict[str, Any] = {"absorbed": True, "override_durable": observed.override_durable}
    decision, route = _write(settings, store, observed.use_case, observed.generation, observed, observed.override_actor or AUTOMATIC,
                             observed.override_reason or "rolled back on the endpoint", observed.override_id or "", standing, clock())
    return route, endpoint.absorbed(observed.use_case, observed.override_id or decision.id, route)


def take_off(settings: Settings, session: Session, route: Route, *, target: Slot | None, decision: Decision, actor: str, reason: str,
             now: datetime) -> Route:
    """Route, releases and intent of a rollback to `target`, in the caller's transaction."""
    bad = route.champion
    previous = route.previous if target == bad else way_back(
        settings, session, route.use_case, {slot.digest for slot in (target, bad) if slot is not None})
    new = change_route(session, route, actor=actor, reason=reason, decision_id=decision.id, at=now, champion=target, previous=previous,
                       candidate=None, candidate_percent=0)
    _end_releases(session, route, target, actor, reason, now)
    intent = outbox.enqueue(session, decision.id, ROLLBACK, {"use_case": route.use_case, "decision_id": decision.id}, at=now)
    decisions.add_detail(session, decision, generation=new.generation, outbox_id=intent.id,
                         sentence=_said(target, bad, previous))
    return new


def way_back(settings: Settings, session: Session, use_case: str, without: set[str]) -> Slot | None:
    """The newest version superseded in good standing that is still on disk; None: there is no way back."""
    bad, gone = decisions.taken_off(session, use_case), retired(session, use_case)
    for candidate, superseded_at in releases.superseded_candidates(session, use_case):
        folder = settings.folder("packages") / candidate.package_digest.removeprefix("sha256:")
        later = candidate.package_digest in bad and bad[candidate.package_digest] > superseded_at  # it came back, and was taken off
        if candidate.package_digest not in {*without, *gone} and not later and folder.is_dir():
            return Slot(version=candidate.number, digest=candidate.package_digest)
    return None


def settle(endpoint: Endpoint, route: Route, override_id: str | None, warnings: list[str]) -> Observed | None:
    """Tell the endpoint that its override is on record and give it the route; what fails here the keeper repeats within a second."""
    try:
        return endpoint.converge(route) if override_id is None else endpoint.absorbed(route.use_case, override_id, route)
    except InterlockError as error:
        warnings.append(f"the endpoint has not taken generation {route.generation} yet: {error.what}")
        return None


@dataclass(frozen=True)
class _Seen:
    """What the store said before anything was done."""

    target: Slot
    previous: Slot | None


def _before(settings: Settings, store: Store, use_case: str, expected: int, actor: str, nonce: str, to_version: int | None,
            warnings: list[str]) -> Receipt | _Seen | None:
    """Checks that need the store; None where it does not answer at once: the endpoint decides alone then."""
    try:
        return _seen(settings, store, use_case, expected, actor, nonce, to_version, hasty=True)
    except (Unavailable, StoreError, SQLAlchemyError) as error:
        warnings.append(f"the store does not answer: {error}".partition("\n")[0])
        return None


def _seen(settings: Settings, store: Store, use_case: str, expected: int, actor: str, nonce: str, to_version: int | None, *,
          hasty: bool = False) -> Receipt | _Seen:
    with store.reading(hasty=hasty) as session:
        first = decisions.known(session, decisions.on_generation(use_case, expected))
        if first is not None:
            return replay(first, "rollback", actor, nonce)
        route = read_route(session, use_case)
        if route.generation != expected:
            raise StaleState(f"the route of '{use_case}' is not the one that you saw; nothing was changed", value=f"generation {expected}",
                             allowed=f"generation {route.generation}", next_step="look again: interlock status")
        target = route.previous if to_version is None else target_of(settings, session, use_case, to_version, route)
    if route.champion is None or target is None:
        raise DecisionRefused(f"'{use_case}' has no way back: no earlier version is kept", value=_name(route.champion),
                              next_step="approve another candidate, or stop the prediction server")
    return _Seen(target, route.previous)


def _swap_endpoint(endpoint: Endpoint, use_case: str, actor: str, reason: str, nonce: str, expected: int, to_version: int | None,
                   warnings: list[str]) -> Observed | None:
    try:
        return endpoint.rollback(use_case, actor=actor, reason=reason, override_id=nonce, expected_generation=expected,
                                 to_version=to_version)
    except (Unavailable, StaleState) as error:  # the store's compare-and-swap below still decides, the keeper converges
        unknown = to_version is not None and isinstance(error, StaleState)
        warnings.append(f"the server could not swap to version {to_version} by itself ({error.what}): its package is proven and loaded "
                        "first" if unknown else error.what)
        return None


def _write(settings: Settings, store: Store, use_case: str, generation: int, observed: Observed | None, actor: str, reason: str, nonce: str,
           standing: dict[str, Any], now: datetime, chosen: Slot | None = None) -> tuple[Decision, Route]:
    """Decision, route and ledger entry in one transaction; an override on record already changes nothing."""
    with store.writing() as session:
        identity = decisions.on_generation(use_case, generation)
        first, route = decisions.known(session, identity), read_route(session, use_case)
        if first is not None:
            return first, route
        override = observed is not None and observed.override
        if route.generation != generation and not override:
            raise StaleState(f"the route of '{use_case}' was changed by somebody else first; nothing was changed now",
                             value=f"generation {generation}", allowed=f"generation {route.generation}", next_step="interlock status")
        target = observed.champion if observed is not None and override else chosen or route.previous
        gone = {} if override or target in route.slots() else retired(session, use_case)  # it counts once the route is left
        if target is not None and (why := gone.get(target.digest)):
            raise DecisionRefused(f"version {target.version} of '{use_case}' cannot answer again: {why}", next_step="interlock status")
        detail = {"nonce": nonce, **standing, "from": _plain(route.champion), "to": _plain(target), "endpoint_first": override,
                  "override_at": observed.override_at.isoformat() if observed is not None and observed.override_at else None}
        decision = decisions.record(session, kind="rollback", identity=identity, use_case=use_case, actor=actor, reason=reason, now=now,
                                    package_digest=target.digest if target else None, expected_generation=generation, detail=detail)
        return decision, take_off(settings, session, route, target=target, decision=decision, actor=actor, reason=reason, now=now)


def _end_releases(session: Session, route: Route, target: Slot | None, actor: str, reason: str, now: datetime) -> None:
    """The bad release is rolled back, one on its way is void, the good one is live again."""
    moving = releases.open_release(session, route.use_case)
    if moving is not None:
        started = moving.state not in {ReleaseState.PLANNED, ReleaseState.STAGED}
        why = reason if target == route.champion else f"the champion it was compared with was rolled back: {reason}"
        releases.move(session, moving, ReleaseState.ROLLED_BACK if started else ReleaseState.FAILED, now=now, actor=actor,
                      reason=why)
    bad = _answering(session, route)
    if bad is not None and (target is None or route.champion != target):
        releases.move(session, bad, ReleaseState.ROLLED_BACK, now=now, actor=actor, reason=reason)
        suspend_after(session, bad, reason, now)
    good = None
    # A person may go back even to what was taken off before, and the server to what was retired in that very moment.
    for state in (ReleaseState.SUPERSEDED, ReleaseState.ROLLED_BACK, ReleaseState.RETIRED):
        good = good or (releases.of_package(session, route.use_case, target.digest, (state,)) if target else None)
    if good is not None:
        releases.move(session, good, ReleaseState.LIVE, now=now, actor=actor, reason="live again after a rollback")


def _answering(session: Session, route: Route) -> Release | None:
    return None if route.champion is None else releases.of_package(session, route.use_case, route.champion.digest, releases.ANSWERING)


def _said(target: Slot | None, bad: Slot | None, previous: Slot | None) -> str:
    if target == bad:
        return f"the candidate left the route; {_name(target)} answers everything"
    return f"{_name(target)} answers instead of {_name(bad)}" + ("" if previous else "; there is no further way back")


def _plain(slot: Slot | None) -> dict[str, Any] | None:
    return None if slot is None else slot.model_dump()


def _name(slot: Slot | None) -> str:
    return "nothing" if slot is None else f"version {slot.version} ({slot.digest[:19]}…)"
