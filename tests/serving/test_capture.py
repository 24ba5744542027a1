"""Capture: `captured: true` is said only after fdatasync, by many requests together, and a failing disk is told."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from interlock.records.segments import Frame, in_use, read_frames
from interlock.serving.capturing import Capture
from interlock.serving.limits import Limits


def bodies(root: Path) -> list[dict[str, Any]]:
    return [msgspec.msgpack.decode(item.payload) for path in sorted(root.glob("late/*.seg")) for item in read_frames(path)
            if isinstance(item, Frame)]


class Disk:
    """Counts fdatasync calls, and knows how many bytes of each file they have made safe; can fail or hang."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.syncs = 0
        self.safe: dict[int, int] = {}
        self.broken = False
        self.gate: threading.Event | None = None
        monkeypatch.setattr(os, "fdatasync", self.fdatasync)

    def fdatasync(self, handle: int) -> None:
        if self.gate is not None:
            self.gate.wait(60)
        if self.broken:
            raise OSError(5, "Input/output error")
        self.syncs += 1
        self.safe[os.fstat(handle).st_ino] = os.fstat(handle).st_size


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def lost_without_power(root: Path, disk: Disk, request_ids: list[str]) -> set[str]:
    """Which of these records a power cut at this moment would lose: everything after the last fdatasync of each file goes."""
    safe = set()
    for path in root.glob("late/*.seg"):
        for item in read_frames(path):
            if isinstance(item, Frame) and item.end <= disk.safe.get(path.stat().st_ino, 0):
                safe.add(msgspec.msgpack.decode(item.payload)["id"])
    return set(request_ids) - safe


def promises_kept(root: Path, disk: Disk) -> bool:
    """Record 50 requests at once; whether at each moment when one was told `captured`, its bytes were safe."""
    kept = []

    async def run() -> None:
        capture = Capture(root, 0, Limits())

        async def one(number: int) -> None:
            if await capture.record("late", {"kind": "predictions", "id": str(number)}, 1):
                kept.append(not lost_without_power(root, disk, [str(number)]))

        await asyncio.gather(*(one(number) for number in range(50)))
        capture.close()

    asyncio.run(run())
    return len(kept) == 50 and all(kept)


def test_captured_is_said_only_when_it_is_safe(tmp_path: Path, disk: Disk) -> None:
    assert promises_kept(tmp_path, disk)


def test_the_same_check_catches_a_capture_without_fdatasync(tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.records.segments.SegmentWriter.sync", lambda self: None)
    assert not promises_kept(tmp_path, disk)


def test_the_same_check_catches_an_answer_before_the_sync(tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def too_early(self: Capture, use_case: str, body: dict[str, Any], rows: int) -> bool:
        task = asyncio.create_task(real(self, use_case, body, rows))
        pending.add(task)
        return True

    pending: set[Any] = set()
    real = Capture.record
    monkeypatch.setattr(Capture, "record", too_early)
    disk.gate = threading.Event()
    threading.Timer(0.2, disk.gate.set).start()
    assert not promises_kept(tmp_path, disk)


def test_many_requests_share_one_sync(tmp_path: Path, disk: Disk) -> None:
    async def run() -> list[bool]:
        capture = Capture(tmp_path, 0, Limits())
        found = await asyncio.gather(*(capture.record("late", {"id": str(number)}, 1) for number in range(200)))
        capture.close()
        return found

    assert all(asyncio.run(run()))
    assert disk.syncs <= 4  # the header's, the first request's, and one for all who waited meanwhile
    assert len(bodies(tmp_path)) == 200


def test_the_loop_goes_on_while_the_disk_hangs(tmp_path: Path, disk: Disk) -> None:
    async def run() -> tuple[bool, int]:
        capture = Capture(tmp_path, 0, Limits(capture_timeout_s=0.3))
        disk.gate = threading.Event()
        waiting = asyncio.create_task(capture.record("late", {"id": "a"}, 1))
        turns = 0
        while not waiting.done():
            await asyncio.sleep(0.01)
            turns += 1
        disk.gate.set()
        capture.close()
        return waiting.result(), turns

    captured, turns = asyncio.run(run())
    assert not captured
    assert turns > 10


def test_a_failing_disk_is_told_and_the_gap_is_recorded_when_it_is_well_again(tmp_path: Path, disk: Disk) -> None:
    async def run() -> list[bool]:
        capture = Capture(tmp_path, 0, Limits())
        said = [await capture.record("late", {"kind": "predictions", "id": "a"}, 1)]
        disk.broken = True
        said += [await capture.record("late", {"kind": "predictions", "id": "b"}, 3) for _ in range(2)]
        disk.broken = False
        await asyncio.sleep(0.3)
        said.append(await capture.record("late", {"kind": "predictions", "id": "c"}, 1))
        assert capture.report()["late"] | {"syncs": 0} == {"rows": 2, "lost": 6, "syncs": 0, "failing": ""}
        capture.close()
        return said

    assert asyncio.run(run()) == [True, False, False, True]
    gap = next(body for body in bodies(tmp_path) if body.get("kind") == "gap")
    assert (gap["rows"], gap["error"]) == (6, "[Errno 5] Input/output error")
    assert gap["from"] < gap["to"]


def test_segments_are_rotated_by_size(tmp_path: Path) -> None:
    async def run() -> None:
        capture = Capture(tmp_path, 0, Limits(segment_bytes_max=1_000))
        for number in range(20):
            await capture.record("late", {"id": str(number), "text": "x" * 200}, 1)
        capture.close()

    asyncio.run(run())
    assert len(list(tmp_path.glob("late/*.seg"))) == 4  # about 230 bytes a frame: five reach 1,000
    assert [body["id"] for body in bodies(tmp_path)] == [str(number) for number in range(20)]


def test_an_old_segment_is_given_up_although_nothing_comes(tmp_path: Path) -> None:
    async def run() -> None:
        capture = Capture(tmp_path, 0, Limits(segment_age_s=0.05))
        await capture.record("late", {"id": "a"}, 1)
        path = next(tmp_path.glob("late/*.seg"))
        assert in_use(path)
        await asyncio.sleep(0.1)
        capture.report()
        assert not in_use(path)

    asyncio.run(run())


def test_what_waits_for_the_disk_is_bounded(tmp_path: Path, disk: Disk) -> None:
    async def run() -> list[bool]:
        capture = Capture(tmp_path, 0, Limits(capture_queue_bytes_max=5_000, capture_timeout_s=2))
        disk.gate = threading.Event()
        tasks = [asyncio.create_task(capture.record("late", {"text": "x" * 1_000}, 1)) for _ in range(20)]
        await asyncio.sleep(0.1)
        disk.gate.set()
        found = await asyncio.gather(*tasks)
        capture.close()
        return found

    assert 1 <= sum(asyncio.run(run())) <= 6
