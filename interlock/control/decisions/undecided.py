"""Evidence that waits for a person: the one rule behind every list of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from interlock.records import decisions
from interlock.records.candidates import rests_on
from interlock.records.routes import champions, read_route
from interlock.records.tables import Candidate, Decision, EvidenceRow
from interlock.settings import Settings
from interlock.spec.load import policy_digest

FROM_INDEX = select(EvidenceRow.candidate_id, EvidenceRow.digest, EvidenceRow.verdict, EvidenceRow.created_at, EvidenceRow.champion_digest,
                    EvidenceRow.policy_digest).order_by(EvidenceRow.candidate_id)  # the order makes SQLite read `evidence_rests` alone


@dataclass(frozen=True)
class Waiting:
    """Evidence about a candidate that nobody has decided on yet."""

    use_case: str
    version: int
    candidate_id: str
    evidence_digest: str
    verdict: str
    created_at: datetime


def undecided(settings: Settings, session: Session, use_case: str, limit: int = 20) -> list[Waiting]:
    """What a person can decide on now, newest candidate first: per candidate the newest evidence that rests on what answers now and on
    the use-case file as it is now, if nobody has decided on it.

    Evidence that rests on another champion or another policy could only be refused: it waits for `interlock validate`, not for a person.
    Where no file names the use case, the policy is not compared.
    """
    champion = read_route(session, use_case).champion
    retired = exists().where(Decision.kind == "retire", Decision.candidate_id == Candidate.id)
    query = (select(EvidenceRow.digest, EvidenceRow.verdict, EvidenceRow.created_at, Candidate.number, Candidate.id)
             .join(Candidate, EvidenceRow.candidate_id == Candidate.id)
             .where(Candidate.use_case == use_case, ~retired,
                    rests_on(champion.digest if champion else None, policy_digest(settings, use_case)))
             .order_by(Candidate.number.desc(), EvidenceRow.created_at.desc()).limit(10 * limit))
    newest: dict[str, Waiting | None] = {}
    for digest, verdict, created_at, number, candidate_id in session.execute(query).all():
        if candidate_id not in newest:
            decided = decisions.known(session, decisions.on_evidence(digest)) is not None
            newest[candidate_id] = None if decided else Waiting(use_case, number, candidate_id, digest, verdict, created_at)
    return [item for item in newest.values() if item is not None][:limit]


def undecided_of_all(session: Session, policies: Mapping[str, str | None], limit: int = 20) -> dict[str, list[Waiting]]:
    """The same for every use case in `policies` (name → digest of its file, None: not compared) in three queries, however many there are.

    Uses the index `evidence_rests` alone: no body of evidence is read.
    """
    answering = champions(session)
    retired = set(session.scalars(select(Decision.candidate_id).where(Decision.kind == "retire")))
    made = {row[0]: (row[1], row[2]) for row in session.execute(select(Candidate.id, Candidate.use_case, Candidate.number))}
    rows = sorted(((*made[row[0]], *row) for row in session.execute(FROM_INDEX).all()), key=lambda row: (row[1], row[5]), reverse=True)
    decided = set(session.scalars(select(Decision.identity).where(Decision.identity.startswith("evidence:"))))
    newest: dict[str, Waiting | None] = {}
    for use_case, number, candidate_id, digest, verdict, created_at, champion_digest, policy in rows:
        current = use_case in policies and policies[use_case] in {None, policy}
        if current and candidate_id not in newest and candidate_id not in retired and champion_digest == answering.get(use_case):
            taken = decisions.on_evidence(digest) in decided
            newest[candidate_id] = None if taken else Waiting(use_case, number, candidate_id, digest, verdict, created_at)
    found: dict[str, list[Waiting]] = {name: [] for name in policies}
    for item in newest.values():
        if item is not None and len(found[item.use_case]) < limit:
            found[item.use_case].append(item)
    return found
