"""`[training]`: keys that disagree with each other or with the rest of the file are said when it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.rules.catalogue import known_gates
from interlock.spec.load import load_use_case, read_use_case
from interlock.spec.training import Training
from tests.spec.test_problems import GOOD

MULTI = GOOD.replace('task = "binary"', 'task = "multiclass"').replace('positive = ["yes"]', 'classes = ["a", "b", "c"]')
REGRESSION = GOOD.replace('task = "binary"', 'task = "regression"').replace('positive = ["yes"]\n', "").replace(
    '[columns.y]\ntype = "category"', '[columns.y]\ntype = "float"')
COLUMNS = '\n[columns.town]\ntype = "category"\n'


def problems(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "tiny.toml"
    file.write_text(text)
    return [str(problem) for problem in read_use_case(file, known_gates=known_gates)[1]]


@pytest.mark.parametrize(("base", "keys", "text"), [
    (GOOD, 'split = "grouped"', "needs `group`"),
    (GOOD, 'split = "grouped"\ngroup = "aeg"', "names a column that [columns] does not have"),
    (GOOD, 'split = "seeded"\ngroup = "age"', "tears entities apart"),
    (GOOD, 'window = "sliding"', "needs `window_days`"),
    (GOOD, 'window = "all"\nwindow_days = 3', "no meaning"),
    (GOOD.replace('[time]\ncolumn = "at"\n', ""), 'split = "seeded"\nwindow = "auto"', "a window needs a [time] section"),
    (GOOD, 'monotone = { aeg = "increasing" }', "names no feature"),
    (GOOD, 'monotone = { town = "increasing" }', "categories have no order"),
    (GOOD, 'monotone = { age = "upwards" }', "increasing"),
    (MULTI, 'monotone = { age = "increasing" }', "not for multiclass"),
    (GOOD, 'interactions = [["age", "twon"]]', "did you mean"),
    (REGRESSION, 'calibration = "sigmoid"', "no probability to calibrate"),
    (GOOD, "quantiles = [0.1, 0.9]", "intervals by quantiles are for regression"),
    (REGRESSION, "quantiles = [0.9, 0.1]", "must rise"),
    (REGRESSION, "quantiles = [0.0, 0.5]", "between 0 and 1"),
    (REGRESSION, "quantiles = [0.5]", "at least two"),
    (REGRESSION, 'class_weight = "balanced"', "no classes"),
    (GOOD, "class_weight = { positive = 2.0 }", "must name every class once"),
    (MULTI, "class_weight = { a = 1.0, b = 1.0, d = 1.0 }", "must name every class once"),
    (GOOD, "class_weight = { positive = 2.0, negative = 0.0 }", "more than 0"),
    (GOOD, "memory_budget_mb = 1", "16"),
])
def test_disagreement_is_said(tmp_path: Path, base: str, keys: str, text: str) -> None:
    found = problems(tmp_path, base + COLUMNS + f"\n[training]\n{keys}\n")
    assert any(text in problem for problem in found), found
    assert all("tiny.toml:" in problem for problem in found)


@pytest.mark.parametrize(("base", "keys"), [
    (GOOD, 'split = "grouped"\ngroup = "town"\nclass_weight = "balanced"\ncalibration = "isotonic"\ncalibration_rows = "out_of_fold"'),
    (GOOD, 'group = "town"\ngroup_overlap = "state"\nwindow = "auto"\nwindow_days = 30'),
    (GOOD, 'interactions = [["age", "town"]]\nmonotone = { age = "decreasing" }\ntuning_workers = 4\nmemory_budget_mb = 512'),
    (MULTI, "class_weight = { a = 1.0, b = 2.0, c = 1.0 }"),
    (REGRESSION, "quantiles = [0.05, 0.95]\nconformal = false"),
    (GOOD, 'monotone = { paid_share = "increasing" }\n[[features.derived]]\nname = "paid_share"\nkind = "ratio"\nof = "age"\nover = "age"'),
])
def test_what_agrees_is_taken(tmp_path: Path, base: str, keys: str) -> None:
    text = base + COLUMNS + f"\n[training]\n{keys}\n"
    assert problems(tmp_path, text) == []
    load_use_case(tmp_path / "tiny.toml")


def test_window_days_alone_slides() -> None:
    assert Training(window_days=3).window_kind == "sliding"
    assert Training().window_kind == "all"
