"""The outbox: intents to start a Prefect deployment, each written in the transaction of its cause.

The cause is UNIQUE: one decision starts one run, however often it is told. Only the keeper moves a row on, by compare-and-swap on
state and attempt.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, or_, select, update
from sqlalchemy.orm import Session

from interlock.records.ids import new_id
from interlock.records.store import utc_now
from interlock.records.tables import Outbox


def enqueue(session: Session, cause: str, deployment: str, parameters: dict[str, Any], *, at: datetime | None = None) -> Outbox:
    """Write the intent to start `deployment` ("flow/deployment") because of `cause`; a cause already known returns its row."""
    known = session.scalars(select(Outbox).where(Outbox.cause == cause)).first()
    if known is not None:
        return known
    moment = at or utc_now()
    row = Outbox(id=new_id(), cause=cause, deployment=deployment, parameters=parameters, attempt=1, state="pending", last_error="",
                 created_at=moment, updated_at=moment)
    session.add(row)
    session.flush()
    return row


def due(session: Session, now: datetime, limit: int = 50) -> list[Outbox]:
    """Pending intents whose waiting time is over, oldest first. No pause is as long as an hour: one that says so was set by a clock that
    has been put back since."""
    ready = or_(Outbox.lease_until.is_(None), Outbox.lease_until <= now, Outbox.lease_until > now + timedelta(hours=1))
    return list(session.scalars(select(Outbox).where(Outbox.state == "pending", ready).order_by(Outbox.id).limit(limit)))


def started(session: Session, limit: int = 200) -> list[Outbox]:
    """Intents whose run was started and has not been seen to end, oldest first."""
    return list(session.scalars(select(Outbox).where(Outbox.state == "dispatched").order_by(Outbox.id).limit(limit)))


def move(session: Session, row: Outbox, now: datetime, **changes: Any) -> bool:
    """Change the row if state and attempt are still what `row` says; False where somebody was first."""
    result = session.execute(update(Outbox).where(Outbox.id == row.id, Outbox.state == row.state, Outbox.attempt == row.attempt)
                             .values(updated_at=now, **changes), execution_options={"synchronize_session": False})
    return isinstance(result, CursorResult) and result.rowcount == 1


def idempotency_key(row: Outbox) -> str:
    """What Prefect gets: a repeated key returns the same run, so only a raised attempt starts a second one."""
    return f"{row.cause}:{row.attempt}"
