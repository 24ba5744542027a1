"""The receipt of an action: what was decided, and what the endpoint itself said about it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from interlock.records.tables import Decision
from interlock.rules.routes import Observed


class Receipt(BaseModel):
    """The answer to an action. The same nonce always gets the same receipt, with `replayed` set from the second time on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decision_id: str | None = Field(description="None only where the store did not answer: the keeper writes the decision down later.")
    kind: str
    use_case: str
    actor: str
    reason: str
    at: datetime
    nonce: str
    ledger_seq: int | None = None
    generation: int | None = Field(default=None, description="Generation of the route after the action.")
    release_id: str | None = None
    outbox_id: str | None = None
    expires_at: datetime | None = None
    replayed: bool = False
    sentence: str = Field(default="", description="What happened, and what comes next.")
    warnings: list[str] = Field(default_factory=list)
    observed: Observed | None = Field(default=None, description="What the endpoint answers with after the action; None: it is silent.")


def receipt_of(decision: Decision, *, replayed: bool = False, observed: Observed | None = None,
               warnings: list[str] | None = None) -> Receipt:
    """The receipt of a decision on record."""
    detail = decision.detail
    return Receipt(
        decision_id=decision.id, kind=decision.kind, use_case=decision.use_case, actor=decision.actor, reason=decision.reason,
        at=decision.created_at, nonce=detail.get("nonce", ""), ledger_seq=detail.get("ledger_seq"), generation=detail.get("generation"),
        release_id=detail.get("release_id"), outbox_id=detail.get("outbox_id"), expires_at=decision.expires_at, replayed=replayed,
        sentence=detail.get("sentence", ""), warnings=warnings or [], observed=observed,
    )
