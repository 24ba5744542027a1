"""Actionable columns and reason words: contradictions are named, the shipped lending files have words for every feature."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from interlock.spec.crosschecks import cross_problems
from interlock.spec.load import load_use_case
from reports.reason_words import words_for

USECASES = Path(__file__).resolve().parents[2] / "usecases"


@pytest.mark.parametrize(("column", "said"), [
    ({"type": "integer", "role": "sensitive", "actionable": "any"}, "never changed in a counterfactual"),
    ({"type": "integer", "role": "later", "actionable": "increase"}, "never changed in a counterfactual"),
    ({"type": "category", "actionable": "decrease"}, "only numbers have a direction"),
    ({"type": "boolean", "actionable": "increase"}, "only numbers have a direction")])
def test_what_cannot_be_changed_is_not_actionable(column: dict[str, str], said: str) -> None:
    [problem] = [found for found in cross_problems({"columns": {"x": column}}) if "actionable" in found.path]
    assert said in problem.what


@pytest.mark.parametrize("column", [{"type": "float", "actionable": "increase"}, {"type": "category", "actionable": "any"},
                                    {"type": "boolean", "actionable": False}])
def test_what_can_be_changed_may_be_declared(column: dict[str, object]) -> None:
    assert [found for found in cross_problems({"columns": {"x": column}}) if "actionable" in found.path] == []


@pytest.mark.parametrize("name", ["loan_approvals", "credit_default"])
def test_lending_files_have_words_for_every_feature(name: str) -> None:
    use_case = load_use_case(USECASES / f"{name}.toml")
    words = words_for(use_case.columns, use_case.feature_columns, use_case.model_columns)
    assert [feature for feature, found in words.items() if not found.reason or found.withheld] == []
    raw = tomllib.loads((USECASES / f"{name}.toml").read_text())
    assert [column for column, found in raw["columns"].items() if found.get("role") == "sensitive" and found.get("reason")] == []
