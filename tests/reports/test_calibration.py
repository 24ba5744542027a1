"""Calibration by hand, against its parts, and against luck."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from interlock.rules.findings import State
from reports.calibration import calibration_findings


def test_ece_and_bias_by_hand() -> None:
    # two bins of 4: said 0.2, happened 0.25 → 0.05; said 0.8, happened 0.5 → 0.3; mean 0.175; bias (-0.05 + 0.3) / 2
    y = np.array([0, 0, 0, 1, 1, 1, 0, 0.0])
    findings, figures = calibration_findings(y, np.array([0.2] * 4 + [0.8] * 4), bins=2)
    assert [finding.value for finding in findings] == [pytest.approx(0.175), pytest.approx(0.125)]
    assert figures["bins"][1] == {"rows": 4, "mean_score": pytest.approx(0.8), "mean_outcome": 0.5}


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
