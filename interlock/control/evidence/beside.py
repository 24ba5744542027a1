"""A report that a child process makes beside the others: started early, collected last, never waited for without end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interlock.errors import DataError, Unavailable
from interlock.modeling.probe import INHERITED
from reports.child import FAILURE

Child = subprocess.Popen[bytes]


def start(module: str, folder: Path, own: dict[str, str], inherited: tuple[str, ...] = ()) -> Child:
    """`python -m MODULE FOLDER` with one thread and the few variables that it needs. Raises `OSError` where it cannot be started."""
    environment = {name: os.environ[name] for name in (*INHERITED, *inherited) if name in os.environ} | {"OMP_NUM_THREADS": "1"} | own
    return subprocess.Popen([sys.executable, "-m", module, str(folder)], env=environment,  # noqa: S603 - our own module
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


@contextmanager
def ended(child: Child) -> Iterator[None]:
    """A child that still runs at the end of the block is killed."""
    try:
        yield
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def done(child: Child, folder: Path, started: float, timeout_s: float, *, late: str, broken: str, again: str) -> None:
    """Wait until its files lie in the folder, at most `timeout_s` from its start (`time.monotonic`).

    Raises `Unavailable` (`late`, with the next step `again`) beyond that, `DataError` (`broken`) with what the child wrote of its error.
    """
    try:
        code = child.wait(max(1.0, timeout_s - (time.monotonic() - started)))
    except subprocess.TimeoutExpired as error:
        raise Unavailable(late, value=f"{timeout_s:g} s", next_step=again) from error
    if code:
        path = folder / FAILURE
        told = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"type": "the process ended with", "text": code}
        raise DataError(broken, value=f"{told['type']}: {told['text']}")
