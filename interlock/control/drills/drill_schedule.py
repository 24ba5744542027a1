"""Whether a scheduled fire drill is missing, and who is told. `tick` starts drills; this looks whether they were done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from interlock.control.keeping.alerting import record_alert
from interlock.control.keeping.scheduling import newest_due, next_due
from interlock.records import drills
from interlock.records.routes import champions
from interlock.records.store import Store
from interlock.records.tables import DrillRow, Outbox, ScheduleState
from interlock.rules.canonical import iso
from interlock.rules.drills import missed
from interlock.settings import Settings
from interlock.spec.load import readable_use_cases
from interlock.spec.usecase import UseCase


@dataclass(frozen=True)
class DrillState:
    """The last drill of a use case, and why another is missing ("": it is not)."""

    use_case: str
    last: DrillRow | None
    missing: str = ""


def drill_states(session: Session, use_cases: Iterable[UseCase], now: datetime) -> dict[str, DrillState]:
    """How it stands with the drills of those use cases that have something live and a schedule, or were ever drilled."""
    return drill_states_of(session, {use_case.name: use_case.schedules.drill for use_case in use_cases}, now)


def drill_states_of(session: Session, schedules: Mapping[str, str | None], now: datetime) -> dict[str, DrillState]:
    """The same from names and their cron expressions (None: no schedule), in three queries and one per schedule that was never met."""
    last = drills.last_of_each(session, schedules)
    live = {name for name, digest in champions(session).items() if digest is not None}
    intervals = {cron: _interval(cron, now) for cron in set(schedules.values()) if cron is not None}
    found = {}
    for name, cron in schedules.items():
        row = last.get(name)
        if cron is None or name not in live:
            if row is not None:
                found[name] = DrillState(name, row)
            continue
        since = row.finished_at if row is not None else _known_since(session, name, intervals[cron])
        interval = intervals[cron]
        found[name] = DrillState(name, row, missing="" if since is None or interval is None else missed(since, interval, now))
    return found


def tell_missed(settings: Settings, store: Store, now: datetime) -> int:
    """One alert per drill that is missing; how many are new. For the keeper, so that it works while Prefect is down."""
    told = 0
    with store.writing() as session:
        for name, state in drill_states(session, readable_use_cases(settings), now).items():
            if state.missing:
                since = iso(state.last.finished_at) if state.last else "never"
                told += record_alert(session, identity=f"drill:missed:{name}:{since}", use_case=name, severity="warning", at=now,
                                     title=f"{name}: the fire drill is missing",
                                     body=f"{state.missing}. Look at the runs of `drill`, or do it by hand: interlock drill {name}")
    return told


def _interval(cron: str, now: datetime) -> timedelta | None:
    """Between the newest due time and the next; None for a schedule without two of them."""
    due, following = newest_due(cron, now), next_due(cron, now)
    return following - due if due is not None and following is not None else None


def _known_since(session: Session, name: str, interval: timedelta | None) -> datetime | None:
    """Since when the schedule is known, where no drill was ever done: one interval before the first start that was asked for.

    None: `tick` has not seen the schedule yet.
    """
    asked = Outbox.cause.startswith(f"tick:{name}:drill:", autoescape=True)
    first = session.scalars(select(func.min(Outbox.created_at)).where(asked)).first()
    if first is not None:
        return first - (interval or timedelta(0))
    state = session.get(ScheduleState, (name, "drill"))
    return state.last_due if state is not None else None
