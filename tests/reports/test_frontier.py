"""The frontier: which ways of mitigation nothing else beats, and what the cheapest that clears the limit costs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from interlock.rules.findings import Finding, State
from interlock.spec.fairness import Fairness
from reports.frontier import Option, frontier_findings

GROUPS = np.repeat(["a", "b"], 400)
Y = np.tile([1.0, 0.0], 400)
MEASURE = "selection_rate_ratio"


def option(name: str, wrong_a: int, kept_b: int, strength: float = 1.0) -> Option:
    """Right on group a but for `wrong_a` rows refused; of group b's 200 deserving rows `kept_b` are chosen."""
    decided = Y.copy()
    decided[np.flatnonzero((GROUPS == "a") & (Y == 1))[:wrong_a]] = 0
    decided[np.flatnonzero((GROUPS == "b") & (Y == 1))[kept_b:]] = 0
    return Option(name, strength, decided, decided * 0.5 + 0.25)


def run(options: list[Option], **policy: Any) -> tuple[Finding, dict[str, Any]]:
    found, figures = frontier_findings(options, Y, GROUPS, "g", MEASURE, 0.8, Fairness(group_rows_min=2, **policy))
    return found[0], figures


def test_points_are_scikit_learns_and_dominated_ones_are_marked() -> None:
    options = [option("none", 0, 100), option("good", 20, 150), option("bad", 60, 120)]
    finding, figures = run(options)
    none, good, bad = figures["points"]
    for made, point in zip(options, figures["points"], strict=True):
        assert point["accuracy"] == pytest.approx(accuracy_score(Y, made.prediction), abs=1e-12)
        assert point["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(Y, made.prediction), abs=1e-12)
        assert point["auc"] == pytest.approx(roc_auc_score(Y, made.score), abs=1e-12)
        assert point["accuracy_low"] < point["accuracy"] < point["accuracy_high"]
    assert [none["fairness"], good["fairness"], bad["fairness"]] == pytest.approx([0.5, 150 / 180, 120 / 140])
    assert [none["pareto"], good["pareto"], bad["pareto"]] == [False, True, True]
    # the plain model is beaten by `good` in both; the cheapest that clears 0.8 is `good`: 700/800 right becomes 730/800
    assert finding.value == pytest.approx(700 / 800 - 730 / 800)
    assert finding.note.startswith("good at strength 1 brings the selection rate ratio from 0.500 to 0.833; right decisions go from 87.5%")
    json.dumps(figures, allow_nan=False)


def test_without_a_way_that_clears_the_limit_it_says_so() -> None:
    finding, figures = run([option("none", 0, 100), option("weak", 0, 110)])
    assert (finding.state, finding.value) == (State.MISSING, None)
    assert finding.note == "None of the 1 ways that were tried brings the selection rate ratio to 0.8."
    assert [point["pareto"] for point in figures["points"]] == [False, True]


def test_what_cannot_be_measured_is_on_no_frontier() -> None:
    nobody = Option("none", 0.0, np.zeros(800), np.full(800, 0.1))
    finding, figures = run([nobody, option("some", 0, 200)])
    assert (figures["points"][0]["fairness"], figures["points"][0]["pareto"]) == (None, False)
    assert figures["points"][0]["note"] == "no group gets the favourable answer at all: no ratio"
    assert finding.detail["option"] == "some"


def test_the_favourable_answer_may_be_the_negative_one() -> None:
    _, figures = run([option("none", 0, 100)], favourable="negative")
    # a: 200 of 400 refused, b: 300 of 400
    assert figures["points"][0]["fairness"] == pytest.approx(200 / 300)


def test_no_rate_of_a_group_of_a_few_people_is_shown() -> None:
    groups = GROUPS.copy()
    groups[:3] = "c"
    _, figures = frontier_findings([option("none", 0, 100)], Y, groups, "g", MEASURE, 0.8, Fairness(group_rows_min=60))
    assert set(figures["points"][0]["rates"]) == {"a", "b"}
