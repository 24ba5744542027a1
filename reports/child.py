"""What every report in a process of its own does around its work: it goes last, and writes its error for the parent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

FAILURE = "error.json"


def made(arguments: list[str], make: Callable[[Path], None]) -> int:
    """Exit code: 0 where what was made lies in the folder of the first argument, 1 where the error does, with type and text."""
    folder = Path(arguments[0])
    os.nice(10)  # the other reports go first
    try:
        make(folder)
    except Exception as error:  # noqa: BLE001 - handed to the parent, which records it as a finding of state ERROR
        (folder / FAILURE).write_text(json.dumps({"type": type(error).__name__, "text": str(error)[:500]}), encoding="utf-8")
        return 1
    return 0
