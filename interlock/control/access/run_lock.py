"""The lock of a list that lies in the run folder and that several processes change: API keys, sign-ins."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interlock.settings import Settings


@contextmanager
def one_change_at_a_time(settings: Settings, name: str) -> Iterator[Path]:
    """Wait for `name`.lock, also among processes; the run folder. A process that dies gives it back."""
    run = settings.folder("run")
    with (run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield run
