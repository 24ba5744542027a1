"""R3, P8: server, workers and flows die by `kill -9` under load. Every answer is its own version's; nothing promised is lost."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from interlock.records import ledger
from interlock.records.segments import Frame, read_frames
from tests.control.conftest import World
from tests.reliability.disk import Disk
from tests.reliability.installation import NAME, ROOT, Installation, until
from tests.reliability.load import Load
from tests.reliability.test_promotion_kills import attach, route_to
from tests.reliability.tracing import WATCHED, read_calls, watched

pytestmark = pytest.mark.end_to_end
REPLIES = ("write", "writev", "sendto", "sendmsg")
LATE = """
from interlock.records.segments import SegmentWriter
sound, waiting = SegmentWriter.append, []
def append(self, payloads):
    waiting.extend(payloads)
    if len(waiting) >= 100:
        sound(self, waiting)
        waiting.clear()
SegmentWriter.append = append
"""
UNSYNCED = "import os\nos.fdatasync = os.fsync = lambda handle: None\n"


def captured_ids(installation: Installation) -> set[str]:
    """Request ids in every whole frame of every segment."""
    found = set()
    for path in (installation.settings.folder("capture") / NAME).glob("*.seg"):
        for item in read_frames(path):
            if isinstance(item, Frame):
                found |= {row["_request_id"] for row in msgspec.msgpack.decode(item.payload).get("rows", []) if isinstance(row, dict)} \
                    if b"_request_id" in item.payload else set()
    return found


def broken_server(folder: Path, code: str) -> dict[str, str]:
    """Environment of a server whose processes run this first."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": f"{folder}:{ROOT}"}


def first_version(installation: Installation, **environment: str) -> Load:
    """A server that answers with one version, and clients about to ask it."""
    installation.start_server(**environment)
    evidence, package = installation.candidate()
    installation.world.approve(evidence)
    installation.heal()
    load = Load(installation)
    load.know(package)
    assert installation.answers_whole({package}) == package
    return load.start()


def live_workers(installation: Installation) -> list[int]:
    return [worker["pid"] for worker in installation.client.health()["workers"] if worker["state"] == "live"]


def kill_a_worker(installation: Installation, load: Load, draw: random.Random, environment: dict[str, str]) -> None:
    time.sleep(draw.uniform(0, 0.3))
    wanted = installation.settings.serving_workers
    killed = draw.choice(live_workers(installation))
    os.kill(killed, signal.SIGKILL)
    until(lambda: killed not in live_workers(installation) and len(live_workers(installation)) == wanted, 0.02)


def kill_the_server(installation: Installation, load: Load, draw: random.Random, environment: dict[str, str]) -> None:
    time.sleep(draw.uniform(0, 0.3))
    installation.kill_server()
    installation.start_server(**environment)


def kill_a_flow(installation: Installation, load: Load, draw: random.Random, environment: dict[str, str]) -> None:
    """A promotion dies at some moment of its way; then keeper and `deploy` carry out what was decided."""
    evidence, package = installation.candidate()
    load.know(package)
    generation = installation.world.route.generation
    installation.store.close()
    flow = subprocess.Popen([sys.executable, "-m", "tests.reliability.promotion", evidence, str(generation), "without-staging"],
                            env=installation.environment(), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(draw.uniform(0.5, 2.5))
    flow.kill()
    flow.wait(10)
    installation.heal()


def kills(installation: Installation, number: int, environment: dict[str, str],
          victims: list[Callable[..., None]]) -> tuple[Load, Counter[str]]:
    """So many kills under load, and what must hold at the end."""
    draw, done = random.Random(7), Counter[str]()
    load = first_version(installation, **environment)
    try:
        for place in range(number):
            victim = victims[place % len(victims)]
            victim(installation, load, draw, environment)
            done[victim.__name__] += 1
            assert load.wrong == []
    finally:
        load.stop()
    assert load.wrong == []
    lost = set(load.promised) - captured_ids(installation)
    assert lost == set(), f"{len(lost)} of {len(load.promised)} promised predictions are lost"
    assert load.named <= routes_of(installation.world)
    return load, done


def routes_of(world: World) -> set[tuple[int, int, str]]:
    """(generation, version, digest) of every route that the ledger knows."""
    with world.store.reading() as session:
        bodies = [ledger.body_of(entry) for entry in ledger.entries(session, kinds=["route.changed"], limit=10_000)]
    return {(body["after"]["generation"], body["after"]["champion"]["version"], body["after"]["champion"]["digest"]) for body in bodies}


@pytest.mark.timeout(3_000)
def test_what_was_promised_survives_every_kill_and_every_answer_is_its_versions_own(
        installation: Installation, count: Callable[..., int], measured: Callable[..., None]) -> None:
    installation.settings = installation.world.settings = installation.settings.model_copy(update={"serving_workers": 2})
    load, done = kills(installation, count(100, 4), {}, [kill_a_worker, kill_a_flow, kill_a_worker, kill_the_server])
    assert len(load.promised) > 50
    measured("R3", "kills under load", kills=sum(done.values()), **done, promised=len(load.promised), lost=0, answered=load.answered,
             wrong_answers=0, versions=len({digest for *_, digest in load.named}), without_answer=load.failed)


def test_a_capture_that_writes_later_is_caught(installation: Installation, tmp_path: Path) -> None:
    environment = broken_server(tmp_path / "broken", LATE)
    with pytest.raises(AssertionError, match="promised predictions are lost"):
        kills(installation, 2, environment, [kill_a_worker])


def replies_before_sync(installation: Installation, folder: Path, requests: int, environment: dict[str, str]) -> tuple[int, int]:
    """Watch a worker's system calls under load: replies with `captured: true`, and how many of them left before their record was safe:
    before an fdatasync of the segment that began after its write, and an fsync of the folder that names it."""
    installation.start_server(**environment)
    package = installation.candidate()[1]
    installation.client.converge(route_to(1, package, None))
    capture = installation.settings.folder("capture").resolve()
    disk = Disk(capture)
    worker = installation.client.health()["workers"][0]["pid"]
    tracer = attach(folder / "calls", worker, watched(folder / "calls", calls=(*WATCHED, "sendto", "sendmsg")))
    load = Load(installation)
    load.know(package)
    load.start()
    until(lambda: len(load.promised) >= requests, 0.05, 120)
    load.stop()
    tracer.terminate()
    tracer.wait(10)
    calls = read_calls(folder / "calls")
    replies = sorted((call for call in calls if call.name in REPLIES and b'"captured":true' in call.data), key=lambda call: call.begun)
    writes = iter([call for call in calls if call.path.startswith(str(capture))])
    early, ahead = 0, next(writes, None)
    for reply in replies:
        while ahead is not None and ahead.ended <= reply.begun:
            disk.play([ahead])
            ahead = next(writes, None)
        asked = re.findall(rb'"id":"(load-[^"]*)"', reply.data)
        safe = [inode.safe[-100_000:] for inode in disk.safe_names.values()]
        early += sum(not any(request_id in data for data in safe) for request_id in asked)
    assert load.wrong == []
    return len(replies), early


def test_every_captured_reply_leaves_after_its_fdatasync(installation: Installation, tmp_path: Path, count: Callable[..., int],
                                                         measured: Callable[..., None]) -> None:
    replies, early = replies_before_sync(installation, tmp_path, count(5_000, 100), {})
    assert (replies >= count(5_000, 100), early) == (True, 0)
    measured("R3", "system calls of a worker", replies_captured=replies, before_their_fdatasync=early)


@pytest.mark.parametrize("code", [UNSYNCED, LATE], ids=["no sync", "written later"])
def test_replies_before_their_sync_are_caught(installation: Installation, tmp_path: Path, code: str) -> None:
    replies, early = replies_before_sync(installation, tmp_path, 50, broken_server(tmp_path / "broken", code))
    assert replies > 0
    assert early > 0


def test_ids_are_found_in_segments(installation: Installation, tmp_path: Path) -> None:
    """What this file reads is what the server writes."""
    load = first_version(installation)
    until(lambda: len(load.promised) >= 20)
    load.stop()
    found: Any = captured_ids(installation)
    assert set(load.promised) <= found
