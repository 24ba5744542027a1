"""Retirement: a version is archived for good. Its history stays; it cannot be approved, released or gone back to by accident.

Never the champion, the previous version or a candidate on its way. The decision comes first; what follows from it (the package moves to
`packages/retired/`, the server forgets the version, MLflow gets a tag) may fail and is done again by the keeper.

The server may go back to a version by itself in the very moment when it is retired. What answers is the truth then: its release is live
again, its package stays, and the retirement takes effect once the version has left the route.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.control.endpoint import Endpoint, reached
from interlock.control.known_good import retired
from interlock.control.once import once
from interlock.control.people import AUTOMATIC, Person, name_of, require
from interlock.control.receipts import Receipt
from interlock.errors import DecisionRefused, InterlockError
from interlock.modeling.package import folder_of
from interlock.records import decisions, releases
from interlock.records.candidates import numbered
from interlock.records.registry import mirror_retired
from interlock.records.routes import read_route
from interlock.records.segments import sync_folder
from interlock.records.store import Store, utc_now
from interlock.records.tables import Candidate, Decision, Release
from interlock.rules.releases import OPEN, ReleaseState
from interlock.rules.routes import Observed
from interlock.settings import Settings

ARCHIVE = "retired"
LEFT = (ReleaseState.SUPERSEDED, ReleaseState.ROLLED_BACK)


def retire(settings: Settings, store: Store, *, actor: str | Person, use_case: str, version: int, reason: str, nonce: str,
           endpoint: Endpoint | None = None, clock: Callable[[], datetime] = utc_now) -> Receipt:
    """Archive a version that answers nobody. Raises `DecisionRefused` for one that answers, is the way back, or is on its way, and
    `Unavailable` where the prediction server cannot be asked: it may have gone back to this very version by itself."""
    right, actor = require(settings, actor, "retire", reason), name_of(actor)
    with store.reading() as session:
        candidate = numbered(session, use_case, version)
    if candidate is None:
        raise DecisionRefused(f"'{use_case}' has no such version", value=version, next_step=f"interlock history {use_case}")
    with reached(settings, endpoint) as seam:
        held = _held(seam.observed(use_case))
    if candidate.package_digest in held:
        raise DecisionRefused(f"the prediction server holds version {version} of '{use_case}': it cannot be retired",
                              value=f"version {version}", next_step="interlock status")
    receipt = once(store, decisions.on_retirement(candidate.id), "retire", actor, nonce,
                   lambda session: _retire(session, candidate.id, actor, reason, clock(), {"nonce": nonce, **right}))
    warnings = follow_up(settings, store, use_case, endpoint=endpoint, clock=clock)
    mirrored = mirror_retired(settings, use_case, candidate.mlflow_version) if candidate.mlflow_version is not None else ""
    return receipt.model_copy(update={"warnings": [*warnings, *([mirrored] if mirrored else [])]})


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
    held |= _held(observed)
    return said + [one for digest in digests if digest not in held for one in archive(settings, digest)]


def archive(settings: Settings, digest: str, *, back: bool = False) -> list[str]:
    """Move a package out of the folder that models are loaded from, or `back` into it; nothing where it is there. What fails is said."""
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


def _retire(session: Session, candidate_id: str, actor: str, reason: str, now: datetime, detail: dict[str, object]) -> Decision:
    candidate = session.get_one(Candidate, candidate_id)
    route = read_route(session, candidate.use_case)
    for word, slot in (("answers now", route.champion), ("is the way back", route.previous), ("is being released", route.candidate)):
        if slot is not None and slot.digest == candidate.package_digest:
            raise DecisionRefused(f"version {candidate.number} of '{candidate.use_case}' {word}: it cannot be retired",
                                  value=f"version {candidate.number}", next_step="interlock status")
    own = list(session.scalars(select(Release).where(Release.candidate_id == candidate_id)))
    if any(ReleaseState(release.state) in OPEN for release in own):
        raise DecisionRefused(f"version {candidate.number} of '{candidate.use_case}' is on its way: abort its release first",
                              next_step="interlock status")
    decision = decisions.record(
        session, kind="retire", identity=decisions.on_retirement(candidate_id), use_case=candidate.use_case, actor=actor, reason=reason,
        now=now, candidate_id=candidate_id, package_digest=candidate.package_digest,
        detail={**detail, "version": candidate.number,
                "sentence": f"version {candidate.number} is archived: it cannot be approved, released or gone back to; its history stays"})
    for release in own:
        if ReleaseState(release.state) is not ReleaseState.RETIRED:
            releases.move(session, release, ReleaseState.RETIRED, now=now, reason=reason, actor=actor)
    return decision


def _held(observed: Observed) -> set[str]:
    return {slot.digest for slot in (observed.champion, observed.previous, observed.candidate) if slot is not None}


def _retired_versions(session: Session, use_case: str) -> list[int]:
    query = select(Candidate.number).join(Decision, Decision.candidate_id == Candidate.id).where(
        Decision.use_case == use_case, Decision.kind == "retire")
    return sorted(session.scalars(query))
