"""Whether a decision still rests on what it was bound to: asked anew every two seconds while somebody looks at it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from interlock.control.access.people import Person, name_of
from interlock.control.decisions.approving import checked, facts_of, sealed
from interlock.control.decisions.undecided import undecided
from interlock.errors import EvidenceError, InterlockError
from interlock.records import decisions
from interlock.records.routes import read_route
from interlock.records.store import Store, utc_now
from interlock.records.tables import Candidate, EvidenceRow
from interlock.rules.approval import objections, void_reasons
from interlock.rules.evidence import Evidence
from interlock.settings import Settings

KEPT = 16  # texts of evidence whose seal was checked; less than a megabyte each


@dataclass(frozen=True)
class Bound:
    """`void`: why nobody can approve this evidence any more. `refused`: why the person who looks could not now (the verdict's gates and
    separation of duties too). `decided`: who said yes or no already. `until`: when the evidence is too old."""

    evidence_digest: str
    void: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    decided: str = ""
    until: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether it is still there to be decided on."""
        return not self.void and not self.decided


@dataclass(frozen=True)
class Voided:
    """A candidate whose newest evidence counts no longer, and why."""

    version: int
    evidence_digest: str
    created_at: datetime
    why: tuple[str, ...]


def bound_of(settings: Settings, store: Store, evidence_digest: str, actor: str | Person) -> Bound:
    """What stands in the way of an approval at this moment. An error while asking is a reason to stop, never a yes."""
    now = utc_now()
    try:
        with store.reading() as session:
            first = decisions.known(session, decisions.on_evidence(evidence_digest))
            if first is not None:
                return Bound(evidence_digest, decided=f"{first.kind} by {first.actor}: {first.reason}")
            _, evidence, candidate = sealed(session, evidence_digest, _unchanged)
            facts, use_case = facts_of(settings, session, name_of(actor), evidence, candidate, evidence_digest, 0, now)
    except InterlockError as error:
        return Bound(evidence_digest, void=(error.what,), refused=(error.what,))
    facts = replace(facts, expected_generation=facts.generation, seal=evidence_digest)  # `_unchanged` has compared them
    until = evidence.created_at + timedelta(days=use_case.approval.evidence_days_max)
    return Bound(evidence_digest, tuple(void_reasons(facts)), tuple(objections(facts)), until=until)


def _unchanged(session: Session, row: EvidenceRow) -> Evidence:
    """The evidence whose stored text is, letter by letter, one whose seal was checked already; any other text is checked now.

    To compute a seal takes a tenth of a second, and whoever looks at a decision asks every two. What an approval rests on beside the
    evidence is read anew each time, and the approval itself checks the seal again.
    """
    text = session.scalar(select(cast(EvidenceRow.body, Text)).where(EvidenceRow.digest == row.digest))
    return _checked(text or "", row.digest)


@lru_cache(maxsize=KEPT)
def _checked(text: str, digest: str) -> Evidence:
    try:
        body = json.loads(text)
    except ValueError as error:
        raise EvidenceError("the evidence was changed after it was sealed", value=str(error), next_step="run validate again") from error
    return checked(body, digest)


def voided(settings: Settings, store: Store, use_case: str, limit: int = 3) -> list[Voided]:
    """Of the `limit` newest candidates that came after what answers: those whose newest evidence nobody decided on and nobody can decide
    on any more; newest first. Older ones had their turn."""
    with store.reading() as session:
        champion = read_route(session, use_case).champion
        waiting = {one.candidate_id for one in undecided(settings, session, use_case)}
        query = (select(EvidenceRow.digest, EvidenceRow.created_at, Candidate.number, Candidate.id)
                 .join(Candidate, EvidenceRow.candidate_id == Candidate.id)
                 .where(Candidate.use_case == use_case, Candidate.number > (champion.version if champion else 0))
                 .order_by(Candidate.number.desc(), EvidenceRow.created_at.desc()).limit(10 * limit))
        rows = session.execute(query).all()
        taken = {digest for digest, *_ in rows if decisions.known(session, decisions.on_evidence(digest)) is not None}
    newest: dict[str, tuple[str, datetime, int]] = {}
    for digest, at, number, candidate_id in rows:
        newest.setdefault(candidate_id, (digest, at, number))
    found = []
    for candidate_id, (digest, at, number) in list(newest.items())[:limit]:
        if candidate_id in waiting or digest in taken:
            continue
        why = bound_of(settings, store, digest, "nobody").void
        if why:
            found.append(Voided(number, digest, at, why))
    return found
