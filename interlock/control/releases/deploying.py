"""The steps of the `deploy` flow: each run takes a release as far as it may go now, then ends (law 4).

    planned → staged    decision valid, evidence sealed, package verified byte by byte, a child process answers the golden rows, and a
                        staging server with the same bytes bore smoke requests and the declared load (interlock.control.releases.staging)
    staged  → step 1    of the use case's strategy or, without a champion or without steps, live on probation
    step n  → n + 1     or live on probation, once the keeper judged step n and it passed

Every function may be repeated: state and generation decide, never what an earlier run reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from interlock.control.access.people import AUTOMATIC
from interlock.control.decisions.approved import policy_of
from interlock.control.decisions.standing import ended_words
from interlock.control.endpoint import Endpoint
from interlock.control.keeping.alerting import record_alert
from interlock.errors import EvidenceError, InterlockError, PackageError, StoreError
from interlock.records import releases
from interlock.records.routes import change_route, read_route
from interlock.records.store import Store, utc_now
from interlock.records.tables import Candidate, Decision, EvidenceRow, Release
from interlock.rules.evidence import Evidence, check_seal
from interlock.rules.releases import ReleaseState
from interlock.rules.routes import Observed, Route, Slot
from interlock.rules.staging import StagingJudgement
from interlock.rules.strategies import route_changes, step_of, steps_of
from interlock.settings import Settings
from interlock.spec.rollout import Rollout
from interlock.spec.serving import Serving
from interlock.spec.usecase import UseCase

PROBE_TIMEOUT_S = 60.0
STEPPING = (ReleaseState.SHADOW, ReleaseState.CANARY)


@dataclass(frozen=True)
class Plan:
    """One release with everything that its next step rests on, read at one moment."""

    release: Release
    decision: Decision
    candidate: Candidate
    route: Route
    policy_digest: str | None  # of the use-case file as it is now; what the release runs under is `use_case`
    use_case: UseCase
    void: str = ""  # why the standing approval under the decision counts no longer
    unsealed: str = ""  # why `use_case` is not what was approved: then no step is taken without a person

    @property
    def rollout(self) -> Rollout:
        """Steps, limits and analysis as they were approved."""
        return self.use_case.rollout

    @property
    def serving(self) -> Serving:
        return self.use_case.serving

    @property
    def edited(self) -> bool:
        """Whether the use-case file is another one by now than the release runs under."""
        return self.policy_digest != self.decision.policy_digest

    @property
    def slot(self) -> Slot:
        """The package to release: the digest is the one in the decision, the trusted one (law 7)."""
        return Slot(version=self.candidate.number, digest=str(self.decision.package_digest))

    @property
    def state(self) -> ReleaseState:
        return ReleaseState(self.release.state)


@dataclass(frozen=True)
class Outcome:
    """Where a run left the release."""

    release_id: str
    use_case: str
    state: ReleaseState
    step: int
    sentence: str
    route: Route
    observed: Observed | None = None
    changed: bool = True


def load(settings: Settings, store: Store, release_id: str) -> Plan:
    """Read the release and what it rests on."""
    with store.reading() as session:
        release = releases.get(session, release_id)
        return plan_of(settings, session, release)


def plan_of(settings: Settings, session: Session, release: Release) -> Plan:
    """The plan of a release inside a session."""
    decision, candidate = session.get(Decision, release.decision_id), session.get(Candidate, release.candidate_id)
    if decision is None or candidate is None:
        raise StoreError("the release has lost its decision or candidate", value=release.id, next_step="interlock verify")
    digest, use_case, unsealed = policy_of(settings, release, decision)
    return Plan(release, decision, candidate, read_route(session, release.use_case), digest, use_case, ended_words(session, decision),
                unsealed)


def objections(plan: Plan, now: datetime) -> list[str]:
    """Why the decision no longer counts; empty: it does. Asked before the candidate answers its first customer."""
    decision, found = plan.decision, [plan.void] if plan.void else []
    if decision.kind != "approve" or decision.package_digest != plan.candidate.package_digest:
        found.append("the decision does not approve this package")
    if decision.expires_at is not None and now > decision.expires_at:
        found.append("the decision expired before it was carried out")
    if plan.edited:
        found.append("the use-case file changed since the decision")
    champion = plan.route.champion.digest if plan.route.champion else None
    if decision.detail.get("champion_digest") != champion:
        found.append("the champion changed since the decision")
    waived_until = decision.detail.get("waived_until")
    if waived_until is not None and now > datetime.fromisoformat(waived_until):
        found.append("the waiver expired before the decision was carried out")
    return found


def verify(settings: Settings, store: Store, plan: Plan, now: datetime) -> list[str]:
    """Decision, seal and every byte of the package; sentences for what is wrong."""
    from interlock.modeling.package import read_package

    found = objections(plan, now)
    with store.reading() as session:
        row = session.get(EvidenceRow, plan.decision.evidence_digest)
    try:
        if row is None:
            raise EvidenceError("the evidence is gone", value=plan.decision.evidence_digest)
        check_seal(Evidence.model_validate(row.body), row.digest)
        read_package(settings.folder("packages"), plan.slot.digest)
    except (EvidenceError, PackageError) as error:
        found.append(error.what)
    except ValueError as error:  # a body that is no evidence any more
        found.append(f"the evidence was changed after it was sealed: {error}"[:300])
    return found


def probe(settings: Settings, plan: Plan) -> list[str]:
    """Load the package first in a child process that answers its golden rows; sentences for what is wrong."""
    from interlock.modeling.probe import probe_package

    try:
        probe_package(settings.folder("packages"), plan.slot.digest, PROBE_TIMEOUT_S)
    except PackageError as error:
        return [error.what]
    return []


def rehearse(settings: Settings, store: Store, plan: Plan) -> StagingJudgement:
    """Stage the candidate on a server of its own: smoke requests and the declared load, before any customer."""
    from interlock.control.releases import staging

    return staging.rehearse(settings, store, plan)


def stage(store: Store, plan: Plan, problems: list[str], judgement: StagingJudgement | None, *,
          clock: Callable[[], datetime] = utc_now) -> ReleaseState:
    """planned → staged, or failed with every problem in words. Only a judgement that passed leads on; what failed is told to people."""
    with store.writing() as session:
        release = releases.get(session, plan.release.id)
        if release.state != ReleaseState.PLANNED:
            return ReleaseState(release.state)
        good, now = not problems and judgement is not None and judgement.verdict == "pass", clock()
        new = ReleaseState.STAGED if good else ReleaseState.FAILED
        reason = "; ".join(problems) or (judgement.sentence if judgement is not None else "it was not staged")
        releases.move(session, release, new, now=now, reason=reason[:2_000], actor=AUTOMATIC,
                      judgement=None if judgement is None else judgement.plain() | {"at": now.isoformat()})
        if not good:
            record_alert(session, identity=f"staging:{release.id}", use_case=release.use_case, severity="warning", at=now,
                         title=f"version {plan.slot.version} of {release.use_case} was not released",
                         body=f"{reason[:2_000]}. No customer saw it. To try again: interlock validate {release.use_case} "
                              f"--version {plan.slot.version}, then approve.")
        return new


def go_on(settings: Settings, store: Store, release_id: str, *, clock: Callable[[], datetime] = utc_now) -> Outcome:
    """staged → first answers, or canary → next step, as far as the keeper's judgement permits; else nothing changes."""
    with store.writing() as session:
        plan, now = plan_of(settings, session, releases.get(session, release_id)), clock()
        if plan.state is ReleaseState.STAGED:
            problems = objections(plan, now)
            if problems:
                releases.move(session, plan.release, ReleaseState.FAILED, now=now, reason="; ".join(problems), actor=AUTOMATIC)
                return _outcome(plan, plan.route, "; ".join(problems))
            return _to_step(session, plan, 1, now)
        if plan.state in STEPPING and passed(plan.release):
            if why := overtaken(session, plan, now):
                return _outcome(plan, plan.route, f"{why}: the keeper ends the release", changed=False)
            if plan.unsealed:
                return _outcome(plan, plan.route, f"{plan.unsealed}: the keeper asks a person", changed=False)
            return _to_step(session, plan, plan.release.step + 1, now)
        return _outcome(plan, plan.route, f"nothing to do: the release is {plan.state.value}", changed=False)


def overtaken(session: Session, plan: Plan, now: datetime) -> str:
    """Why a release in its steps must end although it began rightly; empty: it may go on.

    Until a customer has seen an answer, the end of a standing approval or of a waiver voids it. After that only a waiver does, one that
    is not to be asked about (`on_expiry`).
    """
    until = plan.decision.detail.get("waived_until")
    unseen = plan.state is ReleaseState.SHADOW or (plan.state is ReleaseState.PAUSED and all(
        step.state is ReleaseState.SHADOW for step in steps_of(plan.rollout)[:plan.release.step]))
    if unseen and plan.void:
        return plan.void
    expired = until is not None and now > datetime.fromisoformat(until)
    return f"the waiver under version {plan.slot.version} expired on {until}" if expired and (unseen or not asks(session, plan)) else ""


def asks(session: Session, plan: Plan) -> bool:
    """Whether every waiver under the decision wants people asked when it ends, and nothing taken off."""
    signed = [session.get(Decision, decision_id) for decision_id in plan.decision.detail.get("waivers", [])]
    return all(row is not None and row.detail.get("on_expiry") == "ask" for row in signed)


def passed(release: Release) -> bool:
    """Whether the keeper judged the present step, it passed, and nobody paused it since: then it is judged anew."""
    judged = [item for item in release.analysis if item.get("step") == release.step and not item.get("interim")]
    return bool(judged) and judged[-1].get("verdict") == "pass"


def carry_out(settings: Settings, store: Store, endpoint: Endpoint, release_id: str, *,
              clock: Callable[[], datetime] = utc_now) -> Outcome:
    """The whole of one `deploy` run."""
    plan = load(settings, store, release_id)
    if plan.state is ReleaseState.PLANNED:
        problems = verify(settings, store, plan, clock()) or probe(settings, plan)
        stage(store, plan, problems, None if problems else rehearse(settings, store, plan), clock=clock)
    return converge(endpoint, go_on(settings, store, release_id, clock=clock))


def converge(endpoint: Endpoint, outcome: Outcome) -> Outcome:
    """Give the endpoint its route at once; where that fails the keeper does it within a second of its return."""
    if outcome.route.generation == 0:
        return outcome
    try:
        observed = endpoint.converge(outcome.route)
    except InterlockError as error:
        return Outcome(**{**vars(outcome), "sentence": f"{outcome.sentence}; the endpoint has not followed yet: {error.what}"})
    return Outcome(**{**vars(outcome), "observed": observed})


def _to_step(session: Session, plan: Plan, number: int, now: datetime) -> Outcome:
    if plan.route.champion is None or number > len(steps_of(plan.rollout)):
        return _to_probation(session, plan, now)
    step = step_of(plan.rollout, number)
    sentence = f"{plan.rollout.strategy} step {number} of {len(steps_of(plan.rollout))}: {step.words}"
    releases.move(session, plan.release, step.state, now=now, reason=sentence, actor=AUTOMATIC, step=number)
    route = change_route(session, plan.route, actor=AUTOMATIC, reason=sentence, decision_id=plan.decision.id, at=now,
                         candidate=plan.slot, **route_changes(plan.rollout, step, plan.release.id),
                         on_capture_failure=plan.rollout.on_capture_failure, serving=plan.serving)
    return _outcome(plan, route, sentence)


def _to_probation(session: Session, plan: Plan, now: datetime) -> Outcome:
    """The candidate becomes champion, the champion the way back, and its release is superseded."""
    old = plan.route.champion
    sentence = f"version {plan.slot.version} is live on probation" + ("" if old else ": the first one ever, nothing to compare with")
    releases.move(session, plan.release, ReleaseState.PROBATION, now=now, reason=sentence, actor=AUTOMATIC)
    if old is not None:
        before = releases.of_package(session, plan.release.use_case, old.digest, releases.ANSWERING)
        if before is not None and before.id != plan.release.id:
            releases.move(session, before, ReleaseState.SUPERSEDED, now=now, actor=AUTOMATIC, reason=f"version {plan.slot.version} is live")
    route = change_route(session, plan.route, actor=AUTOMATIC, reason=sentence, decision_id=plan.decision.id, at=now, champion=plan.slot,
                         previous=old, candidate=None, candidate_percent=0, candidate_mode="share", sticky_key=None, sticky_salt=None,
                         on_capture_failure=plan.rollout.on_capture_failure,
                         serving=plan.serving)
    return _outcome(plan, route, sentence)


def _outcome(plan: Plan, route: Route, sentence: str, *, changed: bool = True) -> Outcome:
    return Outcome(plan.release.id, plan.release.use_case, ReleaseState(plan.release.state), plan.release.step, sentence, route,
                   changed=changed)


def facts(outcome: Outcome) -> dict[str, Any]:
    """What a run reports, as plain values."""
    return {"release": outcome.release_id, "state": outcome.state.value, "step": outcome.step, "what": outcome.sentence,
            "generation": outcome.route.generation, "champion": outcome.route.champion.model_dump() if outcome.route.champion else None,
            "endpoint answers with": outcome.observed.champion.model_dump() if outcome.observed and outcome.observed.champion else None}
