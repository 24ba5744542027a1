"""What a person reads when something fails that nobody thought of: one line, and where the whole of it is written."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path


def tell(error: Exception) -> str:
    """One line about the error, its traceback kept in a log; with `INTERLOCK_DEBUG=1` the traceback itself too."""
    whole = "".join(traceback.format_exception(error))
    what = str(error).strip().partition("\n")[0]
    line = f"unexpected error: {type(error).__name__}{': ' if what else ''}{what[:200]}. Please report it; log at {_kept(whole)}"
    return f"{whole}{line}" if os.environ.get("INTERLOCK_DEBUG", "0") not in {"", "0"} else line


def _kept(whole: str) -> str:
    """Where the traceback was written: beside the other logs, else in a file of its own among the temporary ones."""
    entry = f"{datetime.now(UTC).isoformat()} {' '.join(sys.argv[:2])}\n{whole}\n"
    try:
        path = _log_folder() / "errors.log"
        with path.open("a", encoding="utf-8") as file:
            file.write(entry)
        return str(path)
    except OSError:
        pass
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="interlock-", suffix=".log", delete=False) as own:
            own.write(entry)
        return own.name
    except OSError as error:
        return f"nowhere ({error.strerror}): call again with INTERLOCK_DEBUG=1"


def _log_folder() -> Path:
    """The installation's folder of logs; an `OSError` where there is no installation, for then none is begun for an error's sake."""
    from interlock.errors import InterlockError
    from interlock.settings import load_settings

    try:
        settings = load_settings()
        if not settings.home.is_dir():
            raise FileNotFoundError(settings.home)
        return settings.folder("log")
    except InterlockError as error:
        raise OSError(str(error)) from error
