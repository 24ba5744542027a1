"""A metric of production over windows: real where outcomes are known, estimated where not yet, with the share of outcomes known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from interlock.control.readmodel.numbers import Number, number
from interlock.control.readmodel.series import Point, WindowRow
from interlock.modeling.measures import PRIMARY
from interlock.spec.model import Task
from interlock.spec.usecase import UseCase

REAL, ESTIMATED = "performance.", "performance.estimated_"
NO_METRIC = frozenset({"drop", "estimated_drop", "estimate_range", "estimate_error", "estimate_coverage"})


@dataclass(frozen=True)
class Place:
    """One window on the axis. `known`: share of its answers whose outcome is known, 0 to 1; None where no window was judged: a gap."""

    start: datetime
    end: datetime
    version: int | None
    real: Point | None
    estimated: Point | None
    known: Number


@dataclass(frozen=True)
class Course:
    """A metric over windows, gaps included. `limits`: value per place beyond which it counts as lost (None: not the metric that is judged,
    or not known); `answers`, `outcomes`: how many answers there were, and of how many the outcome is known."""

    metric: str
    places: tuple[Place, ...]
    limits: tuple[Number, ...]
    answers: int
    outcomes: int
    unit: str

    @property
    def measured(self) -> int:
        """Windows with a real value."""
        return sum(one.real is not None and one.real.value is not None for one in self.places)


def metrics_of(rows: Sequence[WindowRow], task: Task | None) -> list[str]:
    """Names of the metrics that windows hold, real or estimated, the one that is judged first."""
    names = {name.removeprefix(ESTIMATED if name.startswith(ESTIMATED) else REAL) for row in rows for name in row.metrics
             if name.startswith(REAL) and name.removeprefix(REAL) not in NO_METRIC}
    first = PRIMARY.get(task or "", "")
    return sorted(names, key=lambda name: (name != first, name))


def course(rows: Sequence[WindowRow], metric: str, case: UseCase | None) -> Course:
    """The metric over these windows, oldest first; a stretch without a window becomes one place without values."""
    places: list[Place] = []
    limits: list[Number] = []
    for row in rows:
        if places and row.start > places[-1].end:
            places.append(Place(places[-1].end, row.start, None, None, None, None))
            limits.append(None)
        real, estimated = row.metrics.get(REAL + metric), row.metrics.get(ESTIMATED + metric)
        places.append(Place(row.start, row.end, row.version, real, estimated, row.labelled / row.rows if row.rows else None))
        limits.append(_limit(row, case) if case is not None and metric == PRIMARY[case.prediction.task] else None)
    points = [one for place in places for one in (place.real, place.estimated) if one is not None and one.unit]
    return Course(metric, tuple(places), tuple(limits), sum(row.rows for row in rows), sum(row.labelled for row in rows),
                  points[0].unit if points else "")


def _limit(row: WindowRow, case: UseCase) -> Number:
    """The value at which `performance.drop` reaches its limit, from the value that the version had when it was made."""
    drop = row.metrics.get("performance.drop")
    made = number(drop.detail.get("when_made")) if drop is not None else None
    if made is None:
        return None
    most = case.monitoring.performance_drop_max
    return {"binary": made - most, "multiclass": made + most, "regression": made * (1 + most)}[case.prediction.task]
