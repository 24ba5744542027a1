"""What going back to a version would change: numbers of both, evidence and its age, what customers would notice, what drifted since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from interlock.control.readmodel.proof import Proof, proof_of_package
from interlock.control.readmodel.series import WindowRow, window_rows
from interlock.control.readmodel.telling import Told, first_screen, told
from interlock.records.store import Store
from interlock.records.tables import Candidate, Snapshot


@dataclass(frozen=True)
class Returning:
    """From what answers now to `version`. Facts are None where nothing is known: `noticed` and `drifted` then say why, never zero.

    `numbers`: first the version gone back to, beside it what answers now; `difference`: + is better after going back.
    """

    version: int
    evidence_at: datetime | None
    now_at: datetime | None
    data_until: datetime | None
    verdict: str
    numbers: tuple[Told, ...]
    noticed: str
    drifted: str
    last_seen: str


def returning(store: Store, use_case: str, now_digest: str, then_digest: str, then_version: int, gated: str = "") -> Returning:
    """Read from the evidence of both and the monitored windows."""
    now, then = proof_of_package(store, use_case, now_digest), proof_of_package(store, use_case, then_digest)
    rows = window_rows(store, use_case, limit=200)
    compared = now if _against(now, then_digest) else then if _against(then, now_digest) else None  # whose evidence holds both
    return Returning(then_version, then.created_at if then else None, now.created_at if now else None,
                     _data_until(store, use_case, then_digest), then.verdict if then else "unknown",
                     tuple(_numbers(now, then, gated, compared)), _noticed(compared), _drifted(rows),
                     _last_seen(rows, then_digest, then_version))


def _against(proof: Proof | None, digest: str) -> bool:
    """Whether this evidence compared its version with that package on the same rows."""
    return proof is not None and proof.evidence.champion_digest == digest


def _numbers(now: Proof | None, then: Proof | None, gated: str, compared: Proof | None) -> list[Told]:
    """The version gone back to first. Not measured on the same rows: each from its own evidence, without a difference."""
    if now is None or then is None:
        return []
    if compared is not None:
        return first_screen(told(then, now, gated)) if compared is then else [_turned(one) for one in first_screen(told(now, then, gated))]
    own = {one.title: one for one in told(now, None, gated)}
    return [Told(one.title, one.candidate, own[one.title].candidate, one.unit, one.n, False, better=one.better)
            for one in first_screen(told(then, None, gated)) if one.title in own and one.candidate is not None]


def _turned(one: Told) -> Told:
    values: dict[str, Any] = {"difference": None if one.difference is None else -one.difference,
                              "low": None if one.high is None else -one.high, "high": None if one.low is None else -one.low}
    return Told(one.title, one.champion, one.candidate, one.unit, one.n, one.same_rows, better=one.better, why=one.why, **values)


def _noticed(compared: Proof | None) -> str:
    found = next(iter(compared.by_metric("replay.flip_rate")), None) if compared is not None else None
    if found is None or found.value is None:
        return "How many decisions would change was not measured between these two versions."
    between = f" (95 %: {found.low:.1%} to {found.high:.1%})" if found.low is not None and found.high is not None else ""
    return f"About {found.value:.1%} of requests would be decided differently{between}, by {found.sample_size:,} captured requests."


def _drifted(rows: list[WindowRow]) -> str:
    share = rows[-1].metrics.get("drift.share") if rows else None
    if not rows or share is None or share.value is None:
        return "Whether the data drifted is not known: no window measured it."
    last = rows[-1]
    return (f"In the newest window (until {last.end:%Y-%m-%d %H:%M} UTC) {share.value:.0%} of the columns had drifted from what version "
            f"{last.version} learned.")


def _last_seen(rows: list[WindowRow], digest: str, version: int) -> str:
    own = [row for row in rows if row.digest == digest]
    if not own:
        return f"No window of version {version} was monitored."
    return f"Its last monitored window ended at {own[-1].end:%Y-%m-%d %H:%M} UTC and was '{own[-1].state}' over {own[-1].rows:,} answers."


def _data_until(store: Store, use_case: str, digest: str) -> datetime | None:
    query = (select(Snapshot.time_to).join(Candidate, Candidate.snapshot_digest == Snapshot.digest)
             .where(Candidate.use_case == use_case, Candidate.package_digest == digest).order_by(Candidate.number.desc()))
    with store.reading() as session:
        return session.scalars(query).first()
