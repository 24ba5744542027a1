"""A proposed change: one value, every other line as it was, refused where the file's checks would refuse it."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from interlock.control.proposed_edit import proposed_changes, proposed_diff
from interlock.errors import UseCaseError
from interlock.spec import toml_edit

SHIPPED = Path(__file__).resolve().parents[2] / "usecases"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A copy of a shipped use case under a folder as the project has it."""
    folder = tmp_path / "usecases"
    folder.mkdir()
    target = folder / "flight_delays.toml"
    target.write_bytes((SHIPPED / "flight_delays.toml").read_bytes())
    return target


def changed(diff: str) -> list[str]:
    """The lines taken away and added."""
    return [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}]


def applied(file: Path, diff: str) -> dict[str, Any]:
    """What the file says once the diff went in through git, which is how people will use it."""
    subprocess.run(["git", "apply", "-"], input=diff.encode(), cwd=file.parent.parent, check=True)
    return tomllib.loads(file.read_text())


def test_one_value_changes_and_its_comment_stays_in_its_column(file: Path) -> None:
    before = tomllib.loads(file.read_text())
    diff = proposed_diff(file, ("prediction", "threshold"), 0.45)
    assert diff.startswith("--- a/usecases/flight_delays.toml\n+++ b/usecases/flight_delays.toml\n@@ ")
    assert changed(diff) == [
        "-threshold = 0.3                     # about a quarter of the flights are late; staffing prefers a false alarm to a miss",
        "+threshold = 0.45                    # about a quarter of the flights are late; staffing prefers a false alarm to a miss"]
    before["prediction"]["threshold"] = 0.45
    assert applied(file, diff) == before


def test_the_file_itself_is_never_written(file: Path) -> None:
    before = file.read_bytes()
    assert proposed_diff(file, ("monitoring", "rows_min"), 600)
    assert file.read_bytes() == before


def test_a_key_where_a_default_applied_is_added_behind_the_last_of_its_section(file: Path) -> None:
    diff = proposed_diff(file, ("monitoring", "drift_psi_max"), 0.31)
    assert changed(diff) == ["+drift_psi_max = 0.31"]
    assert '+drift_psi_max = 0.31\n \n [approval]\n' in diff
    assert applied(file, diff)["monitoring"]["drift_psi_max"] == 0.31


def test_a_missing_section_is_added_at_the_end(file: Path) -> None:
    diff = proposed_diff(file, ("fairness", "threshold"), 0.9)
    assert changed(diff) == ["+", "+[fairness]", "+threshold = 0.9"]
    assert applied(file, diff)["fairness"] == {"threshold": 0.9}


def test_values_that_belong_together_are_one_diff(file: Path) -> None:
    gate = ("gates", "primary_metric")
    from interlock.rules.catalogue import known_gates

    gate = ("gates", known_gates("binary")[0])
    with pytest.raises(UseCaseError, match="needs a `reason`"):
        proposed_diff(file, (*gate, "threshold"), 0.6)
    diff = proposed_changes(file, [((*gate, "threshold"), 0.6), ((*gate, "reason"), 'a "quoted" reason')])
    assert applied(file, diff)["gates"][gate[1]] == {"threshold": 0.6, "reason": 'a "quoted" reason'}


def test_a_gate_of_the_files_own_can_be_changed(file: Path) -> None:
    own = ('\n[gates.smallest_class]\nmetric = "quality.class_share"\ndirection = "at_least"\nthreshold = 0.05\n'
           'reason = "fewer cannot be learned"\nsource = "convention"\n')
    file.write_text(file.read_text() + own)
    assert changed(proposed_diff(file, ("gates", "smallest_class", "threshold"), 0.1)) == ["-threshold = 0.05", "+threshold = 0.1"]


@pytest.mark.parametrize(("path", "value", "said"), [
    (("monitoring", "drift_psi_mx"), 0.3, "drift_psi_max"),
    (("monitoring", "drift_psi_max"), -1.0, "monitoring.drift_psi_max"),
    (("monitoring", "drift_psi_max"), "much", "monitoring.drift_psi_max"),
    (("monitoring", "retrain"), [1], "monitoring.retrain"),
    (("nowhere", "key"), 1, "unknown key"),
    (("gates", "no_such_gate", "mode"), "block", "no such gate for a binary task"),
    (("columns", "carrier", "role"), "target", "carrier"),
    (("monitoring",), 3, "not a whole section"),
    (("monitoring", "rows_min", "deeper"), 3, "not a section"),
    ((), 3, "no key"),
    (("checks", "unknown name", "kind"), "regex", "no entry with this name"),
    (("checks", 7, "kind"), "regex", "not a section"),
    (("monitoring", "rows_min"), float("nan"), "cannot hold"),
    (("title",), None, "cannot hold"),
    (("title",), "\ud800", "cannot hold")])
def test_what_the_file_cannot_say_is_refused_by_name(file: Path, path: tuple[str | int, ...], value: object, said: str) -> None:
    with pytest.raises(UseCaseError, match=said):
        proposed_diff(file, path, value)


def test_a_table_in_a_list_is_found_by_its_name(file: Path) -> None:
    diff = proposed_diff(file, ("checks", "carrier_code", "pattern"), "[A-Z0-9]{2,3}")
    assert changed(diff) == ['-pattern = "[A-Z0-9]{2}"', '+pattern = "[A-Z0-9]{2,3}"']
    assert proposed_diff(file, ("checks", 0, "pattern"), "[A-Z0-9]{2,3}") == diff


def test_a_value_inside_a_list_of_inline_tables_changes_alone(file: Path) -> None:
    diff = proposed_diff(file, ("rollout", "steps", 0, "percent"), 5)
    assert applied(file, diff)["rollout"]["steps"][0] == {"percent": 5, "bake_s": 300, "requests_min": 200}


def test_the_same_value_is_no_change(file: Path) -> None:
    assert proposed_diff(file, ("prediction", "threshold"), 0.3) == ""
    assert proposed_diff(file, ("training", "tune_rows_max"), 30_000) == ""


def test_numbers_keep_the_files_way_of_writing_thousands(file: Path) -> None:
    assert changed(proposed_diff(file, ("training", "tune_rows_max"), 45_000))[1].startswith("+tune_rows_max = 45_000 ")


def test_a_file_with_problems_is_not_edited(file: Path) -> None:
    file.write_text(file.read_text() + "\n[nowhere]\n")
    with pytest.raises(UseCaseError, match="nowhere"):
        proposed_diff(file, ("prediction", "threshold"), 0.4)
    file.write_text("a = \n")
    with pytest.raises(UseCaseError, match="cannot be edited"):
        proposed_diff(file, ("prediction", "threshold"), 0.4)


def test_odd_ends_of_lines_and_a_missing_last_one_survive(file: Path) -> None:
    text = file.read_text().rstrip("\n").replace("\n", "\r\n").replace("# 2013 throughout", "# 2013\u2028 throughout")
    file.write_bytes(text.encode())
    assert proposed_diff(file, ("fairness", "threshold"), 0.9).endswith(
        '-costs = "45 5 * * *"\n\\ No newline at end of file\n+costs = "45 5 * * *"\r\n+\r\n+[fairness]\r\n+threshold = 0.9\r\n')
    assert changed(proposed_diff(file, ("prediction", "threshold"), 0.45))[1].startswith("+threshold = 0.45 ")


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_values_of_every_shipped_file_can_be_changed_without_touching_another(path: Path) -> None:
    """Every fifth of them: each takes a reading of the whole file."""
    text = path.read_text()
    for keys, value in _leaves(tomllib.loads(text))[::5]:
        edited = toml_edit.with_value(text, keys, f"{value}x" if isinstance(value, str) else "other")
        assert len([1 for old, new in zip(text.split("\n"), edited.split("\n"), strict=False) if old != new]) >= 1


def test_an_edit_that_would_say_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a = 1\nb = 1\n"
    assert toml_edit.with_value(text, ("b",), 2) == "a = 1\nb = 2\n"
    monkeypatch.setattr(toml_edit, "_span", lambda text, line: (4, 5))  # broken on purpose: always the first value
    with pytest.raises(UseCaseError, match="cannot be changed line by line"):
        toml_edit.with_value(text, ("b",), 2)


@pytest.mark.parametrize(("text", "path", "value", "wanted"), [
    ("", ("a",), 1, "a = 1\n"),
    ("# head\n", ("a",), 1, "a = 1\n# head\n"),
    ("[s]\n", ("s", "a"), True, "[s]\na = true\n"),
    ("[s]", ("s", "a"), True, "[s]\na = true\n"),
    ("[s]\n\n[t]\nb = 1\n", ("s", "a"), "x", '[s]\na = "x"\n\n[t]\nb = 1\n'),
    ("a = '''\n[no]\n'''  # why\n", ("a",), 2, "a = 2  # why\n"),
    ('a = """x\\"""" # "\n', ("a",), 2, 'a = 2         # "\n'),
    ("a = [\n  1, # one ]\n  2,\n] # end\n", ("a",), [3], "a = [3] # end\n"),
    ("[s]\na.b = 1\n", ("s", "a", "b"), 2, "[s]\na.b = 2\n"),
    ('[s."x y"]\nk = "a#b"\n', ("s", "x y", "k"), "c", '[s."x y"]\nk = "c"\n'),
    ('[s."x y"]\nk = 1\n', ("s", "x y", "new key"), 1.5, '[s."x y"]\nk = 1\n"new key" = 1.5\n')])
def test_every_way_of_writing_a_value(text: str, path: tuple[str, ...], value: object, wanted: str) -> None:
    assert toml_edit.with_value(text, path, value) == wanted


def test_comments_inside_a_list_are_not_lost_without_a_word() -> None:
    with pytest.raises(UseCaseError, match="comments of its own"):
        toml_edit.with_value("a = [\n  { b = 1 }, # one\n]\n", ("a", 0, "b"), 2)


def _leaves(table: dict[str, Any], path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    found: list[tuple[tuple[str | int, ...], Any]] = []
    for key, value in table.items():
        if isinstance(value, dict):
            found += _leaves(value, (*path, key))
        elif key in {"checks", "derived", "rules"} and value and isinstance(value[0], dict):  # [[…]] in the shipped files
            found += [leaf for place, one in enumerate(value) for leaf in _leaves(one, (*path, key, place))]
        else:
            found.append(((*path, key), value))
    return found
