"""`[value]` and `[segments]`: what is accepted, and what is refused with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from interlock.errors import UseCaseError
from interlock.spec.load import load_use_case
from interlock.spec.value import Value

MATRIX = {"true_positive": 10, "false_positive": -5, "true_negative": 0, "false_negative": -20}
HEAD = """spec_version = 1
name = "x_case"
title = "x"
description = "x"
owner = "x"
[prediction]
{prediction}
moment = "now"
[source]
kind = "files"
files = [{{ path = "x.csv" }}]
[columns.a]
type = "float"
[columns.b]
type = "category"
[columns.y]
type = "integer"
role = "target"
[training]
split = "seeded"
{more}
"""
BINARY = 'task = "binary"\ntarget = "y"\npositive = [1]'
REGRESSION = 'task = "regression"\ntarget = "y"'


def value(**changes: Any) -> Value:
    return Value.model_validate({"currency": "EUR", "basis": "example"} | changes)


def test_a_matrix_or_two_costs() -> None:
    assert value(**MATRIX).matrix == {"true_positive": 10.0, "false_positive": -5.0, "true_negative": 0.0, "false_negative": -20.0}
    assert value(over=1, under=0).matrix == {"over": 1.0, "under": 0.0}


@pytest.mark.parametrize("given", [{}, {"true_positive": 1}, {"over": 1}, MATRIX | {"over": 1}, dict.fromkeys(MATRIX, 0),
                                   {"over": 0, "under": 0}, {"over": -1, "under": 1}, MATRIX | {"false_negative": float("nan")}])
def test_half_a_matrix_both_or_nothing_at_stake_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        value(**given)


@pytest.mark.parametrize(("prediction", "more", "words"), [
    (REGRESSION, '[value]\ncurrency = "EUR"\nbasis = "x"\ntrue_positive = 1\nfalse_positive = 0\ntrue_negative = 0\nfalse_negative = 0',
     "does not belong to a regression task"),
    (BINARY, '[value]\ncurrency = "EUR"\nbasis = "x"\nover = 1\nunder = 1', "does not belong to a binary task"),
    (REGRESSION, '[value]\ncurrency = "EUR"\nbasis = "x"\nover = 1\nunder = 1\nscale_column = "c"', "does not have"),
    (REGRESSION, '[value]\ncurrency = "EUR"\nbasis = "x"\nover = 1\nunder = 1\nscale_column = "b"', "multiplied by a number"),
    (BINARY, '[segments]\ncolumns = ["a", "zz"]', "does not have"),
])
def test_what_does_not_fit_is_named(tmp_path: Path, prediction: str, more: str, words: str) -> None:
    file = tmp_path / "x_case.toml"
    file.write_text(HEAD.format(prediction=prediction, more=more))
    with pytest.raises(UseCaseError, match=words):
        load_use_case(file)


def test_a_whole_file_with_both_sections(tmp_path: Path) -> None:
    file = tmp_path / "x_case.toml"
    file.write_text(HEAD.format(prediction=REGRESSION, more='[value]\ncurrency = "EUR"\nbasis = "x"\nover = 1\nunder = 2\n'
                                                            'scale_column = "a"\n[segments]\ncolumns = ["b"]'))
    use_case = load_use_case(file)
    assert use_case.value is not None
    assert (use_case.value.matrix, use_case.segments.columns) == ({"over": 1.0, "under": 2.0}, ["b"])
