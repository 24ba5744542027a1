"""Fairness figures are Fairlearn's, to the last digits; small groups are named and never judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equal_opportunity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from sklearn.metrics import accuracy_score, precision_score

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from interlock.rules.gates import Gate, Verdict, judge
from interlock.spec.fairness import Fairness, FairnessRule
from reports.fairness import fairness_findings

FAIRLEARN = {
    "selection_rate_ratio": demographic_parity_ratio, "demographic_parity_difference": demographic_parity_difference,
    "equal_opportunity_difference": equal_opportunity_difference, "equal_opportunity_ratio": equal_opportunity_ratio,
    "equalized_odds_difference": equalized_odds_difference, "equalized_odds_ratio": equalized_odds_ratio}
RATES = {"selection_rate": selection_rate, "true_positive_rate": true_positive_rate, "false_positive_rate": false_positive_rate,
         "precision": precision_score, "accuracy": accuracy_score}
ANY = Fairness(group_rows_min=2, difference_to_see=0.9)


def found(findings: list[Finding]) -> dict[tuple[str, str], Finding]:
    return {(finding.metric.removeprefix("fairness."), finding.segment): finding for finding in findings}


def two(a: int, b: int) -> pl.DataFrame:
    return pl.DataFrame({"g": ["a"] * a + ["b"] * b})


@pytest.mark.parametrize("attribute", ["sex", "race"])
@pytest.mark.parametrize("favourable", ["positive", "negative"])
def test_measures_are_fairlearns_on_adult(scored: Any, adult: Any, attribute: str, favourable: str) -> None:
    prediction = (scored.score >= 0.5).astype(float)
    policy = Fairness(favourable=favourable, group_rows_min=2)
    findings, _ = fairness_findings(scored.y, prediction, scored.score, adult.test.select(attribute), policy)
    y, decided = (scored.y, prediction) if favourable == "positive" else (1 - scored.y, 1 - prediction)
    groups = adult.test[attribute].to_list()
    for measure, reference in FAIRLEARN.items():
        finding = found(findings)[measure, f"attribute={attribute}"]
        assert finding.value == pytest.approx(reference(y, decided, sensitive_features=groups), abs=1e-12)
        assert finding.low <= finding.value <= finding.high
    precision = MetricFrame(metrics=precision_score, y_true=y, y_pred=decided, sensitive_features=groups)
    values = {measure: finding.value for (measure, segment), finding in found(findings).items() if segment == f"attribute={attribute}"}
    assert values["predictive_parity_difference"] == pytest.approx(precision.difference(), abs=1e-12)
    assert values["predictive_parity_ratio"] == pytest.approx(precision.ratio(), abs=1e-12)
    score = scored.score if favourable == "positive" else 1 - scored.score
    gap = MetricFrame(metrics=lambda y_true, y_pred: float(np.mean(y_pred - y_true)), y_true=y, y_pred=score, sensitive_features=groups)
    assert values["calibration_difference"] == pytest.approx(gap.difference(), abs=1e-12)


def test_rates_of_groups_and_intersections_are_metric_frames(scored: Any, adult: Any) -> None:
    prediction = (scored.score >= 0.5).astype(float)
    groups = adult.test.select("sex", "race")
    _, tables = fairness_findings(scored.y, prediction, scored.score, groups, Fairness())
    crossed = (groups["sex"] + " × " + groups["race"]).to_list()
    for table, names in ((tables["race"], groups["race"].to_list()), (tables["_intersections"]["sex × race"], crossed)):
        frame = MetricFrame(metrics=RATES, y_true=scored.y, y_pred=prediction, sensitive_features=names).by_group
        assert len(table["groups"]) == len(frame)
        for row in table["groups"]:
            for rate in RATES:
                assert row[rate] == pytest.approx(frame.loc[row["group"], rate], abs=1e-12)
                low, high = row["intervals"][rate]
                assert 0 <= low <= row[rate] <= high <= 1


def test_the_table_counts_groups_as_published(scored: Any, adult: Any) -> None:
    _, tables = fairness_findings(scored.y, (scored.score >= 0.5).astype(float), scored.score, adult.test.select("sex"), Fairness())
    rows = {row["group"]: row for row in tables["sex"]["groups"]}
    assert (rows["Male"]["rows"], rows["Female"]["rows"]) == (10_860, 5_421)
    assert rows["Female"]["base_rate"] == pytest.approx(590 / 5_421)
    assert rows["Male"]["selection_rate"] > rows["Female"]["selection_rate"]
    assert [row["group"] for row in tables["sex"]["adverse_impact"]] == ["Female"]
    assert tables["sex"]["adverse_impact"][0]["below_four_fifths"]
    assert tables["sex"]["adverse_impact"][0]["p"] < 1e-12


def test_calibration_by_group_is_the_reports_own_on_all_rows(scored: Any) -> None:
    """One group that holds everybody has the calibration report's error and bias."""
    from reports.calibration import calibration_findings

    whole = {finding.metric: finding.value for finding in calibration_findings(scored.y, scored.score)[0]}
    one = pl.DataFrame({"g": ["all"] * scored.y.size})
    row = fairness_findings(scored.y, (scored.score >= 0.5).astype(float), scored.score, one, Fairness())[1]["g"]["groups"][0]
    assert row["calibration_gap"] == pytest.approx(whole["calibration.bias"], abs=1e-12)
    assert row["ece"] == pytest.approx(whole["calibration.ece"], abs=2e-4)  # bins may differ by a row
    assert 0 < row["ece_by_luck"] < 0.01


def test_ratio_by_hand() -> None:
    # a: 30 of 60 chosen, b: 15 of 60: 0.25 / 0.5
    prediction = np.array([1.0] * 30 + [0.0] * 30 + [1.0] * 15 + [0.0] * 45)
    y = np.tile([1.0, 0.0], 60)
    finding = found(fairness_findings(y, prediction, prediction, two(60, 60), Fairness())[0])["selection_rate_ratio", "attribute=g"]
    assert finding.value == pytest.approx(0.5)
    assert finding.note == "Favourable answers: b 25.0% (n = 60), a 50.0% (n = 60)."


def test_a_small_group_is_named_with_what_it_needs() -> None:
    """p1 = 0.5, p2 = 0.6, r = 100/14 = 7.143, p̄ = 0.5877: (1.95996·sqrt(1.14·0.2423) + 0.84162·sqrt(0.25 + 0.24/r))² / 0.01 = 218.5."""
    groups = pl.DataFrame({"g": ["a"] * 100 + ["b"] * 100 + ["c"] * 14})
    y = np.tile([1.0, 0.0], 107)
    findings = found(fairness_findings(y, y, y, groups, Fairness())[0])
    small = findings["selection_rate_ratio", "g=c"]
    assert (small.state, small.needed) == (State.TOO_FEW, 219)
    assert small.note == "not enough evidence: n = 14, at least 219 needed to see a difference of 0.1"
    assert "p̄" in small.detail["formula"]
    assert not small.detail["compared"]
    # a and b have 100 rows: enough to be compared, too few to say that nothing differs
    assert findings["selection_rate_ratio", "g=a"].needed == 388
    assert findings["selection_rate_ratio", "g=a"].detail["compared"]
    assert findings["selection_rate_ratio", "attribute=g"].value == 1
    assert findings["selection_rate_ratio", "attribute=g"].detail["groups"] == ["a", "b"]


@pytest.mark.parametrize("metric", ["fairness.demographic_parity_difference", "fairness.predictive_parity_ratio",
                                    "fairness.intersections.selection_rate_ratio"])
def test_a_gate_of_ones_own_does_not_pass_over_a_small_group(metric: str) -> None:
    """3,000 rows each of a and b treated alike, 5 of c never chosen: nobody can say that c is treated alike."""
    groups = pl.DataFrame({"g": ["a"] * 3000 + ["b"] * 3000 + ["c"] * 5, "h": ["x", "x", "y", "y"] * 1501 + ["x"]})
    y = np.concatenate([np.tile([1.0, 0.0], 3000), np.zeros(5)])
    own = Gate(name="own", title="Own", metric=metric, direction="at_least" if metric.endswith("ratio") else "at_most",
               threshold=0.9 if metric.endswith("ratio") else 0.1, question="?", source="test")
    findings = fairness_findings(y, y, y, groups, Fairness(), gated={metric})[0]
    assert judge(own, findings).verdict is Verdict.UNKNOWN
    assert judge(own, fairness_findings(y[:6000], y[:6000], y[:6000], groups[:6000], Fairness(), gated={metric})[0]).verdict is (
        Verdict.PASS)


def test_the_stated_minimum_counts_where_it_is_larger() -> None:
    y = np.tile([1.0, 0.0], 250)
    policy = Fairness(group_rows_min=300, difference_to_see=0.2)
    small = found(fairness_findings(y, y, y, two(250, 250), policy)[0])["selection_rate_ratio", "g=a"]
    assert small.note == "not enough evidence: n = 250, at least 300 needed to see a difference of 0.2"


def test_rates_need_their_own_denominators() -> None:
    y = np.concatenate([np.tile([1.0, 0.0], 100), [1.0] * 20 + [0.0] * 180])  # b: 20 deserving people only
    findings = found(fairness_findings(y, y, y, two(200, 200), Fairness())[0])
    assert findings["equal_opportunity_difference", "g=b"].sample_size == 20
    assert findings["equal_opportunity_difference", "attribute=g"].state is State.TOO_FEW
    assert findings["selection_rate_ratio", "attribute=g"].state is State.OK


def test_missing_values_are_no_group_but_are_counted() -> None:
    groups = pl.DataFrame({"g": ["a"] * 70 + ["b"] * 70 + [None] * 60})
    y = np.tile([1.0, 0.0], 100)
    findings, tables = fairness_findings(y, y, y, groups, ANY.model_copy(update={"group_rows_min": 60}))
    assert tables["g"]["missing"] == 60
    assert {row["group"] for row in tables["g"]["groups"]} == {"a", "b"}
    assert [segment for measure, segment in found(findings) if measure == "selection_rate_ratio"] == ["attribute=g"]


def test_nobody_chosen_has_no_ratio() -> None:
    y = np.tile([1.0, 0.0], 80)
    findings = found(fairness_findings(y, np.zeros(160), np.zeros(160), two(80, 80), Fairness())[0])
    assert (findings["selection_rate_ratio", "attribute=g"].state, findings["selection_rate_ratio", "attribute=g"].value) == (
        State.TOO_FEW, None)
    assert findings["selection_rate_ratio", "attribute=g"].note == "no group gets the favourable answer at all: no ratio"


def test_one_group_never_chosen_has_an_interval() -> None:
    """0 of 400 against 200 of 400: resampling would give a ratio of 0 without width."""
    y = np.tile([1.0, 0.0], 400)
    prediction = np.concatenate([np.zeros(400), np.tile([1.0, 0.0], 200)])
    finding = found(fairness_findings(y, prediction, prediction, two(400, 400), Fairness())[0])["selection_rate_ratio", "attribute=g"]
    assert (finding.value, finding.low) == (0.0, 0.0)
    assert 0 < finding.high < 0.05


def test_rules_are_findings_of_their_own_and_an_absent_attribute_is_missing() -> None:
    rules = [FairnessRule(name="hiring", metric="selection_rate_ratio", threshold=0.8, basis="29 CFR 1607.4(D)", attributes=["g"]),
             FairnessRule(name="board", metric="predictive_parity_difference", threshold=0.1, basis="Board, 3 March", attributes=["gone"])]
    y = np.tile([1.0, 0.0], 400)
    findings = found(fairness_findings(y, y, y, two(400, 400), Fairness(rules=rules))[0])
    assert findings["rule_hiring", "attribute=g"].value == 1
    assert findings["rule_board", "attribute=gone"].state is State.MISSING
    assert ("rule_board", "attribute=g") not in findings


def test_a_rule_may_ask_for_intersections() -> None:
    rule = FairnessRule(name="both", metric="selection_rate_ratio", threshold=0.8, basis="Board, 3 March", intersections=True)
    groups = pl.DataFrame({"a": ["x", "y"] * 800, "b": ["u", "u", "v", "v"] * 400})
    y = np.ones(1600)
    prediction = np.where((groups["a"] == "x").to_numpy() & (groups["b"] == "u").to_numpy(), 0.0, 1.0)
    findings, _ = fairness_findings(y, prediction, prediction, groups, Fairness(rules=[rule]))
    segments = {finding.segment: finding.value for finding in findings if finding.metric == "fairness.rule_both"}
    assert segments == {"attribute=a": 0.5, "attribute=b": 0.5, "attribute=a × b": 0.0}


def test_without_sensitive_attributes_it_says_so() -> None:
    findings, tables = fairness_findings(np.ones(3), np.ones(3), np.ones(3), pl.DataFrame(), Fairness())
    assert {finding.state for finding in findings} == {State.MISSING}
    assert (findings[0].note, tables) == ("no sensitive attribute is declared for this use case", {})


def test_frames_of_other_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="do not fit together"):
        fairness_findings(np.ones(3), np.ones(3), np.ones(3), pl.DataFrame({"g": ["a"]}), Fairness())
