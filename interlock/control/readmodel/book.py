"""The ledger as people read it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select

from interlock.records.store import Store
from interlock.records.tables import LedgerEntry


@dataclass(frozen=True)
class Line:
    """One entry. `body` is what was written, with digests and times as text."""

    seq: int
    kind: str
    use_case: str | None
    created_at: datetime
    hash: str
    previous_hash: str
    body: dict[str, Any]

    @property
    def actor(self) -> str:
        """Who did it, where the entry names somebody."""
        return str(self.body.get("actor") or "")

    @property
    def sentence(self) -> str:
        """The entry in one line: the plain values of its body, words before identities and digests."""
        plain = {key: value for key, value in self.body.items() if isinstance(value, str | int) and key not in {"actor", "use_case"}}
        shown = sorted(plain.items(), key=lambda item: (_opaque(item[0], item[1]), item[0] != "sentence", item[0] != "reason"))
        return ", ".join(str(value) if key == "sentence" else f"{key.replace('_', ' ')} {value}" for key, value in shown)[:300]


def lines(store: Store, use_case: str | None = None, kind: str | None = None, words: str = "", limit: int = 200) -> list[Line]:
    """Entries, newest first. `words`: all of them, parted by spaces, must stand in the entry (its hash counts too), in any case."""
    query = select(LedgerEntry).order_by(LedgerEntry.seq.desc()).limit(limit)
    if use_case is not None:
        query = query.where(LedgerEntry.use_case == use_case)
    if kind is not None:
        query = query.where(LedgerEntry.kind == kind)
    for word in words.split():
        query = query.where(or_(LedgerEntry.body.icontains(word, autoescape=True), LedgerEntry.hash.icontains(word, autoescape=True)))
    with store.reading() as session:
        rows = session.scalars(query).all()
    return [Line(row.seq, row.kind, row.use_case, row.created_at, row.hash, row.previous_hash, _body(row.body)) for row in rows]


def entry(store: Store, seq: int) -> Line | None:
    """One entry by its number."""
    with store.reading() as session:
        row = session.get(LedgerEntry, seq)
    return Line(row.seq, row.kind, row.use_case, row.created_at, row.hash, row.previous_hash, _body(row.body)) if row else None


def length(store: Store) -> int:
    """Number of entries."""
    with store.reading() as session:
        return session.scalar(select(func.count()).select_from(LedgerEntry)) or 0


def kinds(store: Store) -> list[str]:
    """Kinds of entries there are."""
    with store.reading() as session:
        return list(session.scalars(select(LedgerEntry.kind).distinct().order_by(LedgerEntry.kind)))


def _opaque(key: str, value: object) -> bool:
    """Whether a value is an identity or a digest, which tell machines more than people."""
    return key.endswith("_id") or str(value).startswith("sha256:")


def _body(text: str) -> dict[str, Any]:
    value = json.loads(text)
    return value if isinstance(value, dict) else {"value": value}
