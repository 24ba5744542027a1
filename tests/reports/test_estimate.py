"""Estimates without labels: right where their assumptions hold, as sure as they say, blind to what they say they are blind to."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from sklearn import metrics

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from reports.estimate import estimate_findings, expected_binary
from reports.estimate_loss import Level, examine, loss_findings
from reports.estimate_reference import Reference, calibrate, calibrator, class_reference, outcomes_of, with_ranges
from reports.estimate_trust import error_finding, range_finding, reference_findings, trust_finding


def world(rows: int, seed: int, *, shift: float = 0.0, other: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes and scores of a model that is too sure of itself; `shift` moves the inputs, `other` changes what they mean."""
    random = np.random.default_rng(seed)
    x = random.normal(shift, 1.5, rows)
    chance = 1 / (1 + np.exp(-(-x if other else x)))
    return (random.random(rows) < chance).astype(float), 1 / (1 + np.exp(-(1.8 * x + 0.5)))


@pytest.fixture(scope="module")
def reference() -> Reference:
    return class_reference("binary", *world(6_000, 1))


def named(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.metric.removeprefix("performance.estimated_"): finding for finding in findings}


def test_expectations_are_those_of_all_possible_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six rows, 64 outcomes, each weighted with its probability: the log loss, Brier score and accuracy are exactly their mean."""
    monkeypatch.setattr("reports.estimate.EXPECTED_MIN", 0.0)
    p, score = np.array([0.1, 0.3, 0.5, 0.6, 0.8, 0.9]), np.array([0.2, 0.2, 0.4, 0.7, 0.6, 0.95])
    mean = {"log_loss": 0.0, "brier": 0.0, "accuracy": 0.0}
    won = pairs = 0.0
    for outcome in itertools.product((0.0, 1.0), repeat=6):
        y = np.array(outcome)
        weight = float(np.prod(np.where(y == 1, p, 1 - p)))
        mean["log_loss"] += weight * metrics.log_loss(y, score, labels=[0, 1])
        mean["brier"] += weight * metrics.brier_score_loss(y, score)
        mean["accuracy"] += weight * metrics.accuracy_score(y, score >= 0.5)
        order = (score[:, None] > score[None, :]) + 0.5 * (score[:, None] == score[None, :])
        won += weight * float((order * np.outer(y, 1 - y)).sum())
        pairs += weight * float(np.outer(y, 1 - y).sum())
    found = expected_binary(p, score, 0.5)
    assert {name: found[name] for name in mean} == pytest.approx(mean)
    assert found["auc"] == pytest.approx(won / pairs)


def test_estimates_hold_the_truth_about_as_often_as_they_say(reference: Reference) -> None:
    """60 windows of 600 rows whose inputs have moved: the truth lies inside in about 95 of 100."""
    inside = dict.fromkeys(("auc", "log_loss", "brier", "accuracy", "f1"), 0)
    for seed in range(60):
        y, score = world(600, 100 + seed, shift=0.5)
        truth = {"auc": metrics.roc_auc_score(y, score), "log_loss": metrics.log_loss(y, score),
                 "brier": metrics.brier_score_loss(y, score), "accuracy": metrics.accuracy_score(y, score >= 0.5),
                 "f1": metrics.f1_score(y, score >= 0.5)}
        found = named(estimate_findings(reference, score, seed=seed))
        for name, value in truth.items():
            inside[name] += found[name].low <= value <= found[name].high
    assert min(inside.values()) >= 52, inside


def test_an_estimate_repeats_and_falls_where_the_cases_get_harder(reference: Reference) -> None:
    _, score = world(2_000, 5)
    assert estimate_findings(reference, score, seed=3) == estimate_findings(reference, score, seed=3)
    harder = named(estimate_findings(reference, score[(score > 0.3) & (score < 0.7)]))
    assert harder["auc"].high < named(estimate_findings(reference, score))["auc"].low


def test_concept_drift_is_not_seen_and_the_note_says_so(reference: Reference) -> None:
    y, score = world(2_000, 6, other=True)
    found = named(estimate_findings(reference, score))["auc"]
    assert metrics.roc_auc_score(y, score) < 0.3
    assert found.value > 0.7
    assert "holds only while" in found.note


def test_calibration_is_isotonic_on_the_known_outcomes() -> None:
    y, score = world(3_000, 2)
    curve = outcomes_of(y, score)
    assert sum(curve.rows) == 3_000
    assert sum(curve.positives) == y.sum()
    fitted = calibrator(curve)
    assert (np.diff(fitted) >= 0).all()
    assert calibrate(curve, np.array([0.0, 1.0])).tolist() == [fitted[0], fitted[-1]], "level outside of what was seen"


def test_the_reference_survives_json_and_says_how_well_calibrated_it_is(reference: Reference) -> None:
    again = Reference.model_validate_json(reference.model_dump_json())
    assert again == reference
    assert len(json.dumps(reference.model_dump())) < 20_000
    finding = reference_findings(reference)[0]
    assert finding.value < 3 * finding.detail["expected_by_luck"]
    assert reference_findings(Reference(task="regression", rows=10)) == []


def test_several_classes() -> None:
    random = np.random.default_rng(7)

    def cases(rows: int) -> tuple[np.ndarray, np.ndarray]:
        truth = random.dirichlet([1, 1, 1], rows)
        y = (random.random((rows, 1)) > np.cumsum(truth, axis=1)).sum(axis=1).clip(0, 2).astype(float)
        sure = truth**2
        return y, sure / sure.sum(axis=1, keepdims=True)
    known = class_reference("multiclass", *cases(6_000))
    inside = 0
    for _ in range(20):
        y, score = cases(800)
        found = named(estimate_findings(known, score))
        inside += found["accuracy"].low <= metrics.accuracy_score(y, score.argmax(axis=1)) <= found["accuracy"].high
        inside += found["log_loss"].low <= metrics.log_loss(y, score) <= found["log_loss"].high
    assert inside >= 35


@pytest.mark.parametrize(("rows", "state"), [(0, State.TOO_FEW), (1, State.TOO_FEW), (49, State.TOO_FEW), (50, State.OK)])
def test_few_rows_say_so(reference: Reference, rows: int, state: State) -> None:
    found = estimate_findings(reference, np.full(rows, 0.5))
    assert {one.state for one in found} == {state}
    assert all(one.note for one in found)


def test_all_the_same_score_and_hardly_any_positive(reference: Reference) -> None:
    same = named(estimate_findings(reference, np.full(400, 0.5)))
    assert same["auc"].value == pytest.approx(0.5)
    rare = named(estimate_findings(reference, np.full(60, 0.001)))
    assert rare["auc"].state is State.TOO_FEW
    assert "fewer than 10 positive" in rare["auc"].note
    assert rare["accuracy"].state is State.OK


@pytest.mark.parametrize("bad", [np.array([0.5] * 60 + [np.nan]), np.array([0.5] * 60 + [np.inf]), np.array([0.5] * 60 + [1.5])])
def test_scores_that_are_no_probabilities_are_refused(reference: Reference, bad: np.ndarray) -> None:
    with pytest.raises(DataError, match="no probability"):
        estimate_findings(reference, bad)


@pytest.mark.parametrize(("y", "score"), [(np.zeros(400), np.linspace(0, 1, 400)), (np.ones(10), np.full(10, 0.5)),
                                          (np.empty(0), np.empty(0))], ids=["one class", "ten rows", "no row"])
def test_a_reference_that_cannot_be_calibrated_on_is_refused(y: np.ndarray, score: np.ndarray) -> None:
    with pytest.raises(DataError, match="too few held-out rows"):
        class_reference("binary", y, score)


def boosted(matrix: np.ndarray, loss: np.ndarray) -> object:
    from sklearn.ensemble import HistGradientBoostingRegressor
    return HistGradientBoostingRegressor(max_iter=40, max_depth=3, random_state=1).fit(matrix, loss).predict


def errors(rows: int, seed: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Inputs, and errors of a model that is worse where the first input is large."""
    random = np.random.default_rng(seed)
    matrix = random.normal(0, spread, (rows, 3)).astype(np.float32)
    return matrix, random.normal(0, 1 + np.abs(matrix[:, 0]), rows)


def test_errors_of_a_regression_are_estimated_as_surely_as_said() -> None:
    matrix, error = errors(4_000, 1)
    models, levels = [], []
    for loss in (np.abs(error), error**2):
        levels.append(examine(matrix, loss, boosted))
        models.append(boosted(matrix, loss))
    inside = []
    for seed in range(40):
        later, true = errors(500, 100 + seed)
        found = loss_findings(models[0](later), models[1](later), (levels[0], levels[1]))
        by_name = {one.metric: one for one in found}
        mae, rmse = by_name["performance.estimated_mae"], by_name["performance.estimated_rmse"]
        inside += [mae.low <= np.abs(true).mean() <= mae.high, rmse.low <= np.sqrt((true**2).mean()) <= rmse.high]
    assert np.mean(inside) > 0.87
    wide, _ = errors(500, 9, spread=2.0)
    worse = loss_findings(models[0](wide), models[1](wide), (levels[0], levels[1]))[1]
    assert worse.low > mae.high, "harder inputs are seen"


def test_odd_errors() -> None:
    with pytest.raises(DataError, match="too few"):
        examine(np.zeros((10, 2), dtype=np.float32), np.zeros(10), boosted)
    with pytest.raises(DataError, match="missing or infinite"):
        examine(np.zeros((300, 2), dtype=np.float32), np.full(300, np.inf), boosted)
    level = examine(np.zeros((300, 2), dtype=np.float32), np.zeros(300), boosted)
    assert (level.scale, level.spread) == (1.0, 0.0)
    few = loss_findings(np.ones(1), np.ones(1), (level, level))
    assert {one.state for one in few} == {State.TOO_FEW}
    flat = loss_findings(np.full(100, -3.0), np.full(100, -3.0), (Level(1, 1, 300), Level(1, 1, 300)))
    assert all(one.value == 0 for one in flat), "an error is never below 0"


def test_rows_unlike_the_reference_are_counted() -> None:
    seen = np.array([[0, 1], [10, 1], [5, 1]], dtype=np.float32)
    reference = with_ranges(Reference(task="regression", rows=3), seen, ["a", "b"])
    now = np.array([[5, 1], [11, 1], [-1, 1], [5, np.nan], [5, 1]], dtype=np.float32)
    found = range_finding(reference, now, ["a", "b"])
    assert found.value == pytest.approx(0.6)
    assert found.detail["columns"] == {"a": pytest.approx(0.4), "b": pytest.approx(0.2)}
    assert "knows nothing about" in found.note
    assert range_finding(reference, now[:0], ["a", "b"]).state is State.TOO_FEW
    assert range_finding(reference, now[:1], ["a", "new"]).value == 1.0


def estimated(value: float, low: float, high: float) -> Finding:
    return Finding(metric="performance.estimated_auc", value=value, low=low, high=high, sample_size=500)


def test_an_estimate_is_held_against_the_truth() -> None:
    truth = Finding(metric="performance.auc", value=0.8, sample_size=300)
    found = error_finding("auc", estimated(0.84, 0.79, 0.88), truth)
    assert (found.value, found.low, found.high) == (pytest.approx(0.04), pytest.approx(-0.01), pytest.approx(0.08))
    assert found.detail["inside"]
    assert not error_finding("auc", estimated(0.84, 0.82, 0.88), truth).detail["inside"]
    late = Finding(metric="performance.auc", state=State.TOO_FEW, note="outcomes come later")
    waiting = error_finding("auc", estimated(0.84, 0.82, 0.88), late)
    assert (waiting.state, waiting.note) == (State.TOO_FEW, "outcomes come later")
    assert error_finding("auc", None, None).state is State.TOO_FEW


def test_trust_is_the_share_of_windows_that_were_right() -> None:
    truth = Finding(metric="performance.auc", value=0.8, sample_size=300)
    good, bad = error_finding("auc", estimated(0.84, 0.79, 0.88), truth), error_finding("auc", estimated(0.9, 0.85, 0.95), truth)
    assert trust_finding([good] * 4).state is State.TOO_FEW
    found = trust_finding([good] * 9 + [bad])
    assert found.value == 0.9
    # Wilson, 9 of 10: 0.596 to 0.982
    assert (found.low, found.high) == (pytest.approx(0.596, abs=0.001), pytest.approx(0.982, abs=0.001))
    assert found.detail["largest_error"] == pytest.approx(0.1)


def test_few_known_outcomes_do_not_flatter_the_interval() -> None:
    """300 known outcomes and 300 answers, 60 times: centred on the flattered value the AUC's interval held the truth in 76 of 100."""
    def drawn(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        y = (random.random(300) < 0.2).astype(float)
        return y, 1 / (1 + np.exp(-(np.log(0.25) + 1.2 * (random.normal(size=300) + 1.2 * y) - 0.72)))

    inside, random = 0, np.random.default_rng(4)
    for seed in range(60):
        known = class_reference("binary", *drawn(random), seed=seed)
        y, score = drawn(random)
        found = named(estimate_findings(known, score, seed=seed))["auc"]
        assert found.low <= found.value <= found.high
        inside += found.low <= metrics.roc_auc_score(y, score) <= found.high
    assert inside >= 48, inside
