"""Whether a retraining is due after monitoring, and the wish for it in the outbox, once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.control.access.people import SCHEDULER
from interlock.control.deployments import LIFECYCLE
from interlock.control.keeping.alerting import record_alert
from interlock.control.windows.window_findings import LABELLED_METRICS
from interlock.records import ledger
from interlock.records.outbox import enqueue
from interlock.records.tables import Outbox, Window
from interlock.rules.canonical import iso
from interlock.rules.monitoring import cooled_down, retraining_due
from interlock.spec.usecase import UseCase

LOOK_BACK, LOOK_BACK_MAX = 40, 500  # windows read first, and where none of the newer half has outcomes that were judged


@dataclass(frozen=True)
class Looked:
    """What the breach rule reads of a window."""

    end: datetime
    package_digest: str
    labelled: int
    reports: dict[str, Any]


def ask_for_retraining(session: Session, use_case: UseCase, *, as_of: datetime | None) -> bool:
    """Write the wish to retrain where the breach rule says so; True where it was written now.

    The rule looks at the newest version's windows twice: up to the latest window, and, because labels come late, up to the latest
    window whose performance could be judged, if that is what breached. One cause is one retraining; none within the cooldown.
    """
    limits = use_case.monitoring
    windows = _windows_of_newest_version(session, use_case.name, max(LOOK_BACK, 2 * limits.of))
    for end in _ends(windows):
        states = [bool(window.reports["judgement"]["retrains"]) for window in windows if window.end <= end]
        if retraining_due(states, breaches=limits.breaches, of=limits.of) and _enqueue(session, use_case, end, windows, as_of):
            return True
    return False


def retrainings(session: Session, use_case: str) -> list[datetime]:
    """Ends of the windows that started a retraining of the use case."""
    start = f"breach:{use_case}:"
    causes = session.scalars(select(Outbox.cause).where(Outbox.cause.startswith(start, autoescape=True)))
    return [datetime.fromisoformat(cause.removeprefix(start)) for cause in causes]


def _windows_of_newest_version(session: Session, use_case: str, first: int) -> list[Looked]:
    """Windows of the version that answered last, oldest first. Their findings are not read: they are most of a row."""
    query = select(Window.end, Window.package_digest, Window.labelled, Window.reports).where(Window.use_case == use_case)
    query = query.order_by(Window.start.desc())  # as their ends are ordered; this order has an index
    newest = [Looked(*row) for row in session.execute(query.limit(50))]
    if not newest:
        return []
    last = max(newest, key=lambda window: (window.end, int(window.reports.get("generation", 0))))
    own = query.where(Window.package_digest == last.package_digest)
    rows = [Looked(*row) for row in session.execute(own.limit(first))]
    if len(rows) == first and not any(_judged_outcomes(row) for row in rows[:first // 2]):
        rows = [Looked(*row) for row in session.execute(own.limit(max(first, LOOK_BACK_MAX)))]
    return rows[::-1]


def _ends(windows: list[Looked]) -> list[datetime]:
    """Where the rule is applied: the latest window, and the latest one with judged outcomes if those are what breached there."""
    ends = [window.end for window in windows[-1:]]
    judged = [window for window in windows if _judged_outcomes(window)]
    if judged and LABELLED_METRICS & set(judged[-1].reports["judgement"]["breached"]):
        ends.append(judged[-1].end)
    return ends


def _judged_outcomes(window: Looked) -> bool:
    """Whether at least one metric that waits for outcomes could be judged; windows recorded before that was kept: whether any came."""
    return bool(window.reports.get("outcomes", window.labelled > 0))


def _enqueue(session: Session, use_case: UseCase, end: datetime, windows: list[Looked], as_of: datetime | None) -> bool:
    cause = f"breach:{use_case.name}:{iso(end)}"
    earlier = retrainings(session, use_case.name)
    if end in earlier or not cooled_down(end, earlier, use_case.monitoring.cooldown_hours):
        return False
    reasons = sorted({metric for window in windows if window.end <= end
                      for metric in window.reports["judgement"]["breached"]})
    why = f"{', '.join(reasons)} beyond the limit in at least {use_case.monitoring.breaches} of the last {use_case.monitoring.of} windows."
    if not use_case.monitoring.retrain:
        record_alert(session, identity=f"retrain-off:{use_case.name}:{iso(end)}", severity="warning", use_case=use_case.name,
                     title=f"{use_case.title}: a retraining is due, but [monitoring] retrain = false", body=why)
        return False
    parameters: dict[str, Any] = {"use_case": use_case.name, "started_by": SCHEDULER} | ({"as_of": iso(as_of)} if as_of is not None else {})
    enqueue(session, cause, LIFECYCLE, parameters)
    ledger.append(session, "monitoring.breach", {"cause": cause, "window_end": end, "metrics": reasons, "sentence": why}, use_case.name)
    record_alert(session, identity=f"retrain:{use_case.name}:{iso(end)}", severity="info", use_case=use_case.name,
                 title=f"{use_case.title}: retraining started", body=f"{why} Cause {cause}.")
    return True
