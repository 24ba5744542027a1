"""After a rollback: does the endpoint really answer with the good model? Found, written down, told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from interlock.control.endpoint import Endpoint
from interlock.control.keeping.alerting import record_alert
from interlock.errors import StoreError, Unavailable
from interlock.records import decisions, ledger
from interlock.records.routes import read_route
from interlock.records.store import Store, utc_now
from interlock.records.tables import Decision
from interlock.rules.routes import Observed, Route, agrees


@dataclass(frozen=True)
class Aftermath:
    """What was found after the decision."""

    decision: Decision
    route: Route
    observed: Observed | None
    verified: bool
    sentence: str

    def facts(self) -> dict[str, Any]:
        """Plain values for the ledger and the screen."""
        champion = self.observed.champion if self.observed else None
        return {"decision": self.decision.id, "by": self.decision.actor, "reason": self.decision.reason,
                "verified": self.verified, "generation": self.route.generation,
                "route's champion": self.route.champion.model_dump() if self.route.champion else None,
                "endpoint answers with": champion.model_dump() if champion else None}


def verify(store: Store, endpoint: Endpoint, decision_id: str) -> Aftermath:
    """Compare the endpoint with the route that the decision made. An endpoint that is silent is a finding, not an error."""
    with store.reading() as session:
        decision = session.get(Decision, decision_id)
        if decision is None:
            raise StoreError("there is no such decision", value=decision_id, next_step="interlock history")
        route = read_route(session, decision.use_case)
    try:
        observed = endpoint.observed(decision.use_case)
    except Unavailable as error:
        return Aftermath(decision, route, None, False, f"the endpoint does not answer: {error.what}; the keeper goes on trying")
    said = f"version {observed.champion.version} ({observed.champion.digest[:19]}…)" if observed.champion else "nothing"
    if agrees(route, observed):
        return Aftermath(decision, route, observed, True, f"verified: the endpoint answers with {said}, as the route says")
    return Aftermath(decision, route, observed, False, f"the endpoint answers with {said}, which is not what the route says yet")


def record(store: Store, found: Aftermath, *, clock: Callable[[], datetime] = utc_now) -> None:
    """Ledger entry and alert, once per decision and answer."""
    now = clock()
    with store.writing() as session:
        decision = session.get(Decision, found.decision.id)
        if decision is None or decision.detail.get("verified_seq") is not None:
            return
        entry = ledger.append(session, "rollback.verified" if found.verified else "rollback.unverified",
                              {"sentence": found.sentence, **found.facts()}, decision.use_case, at=now)
        if found.verified:
            decisions.add_detail(session, decision, verified_seq=entry.seq)
        record_alert(session, identity=f"rollback:{decision.id}:{found.verified}", use_case=decision.use_case, at=now,
                     severity="warning" if found.verified else "critical", title=f"{decision.use_case} was rolled back by {decision.actor}",
                     body=f"{decision.reason}\n{decision.detail.get('sentence', '')}\n{found.sentence}")
