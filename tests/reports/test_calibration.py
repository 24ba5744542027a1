"""Calibration by hand, against its parts, and against luck."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from interlock.errors import DataError
from interlock.rules.findings import State
from reports.calibration import calibration_findings, class_calibration_findings


def test_ece_and_bias_by_hand() -> None:
    # two bins of 4: said 0.2, happened 0.25 → 0.05; said 0.8, happened 0.5 → 0.3; mean 0.175; bias (-0.05 + 0.3) / 2
    y = np.array([0, 0, 0, 1, 1, 1, 0, 0.0])
    findings, figures = calibration_findings(y, np.array([0.2] * 4 + [0.8] * 4), bins=2)
    found = {finding.metric.removeprefix("calibration."): finding.value for finding in findings}
    assert (found["ece"], found["bias"]) == (pytest.approx(0.175), pytest.approx(0.125))
    # reliability (0.05² + 0.3²) / 2; base rate 3/8: resolution (0.125² + 0.125²) / 2; uncertainty 3/8 x 5/8
    assert found["reliability"] == pytest.approx(0.04625)
    assert found["resolution"] == pytest.approx(0.015625)
    assert found["uncertainty"] == pytest.approx(0.234375)
    # Wilson of 2 in 4: centre 0.5, half width 1.96 sqrt(0.25/4 + 1.96²/64) / (1 + 1.96²/4) = 0.35
    assert figures["bins"][1] == {"rows": 4, "mean_score": pytest.approx(0.8), "mean_outcome": 0.5, "low": pytest.approx(0.15, abs=0.001),
                                  "high": pytest.approx(0.85, abs=0.001)}


def test_debiased_error_of_a_calibrated_model_is_nearer_zero() -> None:
    random = np.random.default_rng(4)
    plain, debiased = [], []
    for _ in range(40):
        score = random.random(400)
        found = calibration_findings((random.random(400) < score).astype(float), score)[0]
        plain.append(found[0].value)
        debiased.append(found[2].value)
    assert found[2].metric == "calibration.ece_debiased"
    assert np.mean(debiased) < 0.65 * np.mean(plain)
    wrong = calibration_findings((random.random(5_000) < 0.3).astype(float), np.full(5_000, 0.5))[0]
    assert wrong[2].value == pytest.approx(0.2, abs=0.02), "a real error stays"


def test_classwise_error_is_the_mean_over_the_classes() -> None:
    random = np.random.default_rng(5)
    score = random.dirichlet([2, 2, 2], 900)
    y = np.array([random.choice(3, p=row) for row in score], dtype=float)
    found, figures = class_calibration_findings(y, score, ["a", "b", "c"])
    single = [calibration_findings((y == place).astype(float), score[:, place])[0][0].value for place in range(3)]
    assert [one.value for one in found if one.metric == "calibration.class_ece"] == single
    assert found[-1].value == pytest.approx(np.mean(single))
    assert set(figures["classes"]) == {"a", "b", "c"}
    top = calibration_findings((score.argmax(axis=1) == y).astype(float), score.max(axis=1))[0][0]
    assert found[0].value == top.value


@pytest.mark.parametrize("score", [np.full(50, 0.3), np.zeros(50), np.ones(50)])
def test_one_class_and_one_score_are_no_error(score: np.ndarray) -> None:
    found, figures = calibration_findings(np.zeros(50), score)
    assert found[0].value == pytest.approx(score[0])
    assert len(figures["bins"]) == 1


def test_intervals_hold_the_value_even_where_resamples_lie_above_it() -> None:
    random = np.random.default_rng(9)
    score = random.random(300)
    found, _ = calibration_findings((random.random(300) < score).astype(float), score)
    assert all(one.low <= one.value <= one.high for one in found if one.low is not None)
    assert all(one.low >= 0 for one in found if one.low is not None and one.metric != "calibration.bias")


def test_one_row_has_no_interval() -> None:
    found, _ = calibration_findings(np.array([1.0]), np.array([0.5]))
    assert (found[0].value, found[0].low) == (0.5, None)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_missing_and_infinite_scores_are_refused(bad: float) -> None:
    with pytest.raises(DataError, match="missing or infinite"):
        calibration_findings(np.array([1.0, 0.0]), np.array([0.5, bad]))


def test_calibration_curve_is_scikit_learns() -> None:
    """Distinct scores in bins of equal size: the same points as `calibration_curve` with quantiles."""
    random = np.random.default_rng(6)
    score = random.permutation(np.linspace(0.01, 0.99, 1_000))
    y = (random.random(1_000) < score).astype(float)
    _, figures = calibration_findings(y, score)
    true, said = calibration_curve(y, score, n_bins=10, strategy="quantile")
    assert [row["mean_outcome"] for row in figures["bins"]] == pytest.approx(true)
    assert [row["mean_score"] for row in figures["bins"]] == pytest.approx(said)


def test_equal_scores_share_a_bin() -> None:
    findings, figures = calibration_findings(np.array([1.0, 0.0] * 50), np.full(100, 0.5))
    assert len(figures["bins"]) == 1
    assert findings[0].value == 0


def test_a_calibrated_model_is_near_what_luck_gives() -> None:
    random = np.random.default_rng(3)
    score = random.random(20_000)
    finding = calibration_findings((random.random(20_000) < score).astype(float), score)[0][0]
    assert finding.value == pytest.approx(finding.detail["expected_by_luck"], rel=0.8)
    assert finding.value < 0.015


def test_a_model_that_says_too_much_is_found() -> None:
    random = np.random.default_rng(3)
    score = random.random(5_000)
    findings, _ = calibration_findings((random.random(5_000) < score * 0.6).astype(float), score)
    assert findings[0].value == pytest.approx(0.2, abs=0.02)  # mean of 0.4 x score
    assert findings[0].low > 0.17


def test_brier_score_is_the_sum_of_its_parts(scored: object) -> None:
    detail = calibration_findings(scored.y, scored.score)[0][0].detail
    assert detail["brier"] == pytest.approx(brier_score_loss(scored.y, scored.score))
    assert detail["reliability"] - detail["resolution"] + detail["uncertainty"] == pytest.approx(detail["brier"], abs=0.003)


def test_no_rows() -> None:
    assert {finding.state for finding in calibration_findings(np.empty(0), np.empty(0))[0]} == {State.TOO_FEW}
