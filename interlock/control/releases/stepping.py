"""One step of a release at one moment: judge it, and pass it, pause it, take the candidate off, or let it go on. For the keeper.

What is judged is what both arms did since the endpoint took on the step's generation: the champion's figures of the same period, never
of an earlier one. Every verdict is stored with its measures in the release's analysis; those that end a step are in the ledger too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from interlock.control.access.people import AUTOMATIC
from interlock.control.deployments import DEPLOY
from interlock.control.endpoint import Endpoint, EndpointStats
from interlock.control.keeping.alerting import record_alert
from interlock.control.releases import deploying
from interlock.control.releases.pausing import PAUSED
from interlock.control.releases.steering import brake, end_open
from interlock.control.releases.step_outcomes import ab_counts, outcomes_of
from interlock.errors import Unavailable
from interlock.records import ledger, outbox, releases
from interlock.records.routes import change_route, read_route
from interlock.records.store import Store
from interlock.records.tables import Candidate, Release
from interlock.rules.arms import ArmStats
from interlock.rules.canary import StepJudgement, StepVerdict, judge_step
from interlock.rules.releases import ReleaseState
from interlock.rules.strategies import Step, StepKind, step_of
from interlock.settings import Settings

NOTED_S = 30.0  # how a step stands is written down at least this often while it lasts, and whenever the verdict changes


def step(settings: Settings, store: Store, endpoint: Endpoint, plan: deploying.Plan, clock: Callable[[], datetime]) -> str:
    """What is due for a release in a step; in words, empty where nothing was done."""
    release, now = plan.release, clock()
    if plan.unsealed:
        return _pause(store, plan, plan.unsealed, None, (now - release.state_since).total_seconds(), now)
    if deploying.passed(release):
        return ""  # the next step is the `deploy` run's, whose intent is in the outbox
    champion = plan.route.champion.digest if plan.route.champion else None
    if plan.decision.detail.get("champion_digest") != champion:
        return end(store, plan, "the champion changed during the canary", now)
    elapsed = (now - release.state_since).total_seconds()
    late = elapsed > plan.rollout.wait_max_s
    try:
        stats = endpoint.stats(release.use_case)
    except Unavailable as error:
        if late:
            return _pause(store, plan, f"the prediction server does not answer: {error.what}", None, elapsed, now)
        raise
    if stats.generation != plan.route.generation:  # the endpoint has not taken on the step yet: nothing to judge
        unheard = f"the endpoint answers with generation {stats.generation}, the step needs {plan.route.generation}"
        return _pause(store, plan, unheard, None, elapsed, now) if late else ""
    try:
        judgement = judge(settings, plan, stats, elapsed, now)
    except Exception as error:
        if late:  # raised until the step's longest wait is over, then the reason of its pause
            return _pause(store, plan, f"the step cannot be judged: {type(error).__name__}: {error}", None, elapsed, now)
        raise
    if judgement.verdict is StepVerdict.FAIL:
        brake(store, endpoint, release, reason=judgement.sentence, breach=breach_id(release), judgement=_body(plan, judgement, now),
              clock=clock)
        return f"rolled back: {judgement.sentence}"
    if judgement.verdict is StepVerdict.PASS:
        return _pass(store, plan, judgement, now)
    if judgement.pauses(plan.rollout):
        return _pause(store, plan, judgement.sentence, judgement, elapsed, now)
    return _so_far(store, plan, judgement, now)


def judge(settings: Settings, plan: deploying.Plan, stats: EndpointStats, elapsed: float, now: datetime) -> StepJudgement:
    """The judgement of the present step on these figures of the endpoint."""
    present = step_of(plan.rollout, plan.release.step)
    champion, candidate = arms_of(present, stats)
    ready = elapsed >= present.bake_s
    outcomes = outcomes_of(settings, plan.use_case, plan.route.generation, plan.release.state_since, now,
                           shadow=present.kind is StepKind.SHADOW) if ready and present.kind is not StepKind.PREVIEW else None
    tested = ab_counts(settings, plan.use_case, plan.route.generation, plan.release.state_since, now) \
        if present.kind is StepKind.AB else None
    return judge_step(plan.rollout, present, champion, candidate, elapsed, outcomes=outcomes, ab=tested)


def arms_of(present: Step, stats: EndpointStats) -> tuple[ArmStats, ArmStats]:
    """(champion, candidate) to compare: in the shadow, both on the mirrored requests alone."""
    return (stats.mirrored, stats.shadow) if present.kind is StepKind.SHADOW else (stats.champion, stats.candidate)


def breach_id(release: Release) -> str:
    """Identity of what happens at the end of this step: one judgement, one effect; after a person's pause there is another judgement."""
    pauses = sum(item.get("step") == release.step and item.get("verdict") == PAUSED for item in release.analysis)
    return f"release:{release.id}:step:{release.step}{f':{pauses}' if pauses else ''}"


def _body(plan: deploying.Plan, judgement: StepJudgement, now: datetime) -> dict[str, Any]:
    """What is stored: the judgement, and the period and generation that all of its figures are from."""
    return {"step": plan.release.step, "at": now.isoformat(), "since": plan.release.state_since.isoformat(),
            "generation": plan.route.generation, "strategy": plan.rollout.strategy, **judgement.plain()}


def _pass(store: Store, plan: deploying.Plan, judgement: StepJudgement, now: datetime) -> str:
    """Judgement, ledger entry and the intent of the next `deploy` run in one transaction."""
    release, body = plan.release, _body(plan, judgement, now)
    with store.writing() as session:
        fresh = releases.get(session, release.id)
        if fresh.revision != release.revision:
            return ""
        releases.note(session, fresh, body)
        ledger.append(session, "release.judged", {
            "release_id": release.id, "candidate_id": release.candidate_id, "decision_id": release.decision_id, "actor": AUTOMATIC,
            "judgement": body, "sentence": f"step {release.step} passed: {judgement.sentence}"}, release.use_case, at=now)
        outbox.enqueue(session, breach_id(release), DEPLOY, {"use_case": release.use_case, "release_id": release.id}, at=now)
    return f"step {release.step} passed: {judgement.sentence}"


def _so_far(store: Store, plan: deploying.Plan, judgement: StepJudgement, now: datetime) -> str:
    """Write down how the step stands, in place of what was written before; people see it, nothing else changes."""
    last = next((item for item in reversed(plan.release.analysis) if item.get("interim") and item.get("step") == plan.release.step), None)
    if last is not None and last["verdict"] == judgement.verdict.value \
            and now - datetime.fromisoformat(last["at"]) < timedelta(seconds=NOTED_S):
        return ""
    with store.writing() as session:
        fresh = releases.get(session, plan.release.id)
        if fresh.revision == plan.release.revision:
            releases.note(session, fresh, {**_body(plan, judgement, now), "interim": True})
    return ""


def _pause(store: Store, plan: deploying.Plan, why: str, judgement: StepJudgement | None, elapsed: float, now: datetime) -> str:
    """Waits for a person; until then the champion answers everything, and the candidate stays loaded. Nothing where the release was moved
    meanwhile: the reason is the old step's."""
    word = "inconclusive" if judgement is not None and judgement.verdict is StepVerdict.INCONCLUSIVE else "no verdict"
    reason = f"{word} after {elapsed:,.0f} s: {why}"
    judged = _body(plan, judgement, now) if judgement else None
    with store.writing() as session:
        release = releases.get(session, plan.release.id)
        return _hold(session, release, reason, judged, now) if release.revision == plan.release.revision else ""


def hold_unread(store: Store, release_id: str, why: str, now: datetime) -> str:
    """Take the share of a candidate back whose steps and limits nobody can read; empty where the release is in no step.

    At once, as where the file was changed: nothing judges the candidate any more, and only the files' return could end that. The share
    goes to the champion, as in every pause: nobody is answered by a model while nobody judges it. Nothing is rolled back, because nothing
    was found against the candidate: with the file restored, `resume` begins the step anew; `abort` needs neither file.
    """
    with store.writing() as session:
        release = releases.get(session, release_id)
        if ReleaseState(release.state) not in deploying.STEPPING:
            return ""
        return _hold(session, release, f"no verdict after {(now - release.state_since).total_seconds():,.0f} s: {why}", None, now)


def _hold(session: Session, release: Release, reason: str, judged: dict[str, Any] | None, now: datetime) -> str:
    """Pause the release, with nothing for its candidate, and tell people."""
    version = session.get_one(Candidate, release.candidate_id).number
    releases.move(session, release, ReleaseState.PAUSED, now=now, reason=reason[:2_000], actor=AUTOMATIC, judgement=judged)
    change_route(session, read_route(session, release.use_case), actor=AUTOMATIC, reason=reason[:2_000], decision_id=release.decision_id,
                 at=now, candidate_percent=0)
    record_alert(session, identity=f"paused:{release.id}:{release.step}:{release.revision}", use_case=release.use_case,
                 severity="warning", at=now, title=f"version {version} of {release.use_case} waits for a person",
                 body=f"{reason}. Resume or abort: interlock resume {release.id}, interlock abort {release.id}")
    return reason


def end(store: Store, plan: deploying.Plan, reason: str, now: datetime) -> str:
    """End a release that is not live and that nobody judged: what it rested on is gone."""
    with store.writing() as session:
        end_open(session, plan.release.id, kind="rollback", actor=AUTOMATIC, reason=reason, now=now, detail={"nonce": plan.release.id},
                 expected_generation=read_route(session, plan.release.use_case).generation,
                 identity=f"rollback:breach:{plan.release.id}:void")
    return reason
