"""On which line a key of a TOML text stands: tomllib reads values but forgets where they were.

Only for messages: a text that tomllib accepts is scanned once, keys inside inline tables count as their table's line.
"""

from __future__ import annotations

import re

KeyPath = tuple[str | int, ...]
_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.|$|(?=[=\]]))""")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Line (from 1) of every table header and every `key =`, by key path; elements of `[[…]]` carry their index."""
    found: dict[KeyPath, int] = {(): 1}
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    depth, fence = 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        inside = bool(depth or fence)
        if not inside and line.lstrip().startswith("["):
            table = _header(line.strip(), counts)
            found.setdefault(table, number)
            if table and isinstance(table[-1], int):
                found.setdefault(table[:-1], number)  # the list itself begins where its first table does
            continue
        if not inside:
            key, _, rest = key_and_rest(line)
            if key:
                found.setdefault(table + key, number)
            line = rest
        depth, fence = _follow(line, depth, fence)
    return found


def line_of(lines: dict[KeyPath, int], path: KeyPath) -> int:
    """Line of the path, or of the nearest key around it."""
    for length in range(len(path), -1, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


def _header(line: str, counts: dict[KeyPath, int]) -> KeyPath:
    array = line.startswith("[[")
    path = _with_indices(_parts(line.strip("[").split("]")[0] if '"' not in line else line.strip("[")), counts)
    if not array:
        return path
    counts[path] = counts.get(path, -1) + 1
    return (*path, counts[path])


def _with_indices(parts: KeyPath, counts: dict[KeyPath, int]) -> KeyPath:
    """`[[a]]` then `[a.b]`: the path of b runs through the newest element of a."""
    path: KeyPath = ()
    for position, part in enumerate(parts):
        path = (*path, part)
        if position < len(parts) - 1 and path in counts:
            path = (*path, counts[path])
    return path


def key_and_rest(line: str) -> tuple[KeyPath, str, str]:
    """Key path, `=` and what follows it; an empty path, and the whole line, where the line begins no key."""
    parts = _parts(line)
    if not parts or line.lstrip().startswith("#"):
        return (), "", line
    end = 0
    for match in _matches(line):
        end = match.end()
    rest = line[end:].lstrip()
    return (parts, "=", rest[1:]) if rest.startswith("=") else ((), "", line)


def _matches(text: str) -> list[re.Match[str]]:
    matches, position = [], 0
    while match := _PART.match(text, position):
        matches.append(match)
        position = match.end()
        if match.group(4) != ".":
            break
    return matches


def _parts(text: str) -> KeyPath:
    return tuple(next(group for group in match.group(1, 2, 3) if group is not None) for match in _matches(text))


def _follow(text: str, depth: int, fence: str) -> tuple[int, str]:
    """Bracket depth and open multi-line quote after this piece of a value."""
    position = 0
    while position < len(text):
        if fence:
            end = text.find(fence, position)
            if end < 0:
                return depth, fence
            position, fence = end + 3, ""
            continue
        if text.startswith(('"""', "'''"), position):
            fence = text[position:position + 3]
            position += 3
            continue
        character = text[position]
        if character == "#":
            break
        if character in "\"'":
            position = string_end(text, position)
            continue
        depth += (character in "[{") - (character in "]}")
        position += 1
    return depth, fence


def string_end(text: str, start: int) -> int:
    """Behind the one-line string whose first quote stands at `start`."""
    quote, position = text[start], start + 1
    while position < len(text) and text[position] != quote:
        position += 2 if text[position] == "\\" and quote == '"' else 1
    return position + 1
