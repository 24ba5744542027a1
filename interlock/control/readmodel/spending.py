"""Costs by use case, stage and day, and how they stand against the budget."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import func, select

from interlock.control.readmodel.signals import Signal, SignalState
from interlock.records.store import Store
from interlock.records.tables import Cost
from interlock.spec.usecase import UseCase

SERIES_MAX = 5  # as many colours as can be told apart


class Spending(NamedTuple):
    """Use and money of one use case, stage and day (UTC)."""

    use_case: str
    stage: str
    day: date
    usd: float
    cpu_seconds: float
    storage_bytes: int
    requests: int


def spending(store: Store, use_case: str | None = None, days: int = 92) -> list[Spending]:
    """The newest `days` days that have costs, oldest first."""
    query = select(Cost.use_case, Cost.stage, Cost.day, Cost.usd, Cost.cpu_seconds, Cost.storage_bytes, Cost.requests)
    newest = select(func.max(Cost.day))
    if use_case is not None:
        query, newest = query.where(Cost.use_case == use_case), newest.where(Cost.use_case == use_case)
    with store.reading() as session:
        last = session.scalar(newest)
        if last is None:
            return []
        since = (date.fromisoformat(last) - timedelta(days=days - 1)).isoformat()
        rows = session.execute(query.where(Cost.day >= since).order_by(Cost.day, Cost.use_case, Cost.stage)).all()
    known = {text: date.fromisoformat(text) for text in {row[2] for row in rows}}
    return [Spending(name, stage, known[day], usd, cpu_seconds, storage_bytes, requests)
            for name, stage, day, usd, cpu_seconds, storage_bytes, requests in rows]


def in_month(rows: list[Spending], today: date) -> float:
    """US dollars of the calendar month that `today` is in."""
    return sum(row.usd for row in rows if (row.day.year, row.day.month) == (today.year, today.month))


def per_thousand(rows: list[Spending]) -> float | None:
    """US dollars per 1,000 predictions over all rows; None without predictions."""
    requests = sum(row.requests for row in rows)
    return 1000 * sum(row.usd for row in rows) / requests if requests else None


def per_thousand_by_use_case(rows: list[Spending]) -> dict[str, float]:
    """The same for each use case; those without predictions are left out."""
    names = {row.use_case for row in rows}
    found = {name: per_thousand([row for row in rows if row.use_case == name]) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def burned_down(rows: list[Spending], budget: float, today: date) -> tuple[list[date], list[float]]:
    """Every day of the month up to `today`, and what was left of the budget at its end; negative: overspent."""
    days = [today.replace(day=n) for n in range(1, today.day + 1)]
    used = dict.fromkeys(days, 0.0)
    for row in rows:
        if row.day in used:
            used[row.day] += row.usd
    left: list[float] = []
    for day in days:
        left.append((left[-1] if left else budget) - used[day])
    return days, left


def cost_signal(rows: list[Spending], case: UseCase | None, today: date) -> Signal:
    """Month to date against the monthly budget; UNKNOWN where nothing was added up yet, or there is no budget."""
    if not rows:
        return Signal("Cost", SignalState.UNKNOWN, "Costs have not been added up yet.")
    spent = in_month(rows, today)
    budget = case.costs.monthly_budget_usd if case else None
    if budget is None:
        return Signal("Cost", SignalState.UNKNOWN, f"${spent:,.2f} this month; no budget is set.", value=spent, unit="USD")
    state = SignalState.FAIL if spent > budget else SignalState.WARN if spent > 0.8 * budget else SignalState.PASS
    return Signal("Cost", state, f"${spent:,.2f} of ${budget:,.2f} this month.", value=spent, limit=budget, unit="USD")


def by_stage(rows: list[Spending]) -> list[Spending]:
    """Sums per use case and stage, dearest first; storage is the newest day's, because bytes do not add up over days."""
    found: dict[tuple[str, str], Spending] = {}
    for row in rows:
        old = found.get((row.use_case, row.stage))
        found[row.use_case, row.stage] = row if old is None else Spending(
            row.use_case, row.stage, row.day, old.usd + row.usd, old.cpu_seconds + row.cpu_seconds, row.storage_bytes,
            old.requests + row.requests)
    return sorted(found.values(), key=lambda row: (-row.usd, row.use_case, row.stage))


def by_day(rows: list[Spending], *, by: str) -> tuple[list[date], dict[str, list[float]]]:
    """Every day from first to last, and per stage or use case (`by`) the US dollars of each day, dearest series first.

    All storage is one stage, and beyond `SERIES_MAX` series the cheapest are one: more colours cannot be told apart.
    """
    if not rows:
        return [], {}
    first, last = min(row.day for row in rows), max(row.day for row in rows)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    series: dict[str, list[float]] = {}
    for row in rows:
        name = row.use_case if by != "stage" else "storage" if row.stage.startswith("storage.") else row.stage
        series.setdefault(name, [0.0] * len(days))[(row.day - first).days] += row.usd
    ordered = sorted(series.items(), key=lambda item: (-sum(item[1]), item[0]))
    kept, rest = ordered[:SERIES_MAX - 1], ordered[SERIES_MAX - 1:]
    if len(rest) > 1:
        return days, dict(kept) | {f"{len(rest)} others": [sum(values) for values in zip(*(one for _, one in rest), strict=True)]}
    return days, dict(ordered)
