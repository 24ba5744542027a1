"""Performance figures are scikit-learn's, with intervals; comparisons are on the same rows; small or odd input never passes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from interlock.errors import DataError
from interlock.rules.findings import State
from reports.comparison import champion_finding, naive_findings
from reports.performance import figures_of, performance_findings

RANDOM = np.random.default_rng(7)


def by_name(findings: list) -> dict[tuple[str, str], object]:
    return {(finding.metric.split(".")[1], finding.segment): finding for finding in findings}


def test_binary_figures_are_scikit_learns_on_adult(scored: object) -> None:
    found = {name: finding.value for (name, _), finding in by_name(figures_of("binary", scored.y, scored.score, threshold=0.4)).items()}
    decided = scored.score >= 0.4
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(scored.y, scored.score), abs=1e-12)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(scored.y, scored.score), abs=1e-9)
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(scored.y, scored.score), abs=1e-12)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(scored.y, decided), abs=1e-12)
    assert found["f1"] == pytest.approx(metrics.f1_score(scored.y, decided), abs=1e-12)


def test_intervals_surround_values_and_repeat(scored: object) -> None:
    one, again = (figures_of("binary", scored.y, scored.score, seed=5) for _ in range(2))
    assert one == again
    assert all(finding.low < finding.value < finding.high for finding in one)


def test_multiclass_figures_are_scikit_learns() -> None:
    y = RANDOM.integers(0, 3, 600).astype(float)
    score = RANDOM.dirichlet([1, 1, 1], 600) * 0.5 + 0.5 * np.eye(3)[y.astype(int)] * RANDOM.random((600, 1))
    score /= score.sum(axis=1, keepdims=True)
    found = by_name(figures_of("multiclass", y, score))
    assert found["log_loss", "all"].value == pytest.approx(metrics.log_loss(y, score), abs=1e-9)
    assert found["accuracy", "all"].value == pytest.approx(metrics.accuracy_score(y, score.argmax(axis=1)))
    assert found["auc", "all"].value == pytest.approx(metrics.roc_auc_score(y, score, multi_class="ovr"), abs=1e-12)


def test_regression_figures_are_scikit_learns() -> None:
    y = RANDOM.normal(50, 10, 500)
    score = y + RANDOM.normal(1, 4, 500)
    found = by_name(figures_of("regression", y, score))
    assert found["rmse", "all"].value == pytest.approx(metrics.root_mean_squared_error(y, score), abs=1e-12)
    assert found["mae", "all"].value == pytest.approx(metrics.mean_absolute_error(y, score), abs=1e-12)
    assert found["r2", "all"].value == pytest.approx(metrics.r2_score(y, score), abs=1e-12)


def test_the_threshold_changes_decisions_but_not_the_order(scored: object) -> None:
    low, high = (by_name(figures_of("binary", scored.y, scored.score, threshold=threshold)) for threshold in (0.2, 0.8))
    assert low["accuracy", "all"].value != high["accuracy", "all"].value
    assert low["auc", "all"].value == high["auc", "all"].value


def test_a_model_beats_the_base_rate_on_adult(scored: object) -> None:
    found = by_name(naive_findings("binary", scored.y, scored.score, threshold=0.5, prior=scored.prior, seed=1))
    auc = metrics.roc_auc_score(scored.y, scored.score)
    assert found["vs_naive", "naive=prior"].value == pytest.approx(2 * auc - 1)
    ours, theirs = metrics.log_loss(scored.y, scored.score), metrics.log_loss(scored.y, scored.prior)
    assert found["log_loss_skill", "naive=prior"].value == pytest.approx(1 - ours / theirs, abs=1e-9)
    assert found["vs_naive", "naive=prior"].low > 0.8


def test_temporal_kappa_by_hand() -> None:
    # 10 rows; the model errs 2 times, repeating the last label errs 4 times: 1 - 2/4 = 0.5
    y = np.array([1, 1, 1, 0, 0, 0, 1, 1, 0, 0.0])
    score = np.where(np.arange(10) < 2, 1 - y, y) * 0.8 + 0.1
    last = np.where(np.arange(10) < 4, 1 - y, y)
    found = by_name(naive_findings("binary", y, score, threshold=0.5, prior=np.full(10, 0.5), last_label=last, seed=1))
    assert found["vs_naive", "naive=last_label"].value == pytest.approx(0.5)
    assert found["vs_naive", "naive=last_label"].detail["naive"] == pytest.approx(0.4)


def test_rows_where_the_rule_knows_nothing_are_left_out() -> None:
    y, score = np.array([1, 0, 1, 0.0]), np.array([0.9, 0.1, 0.2, 0.3])
    last = np.array([np.nan, 1, 0, 0.0])
    finding = by_name(naive_findings("binary", y, score, threshold=0.5, prior=np.full(4, 0.5), last_label=last, seed=1))[
        "vs_naive", "naive=last_label"]
    assert (finding.sample_size, finding.value) == (3, pytest.approx(0.5))  # model 1 of 3 wrong, rule 2 of 3
    none = naive_findings("binary", y, score, threshold=0.5, prior=np.full(4, 0.5), last_label=np.full(4, np.nan), seed=1)[-1]
    assert (none.state, none.note) == (State.TOO_FEW, "no row on which the naive rule knows a label")


def test_a_faultless_rule_leaves_nothing_to_gain() -> None:
    y = np.array([1, 0] * 50, dtype=float)
    finding = naive_findings("binary", y, np.full(100, 0.6), threshold=0.5, prior=np.full(100, 0.5), last_label=y, seed=1)[-1]
    assert finding.state is State.TOO_FEW
    assert finding.value is None


def test_regression_is_compared_by_rmse() -> None:
    y = np.array([1.0, 2, 3, 4])
    finding = by_name(naive_findings("regression", y, y + 1, threshold=0.5, prior=y + 2, last_label=y + 4, seed=1))
    assert finding["vs_naive", "naive=prior"].value == pytest.approx(0.5)
    assert finding["vs_naive", "naive=last_label"].value == pytest.approx(0.75)


def test_no_champion_is_a_state(scored: object) -> None:
    finding = champion_finding("binary", scored.y, scored.score, None, seed=1)
    assert (finding.state, finding.note) == (State.MISSING, "no champion yet")


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_champion_against_itself_is_equal_and_a_worse_one_is_beaten(task: str) -> None:
    y = RANDOM.integers(0, 3 if task == "multiclass" else 2, 400).astype(float)
    if task == "multiclass":
        score = np.eye(3)[y.astype(int)] * 0.5 + 0.5 / 3
        worse = np.full((400, 3), 1 / 3)
    else:
        score = np.clip(y * 0.4 + RANDOM.random(400) * 0.6, 0, 1)
        worse = np.clip(score * 0.5 + RANDOM.random(400) * 0.5, 0, 1)
    assert champion_finding(task, y, score, score, seed=1).value == pytest.approx(0)
    better = champion_finding(task, y, score, worse, seed=1)
    assert better.value > 0
    assert champion_finding(task, y, worse, score, seed=1).value < 0


def test_few_rows_of_a_class_cannot_be_judged() -> None:
    y = np.array([1.0] * 9 + [0.0] * 200)
    findings = figures_of("binary", y, np.linspace(0, 1, 209))
    assert {finding.state for finding in findings} == {State.TOO_FEW}
    assert "the rarest class has 9 rows, at least 10 needed" in findings[0].note


@pytest.mark.parametrize(("positives", "state"), [(9, State.TOO_FEW), (10, State.OK)])
def test_few_rows_of_a_class_say_nothing_against_champion_or_rule(positives: int, state: State) -> None:
    """Two models that both rank the few positives first: DeLong sees no difference and no doubt, so the gate would pass."""
    y = np.repeat([1.0, 0.0], [positives, 200])
    score = np.linspace(1, 0, y.size)
    assert champion_finding("binary", y, score, score**2, seed=1).state is state
    skill = by_name(naive_findings("binary", y, score, threshold=0.5, prior=np.full(y.size, 0.1), seed=1))["vs_naive", "naive=prior"]
    assert skill.state is state
    assert state is State.OK or skill.note == f"not enough evidence: the rarest class has {positives} rows, at least 10 needed"


def test_no_rows_at_all() -> None:
    findings, _ = performance_findings("binary", np.empty(0), np.empty(0), prior=np.empty(0))
    assert {finding.state for finding in findings} == {State.TOO_FEW, State.MISSING}


@pytest.mark.parametrize(("y", "score", "words"), [
    ([0, 1], [0.5], "do not fit together"), ([0, 1], [0.5, float("nan")], "missing or infinite"), ([0, 1], [0.5, 1.5], "not a probability"),
    ([0, 2], [0.5, 0.5], "must be 0 or 1")])
def test_impossible_input_is_refused(y: list, score: list, words: str) -> None:
    with pytest.raises(DataError, match=words):
        figures_of("binary", np.array(y, dtype=float), np.array(score, dtype=float))


def test_curves_are_bounded_and_true(scored: object) -> None:
    _, figures = performance_findings("binary", scored.y, scored.score, prior=scored.prior)
    roc = figures["roc"]
    assert len(roc["true_positive_rate"]) <= 101
    assert (roc["true_positive_rate"][0], roc["true_positive_rate"][-1]) == (0, 1)
    area = np.trapezoid(roc["true_positive_rate"], roc["false_positive_rate"])
    assert area == pytest.approx(metrics.roc_auc_score(scored.y, scored.score), abs=0.002)
    at_half = {name: values[50] for name, values in figures["thresholds"].items()}
    assert at_half["threshold"] == 0.5
    assert at_half["recall"] == pytest.approx(metrics.recall_score(scored.y, scored.score >= 0.5))
    assert at_half["precision"] == pytest.approx(metrics.precision_score(scored.y, scored.score >= 0.5))
    assert sum(figures["confusion"].values()) == scored.y.size
