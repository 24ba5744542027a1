"""Releases as people follow them: where each stands, what each step measured, what a rollback would change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from interlock.control.decisions.approved import EDITED
from interlock.control.readmodel.endpoint import Live
from interlock.control.readmodel.signals import SignalState
from interlock.records.store import Store
from interlock.records.tables import Candidate, Decision, Outbox, Release
from interlock.rules.releases import OPEN, ReleaseState
from interlock.rules.routes import Slot
from interlock.settings import Settings
from interlock.spec.load import policy_digest

S = ReleaseState
WORDS = {S.PLANNED: "approved", S.STAGED: "verified", S.SHADOW: "loaded; no customer sees its answers",
         S.CANARY: "answers a share of requests",
         S.PAUSED: "waits for a person",
         S.PROBATION: "live on probation", S.LIVE: "live, confirmed", S.ROLLED_BACK: "rolled back", S.FAILED: "never went live",
         S.SUPERSEDED: "replaced by a newer one", S.RETIRED: "retired"}
SIGNALS = {S.LIVE: SignalState.PASS, S.PROBATION: SignalState.WARN, S.CANARY: SignalState.WARN, S.SHADOW: SignalState.WARN,
           S.STAGED: SignalState.WARN,
           S.PLANNED: SignalState.WARN, S.PAUSED: SignalState.UNKNOWN, S.ROLLED_BACK: SignalState.FAIL, S.FAILED: SignalState.FAIL,
           S.SUPERSEDED: SignalState.PASS, S.RETIRED: SignalState.UNKNOWN}
WAY = (S.PLANNED, S.STAGED, S.SHADOW, S.CANARY, S.PROBATION, S.LIVE)
UNSEEN = ("shadow", "preview")  # kinds of steps whose answers no customer sees


@dataclass(frozen=True)
class ReleaseView:
    """One release with who decided it and why. `analysis` holds what the keeper measured, newest last."""

    id: str
    use_case: str
    version: int
    package_digest: str
    state: ReleaseState
    step: int
    revision: int
    reason: str
    analysis: tuple[dict[str, Any], ...]
    state_since: datetime
    created_at: datetime
    decision_id: str
    actor: str
    decision_reason: str
    waits: str = ""
    policy_digest: str | None = None  # of the use-case file that was approved

    @property
    def signal(self) -> SignalState:
        return SIGNALS[self.state]

    @property
    def words(self) -> str:
        return self._word(self.state)

    @property
    def open(self) -> bool:
        """Whether something is still going to happen by itself or by a person."""
        return self.state in {S.PLANNED, S.STAGED, S.SHADOW, S.CANARY, S.PAUSED, S.PROBATION}

    @property
    def undecided(self) -> bool:
        """Whether it has not become live yet; until it has, or has ended, no other candidate can be approved."""
        return self.state in OPEN

    def way(self) -> list[tuple[str, str]]:
        """(word, `done` / `now` / `next` / `stopped`) of every stage, in order."""
        if self.state in WAY:
            shadowed = self.state is S.SHADOW or any(item.get("kind") in UNSEEN for item in self.analysis)
            way = [stage for stage in WAY if shadowed or stage is not S.SHADOW]
            at = way.index(self.state)
            return [(self._word(stage), "done" if n < at or (n == at and stage is S.LIVE) else "now" if n == at else "next")
                    for n, stage in enumerate(way)]
        return [(WORDS[S.PLANNED], "done"), (self.words, {S.SUPERSEDED: "done", S.PAUSED: "held"}.get(self.state, "stopped"))]

    def _word(self, stage: ReleaseState) -> str:
        """Releases from before there was staging were only verified."""
        staged = self.state is S.PLANNED or any(item.get("stage") == "staging" for item in self.analysis)
        return "verified and staged" if stage is S.STAGED and staged else WORDS[stage]


@dataclass(frozen=True)
class RollbackPreview:
    """What the Rollback button would do now. `possible` is False where there is nothing to go back to; `sentence` says why."""

    possible: bool
    sentence: str
    now: Slot | None = None
    then: Slot | None = None
    generation: int = 0


def releases(store: Store, use_case: str | None = None, limit: int = 50) -> list[ReleaseView]:
    """Releases, newest first."""
    query = (select(Release, Candidate, Decision).join(Candidate, Release.candidate_id == Candidate.id)
             .join(Decision, Release.decision_id == Decision.id))
    if use_case is not None:
        query = query.where(Release.use_case == use_case)
    with store.reading() as session:
        rows = session.execute(query.order_by(Release.created_at.desc(), Release.id.desc()).limit(limit)).all()
        queued = session.scalars(select(Outbox).where(Outbox.state.in_(("pending", "failed"))).limit(500)).all()
    held = {str(intent.parameters.get("release_id")): intent for intent in queued}
    return [ReleaseView(id=row.id, use_case=row.use_case, version=candidate.number, package_digest=candidate.package_digest,
                        state=ReleaseState(row.state), step=row.step, revision=row.revision, reason=row.reason,
                        analysis=tuple(item for item in row.analysis if isinstance(item, dict)), state_since=row.state_since,
                        created_at=row.created_at, decision_id=row.decision_id, actor=decision.actor, decision_reason=decision.reason,
                        waits=_waits(held.get(row.id)), policy_digest=decision.policy_digest) for row, candidate, decision in rows]


def edited(settings: Settings, use_case: str, state: str, approved: str | None) -> str:
    """That the use-case file is another one by now than the release runs under (digest `approved`), in words; empty where it is not, or
    does not matter."""
    if state not in {S.SHADOW, S.CANARY, S.PAUSED, S.PROBATION} or approved is None:
        return ""
    return "" if policy_digest(settings, use_case) == approved else EDITED


def preview_rollback(live: Live) -> RollbackPreview:
    """What a rollback would change, from what the endpoint says (or, where it is away, from the stored route)."""
    source = live.observed or live.route
    generation = source.generation if source else 0
    now, then = (source.champion, source.previous) if source else (None, None)
    if now is None or then is None:
        what = "Nothing is live." if now is None else "No earlier model is kept ready."
        return RollbackPreview(False, f"{what} A rollback at once has nothing to go back to.", now, then, generation)
    when = ("at once" if live.reachable else f"as soon as the prediction server is back (it does not answer at {live.address} now)")
    return RollbackPreview(True, f"Version {then.version} answers instead of version {now.version}, {when} and for all requests. "
                                 "Gates are skipped. A candidate that answers a share of requests stops answering. Then the rollback "
                                 "run verifies, records and tells people.", now, then, generation)


def _waits(intent: Outbox | None) -> str:
    if intent is None:
        return ""
    if intent.last_error:
        return f"The {intent.deployment} run has not started (attempt {intent.attempt}): {intent.last_error}"
    return f"The {intent.deployment} run is queued; the keeper starts it."
