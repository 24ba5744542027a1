"""The ledger: append-only and hash-chained, one chain per store.

    hash(n) = sha256( RFC 8785 of {version, seq, previous_hash, kind, use_case, at, body} ),  previous_hash(n) = hash(n-1)

So every edit, deletion, reordering and fork shows. A cut tail, or a chain written anew from the start, shows only against a head
that was exported before: `export_head` writes one beside the store or, better, somewhere else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from interlock.errors import StoreError
from interlock.records.store import Store, utc_now
from interlock.records.tables import LedgerEntry
from interlock.rules.canonical import canonical, digest_bytes, iso, plain

VERSION = 1
GENESIS = "sha256:" + "0" * 64
BODY_BYTES_MAX = 262_144
BATCH = 1_000


@dataclass(frozen=True)
class Head:
    """The newest entry at one moment: the anchor against which a cut tail shows."""

    seq: int
    hash: str
    at: str


@dataclass(frozen=True)
class LedgerReport:
    """What `verify` found. `problems` are sentences, in chain order; none of them means that the chain holds."""

    entries: int
    head: Head
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems


def entry_hash(*, seq: int, previous_hash: str, kind: str, use_case: str | None, at: datetime, body: Any) -> str:
    """The hash of one entry, from its content alone."""
    return digest_bytes(canonical({"version": VERSION, "seq": seq, "previous_hash": previous_hash, "kind": kind,
                                   "use_case": use_case, "at": iso(at), "body": body}))


def append(session: Session, kind: str, body: dict[str, Any], use_case: str | None = None, *, at: datetime | None = None) -> LedgerEntry:
    """Add an entry inside the caller's `store.writing()` block: it is committed with what it tells, or not at all.

    `kind` is a dotted word such as `route.changed`. Floats in `body` become decimal strings, times ISO 8601.
    Raises `StoreError` where the body is larger than 256 KiB: attach large things by digest.
    """
    session.flush()
    last = session.execute(select(LedgerEntry.seq, LedgerEntry.hash).order_by(LedgerEntry.seq.desc()).limit(1)).first()
    seq, previous = (last.seq + 1, last.hash) if last else (1, GENESIS)
    text = canonical(body)
    if len(text) > BODY_BYTES_MAX:
        raise StoreError("a ledger entry is too large", value=f"{len(text):,} bytes", allowed=f"{BODY_BYTES_MAX:,} bytes")
    moment = at or utc_now()
    entry = LedgerEntry(seq=seq, previous_hash=previous, kind=kind, use_case=use_case, body=text.decode(), created_at=moment,
                        hash=entry_hash(seq=seq, previous_hash=previous, kind=kind, use_case=use_case, at=moment, body=plain(body)))
    session.add(entry)
    session.flush()
    return entry


def body_of(entry: LedgerEntry) -> dict[str, Any]:
    """The body as plain values (floats are decimal strings)."""
    body: dict[str, Any] = json.loads(entry.body)
    return body


def head_of(session: Session) -> Head:
    """The newest entry; sequence number 0 and the genesis hash for an empty ledger."""
    last = session.scalars(select(LedgerEntry).order_by(LedgerEntry.seq.desc()).limit(1)).first()
    return Head(last.seq, last.hash, iso(last.created_at)) if last else Head(0, GENESIS, "")


def first_hash(session: Session) -> str:
    """Hash of the first entry: it tells this store's history from any other's; empty for an empty ledger."""
    return session.scalar(select(LedgerEntry.hash).where(LedgerEntry.seq == 1)) or ""


def entries(session: Session, *, use_case: str | None = None, kinds: Iterable[str] = (), limit: int = 200) -> list[LedgerEntry]:
    """The newest entries first, at most `limit`."""
    query = select(LedgerEntry).order_by(LedgerEntry.seq.desc()).limit(limit)
    if use_case is not None:
        query = query.where(LedgerEntry.use_case == use_case)
    if wanted := list(kinds):
        query = query.where(LedgerEntry.kind.in_(wanted))
    return list(session.scalars(query))


def verify(store: Store, head: Head | None = None) -> LedgerReport:
    """Recompute the whole chain; with an exported `head` also find a cut tail and a chain that was written anew."""
    problems: list[str] = []
    seq, previous, count = 0, GENESIS, 0
    anchored = head is None or head.seq == 0
    with store.reading() as session:
        latest = head_of(session)
        while batch := _after(session, seq):
            for entry in batch:
                problems += _check(entry, seq, previous)
                if head is not None and entry.seq == head.seq:
                    anchored = True
                    if entry.hash != head.hash:
                        problems.append(f"entry {entry.seq} is not the one whose hash was exported: the chain was written anew")
                seq, previous, count = entry.seq, entry.hash, count + 1
            session.expunge_all()
    if not anchored and head is not None:
        problems.append(f"the tail is cut: entry {head.seq} was exported on {head.at}, the ledger ends at {latest.seq}")
    return LedgerReport(count, latest, problems)


def _after(session: Session, seq: int) -> list[LedgerEntry]:
    return list(session.scalars(select(LedgerEntry).where(LedgerEntry.seq > seq).order_by(LedgerEntry.seq).limit(BATCH)))


def _check(entry: LedgerEntry, seq: int, previous: str) -> list[str]:
    """Every way in which an entry does not follow the one before it."""
    found = []
    if entry.seq != seq + 1:
        found.append(f"entry {entry.seq} follows entry {seq}: entries are missing between them")
    if entry.previous_hash != previous:
        found.append(f"entry {entry.seq} does not build on entry {seq}: deleted, reordered or forked")
    try:
        body = json.loads(entry.body)
        changed = canonical(body).decode() != entry.body or entry.hash != entry_hash(
            seq=entry.seq, previous_hash=entry.previous_hash, kind=entry.kind, use_case=entry.use_case, at=entry.created_at, body=body)
    except (ValueError, TypeError):
        changed = True
    return [*found, f"entry {entry.seq} was changed after it was written"] if changed else found


def read_head(path: Path) -> Head | None:
    """An exported head, None where there is no file; a file that is no head is a `StoreError`."""
    try:
        found = json.loads(path.read_text())
        return Head(int(found["seq"]), str(found["hash"]), str(found["at"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is not an exported ledger head", value=str(error), next_step="interlock verify") from error


def export_head(store: Store, path: Path) -> Head:
    """Write the newest head to `path` (temporary file, fsync, rename).

    Refuses with `StoreError`, leaving the old file as it is, when the ledger does not contain the head that is already there.
    """
    old = read_head(path)
    with store.reading() as session:
        head = head_of(session)
        if old is not None and old.seq > 0:
            kept = session.scalar(select(LedgerEntry.hash).where(LedgerEntry.seq == old.seq))
            if kept != old.hash:
                raise StoreError(f"the ledger no longer contains entry {old.seq} that was exported to {path}", value=kept or "nothing",
                                 allowed=old.hash, next_step="interlock verify")
    if old == head:
        return head
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("wb") as file:
        file.write(canonical({"seq": head.seq, "hash": head.hash, "at": head.at}))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return head


def count(session: Session) -> int:
    """Number of entries."""
    return int(session.scalar(select(func.count()).select_from(LedgerEntry)) or 0)
