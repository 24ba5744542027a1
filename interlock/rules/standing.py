"""Standing approvals: a person's expiring permission for retrainings that change nothing but data. Pure: facts in, objections out.

It is narrower than the person's own yes: every gate must pass (also those that only observe), no waiver counts, only data may differ from
the champion, and the candidate must first answer beside it. Whatever is not known counts against.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from interlock.rules.canonical import iso
from interlock.rules.evidence import Evidence
from interlock.rules.gates import Verdict

DAYS_MAX = 90.0
USES_MAX = 1_000
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Ended:
    """Why a standing approval counts no longer before it expires: revoked by a person, or suspended after a rollback."""

    kind: str  # "revoke" or "suspend"
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Standing:
    """One standing approval as it is on record, with every use of it."""

    id: str
    use_case: str
    grantor: str
    reason: str
    granted_at: datetime
    expires_at: datetime
    uses_max: int
    per_week: int
    policy_digest: str
    used: tuple[datetime, ...] = ()
    ended: Ended | None = None

    def state(self, now: datetime) -> str:
        """"active", "used up", "expired", "suspended" or "revoked"."""
        if self.ended is not None:
            return "revoked" if self.ended.kind == "revoke" else "suspended"
        if now >= self.expires_at:
            return "expired"
        return "used up" if len(self.used) >= self.uses_max else "active"

    def in_week(self, now: datetime) -> int:
        """Uses within the seven days before `now`."""
        return sum(moment > now - WEEK for moment in self.used)


def limits_objections(*, days: float, uses_max: int, per_week: int, steps: int) -> list[str]:
    """Why a standing approval may not be granted like this; empty: it may."""
    found = []
    if not 0 < days <= DAYS_MAX:
        found.append(f"it must end within {DAYS_MAX:g} days, not {days:g}")
    if not 1 <= uses_max <= USES_MAX:
        found.append(f"it allows 1 to {USES_MAX:,} uses, not {uses_max:,}")
    if not 1 <= per_week <= uses_max:
        found.append(f"uses per week are 1 to its {uses_max:,} uses, not {per_week:,}")
    if steps == 0:
        found.append("the use case has no canary step: a person must look at each of its candidates")
    return found


def standing_objections(standing: Standing, now: datetime, *, policy_digest: str, may_approve: bool) -> list[str]:
    """Why this standing approval lets nothing through at this moment; empty: it may be used."""
    found = []
    state = standing.state(now)
    if standing.ended is not None:
        found.append(f"it was {state} by {standing.ended.actor} on {iso(standing.ended.at)}: {standing.ended.reason}")
    elif state == "expired":
        found.append(f"it expired on {iso(standing.expires_at)}")
    elif state == "used up":
        found.append(f"all its {standing.uses_max:,} uses are used up")
    if standing.in_week(now) >= standing.per_week:
        found.append(f"it was used {standing.in_week(now):,} times in seven days, {standing.per_week:,} are allowed")
    if not may_approve:
        found.append(f"{standing.grantor} may not approve any more")
    if standing.policy_digest != policy_digest:
        found.append("the use-case file changed since it was granted")
    return found


def evidence_objections(evidence: Evidence, *, steps: int, champion: bool) -> list[str]:
    """Why no standing approval covers this candidate; empty: it does."""
    found = []
    short = [f"'{result.gate}' says {result.verdict.value.upper()}" for result in evidence.gates if result.verdict is not Verdict.PASS]
    if short or not evidence.gates:
        found.append(f"not every gate passed: {', '.join(short) or 'there are none'}")
    if not champion:
        found.append("nothing is live: the first model of a use case needs a person")
    found += change_objections(evidence.figures.get("changes"))
    if steps == 0:
        found.append("it would answer everybody at once: the use case has no canary step")
    return found


def change_objections(listed: Any) -> list[str]:
    """Why the change list is not one of data only; a list that is missing or cannot be read says nothing, so it objects."""
    if not isinstance(listed, Mapping) or not isinstance(listed.get("rows"), list):
        return ["what changed against the champion is not known"]
    if listed.get("data_only") is True:
        return []
    graver = [str(row.get("what", "?")) for row in listed["rows"] if isinstance(row, Mapping) and row.get("level") != "patch"]
    return [f"more than data changed: {', '.join(graver[:5]) or 'the first model'}"]
