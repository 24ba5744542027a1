"""Explanations: additive on a real model, importance by hand, stability and dominance that move when reasons move."""

from __future__ import annotations

import numpy as np
import pytest

from interlock.errors import DataError
from interlock.rules.findings import State
from reports.explain import beeswarm, explain_findings, global_importance, sample_rows, stability_finding
from reports.shapley import explain_rows


def by_name(findings: list) -> dict[str, object]:
    return {finding.metric.removeprefix("explain."): finding for finding in findings}


def test_contributions_of_a_real_model_add_up(scored: object, adult: object) -> None:
    picked = sample_rows(scored.y.size, seed=1, rows_max=500)
    made = explain_rows(scored.booster, adult.matrix(adult.test)[picked].astype(np.float32), adult.types)
    contributions, margins = made.contributions, made.margins
    findings, figures = explain_findings(contributions, margins, list(adult.kinds), rows_total=scored.y.size)
    found = by_name(findings)
    assert contributions.shape == (500, 13)
    assert found["additivity"].value < 1e-3
    assert 1 / (1 + np.exp(-margins)) == pytest.approx(scored.score[picked], abs=1e-5)
    assert sum(figures["importance"].values()) == pytest.approx(1)
    assert found["dominance"].value == max(figures["importance"].values())
    assert "seeded sample of 500 of 16,281 rows" in found["dominance"].note
    assert found["stability"].state is State.MISSING


def test_a_tampered_contribution_is_found() -> None:
    contributions = np.array([[0.5, -0.2, 0.1], [0.3, 0.3, 0.1]])
    margins = contributions.sum(axis=1)
    contributions[1, 0] += 0.01
    assert by_name(explain_findings(contributions, margins, ["a", "b"], rows_total=2)[0])["additivity"].value == pytest.approx(0.01)


def test_importance_by_hand_leaves_the_bias_out() -> None:
    # mean |.|: a (1 + 3) / 2 = 2, b (1 + 1) / 2 = 1
    assert global_importance(np.array([[1.0, -1, 9], [-3, 1, 9]]), ["a", "b"]) == {"a": pytest.approx(2 / 3), "b": pytest.approx(1 / 3)}


def test_a_constant_model_has_no_reasons() -> None:
    findings, _ = explain_findings(np.array([[0.0, 0, 1]]), np.array([1.0]), ["a", "b"], rows_total=1)
    assert by_name(findings)["dominance"].value == 0


def test_stability_is_a_rank_correlation() -> None:
    own = {"a": 0.5, "b": 0.3, "c": 0.2}
    assert stability_finding(own, {"a": 0.6, "b": 0.25, "c": 0.15}, 9).value == pytest.approx(1)
    assert stability_finding(own, {"a": 0.1, "b": 0.3, "c": 0.6}, 9).value == pytest.approx(-1)
    moved = stability_finding(own, {"a": 0.1, "b": 0.3, "c": 0.6}, 9)
    assert (moved.detail["kendall"], moved.detail["moved"]) == (-1.0, "a")
    assert 0 < moved.detail["ndcg"] < 1
    assert "a 10.0% → 50.0%" in stability_finding(own, {"a": 0.1, "b": 0.3, "c": 0.6}, 9).note
    assert stability_finding({"a": 1.0}, {"a": 1.0}, 9).state is State.TOO_FEW


def test_multiclass_contributions_are_accepted() -> None:
    contributions = np.ones((4, 3, 3))
    findings, _ = explain_findings(contributions, contributions.sum(axis=-1), ["a", "b"], rows_total=4)
    assert by_name(findings)["additivity"].value == 0


def test_nothing_to_explain_and_shapes_that_do_not_fit() -> None:
    assert {finding.state for finding in explain_findings(np.empty((0, 3)), np.empty(0), ["a", "b"], rows_total=0)[0]} == {State.TOO_FEW}
    with pytest.raises(DataError, match="do not fit together"):
        explain_findings(np.ones((2, 2)), np.ones(2), ["a", "b"], rows_total=2)


def test_samples_are_seeded_sorted_and_bounded() -> None:
    assert sample_rows(10, seed=1, rows_max=20).tolist() == list(range(10))
    picked = sample_rows(1000, seed=1, rows_max=50)
    assert picked.tolist() == sorted(set(picked.tolist())) == sample_rows(1000, seed=1, rows_max=50).tolist()
    assert picked.tolist() != sample_rows(1000, seed=2, rows_max=50).tolist()


def test_dots_hold_contribution_and_place() -> None:
    dots = beeswarm(np.array([[0.5, 0.0], [1.0, 0.0], [2.0, 0.0]]), np.array([[10.0], [np.nan], [30.0]]), ["a"], seed=1)
    assert dots == {"a": [[0.5, 0.0], [1.0, None], [2.0, 1.0]]}
