"""Fairness figures are Fairlearn's, to the last digits; small groups are named and never judged."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from fairlearn.metrics import demographic_parity_ratio, equal_opportunity_difference, equalized_odds_difference

from interlock.errors import DataError
from interlock.rules.findings import State
from interlock.spec.fairness import Fairness
from reports.fairness import fairness_findings, group_names

FAIRLEARN = {"selection_rate_ratio": demographic_parity_ratio, "equal_opportunity_difference": equal_opportunity_difference,
             "equalized_odds_difference": equalized_odds_difference}


def found(findings: list) -> dict[tuple[str, str], object]:
    return {(finding.metric.removeprefix("fairness."), finding.segment): finding for finding in findings}


@pytest.mark.parametrize("attribute", ["sex", "race"])
@pytest.mark.parametrize("favourable", ["positive", "negative"])
def test_measures_are_fairlearns_on_adult(scored: object, adult: object, attribute: str, favourable: str) -> None:
    prediction = (scored.score >= 0.5).astype(float)
    policy = Fairness(favourable=favourable, group_rows_min=2)
    findings, _ = fairness_findings(scored.y, prediction, scored.score, adult.test.select(attribute), policy)
    y, decided = (scored.y, prediction) if favourable == "positive" else (1 - scored.y, 1 - prediction)
    for measure, reference in FAIRLEARN.items():
        finding = found(findings)[measure, f"attribute={attribute}"]
        assert finding.value == pytest.approx(reference(y, decided, sensitive_features=adult.test[attribute].to_list()), abs=1e-12)
        assert finding.low <= finding.high


def test_the_table_counts_groups_as_published(scored: object, adult: object) -> None:
    _, tables = fairness_findings(scored.y, (scored.score >= 0.5).astype(float), scored.score, adult.test.select("sex"), Fairness())
    rows = {row["group"]: row for row in tables["sex"]["groups"]}
    assert (rows["Male"]["rows"], rows["Female"]["rows"]) == (10_860, 5_421)
    assert rows["Female"]["base_rate"] == pytest.approx(590 / 5_421)
    assert rows["Male"]["selection_rate"] > rows["Female"]["selection_rate"]


def test_ratio_by_hand() -> None:
    # a: 30 of 60 chosen, b: 15 of 60: 0.25 / 0.5
    prediction = np.array([1.0] * 30 + [0.0] * 30 + [1.0] * 15 + [0.0] * 45)
    groups = pl.DataFrame({"g": ["a"] * 60 + ["b"] * 60})
    y = np.tile([1.0, 0.0], 60)
    finding = found(fairness_findings(y, prediction, prediction, groups, Fairness())[0])["selection_rate_ratio", "attribute=g"]
    assert finding.value == pytest.approx(0.5)
    assert finding.note == "Favourable answers: b 25.0% (n = 60), a 50.0% (n = 60)."


def test_a_small_group_is_named_with_what_it_needs() -> None:
    groups = pl.DataFrame({"g": ["a"] * 100 + ["b"] * 100 + ["c"] * 14})
    y = np.tile([1.0, 0.0], 107)
    findings = found(fairness_findings(y, y, y, groups, Fairness())[0])
    small = findings["selection_rate_ratio", "g=c"]
    assert (small.state, small.needed) == (State.TOO_FEW, 60)
    assert small.note == "not enough evidence: n = 14, at least 60 needed (rows)"
    assert findings["selection_rate_ratio", "attribute=g"].value == 1
    assert findings["selection_rate_ratio", "attribute=g"].detail["groups"] == ["a", "b"]


def test_rates_need_their_own_denominators() -> None:
    groups = pl.DataFrame({"g": ["a"] * 200 + ["b"] * 200})
    y = np.concatenate([np.tile([1.0, 0.0], 100), [1.0] * 20 + [0.0] * 180])  # b: 20 deserving people only
    findings = found(fairness_findings(y, y, y, groups, Fairness())[0])
    assert findings["equal_opportunity_difference", "g=b"].sample_size == 20
    assert findings["equal_opportunity_difference", "attribute=g"].state is State.TOO_FEW
    assert findings["selection_rate_ratio", "attribute=g"].state is State.OK


def test_missing_values_are_no_group_but_are_counted() -> None:
    groups = pl.DataFrame({"g": ["a"] * 70 + ["b"] * 70 + [None] * 60})
    y = np.tile([1.0, 0.0], 100)
    findings, tables = fairness_findings(y, y, y, groups, Fairness())
    assert tables["g"]["missing"] == 60
    assert {row["group"] for row in tables["g"]["groups"]} == {"a", "b"}
    assert [segment for measure, segment in found(findings) if measure == "selection_rate_ratio"] == ["attribute=g"]


def test_many_numbers_become_quartile_bands() -> None:
    names = group_names(pl.Series("age", list(range(100))))
    assert sorted(set(names)) == ["24 < … ≤ 49", "49 < … ≤ 74", "> 74", "≤ 24"]
    assert group_names(pl.Series("age", [None, *range(40)]))[0] == "(missing)"
    assert set(group_names(pl.Series("sex", [1, 2, 1, None]))) == {"1", "2", "(missing)"}


def test_nobody_chosen_has_no_ratio() -> None:
    groups = pl.DataFrame({"g": ["a"] * 80 + ["b"] * 80})
    y = np.tile([1.0, 0.0], 80)
    finding = found(fairness_findings(y, np.zeros(160), np.zeros(160), groups, Fairness())[0])["selection_rate_ratio", "attribute=g"]
    assert (finding.state, finding.value) == (State.TOO_FEW, None)


def test_without_sensitive_attributes_it_says_so() -> None:
    findings, tables = fairness_findings(np.ones(3), np.ones(3), np.ones(3), pl.DataFrame(), Fairness())
    assert {finding.state for finding in findings} == {State.MISSING}
    assert (findings[0].note, tables) == ("no sensitive attribute is declared for this use case", {})


def test_frames_of_other_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="do not fit together"):
        fairness_findings(np.ones(3), np.ones(3), np.ones(3), pl.DataFrame({"g": ["a"]}), Fairness())
