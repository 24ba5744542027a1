"""A person's pause: the rollout is held at its step, the champion answers everything, and nothing goes on until a person says so.

The candidate stays loaded, so that `resume` begins the same step anew within seconds. A step that had passed already, but whose successor
had not begun, is judged anew too: whoever pauses has seen something that its judgement had not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from interlock.control.access.people import Person, name_of, require
from interlock.control.decisions.once import once
from interlock.control.decisions.receipts import Receipt
from interlock.control.endpoint import Endpoint, reached
from interlock.control.releases.rollbacks import settle
from interlock.errors import StaleState
from interlock.records import decisions, releases
from interlock.records.routes import change_route, read_route
from interlock.records.store import Store, utc_now
from interlock.records.tables import Decision
from interlock.rules.releases import ReleaseState
from interlock.settings import Settings

PAUSED = "paused"  # verdict of the judgement that a person's pause leaves in the analysis
SEEN = ("strategy", "kind", "percent", "measures", "arms", "ab")  # how the step stood stays on record beside the pause
STEPPING = (ReleaseState.SHADOW, ReleaseState.CANARY)


def pause(settings: Settings, store: Store, *, actor: str | Person, release_id: str, reason: str, nonce: str, expected_generation: int,
          endpoint: Endpoint | None = None, clock: Callable[[], datetime] = utc_now) -> Receipt:
    """Hold a release at its present step, with no share of the requests. Raises `StaleState` where it is in no step, or the route is not
    the one that the person saw; without the store nothing is done (`abort` and `rollback` work without it)."""
    right, name = require(settings, actor, "pause", reason), name_of(actor)
    with reached(settings, endpoint) as seam:
        receipt = once(store, f"pause:{release_id}:{nonce}", "pause", name, nonce,
                       lambda session: _pause(session, release_id, name, reason, expected_generation, {"nonce": nonce, **right}, clock()))
        with store.reading() as session:
            route = read_route(session, receipt.use_case)
        warnings: list[str] = []
        observed = settle(seam, route, None, warnings)
    return receipt.model_copy(update={"observed": observed, "warnings": warnings})


def _pause(session: Session, release_id: str, actor: str, reason: str, expected_generation: int, detail: dict[str, Any],
           now: datetime) -> Decision:
    release = releases.get(session, release_id)
    state = ReleaseState(release.state)
    if state not in STEPPING:
        raise StaleState(f"this release is {state.value}: only a step that runs can be paused", value=release_id,
                         allowed="shadow or canary", next_step="interlock status")
    route = read_route(session, release.use_case)
    if route.generation != expected_generation:
        raise StaleState("the route is not the one that you saw; nothing was changed", value=f"generation {expected_generation}",
                         allowed=f"generation {route.generation}", next_step="look again: interlock status")
    decision = decisions.record(session, kind="pause", identity=f"pause:{release_id}:{detail['nonce']}", use_case=release.use_case,
                                actor=actor, reason=reason, now=now, candidate_id=release.candidate_id,
                                expected_generation=expected_generation, detail=detail)
    stood = [item for item in release.analysis if item.get("interim") and item.get("step") == release.step]
    known: dict[str, Any] = stood[-1] if stood else {}
    held = {name: known[name] for name in SEEN if name in known} | {
        "step": release.step, "verdict": PAUSED, "at": now.isoformat(), "since": release.state_since.isoformat(), "by": actor,
        "generation": route.generation, "sentence": f"paused by {actor}: {reason}"}
    releases.move(session, release, ReleaseState.PAUSED, now=now, reason=str(held["sentence"])[:2_000], actor=actor, judgement=held)
    route = change_route(session, route, actor=actor, reason=reason, decision_id=decision.id, at=now, candidate_percent=0)
    decisions.add_detail(session, decision, release_id=release.id, generation=route.generation,
                         sentence=f"step {release.step} is held: the champion answers everything until somebody resumes or aborts")
    return decision
