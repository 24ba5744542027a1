"""Declarations of derived features and of views: every mistake is told with its line, above all those that would be leaks."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from interlock.cli.main import app
from interlock.errors import UseCaseError
from interlock.settings import Settings
from interlock.spec.load import read_use_case
from interlock.spec.problems import Problem
from interlock.spec.view_files import find_view, read_view

ROOT = Path(__file__).resolve().parents[2]
GOOD = """\
spec_version = 1
name = "pay"
title = "t"
description = "d"
owner = "o"

[prediction]
task = "binary"
target = "bad"
positive = [1]
moment = "m"

[source]
kind = "files"
files = [{ path = "pay.csv" }]

[time]
column = "at"

[columns.at]
type = "datetime"
role = "ignore"
[columns.card]
type = "category"
role = "ignore"
[columns.person]
type = "category"
role = "subject"
[columns.amount]
type = "float"
[columns.word]
type = "category"
[columns.age]
type = "integer"
role = "sensitive"
[columns.settled]
type = "float"
role = "later"
[columns.bad]
type = "integer"
role = "target"

[labels]
delay_hours = 6
"""
VIEW = """\
spec_version = 1
name = "cards"
title = "t"
description = "d"
owner = "o"
source = "pay"
entity = ["card"]
ttl_hours = 24

[[features]]
name = "last"
kind = "lag"
of = "amount"
rows = 1
"""


def problems_of(folder: Path, text: str) -> list[Problem]:
    (folder / "pay.toml").write_text(text)
    return read_use_case(folder / "pay.toml")[1]


def derived(*lines: str, name: str = "f") -> str:
    return "\n".join(["\n[[features.derived]]", f'name = "{name}"', *lines, ""])


def test_good_ones_are_in_order_and_become_columns(tmp_path: Path) -> None:
    text = GOOD + derived('kind = "lag"', 'of = "_label"', "rows = 1", 'by = ["card", "word"]', name="a") + derived(
        'kind = "rolling"', 'of = "settled"', 'statistic = "mean"', "hours = 24", name="b") + derived(
        'kind = "difference"', 'of = "amount"', 'over = "b"', name="c") + derived('kind = "cyclic"', 'part = "hour"', name="d")
    assert problems_of(tmp_path, text) == []
    use_case = read_use_case(tmp_path / "pay.toml")[0]
    assert use_case is not None
    assert list(use_case.model_columns) == ["amount", "word", "a", "b", "c", "d_sin", "d_cos"]


@pytest.mark.parametrize(("lines", "key", "what", "more"), [
    (['kind = "lag"', 'of = "amuont"', "rows = 1"], "of", "names a column that [columns] does not have", "did you mean 'amount'"),
    (['kind = "lag"', 'of = "word"', "rows = 1"], "of", "is made of numbers", "integer, float, boolean"),
    (['kind = "ratio"', 'of = "amount"', 'over = "settled"'], "over", "a leak: 'settled' of the row itself", "a lag may look back"),
    (['kind = "difference"', 'of = "_label"', 'over = "amount"'], "of", "a leak: '_label' of the row itself", ""),
    (['kind = "rolling"', 'of = "_label"', "rows = 3", 'statistic = "mean"', "include_self = true"], "include_self", "a leak", "false"),
    (['kind = "lag"', 'of = "age"', "rows = 1"], "of", "'age' is sensitive", "include_sensitive"),
    (['kind = "lag"', 'of = "amount"', "rows = 1", 'by = ["age"]'], "by[0]", "'age' is sensitive", ""),
    (['kind = "lag"', 'of = "amount"', "rows = 1", 'by = ["amount"]'], "by[0]", "words or whole numbers", "category"),
    (['kind = "lag"', 'of = "amount"', "rows = 1", 'by = ["bad"]'], "by[0]", "known only after the prediction", ""),
    (['kind = "lag"', 'of = "amount"', "rows = 1", 'by = ["nobody"]'], "by[0]", "does not have", ""),
    (['kind = "lag"', 'of = "f"', "rows = 1"], "of", "declared above it", "none is above"),
    (['kind = "lag"', 'of = "amount"'], "", "a lag needs either `rows` or `hours`", ""),
    (['kind = "lag"', 'of = "amount"', "rows = 1", "hours = 2"], "", "a lag needs either `rows` or `hours`", ""),
    (['kind = "lag"', 'of = "amount"', "rows = 1", 'over = "amount"'], "", "a lag takes no `over`", ""),
    (['kind = "lag"', 'of = "amount"', "hours = 0"], "hours", "greater than 0", ""),
    (['kind = "rolling"', 'of = "amount"', "rows = 3"], "", "a rolling needs `statistic`", ""),
    (['kind = "rolling"', 'statistic = "mean"', "rows = 3"], "", "only `count` goes without", ""),
    (['kind = "ratio"', 'of = "amount"'], "", "a ratio needs `over`", ""),
    (['kind = "cyclic"'], "", "a cyclic needs `part`", "")])
def test_a_mistake_is_told_at_its_place(tmp_path: Path, lines: list[str], key: str, what: str, more: str) -> None:
    found = problems_of(tmp_path, GOOD + derived(*lines))
    assert len(found) == 1, [str(problem) for problem in found]
    assert found[0].key == f"features.derived[0].{key}".rstrip(".")
    assert what in found[0].what
    assert more in str(found[0])
    rows = (tmp_path / "pay.toml").read_text().splitlines()
    assert found[0].line == next((place for place, row in enumerate(rows, 1) if key and row.startswith(key.split("[")[0] + " = ")),
                                 rows.index("[[features.derived]]") + 1)


def test_a_label_without_a_delay_is_a_leak(tmp_path: Path) -> None:
    for column in ("_label", "bad", "settled"):
        lag = derived('kind = "lag"', f'of = "{column}"', "rows = 1")
        found = problems_of(tmp_path, GOOD.replace("delay_hours = 6", "delay_hours = 0") + lag)
        assert [problem.key for problem in found] == ["features.derived[0].of"]
        assert "leak" in found[0].what
        assert "labels.delay_hours" in found[0].hint


def test_names_are_used_once(tmp_path: Path) -> None:
    lag = ['kind = "lag"', 'of = "amount"', "rows = 1"]
    assert [problem.what for problem in problems_of(tmp_path, GOOD + derived(*lag) + derived(*lag))] == ["another feature has this name"]
    assert [problem.what for problem in problems_of(tmp_path, GOOD + derived(*lag, name="word"))] == ["a column has this name"]
    circle = derived('kind = "lag"', 'of = "g"', "rows = 1") + derived('kind = "lag"', 'of = "f"', "rows = 1", name="g")
    assert [problem.key for problem in problems_of(tmp_path, GOOD + circle)] == ["features.derived[0].of"]


def test_rows_without_a_time_have_no_history(tmp_path: Path) -> None:
    seeded = GOOD.replace('[time]\ncolumn = "at"\n', "") + '[training]\nsplit = "seeded"\n'
    text = seeded + derived('kind = "lag"', 'of = "amount"', "rows = 1")
    assert [problem.what[:30] for problem in problems_of(tmp_path, text)] == ["rows have no time of their own"]
    ratio = text.replace('kind = "lag"', 'kind = "ratio"').replace("rows = 1", 'over = "amount"')
    assert problems_of(tmp_path, ratio) == []


def view_problems(folder: Path, text: str, source: str = GOOD) -> list[Problem]:
    (folder / "views").mkdir(exist_ok=True)
    (folder / "pay.toml").write_text(source)
    (folder / "views" / "cards.toml").write_text(text)
    return read_view(folder / "views" / "cards.toml")[1]


@pytest.mark.parametrize(("old", "new", "key", "what"), [
    ("ttl_hours = 24", "ttl_hours = 0", "ttl_hours", "greater than 0"),
    ("ttl_hours = 24\n", "", "ttl_hours", "missing"),
    ('source = "pay"', 'source = "pya"', "source", "there is no use case of this name"),
    ('name = "cards"', 'name = "card"', "name", "named like its file"),
    ('entity = ["card"]', "entity = []", "entity", "at least 1"),
    ('entity = ["card"]', 'entity = ["crad"]', "entity[0]", "does not have"),
    ('entity = ["card"]', 'entity = ["amount"]', "entity[0]", "words or whole numbers"),
    ('entity = ["card"]', 'entity = ["person"]', "entity[0]", "no person"),
    ('of = "amount"', 'of = "word"', "features[0].of", "is made of numbers"),
    ('kind = "lag"\nof = "amount"\nrows = 1', 'kind = "ratio"\nof = "amount"\nover = "amount"', "", "belongs into the use case"),
    ("rows = 1", 'rows = 1\nby = ["card"]', "", "no `by`")])
def test_a_mistake_in_a_view_is_told(tmp_path: Path, old: str, new: str, key: str, what: str) -> None:
    assert old in VIEW
    found = view_problems(tmp_path, VIEW.replace(old, new, 1))
    assert len(found) == 1, [str(problem) for problem in found]
    assert (found[0].key, what in found[0].what) == (key, True), str(found[0])


def test_a_view_of_labels_needs_their_delay(tmp_path: Path) -> None:
    text = VIEW.replace('of = "amount"', 'of = "_label"')
    assert view_problems(tmp_path, text) == []
    found = view_problems(tmp_path, text, GOOD.replace("delay_hours = 6", "delay_hours = 0"))
    assert ["leak" in problem.what for problem in found] == [True]


@pytest.mark.parametrize(("use", "key", "what"), [
    ('view = "crads"\nfeatures = ["last"]', "view", "there is no feature view of this name"),
    ('view = "cards"\nfeatures = ["lsat"]', "features[0]", "has no such feature"),
    ('view = "cards"\nfeatures = ["last", "last"]', "features[1]", "taken twice"),
    ('view = "cards"\nfeatures = ["last"]\nentity = { shop = "card" }', "entity.shop", "no such entity column"),
    ('view = "cards"\nfeatures = ["last"]\nentity = { card = "crad" }', "entity", "is not in [columns]"),
    ('view = "cards"\nfeatures = ["last"]\nentity = { card = "person" }', "entity", "cannot name an entity"),
    ('view = "cards"\nfeatures = ["last"]\nentity = { card = "age" }', "entity.card", "is sensitive")])
def test_a_mistake_in_the_use_of_a_view_is_told(tmp_path: Path, use: str, key: str, what: str) -> None:
    assert view_problems(tmp_path, VIEW) == []
    found = problems_of(tmp_path, f"{GOOD}\n[[features.views]]\n{use}\n")
    assert [what in problem.what for problem in found if problem.key == f"features.views[0].{key}"] == [True], [str(one) for one in found]


def test_check_reads_views_too(tmp_path: Path) -> None:
    assert view_problems(tmp_path, VIEW) == []
    good = CliRunner().invoke(app, ["check", str(tmp_path / "views" / "cards.toml"), str(tmp_path / "pay.toml")])
    assert good.exit_code == 0
    assert "view cards of pay, 1 features" in good.output
    view_problems(tmp_path, VIEW.replace("ttl_hours = 24", "ttl_hours = -1"))
    bad = CliRunner().invoke(app, ["check", str(tmp_path / "views" / "cards.toml")])
    assert bad.exit_code == 1
    assert "cards.toml:8: ttl_hours" in bad.output


@pytest.mark.parametrize("path", sorted((ROOT / "usecases" / "views").glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_view_is_in_order_and_described(path: Path) -> None:
    view, problems = read_view(path)
    assert problems == []
    assert view is not None
    assert all(feature.description for feature in view.features)


def test_an_unknown_view_is_told_with_the_names_that_exist(settings: Settings) -> None:
    assert find_view(settings, "carrier_lateness").source == "flight_delays"
    with pytest.raises(UseCaseError, match=r"airport_lateness, carrier_lateness(.|\n)*did you mean 'carrier_lateness'"):
        find_view(settings, "carrier_latenes")
