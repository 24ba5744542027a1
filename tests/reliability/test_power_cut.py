"""R1 without power: the disk is built anew as if every byte that was not synced were lost, at each moment of a promotion.

A kill alone cannot show a missing fsync, because the kernel keeps what a dead process wrote.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.errors import StoreError
from interlock.records.pointer import read_routes
from interlock.records.store import Store
from interlock.rules.routes import Route
from tests.reliability.disk import Disk, Loss
from tests.reliability.installation import NAME, ROOT, Installation
from tests.reliability.test_promotion_kills import attach, route_to
from tests.reliability.tracing import Call, read_calls, watched

pytestmark = pytest.mark.end_to_end
LOSSES: tuple[Loss, ...] = ("names too", "bytes only", "torn")


def moments(disk: Disk, calls: list[Call], folder: Path, every: int) -> Iterator[tuple[float, Loss, Path]]:
    """(time of the cut, what was lost, the folder as it is then) after every `every`-th call and around each sync and rename."""
    for number, call in enumerate(calls):
        disk.play([call])
        settled = "sync" in call.name or "rename" in call.name
        if number % every and not settled:
            continue
        until = calls[number + 1].ended if number + 1 < len(calls) else float("inf")
        for loss in LOSSES if settled else LOSSES[2:]:  # what is safe changes with a sync alone
            left = folder / "left"
            shutil.rmtree(left, ignore_errors=True)
            disk.left(left, loss, seed=number)
            yield until, loss, left


def store_without_power(installation: Installation, folder: Path, every: int, *broken: str) -> Counter[str]:
    """One promotion, and its store after a power cut at each moment: whole, and nothing gone that a person had been told."""
    evidence, package = installation.candidate()
    before = installation.world.route
    installation.store.close()
    disk = Disk(installation.settings.home.resolve())
    done = installation.promote(evidence, watched(folder / "calls"), *broken)
    assert done.returncode == 0, done.stderr
    told = {word: float(at) for word, at in (line.split() for line in done.stdout.splitlines())}
    calls = [call for call in read_calls(folder / "calls") if call.path == str(disk.root) or Path(call.path).name.startswith("store.db")]
    assert any("sync" in call.name for call in calls) or broken
    found: Counter[str] = Counter()
    for until, loss, left in moments(disk, calls, folder, every):
        store = Store(f"sqlite:///{left / 'store.db'}")
        state = installation.old_or_new(before, evidence, package, store)
        store.close()
        assert state != "old" or until <= told["receipt"], f"a person held a receipt, and the decision is gone ({loss})"
        assert state == "new" or until <= told["probation"], f"the run had said that it is live, and it is not ({loss})"
        found[state] += 1
    return found


def test_the_store_without_power_is_old_or_new_and_forgets_nothing_that_was_said(
        installation: Installation, tmp_path: Path, count: Callable[..., int], measured: Callable[..., None]) -> None:
    found = store_without_power(installation, tmp_path, count(1, 1000))
    assert set(found) == {"old", "decided", "new"}
    measured("R1", "the store without power", moments=sum(found.values()), left=dict(found))


def test_a_store_that_does_not_sync_is_caught(installation: Installation, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, StoreError), match=r"gone|is not \(|cannot be used"):
        store_without_power(installation, tmp_path, 20, "never-synced")


def server_without_power(installation: Installation, folder: Path, every: int, generation: int = 1) -> tuple[Counter[str], list[Path]]:
    """The server takes on a version; its own files after a power cut at each moment: the old route or the new one, and the new one from
    the moment on in which it said so. Also one folder of each different state, to start a server from."""
    old, new = installation.candidate()[1], installation.candidate()[1]
    installation.client.converge(route_to(generation, old, None))
    assert installation.server is not None
    run = installation.settings.folder("run").resolve()
    disk = Disk(run)
    tracer = attach(folder / "calls", installation.server.pid, watched(folder / "calls"))
    wanted = route_to(generation + 1, new, old)
    installation.client.converge(wanted)
    told = time.time()
    tracer.terminate()
    tracer.wait(10)
    found: Counter[str] = Counter()
    kept: dict[bytes, Path] = {}
    calls = [call for call in read_calls(folder / "calls") if call.path.startswith(str(run))]
    for until, loss, left in moments(disk, calls, folder, every):
        route = read_routes(left).get(NAME)
        assert route in (route_to(generation, old, None), wanted), f"{route} ({loss})"
        assert route == wanted or until <= told, f"the server said that it answers with the new version ({loss})"
        found["new" if route == wanted else "old"] += 1
        kept.setdefault(_content(left), shutil.copytree(left, folder / f"state {len(kept)}", dirs_exist_ok=True))
    return found, list(kept.values())


def _content(folder: Path) -> bytes:
    return b"\0".join(path.name.encode() + path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_the_server_without_power_is_old_or_new_and_starts_from_it(installation: Installation, tmp_path: Path, count: Callable[..., int],
                                                                   measured: Callable[..., None]) -> None:
    installation.start_server()
    found, states = server_without_power(installation, tmp_path, 1)
    assert set(found) == {"old", "new"}
    starts = []
    for state in states[-count(20, 1):]:
        installation.kill_server()
        run = installation.settings.folder("run")
        shutil.rmtree(run)
        shutil.copytree(state, run)
        routes: dict[str, Route] = read_routes(run)
        starts.append(installation.start_server())
        digest = routes[NAME].champion.digest if routes[NAME].champion else ""
        assert installation.answers_whole({digest}) == digest
    measured("R1", "the server without power", moments=sum(found.values()), left=dict(found), servers_started=len(starts),
             answering_s_max=round(max(starts), 2))


def test_a_server_that_does_not_sync_is_caught(installation: Installation, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text("import os\nos.fsync = lambda handle: None\n")
    installation.start_server(PYTHONPATH=f"{broken}:{ROOT}")
    with pytest.raises((AssertionError, StoreError), match=r"said that it|is damaged|None \("):
        server_without_power(installation, tmp_path, 1)


def test_the_disk_knows_what_is_safe(tmp_path: Path) -> None:
    """A file of 4 bytes; 2 more are written but not synced; a second file is synced, but its folder is not."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "a").write_bytes(b"1234")
    home = tmp_path / "home"
    disk = Disk(home)
    disk.play([Call(0, 0, "write", f"{home}/a", b"56"), Call(0, 0, "openat", f"{home}/b", flags="O_CREAT"),
               Call(0, 0, "write", f"{home}/b", b"x"), Call(0, 0, "fsync", f"{home}/b"),
               Call(0, 0, "rename", f"{home}/b", f"{home}/c".encode())])

    def left(loss: Any) -> dict[str, bytes]:
        shutil.rmtree(tmp_path / "left", ignore_errors=True)
        disk.left(tmp_path / "left", loss)
        return {path.name: path.read_bytes() for path in (tmp_path / "left").glob("*")}

    assert left("names too") == {"a": b"1234"}
    assert left("bytes only") == {"a": b"1234", "c": b"x"}
    disk.play([Call(0, 0, "fsync", f"{home}/a"), Call(0, 0, "fsync", str(home))])
    assert left("names too") == {"a": b"123456", "c": b"x"}
