"""Money by hand, against brute force over thresholds, paired, and where the choice of a threshold must not flatter itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from reports.money import cost_rows, value_findings, value_rows
from reports.money_thresholds import best_threshold, decision_curve, threshold_table

MATRIX = {"true_positive": 10.0, "false_positive": -4.0, "true_negative": 1.0, "false_negative": -20.0}
RANDOM = np.random.default_rng(12)


def named(findings: list[Finding]) -> dict[tuple[str, str], Finding]:
    return {(finding.metric.removeprefix("performance."), finding.segment): finding for finding in findings}


def test_value_by_hand() -> None:
    y, score = np.array([1, 1, 0, 0.0]), np.array([0.9, 0.1, 0.8, 0.2])  # true positive, false negative, false positive, true negative
    found = named(value_findings("binary", y, score, MATRIX, currency="EUR")[0])
    assert found["value_per_1000", "all"].value == pytest.approx((10 - 20 - 4 + 1) / 4 * 1_000)
    assert found["value_per_1000", "all"].unit == "EUR per 1,000"
    # always no: -20 -20 +1 +1 = -38; always yes: 10 + 10 - 4 - 4 = 12
    assert found["value_vs_naive", "naive=always_no"].value == pytest.approx((-13 + 38) / 4 * 1_000)
    assert found["value_vs_naive", "naive=always_yes"].value == pytest.approx((-13 - 12) / 4 * 1_000)
    assert found["value_vs_champion", "all"].state is State.MISSING


def test_scale_multiplies_and_rows_without_one_are_left_out() -> None:
    y, score = np.array([1, 1, 0, 0, 1.0]), np.array([0.9, 0.9, 0.9, 0.9, 0.9])
    scale = np.array([1, 2, np.nan, -1, np.inf])
    finding = value_findings("binary", y, score, MATRIX, currency="EUR", scale=scale)[0][0]
    assert (finding.value, finding.sample_size) == (15_000.0, 2)
    assert finding.note.startswith("3 rows without a usable scale")


def test_regression_costs_by_hand_and_against_the_champion() -> None:
    y, score = np.array([10, 10, 10.0]), np.array([12, 9, 10.0])
    assert cost_rows(y, score, {"over": 3.0, "under": 5.0}).tolist() == [-6, -5, 0]
    found = named(value_findings("regression", y, score, {"over": 3.0, "under": 5.0}, currency="EUR", prior=np.full(3, 11.0),
                                 champion_score=y)[0])
    assert found["value_per_1000", "all"].value == pytest.approx(-11 / 3 * 1_000)
    assert found["value_vs_naive", "naive=always_the_mean"].value == pytest.approx((-11 + 9) / 3 * 1_000)
    assert found["value_vs_champion", "all"].value == pytest.approx(-11 / 3 * 1_000)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20), st.floats(0, 5)), min_size=1, max_size=30))
def test_value_at_every_threshold_is_that_of_deciding_there(rows: list[tuple[bool, int, float]]) -> None:
    y, score = np.array([float(one) for one, _, _ in rows]), np.array([place / 20 for _, place, _ in rows])
    scale = np.array([amount for _, _, amount in rows])
    table = threshold_table(y, score, MATRIX, scale)
    for place in (0, 25, 50, 80, 100):
        cut = np.linspace(0, 1, 101)[place]
        expected = (value_rows(y, (score >= cut).astype(float), MATRIX) * scale).mean() * 1_000
        assert table["value_per_1000"][place] == pytest.approx(expected, abs=1e-6)
        if y.size > 1:
            own = value_rows(y, (score >= cut).astype(float), MATRIX) * scale
            half = 1.959964 * own.std(ddof=1) / y.size**0.5 * 1_000
            assert table["high"][place] - table["low"][place] == pytest.approx(2 * half, rel=1e-4, abs=0.05)
    assert table["always_yes"] == pytest.approx(table["value_per_1000"][0])


def test_the_interval_of_a_value_at_a_threshold_by_hand() -> None:
    """Always yes on three rows worth 10, 10 and -5: mean 5, standard deviation 8.66, standard error 5; so 5,000 +- 1.96 x 5,000."""
    amounts = {"true_positive": 10.0, "false_positive": -5.0, "true_negative": 0.0, "false_negative": 0.0}
    table = threshold_table(np.array([1.0, 1.0, 0.0]), np.array([0.9, 0.8, 0.1]), amounts, np.ones(3))
    assert table["value_per_1000"][0] == pytest.approx(5_000)
    assert (table["low"][0], table["high"][0]) == (pytest.approx(5_000 - 9_799.8, abs=0.1), pytest.approx(5_000 + 9_799.8, abs=0.1))
    one = threshold_table(np.array([1.0]), np.array([0.9]), amounts, np.ones(1))
    assert (one["low"][0], one["high"][0]) == (None, None)


def test_net_benefit_by_hand() -> None:
    y, score = np.array([1, 1, 0, 0, 0.0]), np.array([0.9, 0.3, 0.6, 0.1, 0.1])
    curve = decision_curve(y, score)
    at = curve["threshold"].index(0.5)
    assert curve["model"][at] == pytest.approx(1 / 5 - 1 / 5 * 1)
    assert curve["all"][at] == pytest.approx(2 / 5 - 3 / 5)
    assert decision_curve(np.empty(0), np.empty(0))["model"] == []


def test_the_best_threshold_of_calibrated_scores_is_elkans() -> None:
    score = RANDOM.random(40_000)
    y = (RANDOM.random(40_000) < score).astype(float)
    gain, proposal = best_threshold(y, score, MATRIX, np.ones(40_000), threshold=0.5, currency="EUR", seed=1)
    # cost of a false alarm 1 + 4 = 5, of a miss 10 + 20 = 30: 5 / 35
    assert proposal["calibrated_threshold"] == pytest.approx(5 / 35)
    assert proposal["proposed"] == pytest.approx(5 / 35, abs=0.05)
    assert gain.low > 0


def test_a_choice_among_noise_promises_nothing() -> None:
    """Where no threshold is better, the gain on the other half is about 0, not the largest of a hundred."""
    gains = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        y = (random.random(300) < 0.5).astype(float)
        even = {"true_positive": 1.0, "false_positive": -1.0, "true_negative": 1.0, "false_negative": -1.0}
        gains.append(best_threshold(y, random.random(300), even, np.ones(300), threshold=0.5, currency="EUR", seed=seed)[0].value)
    assert abs(np.mean(gains)) < 3 * np.std(gains) / np.sqrt(60)


def test_a_better_champion_is_worth_more() -> None:
    y = (RANDOM.random(2_000) < 0.3).astype(float)
    good, bad = np.clip(y * 0.6 + 0.2 * RANDOM.random(2_000), 0, 1), RANDOM.random(2_000)
    found = named(value_findings("binary", y, bad, MATRIX, currency="EUR", champion_score=good)[0])
    assert found["value_vs_champion", "all"].high < 0
    assert named(value_findings("binary", y, good, MATRIX, currency="EUR", champion_score=good)[0])["value_vs_champion", "all"].value == 0


@pytest.mark.parametrize(("y", "score", "scale"), [
    (np.empty(0), np.empty(0), None), (np.ones(1), np.full(1, 0.4), None), (np.zeros(60), np.full(60, 0.4), None),
    (np.zeros(60), RANDOM.random(60), np.full(60, np.nan))], ids=["no row", "one row", "one class and score", "no usable scale"])
def test_odd_input_ends_in_states(y: np.ndarray, score: np.ndarray, scale: np.ndarray | None) -> None:
    findings, figures = value_findings("binary", y, score, MATRIX, currency="EUR", scale=scale, champion_score=score)
    assert all(one.value is None or np.isfinite(one.value) for one in findings)
    assert all(one.note for one in findings if one.state is not State.OK)
    assert set(figures) == {"money", "decision_curve"}
    if y.size == 0 or scale is not None:
        assert findings[0].state is State.TOO_FEW


@pytest.mark.parametrize(("task", "matrix", "words"), [
    ("regression", MATRIX, "does not fit"), ("multiclass", MATRIX, "do not fit|does not fit"),
    ("binary", {"over": 1.0, "under": 1.0}, "does not fit")])
def test_a_matrix_of_another_task_is_refused(task: str, matrix: dict[str, float], words: str) -> None:
    with pytest.raises(DataError, match=words):
        value_findings(task, np.zeros(3), np.zeros(3), matrix, currency="EUR")


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="missing or infinite"):
        value_findings("binary", np.zeros(2), np.array([0.5, np.nan]), MATRIX, currency="EUR")
