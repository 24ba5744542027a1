"""Whose rule a fairness gate follows is said in its source; several rules are several gates; a missing figure is never a pass."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.rules.catalogue import gates_for
from interlock.rules.fairness_gates import fairness_gates, judged_metrics
from interlock.rules.findings import Finding, State
from interlock.rules.gates import Gate, Verdict, judge
from interlock.spec.fairness import Fairness
from tests.rules.test_catalogue import use_case

RULE: dict[str, Any] = {"name": "board", "metric": "equal_opportunity_difference", "threshold": 0.1, "basis": "Decision 14 of the board"}


def gate(task: str = "binary", **keys: Any) -> Gate:
    return fairness_gates(task, Fairness.model_validate(keys))[0]  # type: ignore[arg-type]


def test_the_default_says_that_it_is_one() -> None:
    assert gate().source.startswith("A default, not a policy your organisation chose: 29 CFR 1607.4(D), four-fifths rule; scope:")


def test_a_chosen_limit_without_a_basis_asks_for_one() -> None:
    source = gate(threshold=0.9).source
    assert source.startswith("Limit chosen in [fairness], without a basis of its own")
    assert "1607" not in source


def test_a_chosen_basis_stands_alone() -> None:
    source = gate(threshold=0.9, basis="Decision 14").source
    assert source.startswith("Decision 14. Defined by Fairlearn's MetricFrame; groups below 60 rows")


def test_rules_take_the_place_of_the_single_form() -> None:
    rules = [RULE, {**RULE, "name": "law", "metric": "selection_rate_ratio", "threshold": 0.8, "mode": "observe", "judge_by": "interval",
                    "scope": "employment", "attributes": ["sex"]}]
    board, law = fairness_gates("binary", Fairness.model_validate({"rules": rules}))
    assert (board.name, board.metric, board.direction, board.mode, board.absent) == (
        "fairness_board", "fairness.rule_board", "at_most", "block", "unknown")
    assert (law.direction, law.mode, law.judge_by, law.threshold) == ("at_least", "observe", "interval", 0.8)
    assert "Scope: employment. Measured on sex." in law.source


def test_a_missing_rule_is_unknown_and_cannot_be_waived() -> None:
    board = gate(rules=[RULE])
    for findings in ([], [Finding(metric=board.metric, state=State.MISSING, note="did not come")]):
        result = judge(board, findings)
        assert (result.verdict, result.waivable) == (Verdict.UNKNOWN, False)


def test_nothing_is_gated_where_nobody_said_what_is_favourable() -> None:
    assert fairness_gates("multiclass", Fairness()) == fairness_gates("regression", Fairness()) == []
    assert gate("multiclass", favourable_classes=["yes"]).name == "fairness"
    assert gate("regression", rules=[{**RULE, "metric": "bias_difference", "threshold": 3.5}]).threshold == 3.5


def test_production_watches_the_same_limits() -> None:
    found = judged_metrics("binary", Fairness.model_validate({"rules": [RULE]}))
    assert [(metric, direction, limit) for metric, direction, limit, _, _ in found] == [("fairness.rule_board", "at_most", 0.1)]


def test_the_catalogue_holds_the_rules() -> None:
    names = [one.name for one in gates_for(use_case(fairness={"rules": [RULE]}))]
    assert "fairness_board" in names
    assert "fairness" not in names


@pytest.mark.parametrize(("keys", "problem"), [
    ({"rules": [RULE], "threshold": 0.7}, "not both"), ({"rules": [RULE, RULE]}, "same name"),
    ({"rules": [{**RULE, "metric": "selection_rate_ratio", "threshold": 1.2}]}, "at most 1"),
    ({"rules": [{**RULE, "basis": "x"}]}, "at least 10"), ({"rules": [{**RULE, "metric": "luck"}]}, "selection_rate_ratio")])
def test_rules_that_cannot_be_meant_are_refused(keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Fairness.model_validate(keys)
