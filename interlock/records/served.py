"""Which versions verifiably answered customers: read from the ledger, where every change of a route is, never from mutable tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.records import ledger
from interlock.records.tables import LedgerEntry
from interlock.rules.routes import Slot

KIND = "route.changed"


@dataclass(frozen=True)
class Served:
    """A version that was champion. `last_until` is None while it is; `seq`: ledger entry that made it champion the last time."""

    slot: Slot
    first_at: datetime
    last_at: datetime
    last_until: datetime | None
    seq: int
    ended: str = ""


def served_versions(session: Session, use_case: str) -> list[Served]:
    """Every version that was champion of the use case, whoever answered last first. An entry that is not the one that was written (its
    hash differs) counts for nothing."""
    query = select(LedgerEntry).where(LedgerEntry.use_case == use_case, LedgerEntry.kind == KIND).order_by(LedgerEntry.seq)
    found: dict[str, Served] = {}
    now: Slot | None = None
    for entry in session.scalars(query):
        if not genuine(entry):
            continue
        body = ledger.body_of(entry)
        after = slot_of(body["after"]["champion"])
        if after == now:
            continue
        if now is not None:
            found[now.digest] = replace(found[now.digest], last_until=entry.created_at, ended=f"{body['actor']}: {body['reason']}")
        if after is not None:
            first = found[after.digest].first_at if after.digest in found else entry.created_at
            found[after.digest] = Served(after, first, entry.created_at, None, entry.seq)
        now = after
    return sorted(found.values(), key=lambda one: one.seq, reverse=True)


def genuine(entry: LedgerEntry) -> bool:
    """Whether the entry's content is what its hash was made of (the whole chain: `interlock verify`)."""
    try:
        body = ledger.body_of(entry)
    except ValueError:
        return False
    return entry.hash == ledger.entry_hash(seq=entry.seq, previous_hash=entry.previous_hash, kind=entry.kind, use_case=entry.use_case,
                                           at=entry.created_at, body=body)


def slot_of(value: dict[str, Any] | None) -> Slot | None:
    """A slot of a route as the ledger holds it."""
    return None if value is None else Slot(version=int(value["version"]), digest=str(value["digest"]))
