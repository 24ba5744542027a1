"""Reading TOML files that people write: bounded, UTF-8, and a problem with its line where they are no TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from interlock.errors import UseCaseError
from interlock.spec.problems import Problem

BYTES_MAX = 1_000_000  # such a file is written by hand


def parse_file(path: Path, data: bytes | None = None) -> tuple[dict[str, Any] | None, str, list[Problem]]:
    """The file's table and text; None and the problem where it is not UTF-8 or not TOML. `UseCaseError` where it cannot be read.

    `data`: what the file would hold, instead of what it holds.
    """
    data = file_bytes(path) if data is None else data
    try:
        text = data.decode()
        return tomllib.loads(text), text, []
    except UnicodeDecodeError as error:
        line = data[:error.start].count(b"\n") + 1
        return None, "", [Problem(str(path), line, "", "not UTF-8", allowed="TOML is UTF-8")]
    except tomllib.TOMLDecodeError as error:
        line = int(str(error).rsplit("line ", 1)[-1].split(",")[0]) if "line " in str(error) else text.count("\n") + 1
        return None, text, [Problem(str(path), line, "", f"not TOML: {error}", allowed="https://toml.io")]


def file_bytes(path: Path) -> bytes:
    """The file's bytes, at most `BYTES_MAX`."""
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise UseCaseError(f"the use-case file cannot be read: {error.strerror}", value=path, next_step="interlock new NAME --from data.csv") from error
    if len(data) > BYTES_MAX:
        raise UseCaseError("the use-case file is too long", value=path, allowed=f"at most {BYTES_MAX:,} bytes")
    return data
