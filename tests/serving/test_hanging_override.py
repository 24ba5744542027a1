"""A rollback that a hanging disk does not take: tried again and again by one thread, said in words, and durable once the disk answers."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from interlock.rules.routes import Route, Slot
from interlock.serving import tracks as tracks_module
from interlock.serving.tracks import Tracks, rolled_back

NAME = "late"


def tried_on_a_hanging_disk(run: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, bool]:
    """How often writing was begun while ten attempts found the disk hanging, and whether the override is durable once it answers."""
    answers, begun = threading.Event(), list[str]()

    def hangs(folder: Path, override: Any) -> None:
        begun.append(override.use_case)
        assert answers.wait(10)

    monkeypatch.setattr(tracks_module, "write_override", hangs)
    monkeypatch.setattr(tracks_module, "DISK_S", 0.02)

    async def scenario() -> tuple[int, bool]:
        known = Tracks(run)
        first, second = (Slot(version=number, digest=f"sha256:{number:064d}") for number in (1, 2))
        track = known.get(NAME)
        track.route = Route(use_case=NAME, generation=2, champion=second, previous=first)
        known.overrule(track, rolled_back(track, actor="ana", reason="errors", override_id="incident-1", to="previous",
                                          now=lambda: datetime(2026, 1, 1, tzinfo=UTC)))
        for _ in range(10):
            await known.keep_override(track)
        attempts = len(begun)
        answers.set()
        for _ in range(100):
            await known.keep_override(track)
            if track.durable:
                break
        return attempts, track.durable

    return asyncio.run(scenario())


def test_one_thread_waits_for_a_hanging_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    assert tried_on_a_hanging_disk(tmp_path, monkeypatch) == (1, True)
    assert "the override of late is in memory only: the disk has not answered within 0.02 s" in caplog.text


def test_a_thread_for_each_attempt_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def anew(self: Tracks, override: Any) -> asyncio.Task[None]:
        return asyncio.create_task(asyncio.to_thread(tracks_module.write_override, self._run, override))

    monkeypatch.setattr(Tracks, "_written", anew)
    assert tried_on_a_hanging_disk(tmp_path, monkeypatch)[0] > 1
