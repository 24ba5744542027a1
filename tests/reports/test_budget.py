"""The month's end from the days so far, by hand and by drawing months."""

from __future__ import annotations

import numpy as np
import pytest

from reports.budget import forecast


def test_by_hand() -> None:
    """Days 1, 2, 3: mean 2, standard deviation 1, t(2; 0.975) = 4.302653. Ten more days: 6 + 20 = 26;
    half width 4.302653 * sqrt(10 + 100 / 3) = 4.302653 * 6.582806 = 28.3235. It never falls below what is spent, 6."""
    found = forecast([1, 2, 3], 6, 10, budget=9)
    assert found is not None
    assert (found.total, found.low, found.per_day, found.days) == (26, 6, 2, 3)
    assert found.high == pytest.approx(26 + 28.3235, abs=1e-4)
    assert found.days_to_budget == 2  # 3 are left, 2 a day


def test_two_days_say_nothing() -> None:
    assert forecast([1, 2], 3, 28) is None


@pytest.mark.parametrize(("spent", "budget", "days"), [(6, 6, 0), (7, 6, 0), (6, None, None), (6, 100, 47)])
def test_when_the_budget_is_used_up(spent: float, budget: float | None, days: int | None) -> None:
    found = forecast([2, 2, 2], spent, 10, budget)
    assert found is not None
    assert found.days_to_budget == days


def test_nothing_used_means_never() -> None:
    found = forecast([0, 0, 0], 0, 10, budget=5)
    assert found is not None
    assert (found.total, found.low, found.high, found.days_to_budget) == (0, 0, 0, None)


def test_the_interval_holds_for_19_of_20_months() -> None:
    """2,000 months of 10 known and 20 coming days, normal around 50: 95 % of the true sums lie inside (0.5 % standard error)."""
    rng = np.random.default_rng(2013)
    days = rng.normal(50, 5, size=(2_000, 30))
    inside = 0
    for month in days:
        found = forecast(list(month[:10]), float(month[:10].sum()), 20)
        assert found is not None
        inside += found.low <= month.sum() <= found.high
    assert 0.935 <= inside / 2_000 <= 0.965
