"""What the keeper does for one release at one moment: judge, pause, roll back, confirm, or nothing. One transition per call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from interlock.control.access.people import AUTOMATIC
from interlock.control.decisions.approved import tell_edited
from interlock.control.endpoint import Endpoint
from interlock.control.releases import deploying, stepping
from interlock.control.releases.probation import alert_version, roll_back_live, watch
from interlock.errors import UseCaseError
from interlock.records import releases
from interlock.records.store import Store, utc_now
from interlock.records.tables import Release
from interlock.rules.releases import ReleaseState
from interlock.settings import Settings


def advance(settings: Settings, store: Store, release_id: str, endpoint: Endpoint, *, clock: Callable[[], datetime] = utc_now) -> str:
    """Take the one step that is due for this release; the answer says in words what was done ("" = nothing).

    Raises `UseCaseError` where nobody can read what it was approved under; a candidate in its steps has no share of the requests then.
    """
    try:
        plan = deploying.load(settings, store, release_id)
    except UseCaseError as error:
        if said := stepping.hold_unread(store, release_id, error.what, clock()):
            return said
        raise
    if plan.state in {ReleaseState.PLANNED, ReleaseState.STAGED}:
        return _void(store, plan, clock)
    if plan.state is not ReleaseState.LIVE:
        tell_edited(store, plan, clock())
    if plan.state in {*deploying.STEPPING, ReleaseState.PAUSED} and (said := _overtaken(store, plan, clock)):
        return said
    if plan.state in deploying.STEPPING:
        return stepping.step(settings, store, endpoint, plan, clock)
    if plan.state in releases.ANSWERING and (said := _waiver(settings, store, endpoint, plan, clock)):
        return said
    if plan.state in releases.ANSWERING:
        return watch(settings, store, endpoint, plan, clock)
    return ""


def _void(store: Store, plan: deploying.Plan, clock: Callable[[], datetime]) -> str:
    """A decision that does not count any more ends its release, also while Prefect is down."""
    now = clock()
    problems = deploying.objections(plan, now)
    if not problems:
        return ""
    with store.writing() as session:
        release = releases.get(session, plan.release.id)
        if release.state != plan.release.state:
            return ""
        releases.move(session, release, ReleaseState.FAILED, now=now, reason="; ".join(problems), actor=AUTOMATIC)
    return "; ".join(problems)


def _overtaken(store: Store, plan: deploying.Plan, clock: Callable[[], datetime]) -> str:
    """What a release rested on ended while it was in its steps, or paused: the candidate leaves, the champion answers everything."""
    now = clock()
    with store.reading() as session:
        why = deploying.overtaken(session, plan, now)
    return stepping.end(store, plan, why, now) if why else ""


def _waiver(settings: Settings, store: Store, endpoint: Endpoint, plan: deploying.Plan, clock: Callable[[], datetime]) -> str:
    """An expired waiver rolls back or re-asks, as it said when it was signed."""
    until = plan.decision.detail.get("waived_until")
    if until is None or clock() <= datetime.fromisoformat(until):
        return ""
    with store.reading() as session:
        asks = deploying.asks(session, plan)
    reason = f"the waiver under version {plan.slot.version} expired on {until}"
    if not asks:
        return roll_back_live(settings, store, endpoint, plan, reason, f"release:{plan.release.id}:waiver", clock, guarded=False)
    alert_version(store, f"waiver:{plan.release.id}", plan, "it stays live: decide again", reason, clock())
    return ""


def waits_for_run(release: Release) -> bool:
    """Whether a `deploy` run is due for this release: what its outbox row promised has not happened yet."""
    state = ReleaseState(release.state)
    return state in {ReleaseState.PLANNED, ReleaseState.STAGED} or (state in deploying.STEPPING and deploying.passed(release))
