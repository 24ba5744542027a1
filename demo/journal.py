"""What happened, step by step, as `demo.json`: each step with time, ledger entry, version, digest and gate results."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from interlock.errors import InterlockError
from interlock.records import ledger
from interlock.records.store import Store, utc_now
from interlock.records.tables import LedgerEntry
from interlock.rules.canonical import iso

FORMAT = 1


@dataclass
class Journal:
    """Collects steps. Each names the newest ledger entry of its kind since the step before, or the demo stops."""

    store: Store
    use_case: str
    path: Path
    say: Callable[[str], object] = print
    steps: list[dict[str, Any]] = field(default_factory=list)
    last_seq: int = 0
    started: float = field(default_factory=time.monotonic)

    def step(self, title: str, kind: str, **facts: Any) -> dict[str, Any]:
        """Write down a step that the ledger proves; `kind` is the kind of its entry."""
        entry = self.find(kind)
        if entry is None:
            raise InterlockError(f"the ledger has no '{kind}' since entry {self.last_seq}", value=title, next_step="interlock history")
        self.last_seq = entry.seq
        row = {"step": len(self.steps) + 1, "title": title, "at": iso(utc_now()), "ledger_seq": entry.seq, "ledger_kind": kind,
               "ledger_hash": entry.hash, **facts}
        self.steps.append(row)
        self.say(f"{row['step']:>3}  {time.monotonic() - self.started:4.0f} s  {title}")
        return row

    def find(self, kind: str) -> LedgerEntry | None:
        """The newest ledger entry of a kind after the last step's."""
        with self.store.reading() as session:
            query = select(LedgerEntry).where(LedgerEntry.kind == kind, LedgerEntry.use_case == self.use_case)
            return session.scalars(query.where(LedgerEntry.seq > self.last_seq).order_by(LedgerEntry.seq.desc())).first()

    def write(self, **facts: Any) -> None:
        """Write `demo.json` with the ledger's head, so that nothing after it can be cut off unseen."""
        with self.store.reading() as session:
            head = ledger.head_of(session)
        body = {"format": FORMAT, "use_case": self.use_case, "written_at": iso(utc_now()),
                "ledger_head": {"seq": head.seq, "hash": head.hash}, "steps": self.steps, **facts}
        self.path.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
