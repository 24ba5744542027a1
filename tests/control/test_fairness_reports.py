"""Fairness of a candidate: rules of one's own, proxies, and a frontier where a gate fails; planted unfairness is stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from interlock.control.evidence.fairness_reports import compared, judged_measures, window_fairness
from interlock.control.evidence.fairness_tables import window_groups
from interlock.control.evidence.frontier import _parts, newest_frontier
from interlock.errors import DataError, EvidenceError
from interlock.records.tables import Candidate
from interlock.rules.evidence import Evidence
from interlock.rules.findings import State
from interlock.rules.gates import Verdict
from interlock.spec.load import find_use_case
from interlock.spec.usecase import UseCase
from tests.control.test_gate_faults import women_marked_down
from tests.control.traffic import spec
from tests.control.trial_bench import NAME, Bench, answer, census, verdicts

RULES = """
[[fairness.rules]]
name = "four_fifths"
metric = "selection_rate_ratio"
threshold = 0.8
basis = "29 CFR 1607.4(D), four-fifths rule"
scope = "US employment selection"
[[fairness.rules]]
name = "board"
metric = "demographic_parity_difference"
threshold = 0.15
basis = "Decision of the board, 3 March"
attributes = ["sex"]
mode = "observe"
"""


@pytest.fixture(scope="module")
def unfair(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Iterator[tuple[Bench, Candidate, Evidence]]:
    """A candidate of a world in which women are marked down."""
    bench = Bench(tmp_path_factory.mktemp("unfair"), *census(data_dir))
    candidate = bench.make(in_training=women_marked_down, in_test=women_marked_down, more=RULES)
    yield bench, candidate, bench.judge(candidate)
    bench.store.close()


@pytest.fixture
def fair(tmp_path: Path, data_dir: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "fair", *census(data_dir))
    yield made
    made.store.close()


def test_each_rule_is_a_gate_with_its_basis_and_scope(unfair: tuple[Bench, Candidate, Evidence]) -> None:
    evidence = unfair[2]
    assert "fairness" not in verdicts(evidence)
    law, board = answer(evidence, "fairness_four_fifths"), answer(evidence, "fairness_board")
    assert (law.verdict, law.mode, board.verdict, board.mode) == (Verdict.FAIL, "block", Verdict.FAIL, "observe")
    assert law.source.startswith("29 CFR 1607.4(D), four-fifths rule. Scope: US employment selection. Measured on all sensitive attributes")
    assert "not a policy your organisation chose" not in law.source


def test_the_same_rules_pass_without_the_fault(fair: Bench) -> None:
    evidence = fair.judge(fair.make(more=RULES))
    assert answer(evidence, "fairness_four_fifths").verdict is Verdict.PASS
    assert answer(evidence, "fairness_board").verdict is Verdict.PASS
    assert "frontier" not in evidence.figures  # no other validation pays for it


def test_the_default_says_that_nobody_chose_it(fair: Bench) -> None:
    source = answer(fair.judge(fair.make()), "fairness").source
    assert source.startswith("A default, not a policy your organisation chose: 29 CFR 1607.4(D)")


def test_a_rule_whose_attribute_did_not_come_is_unknown(unfair: tuple[Bench, Candidate, Evidence], monkeypatch: pytest.MonkeyPatch) -> None:
    bench, candidate, _ = unfair
    monkeypatch.setattr(UseCase, "sensitive_columns", property(lambda self: []))
    evidence = bench.judge(candidate)
    assert {answer(evidence, gate).verdict for gate in ("fairness_four_fifths", "fairness_board")} == {Verdict.UNKNOWN}
    assert not answer(evidence, "fairness_board").waivable


def test_evidence_holds_proxies_and_the_frontier(unfair: tuple[Bench, Candidate, Evidence]) -> None:
    figures = unfair[2].figures
    assert {row["feature"] for row in figures["proxies"]["sex"]["features"]} >= {"relationship", "age"}
    assert figures["proxies"]["sex"]["joint"]["auc"] > 0.55
    points = figures["frontier"]["points"]
    assert [point["option"] for point in points][0] == "none"
    assert {"reweighing", "threshold"} <= {point["option"] for point in points}
    assert any(point["pareto"] for point in points)
    whole = [point for point in points if point["option"] == "threshold"][-1]
    assert whole["fairness"] > points[0]["fairness"]
    assert {finding.metric for finding in unfair[2].findings} >= {"fairness.mitigation_cost", "fairness.proxy", "fairness.proxy_joint"}
    json.dumps(figures, allow_nan=False)


def test_frontier_and_proxies_come_out_bit_for_bit_again(unfair: tuple[Bench, Candidate, Evidence]) -> None:
    bench, candidate, first = unfair
    assert bench.judge(candidate).replayable_digest() == first.replayable_digest()


def test_the_frontier_by_command(unfair: tuple[Bench, Candidate, Evidence], monkeypatch: pytest.MonkeyPatch) -> None:
    from interlock.cli.main import app

    bench = unfair[0]
    for name in ("home", "usecases_dir", "data_dir"):
        monkeypatch.setenv(f"INTERLOCK_{name.upper()}", str(getattr(bench.settings, name)))
    found = CliRunner().invoke(app, ["frontier", NAME])
    assert found.exit_code == 0, found.output
    assert found.output.startswith("sex: selection_rate_ratio, limit 0.8, 1,200 held-out rows")
    assert "reweighing" in found.output


def test_a_frontier_that_cannot_be_made_says_why(unfair: tuple[Bench, Candidate, Evidence], fair: Bench) -> None:
    bench = unfair[0]
    with pytest.raises(DataError, match="sensitive column"):
        newest_frontier(bench.settings, bench.store, NAME, attribute="age")
    with pytest.raises(EvidenceError, match="no such candidate"):
        newest_frontier(bench.settings, bench.store, NAME, version=99)


def test_thresholds_by_group_mend_what_the_gate_stopped(fair: Bench, unfair: tuple[Bench, Candidate, Evidence]) -> None:
    asked = '[mitigation]\nmethod = "threshold"\nattribute = "sex"\nreason = "decided by the board"\n'
    evidence = fair.judge(fair.make(in_training=women_marked_down, in_test=women_marked_down, more=RULES + asked))
    before, after = (answer(one, "fairness_four_fifths").value for one in (unfair[2], evidence))
    assert after > before + 0.2
    served = next(finding for finding in evidence.findings if finding.metric == "fairness.accuracy_as_served")
    assert served.low < served.value < served.high
    assert served.note.startswith("Right decisions with the thresholds by sex that are served")


def test_bands_of_a_number_are_the_same_where_thresholds_are_chosen_and_judged() -> None:
    """Three parts with other ages: bands cut in each apart would have other names, and a threshold chosen for one would meet nobody."""
    draw = np.random.default_rng(1)
    parts = [pl.DataFrame({"age": draw.normal(middle, 9, 400), "y": [0, 1] * 200}) for middle in (35, 40, 45)]
    space = SimpleNamespace(encode_frame=lambda rows: rows.to_numpy())
    prediction = SimpleNamespace(task="regression", target="y")
    case: Any = SimpleNamespace(package=SimpleNamespace(manifest=SimpleNamespace(features=space)),
                                use_case=SimpleNamespace(prediction=prediction))
    made = _parts(case, [part.with_columns(_label=pl.col("y").cast(pl.Float64)) for part in parts], "age")
    assert [part.groups.size for part in made] == [400, 400, 400]
    assert len({frozenset(np.unique(part.groups).tolist()) for part in made}) == 1


def window(rows: int = 900, **more: Any) -> pl.DataFrame:
    """Captured answers: men chosen twice as often as women."""
    draw = np.random.default_rng(3)
    sex = draw.choice(["Female", "Male"], rows)
    chosen = (draw.random(rows) < np.where(sex == "Male", 0.6, 0.3)).astype(int)
    return pl.DataFrame({"sex": sex, "_prediction": [str(value) for value in chosen], "_score": chosen * 0.4 + 0.3,
                         "_label": pl.Series([None] * rows, dtype=pl.Float64)} | more)


def test_a_window_is_judged_by_what_people_were_answered(unfair: tuple[Bench, Candidate, Evidence]) -> None:
    use_case = find_use_case(unfair[0].settings, NAME)[1]
    assert judged_measures(use_case) == {"fairness.rule_four_fifths": "selection_rate_ratio",
                                         "fairness.rule_board": "demographic_parity_difference"}
    found = {finding.metric: finding for finding in window_fairness(use_case, window()) if finding.segment == "attribute=sex"}
    ratio = found["fairness.rule_four_fifths"]
    assert ratio.low < ratio.value < ratio.high < 0.7
    assert {finding.state for finding in window_fairness(use_case, window().drop("sex"))} == {State.MISSING}


def with_fairness(use_case: UseCase, **keys: Any) -> UseCase:
    return use_case.model_copy(update={"fairness": use_case.fairness.model_validate(keys)})


def test_a_window_without_outcomes_cannot_judge_what_needs_them(unfair: tuple[Bench, Candidate, Evidence]) -> None:
    use_case = with_fairness(find_use_case(unfair[0].settings, NAME)[1], metric="equal_opportunity_difference", threshold=0.1)
    found = window_fairness(use_case, window())
    assert [(finding.state, finding.note) for finding in found] == [(State.TOO_FEW, "there is no row")]
    known = window_fairness(use_case, window(_label=pl.Series([1.0, 0.0] * 450)))
    assert next(finding for finding in known if finding.segment == "attribute=sex").value > 0.2


def test_windows_of_other_tasks(unfair: tuple[Bench, Candidate, Evidence]) -> None:
    plain = find_use_case(unfair[0].settings, NAME)[1]
    rule = {"name": "level", "metric": "mean_prediction_difference", "threshold": 5.0, "basis": "Decision of the board"}
    regression = plain.prediction.model_copy(update={"task": "regression"})
    values = with_fairness(plain.model_copy(update={"prediction": regression}), rules=[rule])
    found = next(finding for finding in window_fairness(values, window()) if finding.segment == "attribute=sex")
    assert found.value == pytest.approx(0.12, abs=0.04)
    three = plain.prediction.model_copy(update={"task": "multiclass", "classes": ["no", "maybe", "yes"]})
    classes = with_fairness(plain.model_copy(update={"prediction": three}), favourable_classes=["yes"])
    rows = window(_prediction=pl.Series(["yes", "no", "maybe"] * 300), _scores=[[0.2, 0.3, 0.5]] * 900)
    found = next(finding for finding in window_fairness(classes, rows) if finding.segment == "attribute=sex")
    assert found.value > 0.8
    assert window_fairness(with_fairness(classes, group_rows_min=60), rows) == []  # no class was named: nothing is judged


def test_groups_of_a_window_have_rates_with_intervals_and_no_figure_below_the_rows_needed() -> None:
    """80 women, 20 of them answered yes; 10 men; outcomes are known for 70 women, of whom 60 deserved it and 15 of those got it."""
    use_case = spec(fairness={"group_rows_min": 60})
    answers = np.array([1.0] * 20 + [0.0] * 60 + [1.0] * 10)
    outcomes = np.array([1.0] * 15 + [0.0] * 5 + [1.0] * 45 + [0.0] * 5 + [np.nan] * 10 + [np.nan] * 10)
    sensitive = pl.DataFrame({"sex": ["f"] * 80 + ["m"] * 10})
    [found] = window_groups(use_case, answers, outcomes, sensitive)
    women, men = found.detail["groups"]
    assert (found.metric, found.segment, found.value, found.sample_size) == ("fairness.groups", "attribute=sex", 2.0, 90)
    assert (women["rows"], women["labelled"], women["selection_rate"]["value"]) == (80, 70, 0.25)
    assert women["selection_rate"]["low"] == pytest.approx(0.168, abs=1e-3)  # Wilson, 20 of 80
    assert women["selection_rate"]["high"] == pytest.approx(0.355, abs=1e-3)
    assert (women["true_positive_rate"]["value"], women["true_positive_rate"]["n"]) == (0.25, 60)
    assert women["false_positive_rate"] == {"n": 10, "needed": 60}
    assert (men["selection_rate"], men["accuracy"]) == ({"n": 10, "needed": 60}, {"n": 0, "needed": 60})


def test_evidence_holds_the_table_of_thresholds(unfair: tuple[Bench, Candidate, Evidence]) -> None:
    """At the served threshold each gate's answer in the table is the answer of the gate itself."""
    evidence = unfair[2]
    table = evidence.figures["fairness_thresholds"]
    place = table["thresholds"].index(table["served"])
    for one in table["gates"]:
        own = answer(evidence, one["gate"])
        assert (one["verdicts"][place], one["values"][place]) == (own.verdict.value, pytest.approx(own.value, abs=1e-4))
    assert len(table["attributes"]["sex"]["groups"][0]["selected"]) == 101


def test_small_groups_are_told_of_whatever_measure_a_gate_of_ones_own_judges() -> None:
    metric = "fairness.predictive_parity_difference"
    rows = pl.DataFrame({"region": ["north"] * 400 + ["south"] * 400 + ["west"] * 9})
    y = np.resize([1.0, 0.0], 809)
    own = {"metric": metric, "direction": "at_most", "threshold": 0.1, "reason": "asked", "source": "the board"}
    for gates, segments in (({}, {"attribute=region"}), ({"mine": own}, {"attribute=region", "region=west"})):
        use_case = spec(columns={"region": {"type": "category", "role": "sensitive"}}, gates=gates)
        found, _ = compared(use_case, y, y, y, rows)
        assert {finding.segment for finding in found if finding.metric == metric} >= segments
        assert ("region=west" in {finding.segment for finding in found if finding.metric == metric}) == bool(gates)
