"""How long each stage takes over time, and how often what was asked of Prefect failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import func, select

from interlock.control.readmodel.work import Finished
from interlock.records.store import Store
from interlock.records.tables import Outbox

SLOW_RATIO = 2.0    # newest beside the median of those before
KNOWN_MIN = 3       # earlier runs below which nothing is said about slow or fast
FAILURES_DAYS = 30


@dataclass(frozen=True)
class Stage:
    """One stage, oldest run first; seconds of wall time (runs whose wall time was not measured are left out). `usual_s`: median of the
    runs before the newest; None below three of them."""

    name: str
    times: tuple[datetime, ...]
    wall_s: tuple[float, ...]
    usual_s: float | None

    @property
    def slow(self) -> bool:
        """Whether the newest run took more than twice as long as usual."""
        return self.usual_s is not None and self.wall_s[-1] > SLOW_RATIO * self.usual_s


@dataclass(frozen=True)
class Outcomes:
    """What was asked for in the last 30 days of one deployment: in all, failed for good, with more than one attempt, still open."""

    deployment: str
    asked: int
    failed: int
    again: int
    waiting: int


def stages(rows: Iterable[Finished]) -> list[Stage]:
    """Stages with at least one measured run, in the order of the newest."""
    found: dict[str, list[Finished]] = {}
    for row in sorted(rows, key=lambda row: row.finished_at):
        if row.wall_seconds > 0:
            found.setdefault(row.stage, []).append(row)
    made = [Stage(name, tuple(one.finished_at for one in own), tuple(one.wall_seconds for one in own),
                  median(one.wall_seconds for one in own[:-1]) if len(own) > KNOWN_MIN else None) for name, own in found.items()]
    return sorted(made, key=lambda stage: stage.times[-1], reverse=True)


def outcomes(store: Store, use_case: str, now: datetime) -> list[Outcomes]:
    """Deployments that were asked for, those with failures first."""
    query = (select(Outbox.deployment, Outbox.state, Outbox.attempt, func.count())
             .where(Outbox.created_at > now - timedelta(days=FAILURES_DAYS), Outbox.parameters["use_case"].as_string() == use_case)
             .group_by(Outbox.deployment, Outbox.state, Outbox.attempt))
    counts: dict[str, list[int]] = {}
    with store.reading() as session:
        for deployment, state, attempt, times in session.execute(query):
            own = counts.setdefault(deployment, [0, 0, 0, 0])
            own[0] += times
            own[1] += times if state == "failed" else 0
            own[2] += times if attempt > 1 else 0
            own[3] += times if state in ("pending", "dispatched") else 0
    return sorted((Outcomes(name, *own) for name, own in counts.items()), key=lambda one: (-one.failed, -one.again, one.deployment))
