"""Groups of a few people are neither listed nor named, and a gate on them still says UNKNOWN."""

from __future__ import annotations

import json

import numpy as np
import polars as pl

from interlock.rules.fairness_gates import fairness_gates
from interlock.rules.gates import Verdict, judge
from interlock.spec.fairness import Fairness
from reports.fairness import fairness_findings
from reports.fairness_classes import class_findings
from reports.fairness_small import UNNAMED, without_small
from reports.fairness_values import value_findings

GROUPS = pl.DataFrame({"race": ["a"] * 600 + ["b"] * 390 + ["mid"] * 7 + ["rare"] * 3, "sex": ["f", "m"] * 500})
Y = np.tile([1.0, 0.0], 500)


def test_a_group_of_three_is_not_listed_named_or_counted() -> None:
    policy = Fairness(group_rows_min=60, difference_to_see=0.2)
    findings, tables = fairness_findings(Y, Y, Y, GROUPS, policy)
    assert "rare" in json.dumps(tables)  # what the report itself knows
    kept, shown = without_small(findings, tables, 5)
    told = json.dumps([finding.model_dump(mode="json") for finding in kept]) + json.dumps(shown)
    assert "rare" not in told
    assert [row["group"] for row in shown["race"]["groups"]] == ["a", "b", "mid"]
    assert (shown["race"]["suppressed"], shown["race"]["all_groups"]) == (1, 4)
    assert "suppressed" not in shown["sex"]
    [small] = [one for one in kept if one.metric == "fairness.selection_rate_ratio" and one.segment == f"race={UNNAMED}"]
    assert (small.state.value, small.sample_size) == ("too_few", 0)
    assert small.note.startswith("not enough evidence: one or more groups rest on fewer than 5 rows, at least ")
    [seven] = [one for one in kept if one.metric == "fairness.selection_rate_ratio" and one.segment == "race=mid"]
    assert seven.sample_size == 7  # large enough to be said: n = 7


def test_the_gate_says_unknown_as_before() -> None:
    policy = Fairness(group_rows_min=60, difference_to_see=0.2)
    groups = GROUPS.select("race").filter(pl.col("race") != "mid")
    y = np.concatenate([Y[:990], Y[997:]])
    findings, tables = fairness_findings(y, y, y, groups, policy)
    kept, _ = without_small(findings, tables, 5)
    gate = fairness_gates("binary", policy)[0]
    assert judge(gate, findings).verdict is judge(gate, kept).verdict is Verdict.UNKNOWN


def test_values_and_classes_too_and_one_changes_nothing() -> None:
    values, figures = value_findings(Y * 9.5, Y * 9.0, GROUPS, Fairness())
    kept, shown = without_small(values, figures, 5)
    assert "rare" not in json.dumps(shown) + json.dumps([finding.model_dump(mode="json") for finding in kept])
    findings, tables = class_findings(Y, Y, np.stack([1 - Y, Y], axis=1), ["no", "yes"], GROUPS, Fairness())
    kept, shown = without_small(findings, tables, 5)
    assert [row["group"] for row in shown["_classes"]["yes"]["race"]["groups"]] == ["a", "b", "mid"]
    assert "rare" not in json.dumps(shown) + json.dumps([finding.model_dump(mode="json") for finding in kept])
    assert without_small(findings, tables, 1) == (findings, tables)


def test_a_handful_of_people_is_no_reference_for_everybody_else() -> None:
    """Three of three selected in `rare`, half of everybody else: without a least size all others would lie below four fifths."""
    answers = np.concatenate([Y[:997], [1.0, 1.0, 1.0]])
    _, tables = fairness_findings(Y, answers, answers, GROUPS, Fairness(group_rows_min=60))
    assert {row["reference"] for row in tables["race"]["adverse_impact"]} == {"a"}
    assert not any(row["below_four_fifths"] for row in tables["race"]["adverse_impact"] if row["group"] == "b")
