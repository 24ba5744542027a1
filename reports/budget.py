"""What a month will have cost at its end, and when the budget is used up. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

DAYS_MIN = 3  # complete days below which no forecast is made: two say nothing about how days differ
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Forecast:
    """Spent by the end of the month, in the currency of the days. `low`, `high`: 95 % prediction interval.

    `days_to_budget`: whole days from now until the budget is used up at the present rate; 0: it is already; None: never, or no budget.
    """

    total: float
    low: float
    high: float
    per_day: float
    days: int
    days_to_budget: int | None


def forecast(days: Sequence[float], spent: float, days_left: float, budget: float | None = None) -> Forecast | None:
    """Spent so far plus `days_left` more days like the given complete ones (amounts >= 0, newest last; days without cost count as 0).

    The interval is that of the sum of R future days when k days with mean m and standard deviation s were seen and days are independent
    and roughly normal: R m +- t(k-1) s sqrt(R + R^2/k) (Hahn and Meeker, Statistical Intervals, 1991, section 4.8). It never falls below
    what is spent. A weekly rhythm makes it wider, not wrong. None below three complete days.
    """
    from scipy.stats import t

    count = len(days)
    if count < DAYS_MIN:
        return None
    mean = math.fsum(days) / count
    spread = math.sqrt(math.fsum((day - mean) ** 2 for day in days) / (count - 1))
    half = float(t.ppf(0.5 + CONFIDENCE / 2, count - 1)) * spread * math.sqrt(days_left + days_left**2 / count)
    total = spent + mean * days_left
    return Forecast(total, max(spent, total - half), total + half, mean, count, _until(spent, mean, budget))


def _until(spent: float, per_day: float, budget: float | None) -> int | None:
    if budget is None or (spent < budget and per_day <= 0):
        return None
    return 0 if spent >= budget else math.ceil((budget - spent) / per_day)
