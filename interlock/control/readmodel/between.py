"""What changed between two moments: version, evidence, data, use-case file, numbers, and every decision in between."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from interlock.control.past.timeline import Moment, Signature, Stretch, Timeline, timeline, what_answered
from interlock.control.readmodel.differences import ChangeList, change_list
from interlock.control.readmodel.proof import proof
from interlock.control.readmodel.returning import returning
from interlock.control.readmodel.telling import Told
from interlock.records.store import Store
from interlock.rules.routes import Slot
from interlock.settings import Settings


@dataclass(frozen=True)
class Fact:
    """One thing at both moments."""

    what: str
    then: str
    later: str

    @property
    def changed(self) -> bool:
        return self.then != self.later


@dataclass(frozen=True)
class Between:
    """From `then` to `later`. `changes`: the sealed change list (None: the later version was compared with another one, or has none);
    `numbers`: the later version's first."""

    then: Moment
    later: Moment
    facts: tuple[Fact, ...]
    numbers: tuple[Told, ...]
    changes: ChangeList | None
    decisions: tuple[Signature, ...]
    routes: tuple[Stretch, ...]


def between(settings: Settings, store: Store, use_case: str, one: datetime, other: datetime, gated: str = "") -> Between:
    """Compare two moments; the earlier one is `then`, whichever is given first."""
    first, last = sorted((one, other))
    then, later = (what_answered(settings, store, use_case, at) for at in (first, last))
    line = timeline(store, use_case)
    old, new = _slot(then), _slot(later)
    moved = old is not None and new is not None and old.digest != new.digest
    numbers = returning(store, use_case, old.digest, new.digest, new.version, gated).numbers if moved and old and new else ()
    return Between(then, later, tuple(_facts(then, later)), numbers, _changes(store, later, old) if moved and old else None,
                   tuple(sorted((one for one in line.signatures.values() if first < one.at <= last), key=lambda one: one.seq)),
                   _routes(line, first, last))


def moments(line: Timeline) -> list[datetime]:
    """Every moment at which something began to answer or left, oldest first."""
    return sorted({one.since for one in line.stretches})


def _facts(then: Moment, later: Moment) -> list[Fact]:
    rows = [("version that answered", _version), ("beside it", _beside), ("package", _package), ("put there by", _who),
            ("evidence", _evidence), ("verdict", _verdict), ("data (snapshots)", _data), ("use-case file (policy, parameters)", _policy)]
    return [Fact(what, read(then), read(later)) for what, read in rows]


def _changes(store: Store, later: Moment, old: Slot) -> ChangeList | None:
    digest = later.proof.approval.evidence_digest if later.proof is not None else None
    sealed = proof(store, digest) if digest else None
    return change_list(sealed) if sealed is not None and sealed.evidence.champion_digest == old.digest else None


def _routes(line: Timeline, first: datetime, last: datetime) -> tuple[Stretch, ...]:
    return tuple(one for one in line.stretches if first < one.since <= last)


def _slot(found: Moment) -> Slot | None:
    return found.stretch.champion if found.stretch is not None else None


def _version(found: Moment) -> str:
    slot = _slot(found)
    return f"version {slot.version}" if slot else "nothing"


def _beside(found: Moment) -> str:
    stretch = found.stretch
    if stretch is None or stretch.candidate is None:
        return "nothing"
    return f"version {stretch.candidate.version}, {stretch.candidate_percent:g} %"


def _package(found: Moment) -> str:
    slot = _slot(found)
    return _short(slot.digest) if slot else "none"


def _who(found: Moment) -> str:
    return f"{found.put_there.actor}, {found.put_there.kind}" if found.put_there is not None else "none"


def _evidence(found: Moment) -> str:
    return _short(found.proof.approval.evidence_digest or "none") if found.proof is not None else "none"


def _verdict(found: Moment) -> str:
    if found.proof is None:
        return "none"
    passed = sum(verdict == "pass" for verdict in found.proof.gates.values())
    return f"{found.proof.verdict}, {passed} of {len(found.proof.gates)} gates passed" if found.proof.gates else found.proof.verdict


def _data(found: Moment) -> str:
    return ", ".join(_short(one) for one in found.proof.snapshots) or "none" if found.proof is not None else "none"


def _policy(found: Moment) -> str:
    return _short(found.proof.policy or "none") if found.proof is not None else "none"


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
