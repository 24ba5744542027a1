"""Forecast, net value and savings as the `costs` flow prepared them. Nothing is computed here but sums of what is shown together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from interlock.control.spending.economy import KIND
from interlock.records.store import Store
from interlock.records.tables import Prepared


@dataclass(frozen=True)
class MonthEnd:
    """US dollars of the calendar month (UTC). `total` with its 95 % interval is None below three complete days."""

    today: str
    spent: float
    budget: float | None
    days_left: int
    days: int
    total: float | None = None
    low: float | None = None
    high: float | None = None
    per_day: float | None = None
    days_to_budget: int | None = None


@dataclass(frozen=True)
class Net:
    """One version: `value` of its decisions (low, high; None: the use case has no [value]) in `currency`, beside its share of the cost."""

    use_case: str
    version: int
    predictions: int
    cost_usd: float
    currency: str
    value: float | None
    low: float | None
    high: float | None
    sample_size: int

    @property
    def net(self) -> tuple[float, float | None, float | None] | None:
        """Value less cost, with interval; None without a value, and where the value is not in US dollars."""
        if self.value is None or self.currency != "USD":
            return None
        return (self.value - self.cost_usd, None if self.low is None else self.low - self.cost_usd,
                None if self.high is None else self.high - self.cost_usd)


@dataclass(frozen=True)
class Proposal:
    """One proposal to save. `usd` per month; None: not known in money."""

    use_case: str
    kind: str
    sentence: str
    usd: float | None
    next_step: str


@dataclass(frozen=True)
class Economy:
    """Of one use case, as of `prepared_at`."""

    use_case: str
    prepared_at: datetime
    month: MonthEnd
    versions: tuple[Net, ...]
    proposals: tuple[Proposal, ...]


def economies(store: Store) -> dict[str, Economy]:
    """Use case → what was prepared; those whose costs were never added up are absent."""
    with store.reading() as session:
        rows = session.scalars(select(Prepared).where(Prepared.kind == KIND).order_by(Prepared.name)).all()
    return {row.name: _economy(row.name, row.prepared_at, row.body) for row in rows}


def _economy(name: str, at: datetime, body: dict[str, Any]) -> Economy:
    versions = tuple(
        Net(name, one["version"], one["predictions"], one["cost_usd"], one["currency"], *_three(one["value"]), one["sample_size"])
        for one in body["versions"])
    return Economy(name, at, MonthEnd(**body["forecast"]), versions, tuple(Proposal(name, **one) for one in body["savings"]))


def _three(value: dict[str, float | None] | None) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if value is None else (value["value"], value["low"], value["high"])
