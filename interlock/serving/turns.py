"""Large batches: few at work in threads, a bounded number waiting, and use cases take turns: one that sends many delays only itself."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from interlock.serving.admission import NOTES, TurnedAway, late
from interlock.serving.limits import Limits

T = TypeVar("T")


class Turns:
    """Hands out threads, round robin over the use cases that wait."""

    def __init__(self, limits: Limits) -> None:
        self._threads = ThreadPoolExecutor(max_workers=limits.batches_at_work, thread_name_prefix="batch")
        self._free = self._at_work_max = limits.batches_at_work
        self._cores = len(os.sched_getaffinity(0)) // limits.workers
        self._waiting_max = limits.batches_waiting_max
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}  # in the order in which the use cases get their next turn

    @property
    def spare(self) -> int:
        """Cores of this worker that no batch at work uses: a batch may be scored in so many more threads."""
        return 0 if self._queues else max(0, self._cores - (self._at_work_max - self._free))

    @property
    def waiting(self) -> int:
        """Batches that wait."""
        return sum(len(queue) for queue in self._queues.values())

    async def run(self, use_case: str, work: Callable[[], T]) -> T:
        """The work's result, made in a thread once it is this use case's turn.

        503 when too many batches wait, 504 when the request's deadline passes before its turn.
        """
        await self._turn(use_case)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._hand_on()

    async def _turn(self, use_case: str) -> None:
        if self._free:
            self._free -= 1
            return
        if len(self._queues.get(use_case, ())) >= self._waiting_max:
            raise TurnedAway(503, "the server is busy: too many batches of this use case wait", "queue", 1)
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(use_case, deque()).append(mine)
        notes = NOTES.get()
        left = None if notes is None or notes.deadline is None else max(0.0, notes.deadline - time.perf_counter())
        try:
            await asyncio.wait_for(mine, left)
        except TimeoutError:
            self._give_up(use_case, mine)
            late("its deadline passed while other batches were scored")
        except asyncio.CancelledError:
            self._give_up(use_case, mine)
            raise

    def _give_up(self, use_case: str, mine: asyncio.Future[None]) -> None:
        """Leave the queue; a turn that had come at the same moment goes to the next."""
        queue = self._queues.get(use_case)
        if queue is not None and mine in queue:
            queue.remove(mine)
            if not queue:
                del self._queues[use_case]
        elif mine.done() and not mine.cancelled():
            self._hand_on()

    def _hand_on(self) -> None:
        """Give the thread to the next in turn, or keep it free."""
        while self._queues:
            use_case, queue = next(iter(self._queues.items()))
            del self._queues[use_case]
            following = queue.popleft()
            if queue:
                self._queues[use_case] = queue
            if not following.done():
                following.set_result(None)
                return
        self._free += 1
