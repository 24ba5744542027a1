"""Odd groups end in a state with a note; nothing raises and nothing passes by default. Measures do not depend on the order of rows."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.rules.fairness_gates import fairness_gates
from interlock.rules.findings import Finding, State
from interlock.rules.gates import Verdict, judge
from interlock.spec.fairness import MEASURES, Fairness
from reports.fairness import fairness_findings
from reports.fairness_groups import group_names

LOOSE = Fairness(group_rows_min=2, difference_to_see=0.95)
HALF = np.tile([1.0, 0.0], 500)


def of_attribute(findings: list[Finding], measure: str, name: str = "g") -> Finding:
    return next(found for found in findings if found.metric == f"fairness.{measure}" and found.segment == f"attribute={name}")


def verdict(findings: list[Finding]) -> Verdict:
    return judge(fairness_gates("binary", Fairness())[0], findings).verdict


@pytest.mark.parametrize(("groups", "note"), [
    (pl.Series("g", ["a"] * 1000), "all 1,000 rows are in one group (a): nothing to compare"),
    (pl.Series("g", [None] * 1000), "no row carries this attribute"),
    (pl.Series("g", [float("nan")] * 1000), "no row carries this attribute"),
    (pl.Series("g", [f"person {number}" for number in range(1000)]), "1,000 different values are no groups of people"),
])
def test_groups_that_cannot_be_compared_say_why(groups: pl.Series, note: str) -> None:
    findings, tables = fairness_findings(HALF, HALF, HALF, pl.DataFrame({"g": groups}), Fairness())
    for measure in MEASURES:
        finding = of_attribute(findings, measure)
        assert (finding.state, finding.value) == (State.TOO_FEW, None)
        assert finding.note.startswith(note)
    assert verdict(findings) is Verdict.UNKNOWN
    assert len(json.dumps(tables, allow_nan=False)) < 200_000


def test_fifty_thousand_values_are_refused_quickly() -> None:
    y = np.tile([1.0, 0.0], 25_000)
    groups = pl.DataFrame({"g": [f"p{number}" for number in range(50_000)], "h": ["a", "b"] * 25_000})
    findings, _ = fairness_findings(y, y, y, groups, Fairness())
    assert of_attribute(findings, "selection_rate_ratio").note.startswith("50,000 different values")
    assert of_attribute(findings, "selection_rate_ratio", "h").value == 0.0


def test_no_row_at_all() -> None:
    none = np.empty(0)
    findings, tables = fairness_findings(none, none, none, pl.DataFrame({"g": pl.Series([], dtype=pl.String)}), Fairness())
    assert of_attribute(findings, "selection_rate_ratio").note == "there is no row"
    assert verdict(findings) is Verdict.UNKNOWN
    assert tables["g"]["groups"] == []


def test_a_group_with_one_class_only() -> None:
    y = np.concatenate([HALF[:400], np.ones(400)])
    findings, tables = fairness_findings(y, y, y, pl.DataFrame({"g": ["a"] * 400 + ["b"] * 400}), Fairness())
    assert of_attribute(findings, "equalized_odds_difference").state is State.TOO_FEW
    assert of_attribute(findings, "equal_opportunity_difference").value == 0
    assert next(row for row in tables["g"]["groups"] if row["group"] == "b")["false_positive_rate"] is None
    json.dumps(tables, allow_nan=False)


def test_scores_of_one_value_and_mixed_attribute_types() -> None:
    groups = pl.DataFrame({"g": [True, False] * 500, "n": list(range(1000)), "i": [1, 2] * 500})
    findings, tables = fairness_findings(HALF, np.ones(1000), np.full(1000, 0.7), groups, Fairness())
    assert of_attribute(findings, "selection_rate_ratio").value == 1
    assert {row["group"] for row in tables["g"]["groups"]} == {"true", "false"}
    assert len(tables["n"]["groups"]) == 4
    json.dumps(tables, allow_nan=False)


def test_too_few_rows_to_see_a_difference_never_pass() -> None:
    """100 rows a group with equal rates: the value is perfect, and the gate says UNKNOWN."""
    findings, _ = fairness_findings(HALF[:200], HALF[:200], HALF[:200], pl.DataFrame({"g": ["a"] * 100 + ["b"] * 100}), Fairness())
    assert of_attribute(findings, "selection_rate_ratio").value == 1
    assert verdict(findings) is Verdict.UNKNOWN


def test_a_clear_difference_fails_on_as_few_rows() -> None:
    prediction = np.concatenate([np.ones(100), np.tile([1.0, 0.0, 0.0, 0.0], 25)])
    findings, _ = fairness_findings(HALF[:200], prediction, prediction, pl.DataFrame({"g": ["a"] * 100 + ["b"] * 100}), Fairness())
    assert verdict(findings) is Verdict.FAIL


def test_many_numbers_become_quartile_bands() -> None:
    names = group_names(pl.Series("age", list(range(100))))
    assert sorted(set(names)) == ["24 < … ≤ 49", "49 < … ≤ 74", "> 74", "≤ 24"]
    assert group_names(pl.Series("age", [None, *range(40)]))[0] == "(missing)"
    assert set(group_names(pl.Series("sex", [1, 2, 1, None]))) == {"1", "2", "(missing)"}


people = st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.booleans(), st.floats(0, 1)), min_size=2, max_size=60)


def measured(rows: list[tuple[str, bool, bool, float]]) -> dict[str, Finding]:
    names, y, prediction, score = zip(*rows, strict=True)
    findings, _ = fairness_findings(np.array(y, float), np.array(prediction, float), np.array(score), pl.DataFrame({"g": names}), LOOSE)
    return {measure: of_attribute(findings, measure) for measure in MEASURES}


@settings(max_examples=60, deadline=None)
@given(people, st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(rows: list[tuple[str, bool, bool, float]], random: object) -> None:
    shuffled = rows.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for measure, first in measured(rows).items():
        second = measured(shuffled)[measure]
        assert first.state == second.state
        assert first.value == pytest.approx(second.value, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(people)
def test_names_of_groups_change_nothing(rows: list[tuple[str, bool, bool, float]]) -> None:
    """Swapped names: the same measures; the gap between two given groups changes its sign."""
    swapped = [("b" if name == "a" else "a", *rest) for name, *rest in rows]
    for measure, first in measured(rows).items():
        assert first.value == pytest.approx(measured(swapped)[measure].value, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(people)
def test_identical_groups_differ_in_nothing(rows: list[tuple[str, bool, bool, float]]) -> None:
    twins = [(name, *rest) for _, *rest in rows for name in "ab"]
    for measure, finding in measured(twins).items():
        if finding.state is State.OK:
            assert finding.value == pytest.approx(1.0 if measure.endswith("_ratio") else 0.0, abs=1e-9)
            assert finding.low <= finding.value + 1e-9
            assert finding.high >= finding.value - 1e-9
