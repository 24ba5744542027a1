"""What waiting costs: what each day without the candidate gives away or spares, as far as evidence and traffic say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from interlock.control.readmodel.compare import why_missing
from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.series import WindowRow, window_rows
from interlock.records.store import Store
from interlock.rules.findings import Finding

DAYS = 7  # traffic is the mean of the newest week of windows
NO_TRAFFIC = "how many requests come in a day is not known: no window was monitored yet"


@dataclass(frozen=True)
class Stake:
    """One thing that a day of waiting costs (+) or spares (-), with the ends of its 95 % interval; `why` where it is not known."""

    what: str
    a_day: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    why: str = ""


@dataclass(frozen=True)
class Waits:
    """`per_day`: answers a day (None: not known) over `days` of windows."""

    per_day: float | None
    days: float
    stakes: tuple[Stake, ...]


def traffic_of(store: Store, use_case: str) -> tuple[float | None, float]:
    """(answers a day, days covered) of a use case, from its newest windows."""
    return traffic(window_rows(store, use_case, limit=200))


def stakes_of(proof: Proof, per_day: float | None, days: float) -> Waits:
    """Money, wrong answers and decisions that a day of waiting stands for: what was measured per case × answers a day.

    The traffic is the mean of the newest seven days of windows. It is taken as it was: tomorrow may differ.
    """
    own = {finding.metric: finding for finding in proof.findings if finding.segment == "all"}
    found = [_scaled("Value", _money(own), per_day, 1_000),
             _scaled("Wrong answers", own.get("performance.vs_champion_error"), per_day, 1),
             _scaled("Decisions that would be others", own.get("replay.flip_rate"), per_day, 1)]
    return Waits(per_day, days, tuple(found))


def traffic(rows: list[WindowRow]) -> tuple[float | None, float]:
    """(answers a day, days covered) over the newest week of windows; (None, 0) without any. Windows of two versions at once add up."""
    if not rows:
        return None, 0.0
    end = max(row.end for row in rows)
    newest = [row for row in rows if row.start >= end - timedelta(days=DAYS)] or [row for row in rows if row.end == end]
    days = (end - min(row.start for row in newest)).total_seconds() / 86_400
    return sum(row.rows for row in newest) / days, days


def _money(own: dict[str, Finding]) -> Finding | None:
    """The difference to the champion's value; where there is none, what says why there is no value at all."""
    value = own.get("performance.value_per_1000")
    return own.get("performance.value_vs_champion") or (value if value is not None and value.value is None else None)


def _scaled(what: str, found: Finding | None, per_day: float | None, per: float) -> Stake:
    money = found.unit.removesuffix(" per 1,000") if found else ""  # measured per 1,000 cases, told per day
    unit = {"Value": money, "Wrong answers": "answers"}.get(what, "decisions")
    if found is None or found.value is None:
        return Stake(what, unit=unit, why=why_missing(found))
    if per_day is None:
        return Stake(what, unit=unit, why=NO_TRAFFIC)
    low, high = (None if end is None else end * per_day / per for end in (found.low, found.high))
    return Stake(what, found.value * per_day / per, low, high, unit)
