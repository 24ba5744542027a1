"""Last known good: the versions that a person may go back to, how fast that is, and why not for the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.errors import DecisionRefused, PackageError
from interlock.records.routes import read_route
from interlock.records.served import Served, served_versions
from interlock.records.store import Store
from interlock.records.tables import Candidate, Decision
from interlock.rules.routes import Route, Slot
from interlock.settings import Settings

PROBE_TIMEOUT_S = 60.0
Way = Literal["answers now", "instant", "verify first", "not possible"]


@dataclass(frozen=True)
class Choice:
    """One version that answered before. `why`: what the way rests on, or what stands in it."""

    slot: Slot
    way: Way
    why: str
    last_at: datetime
    last_until: datetime | None
    ended: str

    @property
    def possible(self) -> bool:
        return self.way in {"instant", "verify first"}


def choices(settings: Settings, store: Store, use_case: str) -> list[Choice]:
    """Every version that verifiably answered, whoever answered last first."""
    with store.reading() as session:
        route, gone = read_route(session, use_case), retired(session, use_case)
        return [_choice(settings, route, one, gone) for one in served_versions(session, use_case)]


def target_of(settings: Settings, session: Session, use_case: str, version: int, route: Route) -> Slot:
    """The slot of the version to go back to; `DecisionRefused`: it never answered, answers already, is retired, its package is gone."""
    gone = retired(session, use_case)
    found = [_choice(settings, route, one, gone) for one in served_versions(session, use_case)]
    chosen = next((one for one in found if one.slot.version == version), None)
    allowed = ", ".join(f"version {one.slot.version} ({one.way})" for one in found if one.possible) or "none"
    if chosen is None:
        raise DecisionRefused(f"version {version} of '{use_case}' never answered customers: it can only be approved",
                              value=f"version {version}", allowed=allowed, next_step=f"interlock history {use_case}")
    if not chosen.possible:
        raise DecisionRefused(f"there is no way back to version {version} of '{use_case}': {chosen.why}", value=f"version {version}",
                              allowed=allowed, next_step=f"interlock history {use_case}")
    return chosen.slot


def prove(settings: Settings, slot: Slot) -> None:
    """Verify every byte of the package and have a child process answer its golden rows; `PackageError` where either fails."""
    from interlock.modeling.package import read_package
    from interlock.modeling.probe import probe_package

    read_package(settings.folder("packages"), slot.digest)
    probe_package(settings.folder("packages"), slot.digest, PROBE_TIMEOUT_S)


def retired(session: Session, use_case: str) -> dict[str, str]:
    """Digests of retired packages, each with who retired it and why; one that another version still needs is not among them."""
    query = select(Candidate.package_digest, Candidate.id)
    digests = {row.id: row.package_digest for row in session.execute(query.where(Candidate.use_case == use_case))}
    rows = session.scalars(select(Decision).where(Decision.use_case == use_case, Decision.kind == "retire"))
    gone = {str(row.candidate_id): f"retired by {row.actor}: {row.reason}" for row in rows}
    kept = {digest for candidate, digest in digests.items() if candidate not in gone}
    return {digests[candidate]: why for candidate, why in gone.items() if candidate in digests and digests[candidate] not in kept}


def _choice(settings: Settings, route: Route, one: Served, gone: dict[str, str]) -> Choice:
    way, why = _way(settings, route, one.slot, gone)
    return Choice(one.slot, way, why, one.last_at, one.last_until, one.ended)


def _way(settings: Settings, route: Route, slot: Slot, gone: dict[str, str]) -> tuple[Way, str]:
    if route.champion is not None and slot.digest == route.champion.digest:
        return "answers now", "it answers now"
    if route.previous is not None and slot.digest == route.previous.digest:
        return "instant", "it is loaded and answers in milliseconds"
    if slot.digest in gone:
        return "not possible", gone[slot.digest]
    from interlock.modeling.package import folder_of

    try:
        there = folder_of(settings.folder("packages"), slot.digest).is_dir()
    except PackageError as error:
        return "not possible", error.what
    if not there:
        return "not possible", "its package is not on disk any more"
    return "verify first", "its package is verified and proven in a child process first, which takes some seconds"
