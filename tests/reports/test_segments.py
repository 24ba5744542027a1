"""Weak slices: planted ones are found with honest intervals, noise is not called weak, odd input ends in a state."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from interlock.rules.findings import State
from reports.segments import declared_findings, slice_findings
from reports.segments_compare import against_rest, holm, welch
from reports.segments_cut import cut_column

RANDOM = np.random.default_rng(8)
ROWS = 6_000


def frame(rows: int = ROWS, seed: int = 1) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    return pl.DataFrame({"age": random.integers(18, 80, rows), "income": random.normal(0, 1, rows),
                         "region": random.choice(["north", "south", "west"], rows), "own": random.random(rows) < 0.4})


def test_a_planted_pair_is_found_and_its_size_is_in_the_interval() -> None:
    rows = frame()
    planted = ((rows["region"] == "south") & rows["own"]).to_numpy()
    loss = RANDOM.exponential(0.5, ROWS) + 0.4 * planted
    found, figures = slice_findings(loss, rows, unit="nats", seed=4)
    weakest = found[0]
    assert (weakest.metric, weakest.state) == ("performance.weakest_slice", State.OK)
    assert weakest.segment == "region=south and own=true"
    assert weakest.low < 0.4 < weakest.high
    assert weakest.detail["confirmed"]
    assert any(one.metric == "performance.slice" and one.segment == weakest.segment for one in found)
    assert figures["slices"][0]["slice"] == weakest.segment
    assert figures["searched"] > 50
    assert (found, figures) == slice_findings(loss, rows, unit="nats", seed=4), "seeded"


def test_noise_is_confirmed_about_as_rarely_as_said() -> None:
    """100 searches of pure noise: at most about 5 in 100 may confirm anything."""
    false = sum(slice_findings(np.random.default_rng(seed).exponential(1, 2_000), frame(2_000, seed), unit="nats", seed=seed)[0][0]
                .detail.get("confirmed", False) for seed in range(100))
    assert false <= 10


def test_the_comparison_is_scipys() -> None:
    loss, inside = RANDOM.exponential(1, 400), RANDOM.random(400) < 0.3
    found = welch(loss, inside)
    expected = stats.ttest_ind(loss[inside], loss[~inside], equal_var=False, alternative="greater")
    assert found.p == pytest.approx(expected.pvalue)
    both = stats.ttest_ind(loss[inside], loss[~inside], equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(both.low), pytest.approx(both.high))
    wider = welch(loss, inside, share_of_alpha=10)
    assert (wider.low, wider.high) < (found.low, np.inf)
    assert wider.high > found.high


def test_z_of_every_group_at_once_is_that_of_each() -> None:
    loss, codes = RANDOM.exponential(1, 300), RANDOM.integers(0, 4, 300)
    found = against_rest(loss, codes, 5)
    for group in range(4):
        inside = codes == group
        assert found.z[group] == pytest.approx(stats.ttest_ind(loss[inside], loss[~inside], equal_var=False).statistic)
    assert found.z[4] == 0, "an empty group"


def test_holm_by_hand() -> None:
    # sorted 0.01 x 4, 0.02 x 3, 0.03 x 2, 0.5 x 1, each at least the one before
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_numbers_are_cut_at_quarters_and_words_by_frequency() -> None:
    numbers = cut_column(pl.Series("age", [float(n) for n in range(1, 41)]))
    assert numbers is not None
    assert numbers.labels == ["age ≤ 10", "10 < age ≤ 20", "20 < age ≤ 30", "age > 30"]
    assert np.bincount(numbers.codes).tolist() == [10, 10, 10, 10]
    words = cut_column(pl.Series("job", ["a"] * 5 + ["b"] * 3 + [None] * 2))
    assert words is not None
    assert (words.labels, np.bincount(words.codes).tolist()) == (["job=a", "job=b", "job missing"], [5, 3, 2])


def test_borders_come_from_the_searched_half_only() -> None:
    column, fit = pl.Series("x", np.arange(100.0)), np.arange(100) < 50
    found = cut_column(column, fit)
    assert found is not None
    assert found.labels[-1] == "x > 37"


@pytest.mark.parametrize("column", [
    pl.Series("c", [1.0] * 50), pl.Series("c", [None] * 50, dtype=pl.Float64), pl.Series("c", [float("inf")] * 50),
    pl.Series("c", ["x"] * 50)], ids=["constant", "all null", "all infinite", "one level"])
def test_columns_that_tell_nothing_apart_are_left_out(column: pl.Series) -> None:
    assert cut_column(column) is None


def test_many_levels_infinite_and_missing_values_are_groups() -> None:
    many = cut_column(pl.Series("id", [f"level {number}" for number in range(5_000)]))
    assert many is not None
    assert len(many.labels) == 9
    odd = cut_column(pl.Series("x", [1.0, 2.0, None, float("inf"), float("nan")] * 4))
    assert odd is not None
    assert odd.labels == ["x=1", "x=2", "x missing"]


def test_too_few_rows_and_no_difference_are_states() -> None:
    few = slice_findings(np.ones(399), frame(399), unit="nats")[0]
    assert [(one.state, one.needed) for one in few] == [(State.TOO_FEW, 400)]
    flat, figures = slice_findings(np.ones(1_000), frame(1_000), unit="nats")
    assert (flat[0].state, figures["slices"]) == (State.TOO_FEW, [])
    none = slice_findings(RANDOM.random(1_000), pl.DataFrame({"c": ["x"] * 1_000}), unit="nats")[0]
    assert none[0].state is State.TOO_FEW
    assert "no column tells rows apart" in none[0].note


def test_declared_segments_and_small_ones() -> None:
    rows = pl.DataFrame({"sex": ["f"] * 300 + ["m"] * 690 + ["x"] * 10})
    loss = np.concatenate([np.full(300, 0.9), np.full(700, 0.5)]) + RANDOM.normal(0, 0.01, 1_000)
    found, figures = declared_findings(loss, rows, unit="nats")
    by_name = {one.segment: one for one in found}
    assert by_name["sex=f"].value == pytest.approx(0.4, abs=0.01)
    assert by_name["sex=f"].low > 0.39
    assert by_name["sex=m"].high < 0
    assert (by_name["sex=x"].state, by_name["sex=x"].sample_size) == (State.TOO_FEW, 10)
    assert {row["segment"] for row in figures["segments"]} == {"sex=f", "sex=m"}
    assert declared_findings(np.empty(0), pl.DataFrame({"sex": []}), unit="nats") == ([], {"segments": []})
