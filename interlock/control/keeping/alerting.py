"""Alerts: one row each in the store, written with what caused it; then told to people, outside of any transaction.

Delivery is tried a bounded number of times, each within a bounded time; a failure is recorded in the row, never raised. The log
always gets the message. Addresses carry secrets: they are never logged, only their masked form is stored.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.records.ids import new_id
from interlock.records.notifier import AppriseNotifier, Delivery
from interlock.records.store import Store, utc_now
from interlock.records.tables import Alert
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

LOG = logging.getLogger("interlock.alerts")
ATTEMPTS_MAX = 3
SENDING_S = 300  # an alert marked "sending" for longer belongs to a run that died
BATCH_MAX = 50
LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.ERROR}
Severity = Literal["info", "warning", "critical"]


class Notifier(Protocol):
    """Anything that can tell a person; it answers per address and never raises."""

    def send(self, title: str, body: str, severity: str) -> list[Delivery]:
        """Send one message and say what became of it at each address."""
        ...


def record_alert(
    session: Session, *, identity: str, severity: Severity, title: str, body: str, use_case: str | None = None, at: datetime | None = None
) -> bool:
    """Write the alert in the caller's transaction; False where the same identity was told before."""
    if session.scalars(select(Alert.id).where(Alert.identity == identity)).first() is not None:
        return False
    session.add(Alert(id=new_id(), identity=identity, use_case=use_case, severity=severity, title=title[:300], body=body,
                      delivered={"state": "pending", "attempts": 0}, created_at=at or utc_now()))
    session.flush()
    return True


def told(store: Store, identity: str) -> bool:
    """Whether there is an alert of this identity."""
    with store.reading() as session:
        return session.scalars(select(Alert.id).where(Alert.identity == identity)).first() is not None


def deliver(settings: Settings, store: Store, use_cases: Iterable[UseCase] = (), *, notifier: Notifier | None = None) -> int:
    """Tell every alert not told yet, at most `BATCH_MAX`; the number of alerts that reached every address."""
    envs = {use_case.name: use_case.alerts.url_envs for use_case in use_cases}
    reached = 0
    for alert in _claim(store):
        LOG.log(LEVELS.get(alert.severity, logging.WARNING), "%s | %s", alert.title, " ".join(alert.body.split()))
        channel = notifier or AppriseNotifier(addresses(settings, envs.get(alert.use_case or "", [])))
        answers = channel.send(alert.title, alert.body, alert.severity)
        reached += _note(store, alert.id, answers)
    return reached


def addresses(settings: Settings, url_envs: Sequence[str], environment: Mapping[str, str] | None = None) -> list[SecretStr]:
    """Apprise addresses for one use case: the installation's and those in the named environment variables (several split by spaces)."""
    values = os.environ if environment is None else environment
    own = [SecretStr(part) for name in url_envs for part in values.get(name, "").split()]
    return [*settings.alert_urls, *own]


def _claim(store: Store) -> list[Alert]:
    """Alerts to tell now, marked so that no other process tells them at the same time."""
    now = utc_now()
    with store.writing() as session:
        rows = session.scalars(select(Alert).order_by(Alert.id.desc()).limit(20 * BATCH_MAX)).all()
        mine = [row for row in reversed(rows) if _waits(row.delivered, now)][:BATCH_MAX]
        for row in mine:
            row.delivered = {**row.delivered, "state": "sending", "attempts": int(row.delivered.get("attempts", 0)) + 1,
                             "since": now.isoformat()}
    return mine


def _waits(delivered: Mapping[str, Any], now: datetime) -> bool:
    if int(delivered.get("attempts", 0)) >= ATTEMPTS_MAX:
        return False
    state = delivered.get("state")
    if state == "sending":
        return now - datetime.fromisoformat(str(delivered["since"])) > timedelta(seconds=SENDING_S)
    return state in {"pending", "failed"}


def _note(store: Store, alert_id: str, answers: list[Delivery]) -> int:
    """Record what became of it; 1 where every address was reached (no address: the log alone counts)."""
    reached = all(answer.ok for answer in answers)
    for answer in answers:
        if not answer.ok:
            LOG.warning("alert %s was not delivered to %s: %s", alert_id, answer.address, answer.error)
    with store.writing() as session:
        row = session.get_one(Alert, alert_id)
        row.delivered = {"state": "delivered" if reached else "failed", "attempts": row.delivered.get("attempts", 1), "log": True,
                         "addresses": [{"address": answer.address, "ok": answer.ok, "error": answer.error} for answer in answers]}
    return int(reached)
