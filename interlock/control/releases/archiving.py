"""What follows from retirements: packages out of reach, versions forgotten by the server, releases and MLflow that say so.

Each of it may fail and is done again, by the run `retire` and by the keeper. What a route or the server holds is never touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.control.access.people import AUTOMATIC
from interlock.control.endpoint import Endpoint, reached
from interlock.control.releases.known_good import retired
from interlock.errors import InterlockError, StoreError
from interlock.records import decisions, ledger, releases
from interlock.records.registry_archive import archive_version
from interlock.records.routes import read_route
from interlock.records.segments import sync_folder
from interlock.records.store import Store, utc_now
from interlock.records.tables import Candidate, Decision, Release
from interlock.rules.releases import ReleaseState
from interlock.rules.routes import Observed
from interlock.settings import Settings

ARCHIVE = "retired"
LEFT = (ReleaseState.SUPERSEDED, ReleaseState.ROLLED_BACK)


@dataclass(frozen=True)
class Archived:
    """What a run found about one retirement. `left`: what could not be done yet, in sentences; empty: all of it is done."""

    decision: Decision
    version: int
    holds: str
    left: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """In words."""
        if self.holds:
            return f"version {self.version} {self.holds}: it is archived once it has left the route"
        return f"version {self.version} is archived" + ("" if not self.left else f", except: {'; '.join(self.left)}")

    def facts(self) -> dict[str, object]:
        """Plain values for the ledger and the screen."""
        return {"decision": self.decision.id, "by": self.decision.actor, "reason": self.decision.reason, "version": self.version,
                "package": self.decision.package_digest, "archived": not (self.holds or self.left)}


def carry_out(settings: Settings, store: Store, decision_id: str, *, endpoint: Endpoint | None = None,
              clock: Callable[[], datetime] = utc_now) -> Archived:
    """Do what one retirement decided, as far as it can be done now, and say what is left. Raises `StoreError` where there is no such
    decision."""
    with store.reading() as session:
        decision = session.get(Decision, decision_id)
        candidate = session.get(Candidate, decision.candidate_id) if decision is not None and decision.kind == "retire" else None
        if decision is None or candidate is None:
            raise StoreError("there is no such retirement", value=decision_id, next_step="interlock history")
        route = read_route(session, decision.use_case)
    left = follow_up(settings, store, decision.use_case, endpoint=endpoint, clock=clock)
    words = (("answers all the same", route.champion), ("is the way back", route.previous))
    holds = next((word for word, slot in words if slot is not None and slot.digest == candidate.package_digest), "")
    number = candidate.mlflow_version
    if not holds and number is not None and (warning := archive_version(settings, decision.use_case, number)):
        left.append(warning)
    return Archived(decision, candidate.number, holds, tuple(left))


def record(store: Store, found: Archived, *, clock: Callable[[], datetime] = utc_now) -> None:
    """One ledger entry per retirement, once all of it is done."""
    with store.writing() as session:
        decision = session.get_one(Decision, found.decision.id)
        if found.holds or found.left or decision.detail.get("archived_seq") is not None:
            return
        entry = ledger.append(session, "retirement.done", {"sentence": found.sentence, **found.facts()}, decision.use_case, at=clock())
        decisions.add_detail(session, decision, archived_seq=entry.seq)


def follow_up(settings: Settings, store: Store, use_case: str, *, endpoint: Endpoint | None = None,
              clock: Callable[[], datetime] = utc_now) -> list[str]:
    """Make true what retirements of the use case decided: packages out of reach, versions forgotten by the server, releases that say so;
    and nothing of it for what is on the route. Safe to repeat.

    The answer names what could not be done now.
    """
    with store.reading() as session:
        digests, versions = retired(session, use_case), _retired_versions(session, use_case)
        held, wrong = _on_route(session, use_case), _out_of_step(session, use_case)
    if wrong:
        _settle(store, use_case, clock())
    said = [one for digest in digests if digest in held for one in archive(settings, digest, back=True)]
    with reached(settings, endpoint) as seam:
        try:
            for version in versions:
                seam.withdraw(use_case, version)
            observed = seam.observed(use_case)  # a rollback that the store has not heard of may hold one of them
        except InterlockError as error:
            return [*said, f"the prediction server has not forgotten them yet, so the packages stay where they are: {error.what}"]
    held |= held_by(observed)
    return said + [one for digest in digests if digest not in held for one in archive(settings, digest)]


def archive(settings: Settings, digest: str, *, back: bool = False) -> list[str]:
    """Move a package out of the folder that models are loaded from, or `back` into it; nothing where it is there. What fails is said."""
    from interlock.modeling.package import folder_of

    root = settings.folder("packages")
    source, target = folder_of(root, digest), folder_of(root / ARCHIVE, digest)
    if back:
        source, target = target, source
    if not source.is_dir() or target.is_dir():
        return []
    try:
        target.parent.mkdir(exist_ok=True)
        source.rename(target)
        sync_folder(target.parent)
        sync_folder(source.parent)
    except OSError as error:
        return [f"the package {digest[:19]}… is not {'brought back' if back else 'archived'} yet: {error.strerror}"]
    return []


def unfinished(settings: Settings, session: Session) -> list[str]:
    """Use cases with a retired package that can still be loaded though no route needs it (or cannot, though one does), or with a release
    that says otherwise."""
    names = session.scalars(select(Decision.use_case).where(Decision.kind == "retire").distinct())
    return [name for name in names if _packages_wrong(settings, session, name) or _out_of_step(session, name)]


def _packages_wrong(settings: Settings, session: Session, use_case: str) -> bool:
    from interlock.modeling.package import folder_of

    held, root = _on_route(session, use_case), settings.folder("packages")
    return any(folder_of(root, digest).is_dir() != (digest in held) for digest in retired(session, use_case))


def _out_of_step(session: Session, use_case: str) -> list[tuple[Release, ReleaseState]]:
    """Releases of retired versions whose state is not what the route says, each with the state that is: `live` for what answers all the
    same, `retired` for what has left the route."""
    champion, held, gone = read_route(session, use_case).champion, _on_route(session, use_case), retired(session, use_case)
    rows = session.execute(select(Release, Candidate.package_digest).join(Candidate, Candidate.id == Release.candidate_id).where(
        Release.use_case == use_case, Candidate.package_digest.in_(gone)).order_by(Release.id))
    found = [(release, ReleaseState.RETIRED) for release, digest in rows if digest not in held and release.state in LEFT]
    if champion is None or champion.digest not in gone or releases.of_package(session, use_case, champion.digest, releases.ANSWERING):
        return found
    answers = releases.of_package(session, use_case, champion.digest, (*LEFT, ReleaseState.RETIRED))
    return found if answers is None else [*found, (answers, ReleaseState.LIVE)]


def _settle(store: Store, use_case: str, now: datetime) -> None:
    """Bring the states of retired versions' releases into step with the route."""
    with store.writing() as session:
        for release, state in _out_of_step(session, use_case):
            why = "it answers: the server went back to it when it was retired; that counts once it has left the route"
            releases.move(session, release, state, now=now, actor=AUTOMATIC,
                          reason=why if state is ReleaseState.LIVE else "retired before; it has left the route now")


def _on_route(session: Session, use_case: str) -> set[str]:
    return {slot.digest for slot in read_route(session, use_case).slots()}


def held_by(observed: Observed) -> set[str]:
    return {slot.digest for slot in (observed.champion, observed.previous, observed.candidate) if slot is not None}


def _retired_versions(session: Session, use_case: str) -> list[int]:
    query = select(Candidate.number).join(Decision, Decision.candidate_id == Candidate.id).where(
        Decision.use_case == use_case, Decision.kind == "retire")
    return sorted(session.scalars(query))
