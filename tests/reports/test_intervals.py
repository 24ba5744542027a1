"""Intervals: seeded, paired, exact where theory says so."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from reports.intervals import auc_components, auc_difference, auc_interval, bootstrap, midranks

RANDOM = np.random.default_rng(11)
Y = (RANDOM.random(3000) < 0.3).astype(float)
SCORE = np.clip(0.3 * Y + RANDOM.random(3000) * 0.7, 0, 1).round(2)
MEAN = {"mean": lambda means: means[0]}


def test_same_seed_same_bits_other_seed_other_interval() -> None:
    one, again, other = (bootstrap(SCORE[None, :], MEAN, seed=seed)["mean"] for seed in (1, 1, 2))
    assert one == again
    assert (one.low, one.high) != (other.low, other.high)
    assert one.value == other.value == pytest.approx(SCORE.mean())


def test_the_bootstrap_of_a_mean_has_the_width_that_theory_gives() -> None:
    found = bootstrap(SCORE[None, :], MEAN, seed=3, resamples=2000)["mean"]
    half = 1.96 * SCORE.std() / math.sqrt(SCORE.size)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.06)


def test_more_rows_than_the_bound_keep_the_width_right() -> None:
    bounded = bootstrap(SCORE[None, :], MEAN, seed=3, resamples=2000, rows_max=300)["mean"]
    whole = bootstrap(SCORE[None, :], MEAN, seed=3, resamples=2000)["mean"]
    assert bounded.value == whole.value
    assert (bounded.high - bounded.low) == pytest.approx(whole.high - whole.low, rel=0.15)


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows_have_no_interval(rows: int) -> None:
    found = bootstrap(SCORE[None, :rows], MEAN, seed=1)["mean"]
    assert math.isnan(found.low)


def test_auc_by_hand_and_with_ties() -> None:
    # positives 0.9, 0.4; negatives 0.4, 0.1: pairs 1 + 1 + ½ + 1 of 4
    assert auc_components(np.array([1, 1, 0, 0.0]), np.array([0.9, 0.4, 0.4, 0.1]))[0] == pytest.approx(3.5 / 4)
    assert auc_interval(Y, SCORE).value == pytest.approx(roc_auc_score(Y, SCORE), abs=1e-12)


def test_delong_by_hand() -> None:
    # components: positives 1 and 0.75, negatives 0.75 and 1: variances 1/32 each; (1/32)/2 + (1/32)/2 = 1/32
    # logit scale: ln 7 = 1.945910 give or take 1.959964 sqrt(1/32) / (0.875 x 0.125) = 3.167780
    found = auc_interval(np.array([1, 1, 0, 0.0]), np.array([0.9, 0.4, 0.4, 0.1]))
    assert found.low == pytest.approx(1 / (1 + math.exp(3.167780 - 1.945910)), abs=1e-6)
    assert found.high == pytest.approx(1 / (1 + math.exp(-3.167780 - 1.945910)), abs=1e-6)


def test_an_auc_near_1_from_few_rows_is_covered_as_promised() -> None:
    """12 rows of each class, normal scores two standard deviations apart: the truth is 0.9214. On the plain scale 88 of 100 hold it."""
    random, y = np.random.default_rng(5), np.repeat([1.0, 0.0], 12)
    found = [auc_interval(y, random.normal(size=24) + 2 * y) for _ in range(500)]
    assert np.mean([one.low <= 0.9214 <= one.high for one in found]) > 0.94
    assert all(0 <= one.low <= one.value <= one.high <= 1 for one in found)


def test_delong_agrees_with_the_bootstrap() -> None:
    random = np.random.default_rng(0)
    drawn = [random.integers(0, Y.size, Y.size) for _ in range(400)]
    spread = np.std([roc_auc_score(Y[rows], SCORE[rows]) for rows in drawn])
    found = auc_interval(Y, SCORE)
    assert (found.high - found.low) / 2 / 1.96 == pytest.approx(spread, rel=0.12)


def test_a_paired_difference_is_narrower_than_two_intervals() -> None:
    better = np.clip(SCORE + 0.05 * Y, 0, 2)
    found = auc_difference(Y, better, SCORE)
    assert found.value == pytest.approx(roc_auc_score(Y, better) - roc_auc_score(Y, SCORE))
    assert 0 < found.low < found.value < found.high
    assert found.high - found.low < 0.5 * (auc_interval(Y, SCORE).high - auc_interval(Y, SCORE).low)
    same = auc_difference(Y, SCORE, SCORE)
    assert (same.value, same.low, same.high) == (0, 0, 0)


@pytest.mark.parametrize(("positives", "negatives", "low"), [(5, 195, 0.8055), (100, 100, 0.98045), (2, 2, 0.3856)])
def test_classes_that_lie_apart_are_no_certainty(positives: int, negatives: int, low: float) -> None:
    """DeLong's variance is 0 there. The ends solve (1 - t)² = 1.96² V(t), found with SciPy's brentq."""
    y = np.repeat([1.0, 0.0], [positives, negatives])
    right, wrong = auc_interval(y, y * 0.4 + 0.3), auc_interval(y, 0.7 - y * 0.4)
    assert (right.value, right.high) == (1.0, 1.0)
    assert right.low == pytest.approx(low, abs=5e-5)
    assert (wrong.value, wrong.low, wrong.high) == (0.0, 0.0, pytest.approx(1 - right.low))


def test_two_models_without_an_error_are_not_surely_equal() -> None:
    """5 and 195 rows: each AUC of 1 may be as low as 0.8055 (above), so the difference of two that order the rows otherwise may be too."""
    y = np.repeat([1.0, 0.0], [5, 195])
    one, other = y + np.arange(200) / 1_000, y - np.arange(200) / 1_000
    found = auc_difference(y, one, other)
    assert (found.value, found.low, found.high) == (0.0, pytest.approx(-0.1945, abs=5e-5), pytest.approx(0.1945, abs=5e-5))
    same = auc_difference(y, one, one * 2)
    assert (same.low, same.high) == (0.0, 0.0)


def test_one_class_has_no_auc() -> None:
    assert math.isnan(auc_interval(np.ones(5), np.arange(5.0)).value)


@given(st.lists(st.integers(0, 5), max_size=30))
def test_midranks_are_scipys(values: list[int]) -> None:
    assert midranks(np.array(values, dtype=float)).tolist() == rankdata(values).tolist()
