"""A quick disk is waited for in the loop; a slow or hanging one moves to a thread at once, and the loop goes on."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from interlock.serving import short_wait
from interlock.serving.capturing import Capture
from interlock.serving.limits import Limits
from interlock.serving.short_wait import STILL_S, ShortWait

HANG_S = 0.4
SLACK_S = 0.1  # a busy machine's


class Disk:
    """fdatasync that takes `seconds`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        self.calls: list[float] = []
        monkeypatch.setattr(os, "fdatasync", self.fdatasync)

    def fdatasync(self, handle: int) -> None:
        self.calls.append(self.seconds)
        time.sleep(self.seconds)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def slept(seconds: float) -> bool:
    time.sleep(seconds)
    return True


async def longest_pause(work: Callable[[], asyncio.Task[bool]]) -> tuple[float, bool]:
    """The longest time for which nothing else in the loop had its turn while the work was under way, and what it said."""
    task, longest, last = work(), 0.0, time.perf_counter()
    while not task.done():
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return longest, task.result()


def pause_of_a_hanging_disk(root: Path, disk: Disk) -> float:
    """A disk that was quick hangs: how long the loop stood still."""

    async def run() -> float:
        capture = Capture(root, 0, Limits())
        assert await capture.record("late", {"id": "a"}, 1)
        disk.seconds = HANG_S
        longest, captured = await longest_pause(lambda: asyncio.create_task(capture.record("late", {"id": "b"}, 1)))
        assert captured
        capture.close()
        return longest

    return asyncio.run(run())


def test_a_disk_that_hangs_stops_the_loop_for_a_moment_only(tmp_path: Path, disk: Disk) -> None:
    assert pause_of_a_hanging_disk(tmp_path, disk) < STILL_S + SLACK_S


def test_the_same_check_catches_a_loop_that_waits_for_the_end(tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short_wait, "STILL_S", 3_600.0)
    assert pause_of_a_hanging_disk(tmp_path, disk) >= HANG_S - 0.01


def test_after_one_slow_sync_the_loop_is_not_stopped_again(tmp_path: Path, disk: Disk) -> None:
    async def run() -> bool:
        capture = Capture(tmp_path, 0, Limits())
        assert await capture.record("late", {"id": "a"}, 1)
        disk.seconds = 0.05
        assert await capture.record("late", {"id": "b"}, 1)
        ready = capture._short.ready
        assert all(await asyncio.gather(*(capture.record("late", {"id": str(number)}, 1) for number in range(5))))
        capture.close()
        return ready

    assert not asyncio.run(run())


def test_a_slow_disk_is_left_alone_and_a_quick_one_waited_for_again() -> None:
    short, found = ShortWait(), []
    for seconds in (0.0002, 0.004, 0.0002):
        for _ in range(30):
            short.took(seconds)
        found.append(short.ready)
    short.close()
    assert [*found, short.ready] == [True, False, True, False]


def test_work_that_is_late_is_told_once_and_in_the_loop() -> None:
    async def run() -> list[tuple[bool, bool]]:
        short, told, here = ShortWait(), list[tuple[bool, bool]](), threading.get_ident()
        loop = asyncio.get_running_loop()

        def late(found: bool) -> None:
            told.append((found, threading.get_ident() == here))

        assert short.run(lambda: True, loop, late) is True
        assert short.run(lambda: slept(0.05), loop, late) is None
        assert not short.ready
        until = time.monotonic() + 5
        while not told and time.monotonic() < until:
            await asyncio.sleep(0.005)
        short.close()
        return told

    assert asyncio.run(run()) == [(True, True)]


def test_nobody_is_forgotten_when_the_end_and_the_patience_meet() -> None:
    """Work of just about the time that is waited for, many times over: each end is told exactly once, here or there."""

    async def run() -> int:
        short, told = ShortWait(), 0
        loop = asyncio.get_running_loop()

        def late(found: bool) -> None:
            nonlocal told
            told += 1

        for _ in range(60):
            short._again_at = 0.0
            if short.run(lambda: slept(STILL_S - 0.0001), loop, late) is not None:
                told += 1
            while short._busy:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        short.close()
        return told

    assert asyncio.run(run()) == 60


def test_requests_at_work_are_waited_for_a_few_turns(tmp_path: Path, disk: Disk) -> None:
    """Ten requests that become ready one turn after the other share a commit where the server says that they are under way."""

    async def run(expected: int) -> int:
        capture = Capture(tmp_path / str(expected), 0, Limits())
        capture.expected = lambda use_case: expected
        await capture.record("late", {"id": "first"}, 1)
        before = len(disk.calls)

        async def one(number: int) -> bool:
            for _ in range(number):
                await asyncio.sleep(0)
            return await capture.record("late", {"id": str(number)}, 1)

        assert all(await asyncio.gather(*(one(number) for number in range(6))))
        capture.close()
        return len(disk.calls) - before

    assert asyncio.run(run(6)) < asyncio.run(run(0))
