"""Releases: every step is a compare-and-swap on `revision`, and an entry in the ledger, in one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from interlock.errors import StaleState, StoreError
from interlock.records import ledger
from interlock.records.ids import new_id
from interlock.records.tables import Candidate, Decision, Release
from interlock.rules.releases import OPEN, ReleaseState, check_transition

ANSWERING = (ReleaseState.PROBATION, ReleaseState.LIVE)


def plan(session: Session, decision: Decision, now: datetime) -> Release:
    """The release that an approval starts."""
    row = Release(id=new_id(), use_case=decision.use_case, candidate_id=decision.candidate_id, decision_id=decision.id,
                  state=ReleaseState.PLANNED.value, step=0, revision=0, reason="", analysis=[], state_since=now, created_at=now)
    session.add(row)
    session.flush()
    return row


def get(session: Session, release_id: str) -> Release:
    """The release as it is now, or `StoreError`."""
    row = session.get(Release, release_id, populate_existing=True)
    if row is None:
        raise StoreError("there is no such release", value=release_id, next_step="interlock status")
    return row


def move(session: Session, release: Release, new: ReleaseState, *, now: datetime, reason: str, actor: str, step: int | None = None,
         judgement: dict[str, Any] | None = None) -> None:
    """Take one step of the state machine; `StaleState`, with nothing changed, where it has none or somebody was first."""
    old = ReleaseState(release.state)
    check_transition(old, new)
    analysis = _with(release, judgement) if judgement is not None else list(release.analysis)
    _swap(session, release, state=new.value, step=release.step if step is None else step, reason=reason, state_since=now, analysis=analysis)
    ledger.append(session, "release.changed", {
        "release_id": release.id, "candidate_id": release.candidate_id, "decision_id": release.decision_id, "actor": actor,
        "reason": reason, "before": {"state": old.value, "step": release.step},
        "after": {"state": new.value, "step": release.step if step is None else step}, "judgement": judgement}, release.use_case, at=now)
    session.refresh(release)


def note(session: Session, release: Release, judgement: dict[str, Any]) -> None:
    """Add a judgement to the analysis without a step; it takes the place of one that only said how things stood (`interim`)."""
    _swap(session, release, analysis=_with(release, judgement))
    session.refresh(release)


def replace(session: Session, release: Release, judgements: list[dict[str, Any]], *, key: str) -> None:
    """Put judgements in the place of earlier ones of the same `key`, so that the analysis stays as long as it has kinds of them."""
    names = {judgement[key] for judgement in judgements}
    kept = [item for item in release.analysis if item.get(key) not in names]
    _swap(session, release, analysis=[*kept, *judgements])
    session.refresh(release)


def _with(release: Release, judgement: dict[str, Any]) -> list[dict[str, Any]]:
    return [*(item for item in release.analysis if not item.get("interim")), judgement]


def _swap(session: Session, release: Release, **values: Any) -> None:
    result = session.execute(update(Release).where(Release.id == release.id, Release.revision == release.revision)
                             .values(revision=release.revision + 1, **values), execution_options={"synchronize_session": False})
    if not (isinstance(result, CursorResult) and result.rowcount == 1):
        raise StaleState("somebody else moved this release first; nothing was changed now", value=release.id,
                         next_step="look again: interlock status")


def open_release(session: Session, use_case: str) -> Release | None:
    """The release of this use case that is on its way, if there is one."""
    query = select(Release).where(Release.use_case == use_case, Release.state.in_([state.value for state in OPEN]))
    return session.scalars(query.order_by(Release.id.desc())).first()


def moving(session: Session) -> list[Release]:
    """Every release that the keeper looks after: on its way, or answering."""
    states = [state.value for state in (*OPEN, *ANSWERING)]
    return list(session.scalars(select(Release).where(Release.state.in_(states)).order_by(Release.id)))


def of_package(session: Session, use_case: str, digest: str, states: tuple[ReleaseState, ...]) -> Release | None:
    """The newest release of a package in one of these states."""
    query = (select(Release).join(Candidate, Candidate.id == Release.candidate_id)
             .where(Release.use_case == use_case, Candidate.package_digest == digest, Release.state.in_([state.value for state in states])))
    return session.scalars(query.order_by(Release.id.desc())).first()


def superseded_candidates(session: Session, use_case: str, limit: int = 20) -> list[tuple[Candidate, datetime]]:
    """Candidates that were live, in good standing, before the present one, and when they were superseded; the newest first."""
    query = (select(Candidate, Release.state_since).join(Release, Release.candidate_id == Candidate.id)
             .where(Release.use_case == use_case, Release.state == ReleaseState.SUPERSEDED.value))
    rows = session.execute(query.order_by(Release.state_since.desc(), Release.id.desc()).limit(limit))
    return [(candidate, since) for candidate, since in rows]
