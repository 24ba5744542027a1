"""Every performance figure against scikit-learn, by hand on small tables, and with input that allows none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from interlock.rules.gates import Gate, Verdict, judge
from reports.comparison import champion_findings
from reports.intervals_counts import bootstrap_table, bootstrap_weights, table_shares
from reports.performance import figures_of, performance_findings
from reports.performance_values import median_error, quantile_findings

RANDOM = np.random.default_rng(31)


def named(findings: list[Finding], segment: str = "all") -> dict[str, Finding]:
    return {finding.metric.removeprefix("performance."): finding for finding in findings if finding.segment == segment}


@pytest.fixture(scope="module")
def three() -> tuple[np.ndarray, np.ndarray]:
    y = RANDOM.integers(0, 3, 900).astype(float)
    score = RANDOM.dirichlet([1, 1, 1], 900) * 0.6 + 0.4 * np.eye(3)[y.astype(int)] * RANDOM.random((900, 1))
    return y, score / score.sum(axis=1, keepdims=True)


def test_binary_figures_are_scikit_learns(scored: object) -> None:
    found, decided = named(figures_of("binary", scored.y, scored.score, threshold=0.3)), scored.score >= 0.3
    expected = {
        "auc": metrics.roc_auc_score(scored.y, scored.score), "average_precision": metrics.average_precision_score(scored.y, scored.score),
        "log_loss": metrics.log_loss(scored.y, scored.score), "brier": metrics.brier_score_loss(scored.y, scored.score),
        "accuracy": metrics.accuracy_score(scored.y, decided), "balanced_accuracy": metrics.balanced_accuracy_score(scored.y, decided),
        "precision": metrics.precision_score(scored.y, decided), "recall": metrics.recall_score(scored.y, decided),
        "f1": metrics.f1_score(scored.y, decided), "mcc": metrics.matthews_corrcoef(scored.y, decided)}
    assert {name: finding.value for name, finding in found.items()} == pytest.approx(expected, abs=1e-9)
    assert all(finding.low < finding.value < finding.high for finding in found.values())


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=40))
def test_average_precision_with_ties_is_scikit_learns(rows: list[tuple[bool, int]]) -> None:
    y, score = np.array([float(positive) for positive, _ in rows]), np.array([place / 4 for _, place in rows])
    found = named(figures_of("binary", y, score))["average_precision"].value
    if y.sum() == 0:
        assert found is None
    else:
        assert found == pytest.approx(metrics.average_precision_score(y, score), abs=1e-12)


def test_multiclass_figures_are_scikit_learns(three: tuple[np.ndarray, np.ndarray]) -> None:
    y, score = three
    decided = score.argmax(axis=1)
    findings = figures_of("multiclass", y, score, classes=["a", "b", "c"])
    found = {name: finding.value for name, finding in named(findings).items()}
    assert found == pytest.approx({
        "auc": metrics.roc_auc_score(y, score, multi_class="ovr"), "log_loss": metrics.log_loss(y, score),
        "accuracy": metrics.accuracy_score(y, decided), "macro_f1": metrics.f1_score(y, decided, average="macro"),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, decided)}, abs=1e-9)
    precision, recall, f1, rows = metrics.precision_recall_fscore_support(y, decided)
    for place, name in enumerate("abc"):
        one = named(findings, f"class={name}")
        assert [one[f"class_{figure}"].value for figure in ("precision", "recall", "f1")] == pytest.approx(
            [precision[place], recall[place], f1[place]])
        assert one["class_auc"].value == pytest.approx(metrics.roc_auc_score(y == place, score[:, place]))
        assert one["class_recall"].detail["rows"] == rows[place]


def test_regression_figures_are_scikit_learns() -> None:
    y = RANDOM.gamma(2, 10, 501)
    score = y + RANDOM.normal(1, 6, 501)
    found = {name: finding.value for name, finding in named(figures_of("regression", y, score)).items()}
    assert found == pytest.approx({
        "rmse": metrics.root_mean_squared_error(y, score), "mae": metrics.mean_absolute_error(y, score),
        "median_ae": metrics.median_absolute_error(y, score), "bias": (score - y).mean(), "r2": metrics.r2_score(y, score)}, abs=1e-9)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=12))
def test_median_error_of_even_and_odd_numbers_of_rows(errors: list[float]) -> None:
    y = np.array(errors)
    assert median_error(y, np.zeros(y.size), seed=1).value == pytest.approx(np.median(np.abs(y)))


def test_quantiles_are_judged_by_pinball_loss_and_coverage() -> None:
    y = RANDOM.normal(0, 1, 800)
    given_ = {0.1: np.full(800, -1.2816), 0.5: np.zeros(800), 0.9: np.full(800, 1.2816)}
    found = quantile_findings(y, given_)
    for finding, (level, value) in zip(found, given_.items(), strict=False):
        assert finding.value == pytest.approx(metrics.mean_pinball_loss(y, value, alpha=level))
        assert finding.segment == f"quantile={level:g}"
    assert found[-1].metric == "performance.interval_coverage"
    assert found[-1].low < 0.8 < found[-1].high
    assert found[-1].detail["wanted"] == pytest.approx(0.8)


@pytest.mark.parametrize(("levels", "words"), [({1.0: np.zeros(3)}, "between 0 and 1"), ({}, "between 0 and 1"),
                                               ({0.5: np.zeros(2)}, "do not fit"), ({0.5: np.array([0, np.nan, 1])}, "do not fit")])
def test_impossible_quantiles_are_refused(levels: dict[float, np.ndarray], words: str) -> None:
    with pytest.raises(DataError, match=words):
        quantile_findings(np.zeros(3), levels)


def test_interval_of_counts_covers_as_it_says() -> None:
    """Accuracy 0.9 in 400 rows, 300 times: the 95 % interval holds 0.9 in about 95 of 100."""
    inside = 0
    for number in range(300):
        right = RANDOM.binomial(400, 0.9)
        found = bootstrap_table(np.array([[right, 400.0 - right]]), {"a": lambda t: t[:, 0, 0] / t.sum(axis=(1, 2))}, seed=number)
        inside += found["a"].low <= 0.9 <= found["a"].high
    assert 0.90 <= inside / 300 <= 0.99


def test_weighted_bootstrap_of_a_mean_is_as_wide_as_theory_says() -> None:
    values = RANDOM.normal(0, 1, 2_000)
    found = bootstrap_weights(2_000, lambda w: float((w * values).sum() / w.sum()), seed=3, resamples=600)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 / np.sqrt(2_000), rel=0.12)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_champion_is_compared_on_the_same_rows_in_every_loss(task: str, three: tuple[np.ndarray, np.ndarray]) -> None:
    y, score = three
    if task != "multiclass":
        y, score = (y > 0).astype(float), np.clip(score[:, 1] + score[:, 2], 0, 1)
    worse = score[np.random.default_rng(2).permutation(900)]
    found = {finding.metric: finding for finding in champion_findings(task, y, score, worse, threshold=0.5, seed=1)}
    expected = {"binary": {"_log_loss", "_error", "_brier"}, "multiclass": {"_error"}, "regression": {"_mae"}}[task]
    assert {name.removeprefix("performance.vs_champion") for name in found} == expected | {""}
    assert all(finding.low > 0 for finding in found.values())
    error = found.get("performance.vs_champion_error")
    if error is not None:
        assert error.value == pytest.approx(error.detail["champion"] - error.detail["own"])
    same = champion_findings(task, y, score, score, threshold=0.5, seed=1)
    assert {finding.value for finding in same} == {0}


ODD = [
    ("one class", np.zeros(50), RANDOM.random(50)), ("all the same score", np.repeat([0.0, 1.0], 25), np.full(50, 0.4)),
    ("one row", np.ones(1), np.full(1, 0.5)), ("no row", np.empty(0), np.empty(0)), ("certain and wrong", np.zeros(50), np.ones(50))]


@pytest.mark.parametrize(("y", "score"), [case[1:] for case in ODD], ids=[case[0] for case in ODD])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_odd_input_ends_in_states_never_in_an_error(task: str, y: np.ndarray, score: np.ndarray) -> None:
    findings, figures = performance_findings(task, y, score, prior=np.full(y.size, 0.5), champion_score=score)
    assert figures
    assert all(finding.value is None or np.isfinite(finding.value) for finding in findings)
    assert all(finding.note for finding in findings if finding.state is not State.OK)
    if task == "binary" and min(y.sum(), y.size - y.sum()) < 10:
        assert named(findings)["auc"].state is State.TOO_FEW


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_missing_and_infinite_scores_are_refused(task: str, bad: float) -> None:
    with pytest.raises(DataError, match="missing or infinite"):
        figures_of(task, np.array([0.0, 1.0]), np.array([0.1, bad]))


def test_classes_that_never_occur_are_too_few_not_wrong(three: tuple[np.ndarray, np.ndarray]) -> None:
    y, score = three
    found = figures_of("multiclass", np.zeros(900), score, classes=["a", "b", "c"])
    assert named(found, "class=b")["class_recall"].state is State.TOO_FEW
    assert named(found)["accuracy"].state is State.TOO_FEW


def test_shares_from_few_rows_are_covered_as_promised() -> None:
    """100 rows, one in eight positive: recall 0.8, false alarms 0.01. A bootstrap of the rows held the true precision in 59 of 100."""
    draw, held = np.random.default_rng(8), {"precision": 0, "recall": 0, "accuracy": 0, "balanced_accuracy": 0, "f1": 0}
    truth = {"precision": 0.1 / 0.10875, "recall": 0.8, "accuracy": 0.96625, "balanced_accuracy": 0.895, "f1": 2 * 0.1 / (0.10875 + 0.125)}
    for _ in range(400):
        cells = draw.multinomial(100, [0.86625, 0.00875, 0.025, 0.1]).reshape(2, 2).astype(float)
        found = table_shares(cells)
        for name in held:
            held[name] += found[name].low <= truth[name] <= found[name].high
    assert min(held.values()) / 400 > 0.92, held


def test_answers_without_an_error_are_no_certainty() -> None:
    """12 positive and 60 negative rows all answered right. Wilson for 12 of 12: 12 / (12 + 1.96²) = 0.7575; 72 of 72: 0.9494."""
    y = np.repeat([1.0, 0.0], [12, 60])
    found = named(figures_of("binary", y, 0.2 + 0.6 * y))
    assert (found["recall"].value, found["recall"].low, found["recall"].high) == (1.0, pytest.approx(0.7575, abs=1e-4), 1.0)
    assert found["accuracy"].low == pytest.approx(0.9494, abs=1e-4)
    assert all(found[name].value == 1 and found[name].low is None for name in ("mcc", "average_precision"))
    asked = Gate(name="r", title="Recall", metric="performance.recall", direction="at_least", threshold=0.9, judge_by="interval",
                 question="?", source="test")
    assert judge(asked, list(found.values())).verdict is Verdict.UNKNOWN
