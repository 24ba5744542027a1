"""The receipt of a decision as the ledger has it: sequence, hash, time, who; what a person may keep and compare later."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from interlock.records import ledger
from interlock.records.served import genuine
from interlock.records.store import Store
from interlock.records.tables import Decision, LedgerEntry
from interlock.rules.canonical import iso


@dataclass(frozen=True)
class Ledgered:
    """One decision with its ledger entry. `genuine`: the entry's hash is still the one of its content and of the entry before."""

    decision_id: str
    kind: str
    use_case: str
    actor: str
    reason: str
    at: datetime
    sentence: str
    seq: int
    hash: str
    previous_hash: str
    genuine: bool
    body: dict[str, Any]

    def as_json(self) -> str:
        """The receipt as a file: everything above, the entry's body included, so that `hash` can be recomputed."""
        facts = {"receipt": 1, "decision_id": self.decision_id, "kind": self.kind, "use_case": self.use_case, "actor": self.actor,
                 "reason": self.reason, "at": iso(self.at), "sentence": self.sentence,
                 "ledger": {"seq": self.seq, "hash": self.hash, "previous_hash": self.previous_hash, "body": self.body}}
        return json.dumps(facts, indent=2, ensure_ascii=False, default=str)


def ledgered(store: Store, decision_id: str) -> Ledgered | None:
    """The decision's entry; None where the store has no such decision, or its entry is not there."""
    with store.reading() as session:
        decision = session.get(Decision, decision_id)
        seq = decision.detail.get("ledger_seq") if decision is not None else None
        entry = session.scalars(select(LedgerEntry).where(LedgerEntry.seq == seq)).first() if seq is not None else None
        if decision is None or entry is None:
            return None
        return Ledgered(decision.id, decision.kind, decision.use_case, decision.actor, decision.reason, decision.created_at,
                        str(decision.detail.get("sentence", "")), entry.seq, entry.hash, entry.previous_hash, genuine(entry),
                        ledger.body_of(entry))
