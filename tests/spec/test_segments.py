"""`[monitoring] segments` names columns that requests carry and whose values can be told apart."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.spec.crosschecks import cross_problems

COLUMNS: dict[str, Any] = {
    "region": {"type": "category"}, "sex": {"type": "category", "role": "sensitive"}, "income": {"type": "float"},
    "hour": {"type": "integer"},
    "late": {"type": "integer", "role": "target"}, "customer": {"type": "category", "role": "identifier"}}


def told(*segments: str) -> list[str]:
    raw = {"columns": COLUMNS, "prediction": {"target": "late"}, "training": {"split": "seeded"},
           "monitoring": {"segments": list(segments)}}
    return [problem.what for problem in cross_problems(raw) if problem.path[:2] == ("monitoring", "segments")]


def test_columns_that_tell_requests_apart_are_fine() -> None:
    assert told("region", "sex", "hour") == []


@pytest.mark.parametrize(("name", "words"), [
    ("regoin", "names a column that"), ("income", "segments are the values of"), ("late", "does not tell segments"),
    ("customer", "does not tell segments")])
def test_others_are_named(name: str, words: str) -> None:
    [message] = told(name)
    assert words in message
