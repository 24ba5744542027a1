"""When the last drift began, read from the windows that monitoring judged."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from interlock.records.store import Store
from interlock.records.tables import Window
from interlock.rules.monitoring import drift_began

LOOK_BACK_MAX = 2_000  # windows


def last_drift(store: Store, use_case: str, as_of: datetime | None = None) -> datetime | None:
    """Start of the earliest window of the latest unbroken run of breached windows (drift or performance); None where none breached.

    Only windows that had ended by `as_of` count, whichever version answered in them. Windows without traffic do not break a run.
    """
    with store.reading() as session:
        wanted = select(Window.start, Window.reports).where(Window.use_case == use_case).order_by(Window.start.desc()).limit(LOOK_BACK_MAX)
        rows = session.execute(wanted if as_of is None else wanted.where(Window.end <= as_of)).all()
    breached: dict[datetime, set[str]] = {}
    for start, reports in rows:
        breached.setdefault(start, set()).update(map(str, reports.get("judgement", {}).get("breached", [])))
    return drift_began(breached)
