"""What the keeper does for one release at one moment: judge, pause, roll back, confirm, or nothing. One transition per call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from interlock.control import deploying
from interlock.control.alerting import record_alert
from interlock.control.deployments import DEPLOY
from interlock.control.endpoint import Endpoint
from interlock.control.people import AUTOMATIC
from interlock.control.probation import alert_version, roll_back_live, watch
from interlock.control.steering import brake, end_open
from interlock.errors import Unavailable
from interlock.records import outbox, releases
from interlock.records.routes import change_route, read_route
from interlock.records.store import Store, utc_now
from interlock.records.tables import Decision, Release
from interlock.rules.canary import StepJudgement, StepVerdict, judge_step
from interlock.rules.releases import ReleaseState
from interlock.settings import Settings


def advance(settings: Settings, store: Store, release_id: str, endpoint: Endpoint, *, clock: Callable[[], datetime] = utc_now) -> str:
    """Take the one step that is due for this release; the answer says in words what was done ("" = nothing)."""
    plan = deploying.load(settings, store, release_id)
    if plan.state in {ReleaseState.PLANNED, ReleaseState.STAGED}:
        return _void(store, plan, clock)
    if plan.state is ReleaseState.CANARY:
        return _canary(store, endpoint, plan, clock)
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


def _canary(store: Store, endpoint: Endpoint, plan: deploying.Plan, clock: Callable[[], datetime]) -> str:
    release, now = plan.release, clock()
    if deploying.passed(release):
        return ""  # the next step is the `deploy` run's, whose intent is in the outbox
    champion = plan.route.champion.digest if plan.route.champion else None
    if plan.decision.detail.get("champion_digest") != champion:
        return _end(store, plan, "the champion changed during the canary", now)
    elapsed = (now - release.state_since).total_seconds()
    late = elapsed > plan.rollout.wait_max_s
    try:
        stats = endpoint.stats(release.use_case)
    except Unavailable as error:
        if late:
            return _pause(store, plan, f"the prediction server does not answer: {error.what}", None, now)
        raise
    if stats.generation != plan.route.generation:  # the endpoint has not taken on the step yet: nothing to judge
        unheard = f"the endpoint answers with generation {stats.generation}, the step needs {plan.route.generation}"
        return _pause(store, plan, unheard, None, now) if late else ""
    judgement = judge_step(plan.rollout, deploying.step_of(plan.rollout, release.step), stats.champion, stats.candidate, elapsed)
    if judgement.verdict is StepVerdict.FAIL:
        brake(store, endpoint, release, reason=judgement.sentence, breach=breach_id(release),
              judgement={"step": release.step, "at": now.isoformat(), **judgement.plain()}, clock=clock)
        return f"rolled back: {judgement.sentence}"
    if judgement.verdict is StepVerdict.PASS:
        return _pass(store, release, judgement, now)
    return _pause(store, plan, judgement.sentence, judgement, now) if late else ""


def _pass(store: Store, release: Release, judgement: StepJudgement, now: datetime) -> str:
    """Judgement and the intent of the next `deploy` run in one transaction."""
    with store.writing() as session:
        fresh = releases.get(session, release.id)
        if fresh.revision != release.revision:
            return ""
        releases.note(session, fresh, {"step": release.step, "at": now.isoformat(), **judgement.plain()})
        outbox.enqueue(session, breach_id(release), DEPLOY, {"use_case": release.use_case, "release_id": release.id}, at=now)
    return f"step {release.step} passed: {judgement.sentence}"


def _pause(store: Store, plan: deploying.Plan, why: str, judgement: StepJudgement | None, now: datetime) -> str:
    """Waits for a person; until then the champion answers everything, and the candidate stays loaded."""
    reason = f"no verdict after {plan.rollout.wait_max_s:g} s: {why}"
    judged = {"step": plan.release.step, "at": now.isoformat(), **judgement.plain()} if judgement else None
    with store.writing() as session:
        release = releases.get(session, plan.release.id)
        releases.move(session, release, ReleaseState.PAUSED, now=now, reason=reason, actor=AUTOMATIC, judgement=judged)
        change_route(session, read_route(session, release.use_case), actor=AUTOMATIC, reason=reason, decision_id=plan.decision.id, at=now,
                     candidate_percent=0)
        record_alert(session, identity=f"paused:{release.id}:{release.step}:{release.revision}", use_case=release.use_case,
                     severity="warning", at=now, title=f"version {plan.slot.version} of {release.use_case} waits for a person",
                     body=f"{reason}. Resume or abort: interlock resume {release.id}, interlock abort {release.id}")
    return reason


def _end(store: Store, plan: deploying.Plan, reason: str, now: datetime) -> str:
    with store.writing() as session:
        end_open(session, plan.release.id, kind="rollback", actor=AUTOMATIC, reason=reason, now=now, detail={"nonce": plan.release.id},
                 expected_generation=read_route(session, plan.release.use_case).generation,
                 identity=f"rollback:breach:{plan.release.id}:void")
    return reason


def _waiver(settings: Settings, store: Store, endpoint: Endpoint, plan: deploying.Plan, clock: Callable[[], datetime]) -> str:
    """An expired waiver rolls back or re-asks, as it said when it was signed."""
    until = plan.decision.detail.get("waived_until")
    if until is None or clock() <= datetime.fromisoformat(until):
        return ""
    asks = _on_expiry(store, plan) == "ask"
    reason = f"the waiver under version {plan.slot.version} expired on {until}"
    if not asks:
        return roll_back_live(settings, store, endpoint, plan, reason, f"release:{plan.release.id}:waiver", clock, guarded=False)
    alert_version(store, f"waiver:{plan.release.id}", plan, "it stays live: decide again", reason, clock())
    return ""


def _on_expiry(store: Store, plan: deploying.Plan) -> str:
    with store.reading() as session:
        signed = [session.get(Decision, decision_id) for decision_id in plan.decision.detail.get("waivers", [])]
    return "rollback" if any(row is None or row.detail.get("on_expiry") != "ask" for row in signed) else "ask"


def breach_id(release: Release) -> str:
    """Identity of what happens at the end of this step: one judgement, one effect."""
    return f"release:{release.id}:step:{release.step}"


def waits_for_run(release: Release) -> bool:
    """Whether a `deploy` run is due for this release: what its outbox row promised has not happened yet."""
    state = ReleaseState(release.state)
    return state in {ReleaseState.PLANNED, ReleaseState.STAGED} or (state is ReleaseState.CANARY and deploying.passed(release))
