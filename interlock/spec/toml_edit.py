"""Changing one value in the text of a TOML file: comments, order and every other line stay as they are.

The text must be TOML that `tomllib` accepts. Only the characters of the value change, or one key (and, where needed, one section) is added.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from interlock.errors import UseCaseError
from interlock.spec.toml_lines import KeyPath, key_and_rest, key_lines, string_end

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BREAKS = {0x85: " ", 0x2028: " ", 0x2029: " "}  # Python counts them as ends of lines, TOML does not


def with_value(text: str, path: Sequence[str | int], value: object) -> str:
    """The text with `value` at the key path; the last part is the key. Refuses what cannot be done without touching anything else.

    A step into a list of tables is an index, or the `name` of the table.
    """
    raw = tomllib.loads(text)
    keys = _resolved(raw, path)
    lines = key_lines(text.translate(_BREAKS))
    wanted = deepcopy(raw)
    _put(wanted, keys, value)
    held = next((keys[:length] for length in range(len(keys), 0, -1) if _is_leaf(text, lines, keys[:length])), None)
    if held is not None:
        edited = _replaced(text, lines[held], value if held == keys else _at(wanted, held), commented=held != keys)
    else:
        edited = _inserted(text, lines, keys, value)
    _only_that(edited, wanted, keys)
    return edited


def literal(value: object, like: str = "") -> str:
    """The value as TOML writes it; `like`: the text it replaces, whose habit of `30_000` is kept."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:_}" if "_" in like else str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, str) and not any(0xD800 <= ord(letter) <= 0xDFFF for letter in value):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(str(name))} = {literal(one)}" for name, one in value.items()) + " }" if value else "{}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(literal(one) for one in value) + "]"
    raise UseCaseError("a use-case file cannot hold this value", value=value, allowed="text, numbers, true, false, lists and tables of them")


def _resolved(raw: dict[str, Any], path: Sequence[str | int]) -> KeyPath:
    """The path with the names of listed tables turned into their places."""
    if not path:
        raise UseCaseError("no key is named", allowed="section and key, for example monitoring.drift_psi_max")
    here: Any = raw
    found: list[str | int] = []
    for step in path:
        if isinstance(here, list) and isinstance(step, str):
            names = [one.get("name") if isinstance(one, dict) else None for one in here]
            if step not in names:
                raise UseCaseError(f"{'.'.join(map(str, found))} has no entry with this name", value=step, allowed=", ".join(map(str, names)))
            step = names.index(step)
        found.append(step)
        here = here.get(step) if isinstance(here, dict) else _element(here, step)
    return tuple(found)


def _element(here: object, step: str | int) -> Any:
    return here[step] if isinstance(here, list) and isinstance(step, int) and 0 <= step < len(here) else None


def _put(table: Any, path: KeyPath, value: object) -> None:
    for step, following in zip(path, path[1:], strict=False):
        if isinstance(table, dict) and step not in table and isinstance(following, str):
            table[step] = {}
        table = table.get(step) if isinstance(table, dict) else _element(table, step)
    if not isinstance(table, dict):
        raise UseCaseError("this is not a section that can hold keys", value=".".join(map(str, path[:-1])))
    if isinstance(table.get(path[-1]), dict):
        raise UseCaseError("one key with one value can be changed, not a whole section", value=".".join(map(str, path)))
    table[path[-1]] = list(value) if isinstance(value, tuple) else value


def _at(table: Any, path: KeyPath) -> Any:
    for step in path:
        table = table[step]
    return table


def _is_leaf(text: str, lines: dict[KeyPath, int], path: KeyPath) -> bool:
    return path in lines and not _rows(text)[lines[path] - 1].lstrip().startswith("[")


def _rows(text: str) -> list[str]:
    return text.split("\n")


def _replaced(text: str, line: int, value: object, *, commented: bool) -> str:
    """The value that begins on this line, exchanged; a comment behind it keeps its column where there is room."""
    start, end = _span(text, line)
    old = text[start:end]
    if commented and "#" in old:
        raise UseCaseError("the value stands inside a list or table with comments of its own", value=old, next_step="change it by hand")
    new = literal(value, old)
    tail = re.match(r"( +)#", text[end:])
    if tail is None or "\n" in old:
        return text[:start] + new + text[end:]
    room = max(1, len(tail[1]) + len(old) - len(new))
    return text[:start] + new + " " * room + text[end + len(tail[1]):]


def _span(text: str, line: int) -> tuple[int, int]:
    """Where the value of the key on this line (from 1) begins and ends in the text."""
    rows = _rows(text)
    _, _, rest = key_and_rest(rows[line - 1])
    start = sum(len(row) + 1 for row in rows[:line]) - 1 - len(rest.lstrip())
    position, depth = start, 0
    while position < len(text):
        if text.startswith(('"""', "'''"), position):
            position = _fence_end(text, position)
        elif text[position] in "\"'":
            position = string_end(text, position)
        elif text[position] == "#" and depth:
            position = text.find("\n", position)
        elif text[position] in "#\n\r" and not depth:
            break
        else:
            depth += (text[position] in "[{") - (text[position] in "]}")
            position += 1
    return start, start + len(text[start:position].rstrip())


def _fence_end(text: str, start: int) -> int:
    """Behind a multi-line string; its closing fence may hold up to two quotes of its own, and a basic one has escapes."""
    fence, position = text[start:start + 3], start + 3
    while not text.startswith(fence, position):
        position += 2 if text[position] == "\\" and fence == '"""' else 1
    position += 3
    while position < len(text) and text[position] == fence[0]:
        position += 1
    return position


def _inserted(text: str, lines: dict[KeyPath, int], path: KeyPath, value: object) -> str:
    """The key behind the last one of its section, or a section of its own at the end of the file."""
    rows, section = _rows(text), path[:-1]
    end = "\r\n" if "\r\n" in text else "\n"
    entry = f"{_key(str(path[-1]))} = {literal(value)}{end}"
    if section and section not in lines:
        if any(isinstance(step, int) for step in section):
            raise UseCaseError("a section inside a list of tables cannot be added", value=".".join(map(str, path)), next_step="add it by hand")
        head = f"[{'.'.join(_key(str(step)) for step in section)}]{end}"
        return text + ("" if text.endswith("\n") or not text else end) + end + head + entry
    first = lines[section] if section else 0
    keyed = [number for place, number in lines.items() if place and number > first]
    headers = [number for number in keyed if rows[number - 1].lstrip().startswith("[")]
    own = [number for number in keyed if number < min(headers, default=len(rows) + 1)]
    last = _span(text, max(own))[1] if own else sum(len(row) + 1 for row in rows[:first]) - 1 if first else 0
    place = text.find("\n", last) + 1 if first or own else 0
    if place == 0 and (first or own):
        return text + end + entry
    return text[:place] + entry + text[place:]


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _only_that(edited: str, wanted: dict[str, Any], path: KeyPath) -> None:
    """Refuse an edit that says anything else than what was asked for."""
    try:
        same = tomllib.loads(edited) == wanted
    except tomllib.TOMLDecodeError:
        same = False
    if not same:
        raise UseCaseError("this file is written in a way that cannot be changed line by line", value=".".join(map(str, path)),
                           next_step="change it by hand")
