"""Waivers on sealed evidence, and what still stops an approval by the person at the keyboard."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from interlock.records.store import Store
from interlock.records.tables import Decision
from interlock.rules.approval import Waiver, counts, uncovered
from interlock.rules.gates import GateResult, blocking


@dataclass(frozen=True)
class WaiverView:
    """One first signature under an exception: which gates need not pass, until when, and what happens then."""

    decision_id: str
    actor: str
    reason: str
    gates: tuple[str, ...]
    expires_at: datetime
    on_expiry: str

    def rule(self) -> Waiver:
        """The waiver as the approval judges it."""
        return Waiver(self.decision_id, self.actor, frozenset(self.gates), self.expires_at)


@dataclass(frozen=True)
class Exceptions:
    """What a failed or unknown verdict needs. The action decides, not this: it only says beforehand what the action will say.

    `final`: gates that nobody can waive. `unsigned`: gates that can be waived and that no valid waiver names. `own`: gates that
    only this person has waived, so that somebody else has to approve. `held`: waivers that have not expired.
    """

    final: tuple[GateResult, ...]
    unsigned: tuple[GateResult, ...]
    own: tuple[GateResult, ...]
    held: tuple[WaiverView, ...]

    @property
    def clear(self) -> bool:
        """Whether this person's approval is stopped by no gate any more."""
        return not (self.final or self.unsigned or self.own)


def waivers(store: Store, evidence_digest: str) -> list[WaiverView]:
    """The waivers signed for this evidence, oldest first."""
    query = select(Decision).where(Decision.kind == "waive", Decision.evidence_digest == evidence_digest).order_by(Decision.created_at)
    with store.reading() as session:
        rows = session.scalars(query).all()
    return [WaiverView(row.id, row.actor, row.reason, tuple(row.detail["gates"]), row.expires_at, row.detail.get("on_expiry", "rollback"))
            for row in rows if row.expires_at is not None]


def exceptions(gates: list[GateResult], signed: list[WaiverView], actor: str, now: datetime, *, single_person: bool) -> Exceptions:
    """What still stops `actor` at `now`, in the order of the gates."""
    held = [one for one in signed if one.expires_at > now]
    stopping = blocking(gates)
    unsigned = [gate for gate in uncovered(gates, [one.rule() for one in held]) if gate.waivable]
    counting = [one.rule() for one in held if counts(one.rule(), now, actor, single_person=single_person)]
    own = [gate for gate in uncovered(gates, counting) if gate.waivable and gate not in unsigned]
    return Exceptions(tuple(gate for gate in stopping if not gate.waivable), tuple(unsigned), tuple(own), tuple(held))
