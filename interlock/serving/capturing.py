"""Capture in a worker: group commit. Requests that wait at the same time share one fdatasync, made in a thread; on a quick disk the loop
stands still for it (`short_wait`), a slow or hanging one never holds it up.

`record` returns True only after the frame is on the disk. `record_relaxed` lets an answer go at once, as long as the answers that are
not on the disk yet were given within `RISK_S` of each other. When the disk fails, both return False at once, a new segment is tried
every `RETRY_S`, and the first frame that gets through again is a gap record that says how many rows were lost and why.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from interlock.records.segments import SUFFIX, SegmentWriter
from interlock.serving.limits import Limits
from interlock.serving.short_wait import ShortWait

RETRY_S = 0.25
RISK_S = 0.05         # relaxed: all answers given and not yet on the disk were given within this time of each other
RISK_SYNC_S = 0.02    # relaxed: the sync begins this long after the first of them; the rest is the disk's
COMPANY_TURNS, COMPANY_S = 8, 0.002  # turns of the loop, and time, that a commit waits for requests that are being answered
SHORT_BYTES = 65_536  # more than this is written in a thread that nobody waits for
Captured = bool | Literal["relaxed"]
Waiting = tuple[bytes, int, asyncio.Future[bool] | None]  # payload, rows, who waits until it is on the disk (nobody: relaxed)
pack = msgspec.msgpack.Encoder().encode


class Capture:
    """All segments that one worker writes, one at a time per use case."""

    def __init__(self, root: Path, worker: int, limits: Limits) -> None:
        self._root = root
        self._worker = worker
        self._limits = limits
        self._lanes: dict[str, _Lane] = {}
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="capture")
        self._short = ShortWait()
        self.expected: Callable[[str], int] = lambda use_case: 0  # requests of a use case that are at work now

    async def record(self, use_case: str, body: dict[str, Any] | bytes, rows: int) -> bool:
        """Whether the body (or its packed bytes) is on the disk now. Never raises for a failing disk."""
        return await self._lane(use_case).record(body if isinstance(body, bytes) else pack(body), rows)

    async def record_relaxed(self, use_case: str, body: dict[str, Any] | bytes, rows: int) -> Captured:
        """`relaxed`: the body will be on the disk within `RISK_S`, and until then a kill or a power cut loses it.

        Waits as `record` does, and says what it says, where the disk is slower than that or failing.
        """
        lane = self._lane(use_case)
        payload = body if isinstance(body, bytes) else pack(body)
        return "relaxed" if lane.take_on_trust(payload, rows) else await lane.record(payload, rows)

    def report(self) -> dict[str, dict[str, Any]]:
        """Per use case since the last call: rows captured, rows lost and syncs; and the failure that lasts (empty: none)."""
        return {use_case: lane.report() for use_case, lane in self._lanes.items()}

    def close(self) -> None:
        """Wait for commits at work, then give up all segments."""
        self._threads.shutdown(wait=True)
        self._short.close()
        for lane in self._lanes.values():
            lane.finish()

    def _lane(self, use_case: str) -> _Lane:
        lane = self._lanes.get(use_case)
        if lane is None:
            lane = self._lanes[use_case] = _Lane(self._root / use_case, self._worker, self._limits, self._threads, self._short,
                                                   lambda name: self.expected(name))
        return lane


class _Lane:
    """The current segment of one use case and the frames that wait for it."""

    def __init__(self, folder: Path, worker: int, limits: Limits, threads: ThreadPoolExecutor, short: ShortWait,
                 expected: Callable[[str], int]) -> None:
        self._expected = expected
        self._folder, self._worker, self._limits, self._threads, self._short = folder, worker, limits, threads, short
        self._writer: SegmentWriter | None = None
        self._opened = 0.0
        self._waiting: list[Waiting] = []
        self._waiting_bytes = 0
        self._committing = False               # a commit is about to begin, or at work
        self._at_work = False                  # in a thread
        self._patience: asyncio.TimerHandle | None = None  # for the commit in a thread
        self._turns, self._until = 0, 0.0      # that the commit has waited for company, and may
        self._trusted: float | None = None     # when the first relaxed frame came that waits for a commit
        self._at_risk: float | None = None     # and the first one of the commit at work
        self._retry_at = 0.0
        self._gap: dict[str, Any] | None = None
        self._rows = self._lost = self._syncs = 0

    def report(self) -> dict[str, Any]:
        taken = {"rows": self._rows, "lost": self._lost, "syncs": self._syncs, "failing": self._gap["error"] if self._gap else ""}
        self._rows = self._lost = self._syncs = 0
        if not self._committing and self._is_old():  # nothing came for long: what is compacted may leave, also where traffic has ended
            self.give_up()
        return taken

    async def record(self, payload: bytes, rows: int) -> bool:
        if self._waiting_bytes + len(payload) > self._limits.capture_queue_bytes_max:
            self._lose(rows, "more waits for the disk than may wait")
            self._lost += rows
            return False
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bool] = loop.create_future()
        self._waiting.append((payload, rows, done))
        self._waiting_bytes += len(payload)
        if not self._committing:
            self._committing = True
            loop.call_soon(self._commit_waiting, loop)
        if not self._at_work:  # it has its turn at once, and its clock begins there
            return await done
        timer = loop.call_later(self._limits.capture_timeout_s, _give_up_waiting, [(b"", rows, done)])
        try:
            return await done
        finally:
            timer.cancel()

    def take_on_trust(self, payload: bytes, rows: int) -> bool:
        """Take a frame that nobody waits for; False where that would put answers of more than `RISK_S` at risk, or the disk fails."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        first = self._at_risk if self._at_risk is not None else self._trusted
        if self._gap is not None or self._waiting_bytes + len(payload) > self._limits.capture_queue_bytes_max \
                or (first is not None and now - first >= RISK_S):
            return False
        if self._trusted is None:
            self._trusted = now
            loop.call_later(RISK_SYNC_S, self._commit_trusted, loop)
        self._waiting.append((payload, rows, None))
        self._waiting_bytes += len(payload)
        return True

    def _commit_trusted(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting and not self._committing:
            self._committing = True
            self._commit_waiting(loop)

    def _commit_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write all that waits down. One commit at a time: what comes meanwhile waits for the next, and shares its sync.

        Requests that are being answered already are waited for, a few turns of the loop.
        """
        if self._turns < COMPANY_TURNS and self._expected(self._folder.name) > len(self._waiting):
            self._until = self._until if self._turns else loop.time() + COMPANY_S
            self._turns = self._turns + 1 if loop.time() < self._until else COMPANY_TURNS
            loop.call_soon(self._commit_waiting, loop)
            return
        self._turns = 0
        batch, size, self._waiting, self._waiting_bytes = self._waiting, self._waiting_bytes, [], 0
        rows = sum(count for _, count, _ in batch)
        self._at_risk, self._trusted = self._trusted, None
        if size <= SHORT_BYTES and self._short.ready:
            late = partial(self._committed, loop, batch, rows)
            captured = self._short.run(lambda: self._work(batch, rows), loop, late)
            if captured is not None:
                late(captured)
                return
        else:
            try:
                self._threads.submit(self._work_aside, loop, batch, rows)
            except RuntimeError:  # closed: what came after the end is not recorded, and is told so
                self._waiting = batch + self._waiting
                _give_up_waiting(batch)
                return
        self._at_work = True
        self._patience = loop.call_later(self._limits.capture_timeout_s, _give_up_waiting, batch)

    def _work(self, batch: list[Waiting], rows: int) -> bool:
        """In a thread. Never raises."""
        began = time.perf_counter()
        try:
            captured = self._commit([payload for payload, _, _ in batch], rows)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it: told as lost, recorded as a gap
            captured = False
            self._lose(rows, f"{type(error).__name__}: {error}")
        self._short.took(time.perf_counter() - began)
        return captured

    def _work_aside(self, loop: asyncio.AbstractEventLoop, batch: list[Waiting], rows: int) -> None:
        """In a thread of its own, which nobody waits for."""
        captured = self._work(batch, rows)
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(self._committed, loop, batch, rows, captured)

    def _committed(self, loop: asyncio.AbstractEventLoop, batch: list[Waiting], rows: int, captured: bool) -> None:
        self._rows, self._syncs = self._rows + rows * captured, self._syncs + captured
        self._lost += rows * (not captured)
        self._at_risk, self._at_work = None, False
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self._waiting:
            self._commit_waiting(loop)
        else:
            self._committing = False
        for _, _, done in batch:
            if done is not None and not done.done():
                done.set_result(captured)

    def _commit(self, payloads: list[bytes], rows: int) -> bool:
        """In a thread, one at a time: write all frames, then one fdatasync for all of them."""
        if self._gap is not None and time.monotonic() < self._retry_at:
            self._lose(rows, self._gap["error"])
            return False
        try:
            writer = self._current()
            told = dict(self._gap) if self._gap else None
            writer.append([pack(told), *payloads] if told else payloads)
            writer.sync()
        except (OSError, ValueError) as error:
            self.give_up()
            self._retry_at = time.monotonic() + RETRY_S
            self._lose(rows, str(error))
            return False
        if told is not None and self._gap is not None:
            more = self._gap["rows"] - told["rows"]  # lost while the gap was written down
            self._gap = {**self._gap, "from": told["to"], "rows": more} if more else None
        return True

    def _current(self) -> SegmentWriter:
        """The open segment; a new one when there is none or it is full or old."""
        if self._writer is not None and (self._writer.size >= self._limits.segment_bytes_max or self._is_old()):
            self.give_up()
        if self._writer is None:
            start = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
            self._writer = SegmentWriter(self._folder / f"w{self._worker}-{start}-{os.getpid()}{SUFFIX}")
            self._opened = time.monotonic()
        return self._writer

    def _is_old(self) -> bool:
        return self._writer is not None and time.monotonic() - self._opened >= self._limits.segment_age_s

    def finish(self) -> None:
        """The end: what was taken on trust is written down, then the segment is given up."""
        if self._waiting:
            self._commit([payload for payload, _, _ in self._waiting], sum(rows for _, rows, _ in self._waiting))
        self.give_up()

    def give_up(self) -> None:
        """Close the current segment; the next frame starts a new one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _lose(self, rows: int, error: str) -> None:
        now = datetime.now(UTC)
        gap = self._gap or {"kind": "gap", "from": now, "rows": 0, "error": error}  # read once: a commit in the thread may end it meanwhile
        self._gap = gap | {"to": now, "rows": gap["rows"] + rows}


def _give_up_waiting(batch: Sequence[Waiting]) -> None:
    """The answers go out as not captured."""
    for _, _, done in batch:
        if done is not None and not done.done():
            done.set_result(False)
