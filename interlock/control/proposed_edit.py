"""A change of a use-case file as a diff to download: the file itself is never written, version control stays the truth.

The diff applies in the project's folder with `git apply` or `patch -p1`.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import unified_diff
from pathlib import Path

from interlock.errors import UseCaseError
from interlock.rules.catalogue import gates_for
from interlock.spec.load import read_use_case
from interlock.spec.toml_edit import with_value
from interlock.spec.toml_files import file_bytes, parse_file

Change = tuple[Sequence[str | int], object]


def proposed_diff(path: Path, section_path: Sequence[str | int], value: object) -> str:
    """Unified diff of the file with one value changed, or one key added where a default applied; empty where it already says so.

    `section_path`: section and key, for example `("monitoring", "drift_psi_max")`; a step into a list of tables is an index or the
    table's `name`. Raises `UseCaseError` naming every problem that the edited file would have: an unknown key, a value out of range.
    """
    return proposed_changes(path, [(section_path, value)])


def proposed_changes(path: Path, changes: Sequence[Change]) -> str:
    """One diff of several values that must change together, for example a gate's threshold and its reason."""
    path = Path(path)
    data = file_bytes(path)
    raw, before, broken = parse_file(path, data)
    if raw is None:
        raise UseCaseError(f"{path} cannot be edited: {broken[0]}", problems=broken, next_step=f"interlock check {path}")
    after = before
    for keys, value in changes:
        after = with_value(after, keys, value)
    if after == before or not _says_more(path, data, after):
        return ""
    return _diff(f"{path.parent.name}/{path.name}", before, after)


def _says_more(path: Path, before: bytes, after: str) -> bool:
    """Whether the edited text means something else than the file; raises where the file's checks refuse it."""
    edited, problems = read_use_case(path, data=after.encode())
    if edited is None or problems:
        said = "\n".join(map(str, problems))
        raise UseCaseError(f"this change cannot be proposed, the file's checks refuse it:\n{said}", problems=problems,
                           allowed="; ".join(dict.fromkeys(one.allowed for one in problems if one.allowed)))
    gates_for(edited)  # refuses gates that cannot be judged
    return parse_file(path, before)[0] != parse_file(path, after.encode())[0]


def _diff(name: str, before: str, after: str) -> str:
    lines = unified_diff(_rows(before), _rows(after), f"a/{name}", f"b/{name}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _rows(text: str) -> list[str]:
    """Lines as version control counts them: only a line feed ends one."""
    rows = text.split("\n")
    return [row + "\n" for row in rows[:-1]] + ([rows[-1]] if rows[-1] else [])
