"""What is live, as the endpoint itself answers, beside what the store says should be live.

The two are never mixed: where the server cannot be reached the last known route is shown as exactly that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from interlock.errors import InterlockError
from interlock.records.store import Store, utc_now
from interlock.records.tables import RouteRow
from interlock.rules.routes import Observed, Route, Slot, agrees
from interlock.settings import Settings

START_COMMAND = "interlock serve"


@dataclass(frozen=True)
class Live:
    """One use case at the endpoint. `observed` is None where the server did not answer; then `problem` says why."""

    use_case: str
    address: str
    asked_at: datetime
    route: Route | None = None
    route_since: datetime | None = None
    observed: Observed | None = None
    problem: str = ""

    @property
    def reachable(self) -> bool:
        """Whether the server answered, even if it serves nothing for this use case."""
        return not self.problem

    @property
    def answering(self) -> Slot | None:
        """The champion that the endpoint itself names; None where it serves none or did not answer."""
        return self.observed.champion if self.observed else None

    @property
    def agreed(self) -> bool:
        """Whether the endpoint does what the route says on every worker."""
        if self.route is None or self.route.champion is None:
            return self.answering is None
        return self.observed is not None and agrees(self.route, self.observed)

    def sentence(self) -> str:
        """The state in one sentence for a person."""
        if self.problem:
            known = f"; last known route: {named(self.route.champion)}, generation {self.route.generation}" if self.route else ""
            return (f"The prediction server does not answer at {self.address}{known}. It may still be serving: this page could not ask. "
                    f"Start it with: {START_COMMAND}")
        if self.observed is None or self.observed.champion is None:
            return "The endpoint answers, and serves no model for this use case yet."
        text = f"The endpoint answers with {named(self.observed.champion)}, generation {self.observed.generation}."
        if self.observed.override:
            why = self.observed.override_reason or "no reason given"
            return f"{text} It rolled back by itself ({why}); the keeper has not recorded it yet."
        if not self.agreed:
            wanted = named(self.route.champion) if self.route else "nothing"
            return f"{text} The route says {wanted}: the keeper is bringing the two together."
        return text


def observe(settings: Settings, store: Store, use_cases: tuple[str, ...]) -> dict[str, Live]:
    """Ask the endpoint once, for all these use cases. One that it has never had a route for is reachable and serves nothing."""
    from interlock.serving.client import ServingClient

    with store.reading() as session:
        there = {row.use_case: row for row in session.scalars(select(RouteRow).where(RouteRow.use_case.in_(use_cases)))}
        rows = {name: there.get(name) for name in use_cases}
    answers: dict[str, Observed] = {}
    problem = ""
    try:
        with ServingClient(settings) as client:
            answers = {answer.use_case: answer for answer in client.all_observed()}
    except InterlockError as error:
        problem = error.what
    now = utc_now()
    return {name: Live(use_case=name, address=settings.control_url, asked_at=now, observed=answers.get(name), problem=problem,
                       route=Route.model_validate(row.body) if row else None, route_since=row.updated_at if row else None)
            for name, row in rows.items()}


def named(slot: Slot | None) -> str:
    """`version 3 (sha256:0123456789ab…)`, or `no model`."""
    return f"version {slot.version} ({slot.digest[:19]}…)" if slot else "no model"
