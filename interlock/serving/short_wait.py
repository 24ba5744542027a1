"""A thread for short work on a quick disk, and an event loop that waits for it, but never for long.

Handing work to a thread and hearing of its end through the loop costs more than a sync of a quick disk: both threads want the
interpreter at once. Here the loop stands still until the work is done, so it is done at once and all who wait go on together. It stands
still for `STILL_S` at most: work that takes longer goes on alone and tells the loop when it ends, and for `REST_S` all work is refused,
as it is while a sync takes more than `QUICK_S` on average. The caller then uses threads as usual.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

STILL_S = 0.005   # the loop waits no longer than this, even where the disk hangs
QUICK_S = 0.001   # a disk whose syncs take longer on average is not waited for
REST_S = 1.0      # after work that took too long
WEIGHT = 0.1      # of the newest duration in the average
Work = Callable[[], bool]
Late = Callable[[bool], None]


class _Job:
    """Work, and whether its end was told to the one who waits, or he has stopped waiting: whoever takes `claim` first decides."""

    def __init__(self, work: Work, loop: asyncio.AbstractEventLoop, late: Late) -> None:
        self.work, self.loop, self.late, self.claim = work, loop, late, threading.Lock()


class ShortWait:
    """One thread; work is given to it by the loop's thread alone."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._ended: SimpleQueue[bool] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._busy = self._closed = False
        self._mean_s = 0.0
        self._again_at = 0.0

    def took(self, seconds: float) -> None:
        """How long the disk took for something, wherever that was waited for."""
        self._mean_s += WEIGHT * (seconds - self._mean_s)

    @property
    def ready(self) -> bool:
        """Whether work would be done at once."""
        return not self._busy and not self._closed and self._mean_s <= QUICK_S and time.monotonic() >= self._again_at

    def run(self, work: Work, loop: asyncio.AbstractEventLoop, late: Late) -> bool | None:
        """What the work returns; None where it takes too long: `late` is then called with it in the loop, once it has ended.

        The work must not raise. Only while `ready`.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="capture", daemon=True)
            self._thread.start()
        job = _Job(work, loop, late)
        self._busy = True
        self._jobs.put(job)
        try:
            found = self._ended.get(timeout=STILL_S)
        except Empty:
            if job.claim.acquire(blocking=False):
                self._again_at = time.monotonic() + REST_S
                return None
            found = self._ended.get()  # it ended at this very moment
        self._busy = False
        return found

    def close(self) -> None:
        """Wait for work that is late, and end the thread; nothing is ready from now on."""
        self._closed = True
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            found = job.work()
            if job.claim.acquire(blocking=False):
                self._ended.put(found)
            else:
                self._busy = False
                with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
                    job.loop.call_soon_threadsafe(job.late, found)
