"""A wrong file: every problem at once, each with its line, key, value, allowed values and a hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.errors import UseCaseError
from interlock.rules.catalogue import known_gates
from interlock.spec.load import load_use_case, read_use_case
from interlock.spec.problems import Problem

GOOD = """\
spec_version = 1
name = "tiny"
title = "Tiny"
description = "For tests."
owner = "tests"

[prediction]
task = "binary"
target = "y"
positive = ["yes"]
moment = "Now."

[source]
kind = "files"
files = [
    { path = "tiny.csv" },
]

[time]
column = "at"

[columns.at]
type = "datetime"
role = "ignore"

[columns.age]
type = "integer"
min = 0

[columns.y]
type = "category"
role = "target"
"""


def problems_of(tmp_path: Path, text: str) -> list[Problem]:
    file = tmp_path / "tiny.toml"
    file.write_text(text)
    return read_use_case(file, known_gates=known_gates)[1]


def only(tmp_path: Path, old: str, new: str) -> Problem:
    """The single problem that one change of the good file makes."""
    assert old in GOOD
    found = problems_of(tmp_path, GOOD.replace(old, new))
    assert len(found) == 1, [str(problem) for problem in found]
    return found[0]


def test_the_good_file_has_none(tmp_path: Path) -> None:
    assert problems_of(tmp_path, GOOD) == []


def test_all_problems_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = (GOOD.replace('task = "binary"', 'task = "binry"').replace('type = "integer"\nmin = 0', 'typ = "integer"\nmin = 0')
            .replace('target = "y"', 'target = "z"').replace("[time]", "[tiem]") + '\n[gates.nonsense]\nmode = "observe"\nreason = "r"\n')
    found = [(problem.line, problem.key) for problem in problems_of(tmp_path, text)]
    # Line numbers counted by hand in GOOD; `typ` is both an unknown key and the absence of `type`; without [time] no split by time.
    assert (8, "prediction.task") in found
    assert (9, "prediction.target") in found
    assert (19, "tiem") in found
    assert (27, "columns.age.typ") in found
    assert (26, "columns.age.type") in found
    assert [line for line, _ in found] == sorted(line for line, _ in found)


def test_an_unknown_key_is_told_with_the_known_ones_and_what_was_meant(tmp_path: Path) -> None:
    problem = only(tmp_path, "min = 0", "minimum = 0")
    assert (problem.line, problem.key, problem.value) == (28, "columns.age.minimum", "0")
    assert "type, role, missing, min, max, values, unique" in problem.allowed
    assert only(tmp_path, "min = 0", "mim = 0").hint == "did you mean 'min'?"


def test_a_wrong_word_is_told_with_the_allowed_ones(tmp_path: Path) -> None:
    problem = only(tmp_path, 'type = "integer"', 'type = "integr"')
    assert (problem.line, problem.value, problem.hint) == (27, "'integr'", "did you mean 'integer'?")
    assert problem.allowed == "integer, float, boolean, category, text, date, datetime"


def test_a_target_that_is_no_column_is_told_with_the_columns(tmp_path: Path) -> None:
    problem = only(tmp_path, 'target = "y"', 'target = "agee"')
    assert (problem.line, problem.key, problem.allowed, problem.hint) == (9, "prediction.target", "at, age, y", "did you mean 'age'?")


def test_a_key_inside_a_list_of_files_is_found(tmp_path: Path) -> None:
    problem = only(tmp_path, '{ path = "tiny.csv" }', '{ paht = "tiny.csv", path = "x" }')
    assert (problem.key, problem.line, problem.hint) == ("source.files[0].paht", 15, "did you mean 'path'?")


def test_an_unknown_gate_is_told_with_the_gates_of_the_task(tmp_path: Path) -> None:
    known = known_gates("binary")[0]
    found = problems_of(tmp_path, GOOD + f'\n[gates.{known}x]\nmode = "observe"\nreason = "r"\n')
    assert [(problem.line, problem.hint) for problem in found] == [(34, f"did you mean '{known}'?")]


def test_a_gate_of_the_files_own_and_one_of_its_fairness_rules_are_known(tmp_path: Path) -> None:
    own = ('\n[gates.smallest_class]\nmetric = "quality.class_share"\ndirection = "at_least"\nthreshold = 0.05\nreason = "r"\n'
           'source = "convention"\n')
    rule = ('\n[[fairness.rules]]\nname = "parity"\nmetric = "demographic_parity_difference"\nthreshold = 0.1\n'
            'basis = "decision of 2026-01-01"\n\n[gates.fairness_parity]\nmode = "observe"\nreason = "r"\n')
    assert problems_of(tmp_path, GOOD + own + rule) == []
    assert [one.key for one in problems_of(tmp_path, GOOD + own + rule.replace("gates.fairness_parity", "gates.fairness_party"))] == [
        "gates.fairness_party"]


@pytest.mark.parametrize(("old", "new", "what"), [
    ('column = "at"', "", "split by time"),
    ('column = "at"', 'column = "at"\nzone = "Mars/Base"', "IANA"),
    ("min = 0", "min = 5\nmax = 3", "larger than max"),
    ('type = "integer"\nmin = 0', 'type = "text"', "cannot have this type"),
    ("min = 0", 'role = "target"', "only the column named by prediction.target"),
    ('owner = "tests"', 'owner = "tests"\n[schedules]\ntrain = "daily"', "cron"),
    ('owner = "tests"', 'owner = "tests"\n[labels]\nsource = "file"', "labels come from file"),
    ('owner = "tests"', 'owner = "tests"\n[training]\nsplit = "official"', "official split needs"),
    ('owner = "tests"', 'owner = "tests"\n[[checks]]\nname = "c"\nkind = "regex"\ncolumn = "y"\npattern = "("', "regular expression"),
    ('role = "target"', 'role = "feature"', "this column is the target"),
    ('positive = ["yes"]', "", "exactly one of"),
    ("[columns.age]", "[columns._age]", "underscore"),
])
def test_keys_that_disagree_are_told(tmp_path: Path, old: str, new: str, what: str) -> None:
    found = problems_of(tmp_path, GOOD.replace(old, new, 1))
    assert [problem for problem in found if what in problem.what], [str(problem) for problem in found]


def test_a_secret_written_in_place_of_a_name_is_not_repeated(tmp_path: Path) -> None:
    text = GOOD + '\n[labels]\nsource = "sql"\ntable = "t"\nurl_env = "postgresql://user:hunter2@db/x"\n'
    found = problems_of(tmp_path, text)
    assert [problem.key for problem in found] == ["labels.url_env"]
    assert "hunter2" not in str(found[0])


def test_text_that_is_no_toml_is_told_with_its_line(tmp_path: Path) -> None:
    found = problems_of(tmp_path, "a = 1\nb = = 2\n")
    assert [(problem.line, "not TOML" in problem.what) for problem in found] == [(2, True)]


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(b"a = 1\nb = \"\xff\"\n")
    assert [(problem.line, problem.what) for problem in read_use_case(file)[1]] == [(2, "not UTF-8")]


def test_loading_raises_one_error_with_all_problems(tmp_path: Path) -> None:
    file = tmp_path / "tiny.toml"
    file.write_text(GOOD.replace('task = "binary"', 'task = "x"').replace('kind = "files"', 'kind = "file"'))
    with pytest.raises(UseCaseError) as raised:
        load_use_case(file)
    assert [problem.key for problem in raised.value.problems] == ["prediction.task", "source.kind"]  # type: ignore[attr-defined]
    assert "interlock check" in str(raised.value)


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UseCaseError, match="cannot be read: No such file"):
        load_use_case(tmp_path / "none.toml")
