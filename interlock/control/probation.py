"""Probation: what is live answers, but its verdict is still open. A breach takes it back, silence is not health."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from interlock.control import deploying
from interlock.control.alerting import record_alert
from interlock.control.endpoint import Endpoint, EndpointStats
from interlock.control.people import AUTOMATIC
from interlock.control.rollbacks import roll_back
from interlock.errors import DecisionRefused
from interlock.records import releases
from interlock.records.store import Store
from interlock.rules.canary import judge_errors
from interlock.rules.releases import ReleaseState
from interlock.settings import Settings


def probation(settings: Settings, store: Store, endpoint: Endpoint, plan: deploying.Plan, clock: Callable[[], datetime]) -> str:
    """What is due for a release on probation; in words, empty where nothing was done."""
    release, now = plan.release, clock()
    stats = endpoint.stats(release.use_case)
    if stats.generation == plan.route.generation and (broken := judge_errors(plan.rollout, stats.champion)):
        return roll_back_live(settings, store, endpoint, plan, f"on probation: {broken}", f"release:{release.id}:probation", clock)
    elapsed = (now - release.state_since).total_seconds()
    if elapsed < plan.rollout.probation_s:
        return ""
    if lacking := _unproven(plan, stats):
        if elapsed > plan.rollout.wait_max_s:
            alert_version(store, f"unconfirmed:{release.id}", plan, "it cannot be confirmed",
                          f"{lacking}, {elapsed:,.0f} s after its release", now)
        return ""
    with store.writing() as session:
        fresh = releases.get(session, release.id)
        if fresh.revision == release.revision:
            releases.move(session, fresh, ReleaseState.LIVE, now=now, actor=AUTOMATIC,
                          reason=f"no breach within {plan.rollout.probation_s:g} s on probation")
    return "live, confirmed"


def _unproven(plan: deploying.Plan, stats: EndpointStats) -> str:
    """What is missing before silence may count as health: the endpoint has taken the route on and has answered with it."""
    if stats.generation != plan.route.generation:
        return f"the endpoint answers with generation {stats.generation}, not with {plan.route.generation}"
    if stats.champion.requests <= stats.champion.errors:
        return "the endpoint has not answered one request with it"
    return ""


def roll_back_live(settings: Settings, store: Store, endpoint: Endpoint, plan: deploying.Plan, reason: str, breach: str,
                   clock: Callable[[], datetime]) -> str:
    """The automatic rollback of what is live; without a way back people are told instead, once."""
    try:
        roll_back(settings, store, endpoint, actor=AUTOMATIC, use_case=plan.release.use_case, reason=reason, nonce=breach[-64:],
                  expected_generation=plan.route.generation, standing={"breach": breach}, clock=clock)
    except DecisionRefused as error:
        alert_version(store, f"stuck:{breach}", plan, "it cannot be rolled back", f"{reason}. {error}", clock())
        return ""
    return f"rolled back: {reason}"


def alert_version(store: Store, identity: str, plan: deploying.Plan, what: str, body: str, now: datetime) -> None:
    """Tell people, once per `identity`, that something about a live version needs them."""
    with store.writing() as session:
        record_alert(session, identity=identity, use_case=plan.release.use_case, severity="critical", at=now, body=body,
                     title=f"version {plan.slot.version} of {plan.release.use_case}: {what}")
