"""Lines of keys: a small scanner that agrees with tomllib about which keys there are."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from interlock.spec.toml_lines import key_lines, line_of

TEXT = '''\
a = 1 # b = 2
[t]
"x.y" = "[not] = a # header"
z = """
[no]
q = 1
"""
w = [
    { p = 1 },
    "]",
]
[[list]]
k = 'it"s'
[[list]]
k = 2
[list.sub]
m.n = 3
[t."u.v".w]
e = 1
'''


def test_keys_have_the_lines_where_they_stand() -> None:
    lines = key_lines(TEXT)
    tomllib.loads(TEXT)
    assert lines[("a",)] == 1
    assert lines[("t", "x.y")] == 3
    assert lines[("t", "z")] == 4
    assert lines[("t", "w")] == 8
    assert lines[("list", 0, "k")] == 13
    assert lines[("list", 1, "k")] == 15
    assert lines[("list", 1, "sub", "m", "n")] == 17
    assert lines[("t", "u.v", "w", "e")] == 19
    assert ("t", "q") not in lines


def test_an_unknown_path_has_the_line_of_what_is_around_it() -> None:
    lines = key_lines(TEXT)
    assert line_of(lines, ("t", "w", 0, "p")) == 8
    assert line_of(lines, ("nowhere", "x")) == 1


@pytest.mark.parametrize("path", sorted((Path(__file__).resolve().parents[2] / "usecases").glob("*.toml")), ids=lambda path: path.stem)
def test_every_key_of_the_shipped_files_is_found(path: Path) -> None:
    text = path.read_text()
    lines, rows = key_lines(text), text.splitlines()
    for key_path, value in _leaves(tomllib.loads(text)):
        assert key_path in lines, key_path
        assert str(key_path[-1]) in rows[lines[key_path] - 1]
        assert value is not None


def _leaves(table: dict[str, Any], path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    found: list[tuple[tuple[str | int, ...], Any]] = []
    for key, value in table.items():
        if isinstance(value, dict):
            found += _leaves(value, (*path, key))
        elif isinstance(value, list) and value and isinstance(value[0], dict) and key == "checks":
            for index, item in enumerate(value):
                found += _leaves(item, (*path, key, index))
        else:
            found.append(((*path, key), value))
    return found
