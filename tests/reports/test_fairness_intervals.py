"""Intervals of groups and of their comparisons: equal to the libraries that define them, and right as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, chi2_contingency, fisher_exact
from scipy.stats import t as student

from reports.fairness_groups import count_groups
from reports.fairness_impact import adverse_impact
from reports.fairness_intervals import Figures, difference, means, pairs_of, ratio, rows_to_see, rows_to_see_mean, shares, worst
from reports.intervals import Interval


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (3, 10), (10, 10), (1, 5_000), (590, 5_421)])
def test_shares_are_scipys_wilson(hits: int, rows: int) -> None:
    found = shares(np.array([float(hits)]), np.array([float(rows)]))
    expected = binomtest(hits, rows).proportion_ci(method="wilson")
    assert (found.low[0], found.high[0]) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_no_row_is_no_number() -> None:
    assert np.isnan(shares(np.array([0.0]), np.array([0.0])).value[0])
    assert np.isnan(means(np.array([1.0]), np.array([1.0]), np.array([1.0])).low[0])


@pytest.mark.parametrize("rows", [10, 60, 1_000])
def test_means_are_students(rows: int) -> None:
    values = np.random.default_rng(rows).normal(2, 3, rows)
    found = means(np.array([values.sum()]), np.array([(values**2).sum()]), np.array([float(rows)]))
    low, high = student.interval(0.95, rows - 1, values.mean(), values.std(ddof=1) / np.sqrt(rows))
    assert found.high[0] - found.low[0] == pytest.approx(high - low, rel=0.01)


def test_difference_is_newcombes() -> None:
    """56 of 70 and 48 of 80 (Newcombe 1998, table II, method 10): 0.2000 (0.0524 to 0.3339)."""
    found = difference(shares(np.array([56.0, 48.0]), np.array([70.0, 80.0])))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_ratio_by_hand_and_at_the_edges() -> None:
    # equal shares of 0.5 on 100 rows each: ln of 0.5/0.40383 = 0.2136, of 0.59617/0.5 = 0.1759; hypot 0.2767, exp(-0.2767) = 0.7583
    found = ratio(shares(np.array([50.0, 50.0]), np.array([100.0, 100.0])))
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 0.7583, 1.0), abs=5e-4)
    never = ratio(shares(np.array([0.0, 50.0]), np.array([100.0, 100.0])))
    assert (never.value, never.low) == (0.0, 0.0)
    assert never.high == pytest.approx(0.0370 / 0.4038, abs=1e-3)  # Wilson's upper end of 0 of 100 over the lower end of 50 of 100
    assert np.isnan(ratio(shares(np.zeros(2), np.full(2, 9.0))).value)
    assert np.isnan(ratio(Figures(np.array([-1.0, 2.0]), np.zeros(2), np.ones(2))).value)


@pytest.mark.parametrize(("rates", "rows"), [
    ([0.02, 0.05], [60, 2_000]), ([0.3, 0.3], [80, 80]), ([0.1, 0.12, 0.2, 0.25], [70, 150, 900, 4_000])])
def test_intervals_hold_the_truth_as_often_as_they_say(rates: list[float], rows: list[int]) -> None:
    """1,000 draws of rare and common groups: at least 93 % of the intervals hold the true difference and the true ratio, none is NaN."""
    draw = np.random.default_rng(7)
    held = np.zeros(2)
    for _ in range(1_000):
        hits = draw.binomial(rows, rates).astype(float)
        figures = shares(hits, np.array(rows, float), comparisons=pairs_of(len(rates)))
        gap, share = difference(figures), ratio(figures)
        held += [gap.low - 1e-12 <= max(rates) - min(rates) <= gap.high + 1e-12,
                 hits.max() == 0 or share.low - 1e-12 <= min(rates) / max(rates) <= share.high + 1e-12]
    assert (held / 1_000 >= 0.93).all(), held


def test_they_agree_with_a_stratified_bootstrap_where_rows_are_many() -> None:
    draw = np.random.default_rng(3)
    hits, rows = np.array([1_200.0, 900.0]), np.array([5_000.0, 5_000.0])
    again = draw.binomial(rows.astype(int), hits / rows, size=(4_000, 2)) / rows
    low, high = np.quantile(again[:, 0] - again[:, 1], [0.025, 0.975])
    found = difference(shares(hits, rows))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.002)
    low, high = np.quantile(again[:, 1] / again[:, 0], [0.025, 0.975])
    found = ratio(shares(hits, rows))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.006)


def test_more_comparisons_widen() -> None:
    hits, rows = np.array([50.0, 40.0]), np.array([100.0, 100.0])
    one, many = (difference(shares(hits, rows, comparisons=count)) for count in (1, 10))
    assert many.low <= one.low <= one.value <= one.high <= many.high


def test_worst_of_parts() -> None:
    parts = [Interval(0.1, 0.0, 0.3), Interval(0.2, 0.05, 0.25)]
    assert worst(parts, is_ratio=False) == Interval(0.2, 0.05, 0.3)
    assert worst(parts, is_ratio=True) == Interval(0.1, 0.0, 0.25)
    assert np.isnan(worst([*parts, Interval(float("nan"), 0, 0)], is_ratio=False).value)


def test_rows_to_see_are_those_of_the_textbook() -> None:
    # equal groups, 0.5 against 0.6: (1.95996·sqrt(2·0.55·0.45) + 0.84162·sqrt(0.25 + 0.24))² / 0.01 = 387.3
    assert rows_to_see(0.5, 0.1) == 388
    # 0.1 against 0.2: p̄ = 0.15: (1.95996·sqrt(0.255) + 0.84162·sqrt(0.25))² / 0.01 = 198.96
    assert rows_to_see(0.1, 0.1) == 199
    assert rows_to_see(0.9, 0.1) == 199
    assert rows_to_see(0.5, 0.1, 1e9) < rows_to_see(0.5, 0.1, 2) < rows_to_see(0.5, 0.1)
    # (1.95996 + 0.84162)² · 2 · 0.25 / 0.01 = 392.4
    assert rows_to_see_mean(0.25, 0.1) == 393


def test_rows_to_see_find_the_difference_in_four_of_five_draws() -> None:
    rows = rows_to_see(0.2, 0.1, 3)
    draw = np.random.default_rng(11)
    small, large = draw.binomial(rows, 0.2, 2_000) / rows, draw.binomial(3 * rows, 0.3, 2_000) / (3 * rows)
    pooled = (small + 3 * large) / 4
    z = (large - small) / np.sqrt(pooled * (1 - pooled) * (1 / rows + 1 / (3 * rows)))
    assert (z > 1.96).mean() == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("hits", "rows", "test"), [([48, 12], [80, 60], "chi-square"), ([9, 1], [12, 10], "Fisher's exact")])
def test_adverse_impact_is_scipys_test_of_the_pair(hits: list[int], rows: list[int], test: str) -> None:
    groups = np.repeat(["a", "b"], rows)
    prediction = np.concatenate([[1.0] * chosen + [0.0] * (size - chosen) for chosen, size in zip(hits, rows, strict=True)])
    found = adverse_impact(count_groups(prediction, prediction, prediction, groups))
    table = np.array([[chosen, size - chosen] for chosen, size in zip(hits, rows, strict=True)])[::-1]
    expected = fisher_exact(table).pvalue if test == "Fisher's exact" else chi2_contingency(table, correction=False).pvalue
    assert [(row["group"], row["reference"], row["test"]) for row in found] == [("b", "a", test)]
    assert found[0]["p"] == pytest.approx(expected, abs=1e-12)
    assert found[0]["ratio"] == pytest.approx((hits[1] / rows[1]) / (hits[0] / rows[0]))


def test_nobody_chosen_has_no_adverse_impact_table() -> None:
    assert adverse_impact(count_groups(np.ones(4), np.zeros(4), np.zeros(4), np.array(["a", "a", "b", "b"]))) == []
