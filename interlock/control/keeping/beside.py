"""Work beside the keeper's pass: slow things (compaction, rows that leave, telling people) in threads, each job one at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

WAIT_S = 60.0


class Beside:
    """Jobs by name. Those of one lane run one after the other, because they hold the same files; lanes run side by side."""

    def __init__(self) -> None:
        self._lanes: dict[str, ThreadPoolExecutor] = {}
        self._jobs: dict[str, Future[Any]] = {}

    def start(self, lane: str, job: str, action: Callable[[], Any]) -> bool:
        """Start the job, unless its last run has not been heard of by `ended` yet; whether it was started."""
        if job in self._jobs:
            return False
        if lane not in self._lanes:
            self._lanes[lane] = ThreadPoolExecutor(max_workers=1, thread_name_prefix=lane)
        self._jobs[job] = self._lanes[lane].submit(action)
        return True

    def ended(self) -> list[tuple[str, Callable[[], Any]]]:
        """Jobs that ended since the last call, each with what gives its result or raises its error."""
        done = [name for name, future in self._jobs.items() if future.done()]
        return [(name, self._jobs.pop(name).result) for name in done]

    def wait(self) -> None:
        """Until everything that was started has ended, `WAIT_S` at most; for tests."""
        wait(self._jobs.values(), timeout=WAIT_S)

    def close(self) -> None:
        """Let what is at work end; what has not begun is dropped."""
        for lane in self._lanes.values():
            lane.shutdown(wait=True, cancel_futures=True)
