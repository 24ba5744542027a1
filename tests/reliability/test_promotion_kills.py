"""R1: `kill -9` at the writes, fsyncs and renames of a promotion: only the old or the new state, and everything takes up its work."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from interlock.errors import InterlockError
from interlock.rules.routes import Route, Slot
from tests.reliability.installation import NAME, Installation, until
from tests.reliability.tracing import WRITES, Call, killed_at, read_calls, watched

pytestmark = pytest.mark.end_to_end
Point = tuple[str, str, int]  # call, path, its how-manieth


def points_of(calls: list[Call], root: Path, most: int) -> list[Point]:
    """Where to kill: the calls on files whose path starts with `root`, each by name, path and number. With few to choose from, those
    after a sync come first."""
    seen: Counter[tuple[str, str]] = Counter()
    found: list[tuple[bool, Point]] = []
    after_sync = True
    for call in calls:
        if call.name not in WRITES or not call.path.startswith(str(root)) or call.path.endswith("-shm"):
            continue
        seen[call.name, call.path] += 1
        found.append((after_sync, (call.name, call.path, seen[call.name, call.path])))
        after_sync = "sync" in call.name
    chosen = [point for first, point in found if first] + [point for first, point in found if not first]
    return chosen[:most] if most < len(found) else [point for _, point in found]


def promotion_points(installation: Installation, folder: Path, most: int) -> list[Point]:
    """The writes of one undisturbed promotion to the store."""
    evidence, package = installation.candidate()
    before = installation.world.route
    done = installation.promote(evidence, watched(folder / "calls"))
    assert done.returncode == 0, done.stderr
    assert installation.old_or_new(before, evidence, package) == "new"
    return points_of(read_calls(folder / "calls"), installation.settings.home.resolve() / "store.db", most)


def kill_one(installation: Installation, folder: Path, point: Point, *broken: str, staged: bool = False) -> tuple[str, bool]:
    """One promotion killed there: what is left, and whether it died."""
    evidence, package = installation.candidate()
    before = installation.world.route
    name, path, number = point
    done = installation.promote(evidence, killed_at(number, folder / "log", calls=(name,), paths=(Path(path),)), *broken, staged=staged)
    left = installation.old_or_new(before, evidence, package)
    if "receipt" in done.stdout:
        assert left in {"decided", "new"}, "a person was told, and it is gone"
    if installation.server is not None:
        installation.answers_whole({package, before.champion.digest if before.champion else ""})
        with_keeper(installation, left, evidence, package)
    return left, done.returncode != 0


def with_keeper(installation: Installation, left: str, evidence: str, package: str) -> None:
    """A new keeper recovers; what was decided is carried out, what was not can be decided now."""
    with installation.keeper() as seconds:
        installation.recoveries.append(seconds)
        if left == "new":
            until(lambda: installation.answers_whole({package}), 0.01)
    if left == "old":
        installation.world.approve(evidence)
    route = installation.heal()
    assert route.champion is not None
    assert route.champion.digest == package
    assert installation.answers_whole({package}) == package


def test_a_promotion_killed_at_any_write_leaves_the_old_or_the_new_state(installation: Installation, tmp_path: Path,
                                                                          count: Callable[..., int], measured: Callable[..., None]) -> None:
    installation.start_server()
    points = promotion_points(installation, tmp_path, count(10_000, 3))
    installation.heal()
    found = [kill_one(installation, tmp_path, point) for point in points]
    recoveries = installation.recoveries
    left = Counter(state for state, died in found if died)
    assert {"old", "new"} <= set(left) or len(points) < 20
    assert sum(left.values()) >= len(points) * 0.8
    assert max(recoveries) < 20, "about a second on a quiet machine; this bound only catches waiting for something"
    measured("R1", "a promotion killed", kills=sum(left.values()), left=dict(left), not_reached=len(found) - sum(left.values()),
             keeper_recovered_s_max=round(max(recoveries), 2), keeper_recovered_s_median=round(sorted(recoveries)[len(recoveries) // 2], 2))


def test_a_promotion_with_its_staging_killed_leaves_the_old_or_the_new_state(installation: Installation, tmp_path: Path,
                                                                             count: Callable[..., int],
                                                                             measured: Callable[..., None]) -> None:
    """As above with nothing left out: the last writes of the store come after the staging server has answered."""
    installation.start_server()
    points = promotion_points(installation, tmp_path, 10_000)
    installation.heal()
    chosen = points[-1:] if count(2, 1) == 1 else points[:: max(1, len(points) // 12)]
    found = [kill_one(installation, tmp_path, point, staged=True) for point in chosen]
    left = Counter(state for state, died in found if died)
    assert left
    measured("R1", "a promotion with its staging killed", kills=sum(left.values()), left=dict(left),
             not_reached=len(found) - sum(left.values()))


def test_a_promotion_in_two_transactions_is_caught(installation: Installation, tmp_path: Path) -> None:
    points = promotion_points(installation, tmp_path, 8)
    with pytest.raises(AssertionError):
        [(kill_one(installation, tmp_path, point, "two-transactions"), installation.heal()) for point in points]


def attach(log: Path, pid: int, options: list[str]) -> subprocess.Popen[bytes]:
    """strace on a running process; returns once it traces every thread."""
    tracer = subprocess.Popen([*options, "-p", str(pid)], stderr=subprocess.DEVNULL)
    until(lambda: all("TracerPid:\t0" not in task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/status")), 0.01, 10)
    return tracer


def route_to(generation: int, champion: str, previous: str | None) -> Route:
    return Route(use_case=NAME, generation=generation, champion=Slot(version=generation, digest=champion),
                 previous=Slot(version=generation - 1, digest=previous) if previous else None)


def server_points(installation: Installation, folder: Path, old: str, new: str, most: int) -> list[Point]:
    """What the server writes while it takes on a new version: each kind of call by its number, since threads and temporary names differ
    from run to run."""
    assert installation.server is not None
    pid = installation.server.pid
    tracer = attach(folder / "calls", pid, watched(folder / "calls"))
    installation.client.converge(route_to(2, new, old))
    tracer.terminate()
    tracer.wait(10)
    found = points_of(read_calls(folder / "calls"), installation.settings.folder("run"), 10_000)
    assert {"fsync", "rename"} <= {name for name, *_ in found}
    numbers = Counter(name for name, *_ in found)
    return [(name, "", number) for name in ("fsync", "rename", "write") for number in range(1, numbers[name] + 1)][:most]


def kill_server_at(installation: Installation, folder: Path, point: Point, generation: int, old: str) -> tuple[str, bool, float, str]:
    """The server killed while it takes on one more version: what it answers with after a start without the store, and how fast."""
    _, new = installation.candidate()
    assert installation.server is not None
    name, _, number = point
    tracer = attach(folder / "log", installation.server.pid, killed_at(number, folder / "log", calls=(name,)))
    told = False
    with suppress(InterlockError):
        told = installation.client.converge(route_to(generation, new, old)).generation == generation
    died = installation.server.poll() is not None or _ends(installation.server)
    tracer.terminate()
    tracer.wait(10)
    seconds = 0.0
    if died:
        installation.kill_server()
        seconds = installation.start_server()
    answered = installation.answers_whole({old, new})
    assert answered == new or not told, "the server said it answers with the new version, and came back with the old one"
    observed = installation.client.converge(route_to(generation, new, old))
    assert observed.generation == generation
    assert installation.answers_whole({new}) == new
    return "new" if answered == new else "old", died, seconds, new


def _ends(process: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + 0.5
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    return process.poll() is not None


def test_a_server_killed_while_it_takes_on_a_version_comes_back_with_the_old_or_the_new_one(
        installation: Installation, tmp_path: Path, count: Callable[..., int], measured: Callable[..., None]) -> None:
    installation.start_server()
    old = installation.candidate()[1]
    installation.client.converge(route_to(1, old, None))
    new = installation.candidate()[1]
    points = server_points(installation, tmp_path, old, new, count(10_000, 4))
    old, generation, found = new, 2, []
    for point in points:
        generation += 1
        left, died, seconds, old = kill_server_at(installation, tmp_path, point, generation, old)
        found.append((left, died, seconds))
    kills = [item for item in found if item[1]]
    assert len(kills) >= len(points) * 0.25, "a thread may reach its n-th call or not"
    assert max(seconds for *_, seconds in kills) < 30, "about 1.3 s on a quiet machine; this bound only catches waiting for something"
    measured("R1", "a server killed", kills=len(kills), left=dict(Counter(left for left, *_ in kills)), not_reached=len(found) - len(kills),
             answering_s_max=round(max(seconds for *_, seconds in kills), 2))
