"""The time machine: what answered at a moment, who put it there on what evidence, and what it would take to go back.

Rebuilt from the ledger alone, never from tables that change. A rollback that the prediction server carried out by itself counts from the
moment of its swap, not from when the store heard of it. An entry whose content is not what its hash was made of is named, not believed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from interlock.control.releases.known_good import Choice, choices
from interlock.errors import DataError
from interlock.records import ledger
from interlock.records.served import genuine, slot_of
from interlock.records.store import Store
from interlock.records.tables import LedgerEntry
from interlock.rules.routes import Slot
from interlock.settings import Settings

KINDS = ("route.changed", "evidence.sealed", "rollback.verified", "rollback.unverified", "standing.used")


@dataclass(frozen=True)
class Stretch:
    """What an endpoint answered with from one change of its route to the next; `until` is None for the present one."""

    since: datetime
    until: datetime | None
    generation: int
    champion: Slot | None
    candidate: Slot | None
    candidate_percent: float
    candidate_mode: str
    actor: str
    reason: str
    decision_id: str | None
    seq: int
    by_server: bool = False   # the server swapped first; `recorded_at` is when the ledger heard of it
    recorded_at: datetime | None = None

    def holds(self, at: datetime) -> bool:
        return self.since <= at and (self.until is None or at < self.until)


@dataclass(frozen=True)
class Signature:
    """A decision as the ledger has it."""

    id: str
    kind: str
    actor: str
    reason: str
    at: datetime
    seq: int
    evidence_digest: str | None
    detail: dict[str, Any]


@dataclass(frozen=True)
class Proof:
    """The approval that let a package answer, and the evidence that it was bound to."""

    approval: Signature
    verdict: str
    gates: dict[str, str]
    sealed_at: datetime | None
    policy: str
    snapshots: tuple[str, ...]
    waivers: tuple[Signature, ...]

    @property
    def standing(self) -> str | None:
        """Id of the standing approval by which it was given."""
        return self.approval.detail.get("standing_approval")


@dataclass(frozen=True)
class Timeline:
    """Everything that ever answered for one use case, oldest first."""

    use_case: str
    stretches: tuple[Stretch, ...]
    signatures: dict[str, Signature] = field(repr=False)
    sealed: dict[str, tuple[datetime, dict[str, Any]]] = field(repr=False)
    approvals: tuple[tuple[str, Signature], ...] = field(repr=False)  # package digest, approval; oldest first
    altered: tuple[int, ...] = ()

    def at(self, moment: datetime) -> Stretch | None:
        """What answered at the moment; None before the first release."""
        return next((one for one in self.stretches if one.holds(moment)), None)

    def champion_since(self, stretch: Stretch) -> datetime:
        """Since when the stretch's champion had answered without interruption."""
        since = stretch.since
        for one in reversed(self.stretches[:self.stretches.index(stretch)]):
            if one.champion != stretch.champion:
                break
            since = one.since
        return since

    def champion_until(self, stretch: Stretch) -> datetime | None:
        """Until when it went on to."""
        until = stretch.until
        for one in self.stretches[self.stretches.index(stretch) + 1:]:
            if one.champion != stretch.champion:
                break
            until = one.until
        return until

    def put_there(self, stretch: Stretch) -> Signature | None:
        """The decision that made the champion of the stretch answer: the first change of its uninterrupted time."""
        since = self.champion_since(stretch)
        first = next(one for one in self.stretches if one.since == since and one.champion == stretch.champion)
        return self.signatures.get(first.decision_id or "")

    def proof(self, slot: Slot, before: int) -> Proof | None:
        """The newest approval of this package that stands before ledger entry `before`."""
        found = [approval for digest, approval in self.approvals if digest == slot.digest and approval.seq < before]
        if not found:
            return None
        approval = found[-1]
        sealed_at, body = self.sealed.get(approval.evidence_digest or "", (None, {}))
        signed = [self.signatures[one] for one in approval.detail.get("waivers", []) if one in self.signatures]
        return Proof(approval, str(body.get("verdict", approval.detail.get("verdict", "unknown"))), dict(body.get("gates", {})), sealed_at,
                     str(body.get("policy", "")), tuple(body.get("snapshots", ())), tuple(signed))


@dataclass(frozen=True)
class Moment:
    """The answer to "what answered then?"."""

    use_case: str
    at: datetime
    stretch: Stretch | None
    since: datetime | None
    until: datetime | None
    put_there: Signature | None
    proof: Proof | None
    candidate_proof: Proof | None
    way_back: Choice | None
    changed_next: Stretch | None
    altered: tuple[int, ...]


def moment_of(text: str) -> datetime:
    """A moment as a person writes it: `2026-05-04T14:03`, with or without an offset (without: UTC). Raises `DataError`."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        allowed = "2026-05-04, 2026-05-04T14:03, 2026-05-04T14:03:00+02:00 (without offset: UTC)"
        raise DataError("this is no moment", value=text, allowed=allowed) from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def timeline(store: Store, use_case: str) -> Timeline:
    """Read the whole line of changes of a use case from the ledger."""
    with store.reading() as session:
        entries = _entries(session, use_case)
    altered = tuple(entry.seq for entry in entries if not genuine(entry))
    whole = [(entry, ledger.body_of(entry)) for entry in entries if entry.seq not in altered]
    signatures = {body["decision_id"]: _signature(entry, body) for entry, body in whole if entry.kind.startswith("decision.")}
    approvals = [(str(body.get("package_digest")), signatures[body["decision_id"]]) for entry, body in whole
                 if entry.kind == "decision.approve"]
    sealed = {str(body["evidence"]): (entry.created_at, body) for entry, body in whole if entry.kind == "evidence.sealed"}
    return Timeline(use_case, _stretches([pair for pair in whole if pair[0].kind == "route.changed"], signatures), signatures, sealed,
                    tuple(approvals), altered)


def what_answered(settings: Settings, store: Store, use_case: str, at: datetime) -> Moment:
    """What answered at the moment, since when, who decided on what evidence, and what it would take to go back now."""
    line = timeline(store, use_case)
    stretch = line.at(at)
    after = next((one for one in line.stretches if one.since > at), None)
    if stretch is None:
        return Moment(use_case, at, None, None, None, None, None, None, None, after, line.altered)
    slot = stretch.champion
    ways = [one for one in choices(settings, store, use_case) if slot is not None and one.slot.digest == slot.digest]
    return Moment(use_case, at, stretch, line.champion_since(stretch), line.champion_until(stretch), line.put_there(stretch),
                  line.proof(slot, stretch.seq) if slot else None,
                  line.proof(stretch.candidate, stretch.seq) if stretch.candidate else None, ways[0] if ways else None, after, line.altered)


def _entries(session: Session, use_case: str) -> list[LedgerEntry]:
    wanted = or_(LedgerEntry.kind.in_(KINDS), LedgerEntry.kind.startswith("decision."))
    return list(session.scalars(select(LedgerEntry).where(LedgerEntry.use_case == use_case, wanted).order_by(LedgerEntry.seq)))


def _signature(entry: LedgerEntry, body: dict[str, Any]) -> Signature:
    return Signature(id=body["decision_id"], kind=entry.kind.removeprefix("decision."), actor=body["actor"], reason=body["reason"],
                     at=entry.created_at, seq=entry.seq, evidence_digest=body.get("evidence_digest"), detail=dict(body.get("detail") or {}))


def _stretches(changes: list[tuple[LedgerEntry, dict[str, Any]]], signatures: dict[str, Signature]) -> tuple[Stretch, ...]:
    """One per change; each ends where the next begins. A change that a server's own rollback overtook never took effect: it is left out."""
    found: list[Stretch] = []
    for entry, body in changes:
        one = _stretch(entry, body, signatures.get(str(body.get("decision_id"))))
        while found and found[-1].since >= one.since and one.by_server:
            found.pop()
        if found:
            found[-1] = replace(found[-1], until=one.since)
        found.append(one)
    return tuple(found)


def _stretch(entry: LedgerEntry, body: dict[str, Any], decision: Signature | None) -> Stretch:
    after = body["after"]
    told = decision.detail.get("override_at") if decision is not None and decision.kind == "rollback" else None
    since = datetime.fromisoformat(told).astimezone(UTC) if told else entry.created_at
    by_server = told is not None and since < entry.created_at
    return Stretch(since=min(since, entry.created_at), until=None, generation=int(after["generation"]), champion=slot_of(after["champion"]),
                   candidate=slot_of(after["candidate"]), candidate_percent=float(after["candidate_percent"]),
                   candidate_mode=str(after.get("candidate_mode", "share")), actor=body["actor"], reason=body["reason"],
                   decision_id=body.get("decision_id"), seq=entry.seq, by_server=by_server,
                   recorded_at=entry.created_at if by_server else None)
