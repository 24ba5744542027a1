"""Where each use case stands, one row each and one query for all: its newest release, since when its version is live, its money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select

from interlock.control.readmodel.intake import refused_signal
from interlock.control.readmodel.rollouts import WORDS
from interlock.control.readmodel.signals import Signal, SignalState
from interlock.records.releases import ANSWERING
from interlock.records.store import Store
from interlock.records.tables import Candidate, Cost, Outbox, Release, Snapshot
from interlock.rules.releases import OPEN, ReleaseState

COSTS_DAYS = 35  # days looked back over: where none of them has costs, none were added up
HELD_MAX = 500  # intents that wait for Prefect


@dataclass(frozen=True)
class Way:
    """The newest release of a use case: which version, how far, why it waits."""

    id: str
    version: int
    package_digest: str
    state: ReleaseState
    reason: str
    waits: str = ""

    @property
    def words(self) -> str:
        return WORDS[self.state]

    @property
    def undecided(self) -> bool:
        """Whether it has not become live yet."""
        return self.state in OPEN

    @property
    def open(self) -> bool:
        """Whether something is still going to happen by itself or by a person."""
        return self.state in {*OPEN, ReleaseState.PROBATION}


def ways(store: Store) -> dict[str, Way]:
    """The newest release of every use case."""
    newest = select(Release.use_case, func.max(Release.created_at).label("at")).group_by(Release.use_case).subquery()
    query = (select(Release.id, Release.use_case, Release.state, Release.reason, Candidate.number, Candidate.package_digest)
             .join(newest, (Release.use_case == newest.c.use_case) & (Release.created_at == newest.c.at))
             .join(Candidate, Release.candidate_id == Candidate.id).order_by(Release.id))
    intents = (select(Outbox.parameters, Outbox.deployment, Outbox.attempt, Outbox.last_error)
               .where(Outbox.state.in_(("pending", "failed"))).limit(HELD_MAX))
    with store.reading() as session:
        rows = session.execute(query).all()
        held = {str(found.parameters.get("release_id")): _waits(found.deployment, found.attempt, found.last_error)
                for found in session.execute(intents)}
    return {name: Way(place, number, digest, ReleaseState(state), reason, held.get(place, ""))
            for place, name, state, reason, number, digest in rows}


def live_since(store: Store) -> dict[tuple[str, str], datetime]:
    """(use case, package) → since when it answers, of releases that answer now."""
    query = (select(Release.use_case, Candidate.package_digest, Release.state_since).join(Candidate, Release.candidate_id == Candidate.id)
             .where(Release.state.in_([state.value for state in ANSWERING])))
    with store.reading() as session:
        return {(name, digest): since for name, digest, since in session.execute(query)}


def data_signals(store: Store) -> dict[str, Signal]:
    """The share of refused rows of every use case's newest snapshot."""
    newest = select(Snapshot.use_case, func.max(Snapshot.created_at).label("at")).group_by(Snapshot.use_case).subquery()
    query = (select(Snapshot.use_case, Snapshot.rows, Snapshot.quarantined, newest.c.at)
             .join(newest, (Snapshot.use_case == newest.c.use_case) & (Snapshot.created_at == newest.c.at)))
    with store.reading() as session:
        return {name: refused_signal(rows, refused, at) for name, rows, refused, at in session.execute(query)}


def spent(store: Store, today: date) -> dict[str, float]:
    """US dollars of this month so far, of use cases whose costs were added up within the last `COSTS_DAYS` days."""
    first, since = today.replace(day=1).isoformat(), (today - timedelta(days=COSTS_DAYS)).isoformat()
    with store.reading() as session:
        recent = session.execute(select(Cost.use_case, Cost.day, func.sum(Cost.usd)).where(Cost.day >= since)
                                 .group_by(Cost.use_case, Cost.day)).all()
    found: dict[str, float] = {}
    for name, day, usd in recent:
        found[name] = found.get(name, 0.0) + (usd if day >= first else 0.0)
    return found


def money_signal(usd: float | None, facts: Mapping[str, object]) -> Signal:
    """Month to date against the monthly budget; UNKNOWN where nothing was added up yet, or there is no budget."""
    if usd is None:
        return Signal("Cost", SignalState.UNKNOWN, "Costs have not been added up yet.")
    budget = facts.get("budget_usd")
    if not isinstance(budget, (int, float)):
        return Signal("Cost", SignalState.UNKNOWN, f"${usd:,.2f} this month; no budget is set.", value=usd, unit="USD")
    state = SignalState.FAIL if usd > budget else SignalState.WARN if usd > 0.8 * budget else SignalState.PASS
    return Signal("Cost", state, f"${usd:,.2f} of ${budget:,.2f} this month.", value=usd, limit=float(budget), unit="USD")


def _waits(deployment: str, attempt: int, error: str) -> str:
    if error:
        return f"the {deployment} run has not started (attempt {attempt}): {error}"
    return f"the {deployment} run is queued; the keeper starts it."
