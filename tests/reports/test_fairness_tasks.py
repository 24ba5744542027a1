"""Regression and several classes: groups are compared there too, by the definitions of Fairlearn and scikit-learn."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from fairlearn.metrics import MetricFrame, demographic_parity_ratio, mean_prediction
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from interlock.rules.findings import Finding, State
from interlock.spec.fairness import VALUE_MEASURES, Fairness, FairnessRule
from reports.fairness_classes import class_findings
from reports.fairness_values import value_findings

FRAME = {"mean_prediction": mean_prediction, "mae": mean_absolute_error, "rmse": root_mean_squared_error,
         "bias": lambda y, prediction: float(np.mean(prediction - y))}


def drawn(rows: int = 900) -> tuple[np.ndarray, np.ndarray, pl.DataFrame]:
    draw = np.random.default_rng(4)
    groups = draw.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1])
    y = draw.gamma(3, 20, rows)
    return y, y * draw.normal(1, 0.2, rows) + np.where(groups == "b", 6.0, 0.0), pl.DataFrame({"g": groups})


def by_measure(findings: list[Finding]) -> dict[str, Finding]:
    return {found.metric.removeprefix("fairness."): found for found in findings if found.segment == "attribute=g"}


def test_values_are_metric_frames() -> None:
    y, prediction, groups = drawn()
    findings, figures = value_findings(y, prediction, groups, Fairness())
    frame = MetricFrame(metrics=FRAME, y_true=y, y_pred=prediction, sensitive_features=groups["g"].to_list())
    for measure in VALUE_MEASURES:
        part, _, kind = measure.rpartition("_")
        expected = (frame.ratio() if kind == "ratio" else frame.difference())[part]
        finding = by_measure(findings)[measure]
        assert finding.value == pytest.approx(expected, abs=1e-9)
        assert finding.low <= finding.value <= finding.high
    for row in figures["g"]["value_groups"]:
        for part in FRAME:
            assert row[part] == pytest.approx(frame.by_group.loc[row["group"], part], abs=1e-9)
    assert by_measure(findings)["bias_difference"].value > 5
    json.dumps(figures, allow_nan=False)


def test_intervals_of_values_agree_with_a_stratified_bootstrap() -> None:
    y, prediction, groups = drawn(4_000)
    pair = groups["g"].is_in(["a", "b"]).to_numpy()
    y, prediction, names = y[pair], prediction[pair], groups["g"].to_numpy()[pair]
    finding = by_measure(value_findings(y, prediction, pl.DataFrame({"g": names}), Fairness())[0])["bias_difference"]
    draw, error = np.random.default_rng(1), prediction - y
    means = [[draw.choice(error[names == name], (names == name).sum()).mean() for name in "ba"] for _ in range(1_500)]
    low, high = np.quantile([b - a for b, a in means], [0.025, 0.975])
    assert (finding.low, finding.high) == pytest.approx((low, high), abs=0.25)


def test_rules_and_small_groups_of_values() -> None:
    y, prediction, groups = drawn(300)
    rule = FairnessRule(name="bias", metric="bias_difference", threshold=2, basis="Board, 3 March")
    findings, _ = value_findings(y, prediction, groups, Fairness(rules=[rule]))
    own = {found.segment: found for found in findings if found.metric == "fairness.rule_bias"}
    assert own["attribute=g"].state is State.OK
    assert own["g=c"].note.endswith("at least 60 needed")


@pytest.mark.parametrize(("groups", "note"), [
    (pl.Series("g", ["a"] * 300), "all 300 rows are in one group"), (pl.Series("g", [None] * 300), "no row carries this attribute"),
    (pl.Series("g", [f"p{number}" for number in range(300)]), "300 different values")])
def test_odd_groups_of_values_say_why(groups: pl.Series, note: str) -> None:
    y, prediction, _ = drawn(300)
    finding = by_measure(value_findings(y, prediction, pl.DataFrame({"g": groups}), Fairness())[0])["mae_ratio"]
    assert finding.state is State.TOO_FEW
    assert finding.note.startswith(note)


def test_perfect_predictions_have_no_ratio_of_errors() -> None:
    y, _, groups = drawn(900)
    findings = by_measure(value_findings(y, y, groups, Fairness())[0])
    assert (findings["mae_ratio"].state, findings["mae_difference"].value) == (State.TOO_FEW, 0.0)


def three() -> tuple[np.ndarray, np.ndarray, np.ndarray, pl.DataFrame]:
    draw = np.random.default_rng(2)
    y = draw.integers(0, 3, 1_200).astype(float)
    scores = draw.dirichlet([1, 1, 1], 1_200)
    return y, scores.argmax(axis=1).astype(float), scores, pl.DataFrame({"g": draw.choice(["a", "b"], 1_200)})


def test_favourable_classes_are_one_answer_against_the_rest() -> None:
    y, prediction, scores, groups = three()
    findings, figures = class_findings(y, prediction, scores, ["no", "maybe", "yes"], groups, Fairness(favourable_classes=["maybe", "yes"]))
    expected = demographic_parity_ratio(y > 0, (prediction > 0).astype(int), sensitive_features=groups["g"].to_list())
    assert by_measure(findings)["selection_rate_ratio"].value == pytest.approx(expected, abs=1e-12)
    assert {row["group"] for row in figures["g"]["groups"]} == {"a", "b"}


def test_without_favourable_classes_every_class_is_measured() -> None:
    y, prediction, scores, groups = three()
    findings, figures = class_findings(y, prediction, scores, ["no", "maybe", "yes"], groups, Fairness())
    found = {finding.segment: finding for finding in findings if finding.metric == "fairness.classes.selection_rate_ratio"}
    for place, name in enumerate(["no", "maybe", "yes"]):
        expected = demographic_parity_ratio(y == place, (prediction == place).astype(int), sensitive_features=groups["g"].to_list())
        assert found[f"attribute=g, class={name}"].value == pytest.approx(expected, abs=1e-12)
    assert set(figures["_classes"]) == {"no", "maybe", "yes"}
    assert class_findings(y, prediction, scores, ["no", "maybe", "yes"], pl.DataFrame(), Fairness())[0][0].state is State.MISSING
