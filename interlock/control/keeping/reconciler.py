"""What should be served against what is: asked every second, healed at once (law 3). Overrides are absorbed first (law 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from interlock.control.endpoint import Endpoint
from interlock.control.keeping.alerting import record_alert
from interlock.control.releases.rollbacks import absorb
from interlock.errors import InterlockError, StaleState, Unavailable
from interlock.records.routes import read_route
from interlock.records.store import Store, utc_now
from interlock.rules.routes import Observed, Route, agrees
from interlock.settings import Settings

Found = Literal["agrees", "converged", "absorbed", "unreachable", "behind", "nothing"]


@dataclass(frozen=True)
class Reconciled:
    """What was found and done for one endpoint."""

    use_case: str
    found: Found
    route: Route
    observed: Observed | None
    sentence: str = ""


def reconcile(settings: Settings, store: Store, endpoint: Endpoint, use_case: str, *,
              clock: Callable[[], datetime] = utc_now) -> Reconciled:
    """Compare one endpoint with its route; absorb an override, or converge. A silent endpoint goes on with its last route."""
    with store.reading() as session:
        route = read_route(session, use_case)
    try:
        observed = endpoint.observed(use_case)
        if observed.override:
            route, observed = absorb(settings, store, endpoint, observed, clock=clock)
            return Reconciled(use_case, "absorbed", route, observed, "the endpoint's own rollback is on record")
        if route.generation == 0:
            return Reconciled(use_case, "nothing", route, observed)
        if agrees(route, observed):
            return Reconciled(use_case, "agrees", route, observed)
        if observed.generation > route.generation:
            return _behind(store, route, observed, clock())
        return Reconciled(use_case, "converged", route, endpoint.converge(route), f"generation {route.generation} is in place")
    except Unavailable as error:
        return Reconciled(use_case, "unreachable", route, None, error.what)
    except StaleState as error:  # the route moved while we looked: the next pass sees it
        return Reconciled(use_case, "behind", route, None, error.what)
    except InterlockError as error:
        _tell(store, f"converge:{use_case}:{route.generation}", use_case,
              f"{use_case}: the endpoint cannot take generation {route.generation}", str(error), clock())
        raise


def _behind(store: Store, route: Route, observed: Observed, now: datetime) -> Reconciled:
    """An endpoint ahead of the store: the store was replaced by an older one. Nobody guesses; people are told."""
    with store.reading() as session:
        fresh = read_route(session, route.use_case)
    if fresh.generation >= observed.generation:
        return Reconciled(route.use_case, "behind", fresh, observed, "the route moved while we looked")
    sentence = f"the endpoint is at generation {observed.generation}, the store at {fresh.generation}: was an old store restored?"
    _tell(store, f"behind:{route.use_case}:{observed.generation}", route.use_case,
          f"{route.use_case}: endpoint and store disagree", sentence, now)
    return Reconciled(route.use_case, "behind", fresh, observed, sentence)


def _tell(store: Store, identity: str, use_case: str, title: str, body: str, now: datetime) -> None:
    with store.writing() as session:
        record_alert(session, identity=identity, use_case=use_case, severity="critical", title=title, body=body, at=now)
