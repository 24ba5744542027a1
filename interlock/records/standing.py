"""Standing approvals as the decisions tell them: who granted what until when, how often it was used, and whether it was ended."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.errors import StoreError
from interlock.records.tables import Decision
from interlock.rules.standing import Ended, Standing


def standings(session: Session, use_case: str, limit: int = 20) -> list[Standing]:
    """The standing approvals of a use case, the newest first."""
    query = select(Decision).where(Decision.use_case == use_case, Decision.kind == "grant").order_by(Decision.id.desc()).limit(limit)
    return [_read(session, row) for row in session.scalars(query)]


def with_any(session: Session) -> list[str]:
    """Use cases that ever had one."""
    return list(session.scalars(select(Decision.use_case).where(Decision.kind == "grant").distinct().order_by(Decision.use_case)))


def active(session: Session, now: datetime) -> list[Standing]:
    """Those of every use case that may be used at this moment."""
    query = select(Decision).where(Decision.kind == "grant", Decision.expires_at > now).order_by(Decision.id)
    found = [_read(session, row) for row in session.scalars(query)]
    return [standing for standing in found if standing.state(now) == "active"]


def find(session: Session, standing_id: str) -> Standing:
    """One by its id, which is the id of the decision that granted it; `StoreError` where there is none."""
    row = session.get(Decision, standing_id, populate_existing=True)
    if row is None or row.kind != "grant":
        raise StoreError("there is no such standing approval", value=standing_id, next_step="interlock standing list")
    return _read(session, row)


def _read(session: Session, row: Decision) -> Standing:
    if row.expires_at is None or row.policy_digest is None:
        raise StoreError("a standing approval has lost its expiry or its policy", value=row.id, next_step="interlock verify")
    about = Decision.detail["standing_approval"].as_string() == row.id
    own = select(Decision).where(Decision.use_case == row.use_case, about).order_by(Decision.id)
    later = list(session.scalars(own))
    ends = [Ended(one.kind, one.actor, one.reason, one.created_at) for one in later if one.kind in {"revoke", "suspend"}]
    return Standing(id=row.id, use_case=row.use_case, grantor=row.actor, reason=row.reason, granted_at=row.created_at,
                    expires_at=row.expires_at, uses_max=int(row.detail["uses_max"]), per_week=int(row.detail["per_week"]),
                    policy_digest=row.policy_digest, used=tuple(one.created_at for one in later if one.kind == "approve"),
                    ended=min(ends, key=lambda end: end.at) if ends else None)
