"""CPU seconds of a piece of work, children included, for the Costs page."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

from interlock.records.ids import new_id
from interlock.records.store import Store, utc_now
from interlock.records.tables import Usage


@contextmanager
def measured(store: Store, use_case: str, stage: str, flow_run_id: str | None = None) -> Iterator[None]:
    """Write a `Usage` row for the block, also when it fails: failed work costs too."""
    cpu, wall = cpu_seconds(), time.monotonic()
    try:
        yield
    finally:
        with store.writing() as session:
            session.add(Usage(id=new_id(), use_case=use_case, stage=stage, cpu_seconds=cpu_seconds() - cpu,
                              wall_seconds=time.monotonic() - wall, flow_run_id=flow_run_id, finished_at=utc_now()))


def cpu_seconds() -> float:
    """User and system time of this process and of its finished children, all threads."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
