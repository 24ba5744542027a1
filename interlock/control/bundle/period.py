"""What of the records belongs to a period: a stretch of the chain, the decisions, the evidence they and the live models rest on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from interlock.control.past.timeline import timeline
from interlock.errors import DataError
from interlock.records import ledger
from interlock.records.store import Store
from interlock.records.tables import Candidate, Decision, EvidenceRow, LedgerEntry
from interlock.rules.canonical import canonical, iso
from interlock.rules.evidence import Evidence

BATCH = 1_000


@dataclass(frozen=True)
class Period:
    """From `since` (inclusive) to `until` (exclusive), UTC. `use_case`: only this one; None: all."""

    since: datetime
    until: datetime
    use_case: str | None = None

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise DataError("the period is empty", value=f"{iso(self.since)} to {iso(self.until)}",
                            allowed="a first moment before the last", next_step="give --from and --to")


@dataclass(frozen=True)
class Sealed:
    """Evidence with the candidate that it is about."""

    digest: str
    use_case: str
    version: int
    evidence: Evidence


def chain_lines(store: Store, period: Period) -> Iterator[bytes]:
    """The stretch of the chain that covers the period, one line of canonical JSON each; SHA-256 of it without `hash` is that hash.

    Entries are taken by place, not by clock: from the first to the last that was written in the period, whatever stands between. Of other
    use cases than the one asked for only the hashes are given: the chain can still be followed, its content cannot be read.
    """
    with store.reading() as session:
        first, last = session.execute(select(func.min(LedgerEntry.seq), func.max(LedgerEntry.seq)).where(
            LedgerEntry.created_at >= period.since, LedgerEntry.created_at < period.until)).one()
    while first is not None and first <= last:
        with store.reading() as session:
            batch = session.scalars(select(LedgerEntry).where(LedgerEntry.seq >= first, LedgerEntry.seq <= last)
                                    .order_by(LedgerEntry.seq).limit(BATCH)).all()
            yield from (_line(entry, period) for entry in batch)
        if not batch:
            return
        first = batch[-1].seq + 1


def decisions_in(session: Session, period: Period) -> list[Decision]:
    """Decisions of the period, oldest first."""
    query = select(Decision).where(Decision.created_at >= period.since, Decision.created_at < period.until)
    if period.use_case is not None:
        query = query.where(Decision.use_case == period.use_case)
    return list(session.scalars(query.order_by(Decision.created_at, Decision.id)))


def evidence_for(store: Store, period: Period, names: list[str]) -> list[Sealed]:
    """Evidence that was sealed or decided on in the period, and that of every package that answered customers in it."""
    live = {slot.digest for name in names for stretch in timeline(store, name).stretches
            if stretch.since < period.until and (stretch.until is None or stretch.until > period.since)
            for slot in (stretch.champion, stretch.candidate) if slot is not None}
    with store.reading() as session:
        decided = {row.evidence_digest for row in decisions_in(session, period) if row.evidence_digest}
        made = (EvidenceRow.created_at >= period.since) & (EvidenceRow.created_at < period.until)
        query = (select(EvidenceRow, Candidate.number).join(Candidate, EvidenceRow.candidate_id == Candidate.id)
                 .where(EvidenceRow.use_case.in_(names), or_(made, EvidenceRow.digest.in_(decided), Candidate.package_digest.in_(live)))
                 .order_by(EvidenceRow.use_case, Candidate.number, EvidenceRow.created_at))
        return [Sealed(row.digest, row.use_case, number, Evidence.model_validate(row.body)) for row, number in session.execute(query)]


def _line(entry: LedgerEntry, period: Period) -> bytes:
    linked = {"seq": entry.seq, "previous_hash": entry.previous_hash, "hash": entry.hash}
    if period.use_case is not None and entry.use_case not in (None, period.use_case):
        return canonical(linked | {"withheld": "another use case"})
    return canonical(linked | {"version": ledger.VERSION, "kind": entry.kind, "use_case": entry.use_case, "at": iso(entry.created_at),
                               "body": _body(entry.body)})


def _body(text: str) -> Any:
    """The body as it was written; what is no JSON any more stays text, so that its hash cannot come out right."""
    try:
        return json.loads(text)
    except ValueError:
        return text
