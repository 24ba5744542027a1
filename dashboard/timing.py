"""How long the server took for a page: one line of JSON in the control room's log, where a page took too long or every time."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

LOG = logging.getLogger("interlock.dashboard")
SLOW_MS = 300.0  # goal P10: every page's own server time


@dataclass
class Run:
    """One run of the script. `page` is known once the navigation has chosen; `every`: also quick runs get a line."""

    page: str = "none"
    every: bool = False


@contextmanager
def timed() -> Iterator[Run]:
    """Time one run of a page's script, also where it ends in an error or is cut off by the next click.

    A run over `SLOW_MS` is a warning. What is not in it: the browser, and the way there.
    """
    run, began = Run(), time.perf_counter()
    try:
        yield run
    finally:
        _tell(run, (time.perf_counter() - began) * 1_000)


def _tell(run: Run, took_ms: float) -> None:
    slow = took_ms > SLOW_MS
    if not (slow or run.every):
        return
    if not LOG.handlers:
        LOG.addHandler(logging.StreamHandler(sys.stderr))
        LOG.setLevel(logging.INFO)
    line = {
        "time": datetime.now(UTC).isoformat(),
        "level": "warning" if slow else "info",
        "event": "page",
        "page": run.page,
        "server_ms": round(took_ms, 1),
        "goal_ms": SLOW_MS,
    }
    LOG.log(logging.WARNING if slow else logging.INFO, "%s", json.dumps(line))
