"""Distances from bins against SciPy on the rows, and what may be chance against its definition."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, false_discovery_control, ks_2samp, wasserstein_distance

from reports.distances import ks, psi, wasserstein
from reports.distances_doubt import benjamini_hochberg, chi_square, psi_chance, psi_rows_needed
from reports.drift_columns import moved_by
from reports.profiles import fit_profile

SHAPES = {
    "normal": lambda r, n, s: r.normal(s, 1, n), "heavy tail": lambda r, n, s: r.lognormal(0, 1 + s, n),
    "mostly zero": lambda r, n, s: np.where(r.random(n) < 0.8 - s, 0.0, r.gamma(2, 3, n)),
    "whole": lambda r, n, s: r.integers(0, 400, n) + round(40 * s),
    "two humps": lambda r, n, s: r.normal(0, 1, n) + 8 * (r.random(n) < 0.4 + s),
}


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.35])
@pytest.mark.parametrize("shape", SHAPES)
def test_ks_and_wasserstein_from_bins_are_within_0005_of_scipy(shape: str, shift: float) -> None:
    random = np.random.default_rng(7)
    base, now = SHAPES[shape](random, 60_000, 0.0).astype(float), SHAPES[shape](random, 40_000, shift).astype(float)
    profile = fit_profile(pl.DataFrame({"x": base}), {"x": "numeric"})
    current = fit_profile(pl.DataFrame({"x": now}), {"x": "numeric"}, like=profile).columns["x"]
    exact = ks_2samp(base, now).statistic
    assert exact - 0.0051 <= ks(profile.columns["x"].counts, current.counts) <= exact + 1e-12
    assert moved_by(profile.columns["x"], current) == pytest.approx(wasserstein_distance(base, now) / base.std(), abs=0.005)


def test_wasserstein_by_hand() -> None:
    # 10 rows at 1 against 10 rows at 3: each moves by 2; bins [0, 2) and [2, 4]
    assert wasserstein([10, 0], [0, 10], baseline_sums=[10, 0], current_sums=[0, 30], bounds=[0, 2, 4]) == pytest.approx(2)
    # the same bins, but values moved inside them: 1 to 1.5 and 3 to 3.5
    assert wasserstein([5, 5], [5, 5], baseline_sums=[5, 15], current_sums=[7.5, 17.5], bounds=[0, 2, 4]) == pytest.approx(0.5)
    assert np.isnan(wasserstein([1, 1], [0, 0], baseline_sums=[1, 3], current_sums=[0, 0], bounds=[0, 2, 4]))


def test_a_constant_baseline_has_no_unit_to_measure_in() -> None:
    base = fit_profile(pl.DataFrame({"x": [3.0] * 50}), {"x": "numeric"})
    same, moved = (fit_profile(pl.DataFrame({"x": [value] * 50}), {"x": "numeric"}, like=base).columns["x"] for value in (3.0, 4.0))
    assert moved_by(base.columns["x"], same) == 0
    assert np.isnan(moved_by(base.columns["x"], moved))


@given(st.lists(st.tuples(st.integers(30, 500), st.integers(30, 500)), min_size=2, max_size=8))
def test_chi_square_is_scipys_where_no_cell_is_small(cells: list[tuple[int, int]]) -> None:
    base, now = zip(*cells, strict=True)
    if min((b + n) * min(sum(base), sum(now)) / (sum(base) + sum(now)) for b, n in cells) < 5:
        return
    exact = chi2_contingency([base, now], correction=False)
    statistic, freedom, p = chi_square(base, now)
    assert (statistic, freedom, p) == (pytest.approx(exact.statistic), exact.dof, pytest.approx(exact.pvalue))


def test_small_cells_are_put_together() -> None:
    exact = chi2_contingency([[100, 100, 3], [110, 95, 4]], correction=False)  # 1 + 2 and 3 + 1 in the last cell
    assert chi_square([100, 100, 1, 2], [110, 95, 3, 1])[:2] == (pytest.approx(exact.statistic), 2)
    assert np.isnan(chi_square([100, 0], [50, 0])[2])
    assert np.isnan(chi_square([1, 2], [0, 0])[2])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjusted_p_values_are_scipys(p_values: list[float]) -> None:
    assert benjamini_hochberg(p_values) == pytest.approx(false_discovery_control(p_values))
    with_gap = benjamini_hochberg([*p_values, float("nan")])
    assert np.isnan(with_gap[-1])
    assert with_gap[:-1] == pytest.approx(false_discovery_control(p_values))


def test_chance_passes_the_stated_psi_in_one_of_twenty_windows() -> None:
    random, shares = np.random.default_rng(3), np.full(10, 0.1)
    limit = psi_chance(10, 5_000, 400)
    passed = np.mean([psi(random.multinomial(5_000, shares), random.multinomial(400, shares)) > limit for _ in range(4_000)])
    assert passed == pytest.approx(0.05, abs=0.012)


def test_rows_needed_are_those_at_which_chance_reaches_the_limit() -> None:
    # chi-square with 9 degrees of freedom has its 95 % point at 16.919: 16.919 / 0.25 = 67.7; with 199 at 232.9: 931.7
    assert psi_rows_needed(10, 10**9, 0.25) == 68
    assert psi_rows_needed(200, 10**9, 0.25) == 932
    needed = psi_rows_needed(10, 1_000, 0.25)
    assert psi_chance(10, 1_000, needed) <= 0.25 < psi_chance(10, 1_000, needed - 1)
    assert psi_rows_needed(10, 60, 0.25) == 136  # a baseline too small for any window: what both would need, 2 x 67.7
    assert (psi_rows_needed(1, 5, 0.25), psi_chance(1, 5, 5), psi_chance(3, 0, 5)) == (1, 0.0, float("inf"))
