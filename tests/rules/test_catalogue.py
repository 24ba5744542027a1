"""The catalogue: every gate is complete and documented, overrides are applied with their reason, unknown ones refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from interlock.errors import UseCaseError
from interlock.rules.catalogue import TASKS, gates_for, known_gates
from interlock.rules.findings import Finding
from interlock.rules.gates import Verdict, judge
from interlock.spec.usecase import UseCase

DOCS = Path(__file__).resolve().parents[2] / "docs"
TARGETS = {"binary": {"positive": ["yes"]}, "multiclass": {"classes": ["a", "b", "c"]}, "regression": {}}


def use_case(task: str = "binary", **sections: object) -> UseCase:
    return UseCase.model_validate({
        "spec_version": 1, "name": "test_case", "title": "T", "description": "D", "owner": "O",
        "prediction": {"task": task, "target": "y", "moment": "now"} | TARGETS[task],
        "source": {"kind": "files", "files": [{"path": "x.csv"}]},
        "columns": {"y": {"type": "text", "role": "target"}, "x": {"type": "float"}}} | sections)


@pytest.mark.parametrize("task", TASKS)
def test_every_gate_has_a_question_a_source_and_a_name_of_its_own(task: str) -> None:
    gates = gates_for(use_case(task))
    assert [gate.name for gate in gates] == known_gates(task)
    assert len({gate.name for gate in gates}) == len(gates)
    assert all(gate.question.endswith("?") and len(gate.source) > 20 for gate in gates)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", gate.name) for gate in gates)  # usable as [gates.NAME] in TOML


def test_fairness_and_calibration_are_asked_where_they_make_sense() -> None:
    assert "fairness" in known_gates("binary")
    assert "fairness" not in known_gates("regression")
    assert "calibration" not in known_gates("regression")


def test_an_override_changes_the_gate_and_says_why() -> None:
    changed = {gate.name: gate for gate in gates_for(use_case(gates={
        "performance": {"threshold": 0.9, "reason": "agreed with the bank"}, "calibration": {"mode": "observe", "reason": "ranking only"},
        "freshness": {"mode": "block", "rows_min": 1, "reason": "daily data"}}))}
    assert changed["performance"].threshold == 0.9
    assert "agreed with the bank" in changed["performance"].source
    assert changed["calibration"].mode == "observe"
    assert (changed["freshness"].mode, changed["freshness"].rows_min) == ("block", 1)


def test_a_threshold_alone_leaves_an_observed_gate_observed() -> None:
    changed = {gate.name: gate for gate in gates_for(use_case(gates={"freshness": {"threshold": 7, "reason": "weekly"}}))}
    assert changed["freshness"].mode == "observe"


def test_unknown_gates_are_refused_with_a_hint_and_all_at_once() -> None:
    with pytest.raises(UseCaseError, match="did you mean 'performance'") as caught:
        gates_for(use_case(gates={"perfomance": {}, "zzz": {}}))
    assert len(caught.value.problems) == 2


def test_fairness_follows_the_use_cases_policy() -> None:
    policy = {"metric": "equalized_odds_difference", "threshold": 0.1, "basis": "house rule 7"}
    gate = next(gate for gate in gates_for(use_case(fairness=policy)) if gate.name == "fairness")
    assert (gate.metric, gate.direction, gate.threshold) == ("fairness.equalized_odds_difference", "at_most", 0.1)
    assert "house rule 7" in gate.source


def test_monitoring_limits_are_the_gates_limits() -> None:
    gates = {gate.name: gate for gate in gates_for(use_case(monitoring={"latency_p99_ms_max": 7, "drift_share_max": 0.1}))}
    assert (gates["latency"].threshold, gates["drift_serving"].threshold) == (7, 0.1)


@pytest.mark.parametrize("task", TASKS)
def test_nothing_measured_passes_no_gate(task: str) -> None:
    assert {judge(gate, []).verdict for gate in gates_for(use_case(task))} == {Verdict.UNKNOWN}


def test_every_gate_is_documented_with_its_metric_and_threshold() -> None:
    text = (DOCS / "gates.md").read_text()
    for task in TASKS:
        for gate in gates_for(use_case(task)):
            section = re.search(rf"^### `{gate.name}`$(.*?)(?=^##|\Z)", text, re.M | re.S)
            assert section, f"docs/gates.md lacks a section for {gate.name}"
            assert f"`{gate.metric}`" in section[1], f"docs/gates.md: {gate.name} does not name {gate.metric}"
            assert f"{abs(gate.threshold):g}" in section[1], f"docs/gates.md: {gate.name} does not name its threshold {gate.threshold:g}"


def test_the_documentation_names_no_gate_that_does_not_exist() -> None:
    known = {name for task in TASKS for name in known_gates(task)}
    assert set(re.findall(r"^### `([a-z_]+)`$", (DOCS / "gates.md").read_text(), re.M)) == known


def test_elec2_like_figures_are_refused_and_others_pass() -> None:
    rule = next(gate for gate in gates_for(use_case()) if gate.name == "vs_naive")
    prior = Finding(metric=rule.metric, value=0.66, low=0.65, high=0.67, sample_size=13_594, segment="naive=prior")
    last = Finding(metric=rule.metric, value=-0.85, low=-0.94, high=-0.78, sample_size=13_594, segment="naive=last_label")
    assert judge(rule, [prior]).verdict is Verdict.PASS
    refused = judge(rule, [prior, last])
    assert (refused.verdict, refused.segment) == (Verdict.FAIL, "naive=last_label")
