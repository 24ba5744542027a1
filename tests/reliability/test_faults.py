"""R8: store locked, disk full, Prefect and MLflow down, the clock jumps: serving goes on; a promotion is refused or deferred, whole."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from interlock.control.decisions import actions
from interlock.control.keeping.keeper import Keeper
from interlock.control.status import status
from interlock.errors import Unavailable
from interlock.records import ledger
from interlock.records import store as records_store
from interlock.records.ids import new_id
from interlock.records.segments import Frame, read_frames
from interlock.records.store import Store, utc_now
from tests.control.conftest import Clock, World
from tests.reliability.installation import NAME, ROOT, Installation, until
from tests.reliability.load import Load
from tests.reliability.test_kills_under_load import first_version
from tests.reliability.test_promotion_kills import route_to
from tests.reliability.tracing import needs

pytestmark = pytest.mark.end_to_end
HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA busy_timeout=5000")
if sys.argv[2] == "everybody":
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(installation: Installation, who: str) -> Iterator[None]:
    """Another process holds the store: against writers, or against everybody."""
    installation.store.close()
    path = installation.settings.store_address.removeprefix("sqlite:///")
    with subprocess.Popen([sys.executable, "-c", HOLD, path, who], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield


def two_versions(installation: Installation) -> tuple[Load, str, str]:
    """Version 2 live after version 1, under load."""
    load = first_version(installation)
    first = installation.world.route.champion
    evidence, second = installation.candidate()
    load.know(second)
    installation.world.approve(evidence)
    installation.heal()
    assert installation.answers_whole({second}) == second
    assert first is not None
    return load, first.digest, second


@pytest.mark.parametrize("who", ["writers", "everybody"])
def test_a_locked_store_stops_no_answer_and_no_rollback(installation: Installation, monkeypatch: pytest.MonkeyPatch, who: str,
                                                        measured: Callable[..., None]) -> None:
    monkeypatch.setattr(records_store, "BUSY_TIMEOUT_MS", 1_000)
    load, first, second = two_versions(installation)
    evidence, _ = installation.candidate()
    before = installation.world.route
    with locked(installation, who):
        answered = load.answered
        with pytest.raises(Unavailable, match="the store does not answer"):
            actions.approve(installation.settings, installation.store, actor="ben", evidence_digest=evidence, reason="clear",
                            nonce=new_id(), expected_generation=before.generation)
        began = time.monotonic()
        monkeypatch.setattr(records_store, "BUSY_TIMEOUT_MS", 10_000)
        command = subprocess.Popen([sys.executable, "-m", "interlock.cli.main", "rollback", NAME, "--reason", "complaints", "--yes"],
                                   env=installation.environment(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        until(lambda: installation.client.predict(NAME, [{"age": 30.0, "income": 50.0}])["digest"] == first, 0.01)
        swapped = time.monotonic() - began
    said = command.communicate(timeout=60)[0]  # it tries for 10 s to write it down; what it cannot, the keeper does
    assert "the endpoint answers with version 1" in said
    assert swapped < 8, "0.3 s for the store each time it is asked; its whole patience of 10 s, twice, was the fault"
    assert load.answered > answered
    load.stop()
    assert (load.wrong, load.failed) == ([], 0)
    route = installation.heal()  # the lock is gone: the rollback is written down, the approval can be given
    assert route.champion is not None
    assert (route.champion.digest, route.generation) == (first, before.generation + 1)
    assert ledger.verify(installation.store).ok
    measured("R8", f"store locked against {who}", failed_answers=0, answered=load.answered, command_to_old_version_s=round(swapped, 2),
             approval="refused in words", written_down_after=True)


class Filler:
    """Takes all the room that a disk has left, and gives it back."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "filler"

    def fill(self) -> None:
        with self._path.open("wb", buffering=0) as file:
            for size in (65_536, 4_096, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue

    def make_room(self) -> None:
        self._path.unlink()


@contextmanager
def small_disk(folder: Path) -> Iterator[Filler]:
    """The folder on a disk of 2 MiB of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = shutil.copytree(folder, folder.with_name(folder.name + ".kept"))
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False)
    needs(done.returncode == 0, "a 2 MiB disk must be mounted: run as root")
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    try:
        yield Filler(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("policy", ["serve", "refuse"])
def test_a_full_disk_under_the_capture_is_said_in_every_reply(installation: Installation, policy: str,
                                                              measured: Callable[..., None]) -> None:
    installation.start_server()
    package = installation.candidate()[1]
    with small_disk(installation.settings.folder("capture")) as disk:
        disk.fill()
        installation.client.converge(route_to(1, package, None).model_copy(update={"on_capture_failure": policy}))
        replies, refused = [], list[str]()
        for _ in range(50):
            try:
                replies.append(installation.client.predict(NAME, [{"age": 30.0, "income": 50.0}]))
            except Unavailable as error:
                refused.append(error.what)
        assert all("cannot be recorded" in said for said in refused)
        assert (len(replies), len(refused)) == ((50, 0) if policy == "serve" else (0, 50))
        assert not any(reply["captured"] for reply in replies)
        disk.make_room()
        until(lambda: installation.client.predict(NAME, [{"age": 30.0, "income": 50.0}])["captured"])
        frames = [item.payload for path in (installation.settings.folder("capture") / NAME).glob("*.seg") for item in read_frames(path)
                  if isinstance(item, Frame)]
        assert any(b"No space left" in frame for frame in frames), "the gap is on record, with its reason"
        installation.kill_server()
    measured("R8", f"disk full under the capture ({policy})", disk="tmpfs of 2 MiB", answered_uncaptured=len(replies), refused=len(refused),
             gap_recorded=True)


def test_a_full_disk_under_the_store_leaves_nothing_half_done(installation: Installation, tmp_path: Path,
                                                              measured: Callable[..., None]) -> None:
    load, _, second = two_versions(installation)
    evidence, package = installation.candidate()
    before = installation.world.route
    installation.store.close()
    home = installation.settings.home.resolve()
    (tmp_path / "small").mkdir()
    shutil.copy(home / "store.db", tmp_path / "small" / "store.db")
    with small_disk(tmp_path / "small") as disk:
        full = Store(f"sqlite:///{tmp_path / 'small' / 'store.db'}")
        assert installation.old_or_new(before, evidence, package, full) == "old"
        disk.fill()
        world = World(installation.settings, full, installation.world.endpoint, utc_now)
        with pytest.raises(Unavailable, match="is its disk full"):
            world.approve(evidence)
        assert installation.old_or_new(before, evidence, package, full) == "old"
        answered = load.answered
        until(lambda: load.answered > answered + 20)
        disk.make_room()
        world.approve(evidence)
        assert installation.old_or_new(before, evidence, package, full) == "decided"
        full.close()
    load.stop()
    assert (load.wrong, load.failed) == ([], 0)
    assert installation.answers_whole({second}) == second
    measured("R8", "disk full under the store", disk="tmpfs of 2 MiB", approval="refused in words, nothing written", failed_answers=0)


def test_with_prefect_and_mlflow_down_a_promotion_waits_and_says_so(installation: Installation, measured: Callable[..., None]) -> None:
    load = first_version(installation)
    before = installation.world.route
    evidence, package = installation.candidate()
    load.know(package)
    with installation.keeper():
        installation.world.approve(evidence)
        until(lambda: "trouble" in status(installation.settings, installation.store).parts["keeper"], 0.2)
        parts = status(installation.settings, installation.store).parts
        assert parts["Prefect"].startswith("down")
        assert parts["MLflow"].startswith("down")
        assert "Prefect does not answer" in parts["keeper"]
        assert installation.old_or_new(before, evidence, package) == "decided"
    route = installation.heal()  # Prefect is back
    load.stop()
    assert route.champion is not None
    assert route.champion.digest == package
    assert (load.wrong, load.failed) == ([], 0)
    measured("R8", "Prefect and MLflow down", failed_answers=0, decision="accepted, carried out when Prefect was back")


def faketime(jump: str) -> list[str]:
    found = shutil.which("faketime")
    needs(found is not None, "clock jumps need faketime: apt-get install faketime")
    return [str(found), "-m", "-f", jump]


def test_a_clock_that_jumps_expires_decisions_and_moves_nothing(installation: Installation, measured: Callable[..., None]) -> None:
    """A run whose clock is 30 days ahead refuses the stale evidence; one that is 30 days behind still needs every check to hold."""
    load = first_version(installation)
    before = installation.world.route
    evidence, package = installation.candidate()
    load.know(package)
    ahead = installation.promote(evidence, faketime("+30d"))
    assert ahead.returncode != 0
    assert "days old" in ahead.stderr or "stale" in ahead.stderr or "older" in ahead.stderr, ahead.stderr[-500:]
    assert installation.old_or_new(before, evidence, package) == "old"
    behind = installation.promote(evidence, faketime("-30d"))
    left = installation.old_or_new(before, evidence, package)
    assert left in {"old", "new"}
    if left == "new":
        assert behind.returncode == 0
    route = installation.heal()
    assert ledger.verify(installation.store).ok
    load.stop()
    assert (load.wrong, load.failed) == ([], 0)
    measured("R8", "clock jumps of a run", tool="libfaketime", ahead="refused: evidence too old", behind=left, failed_answers=0,
             generation=route.generation)


def listens(port: int) -> bool:
    """Whether anybody, such as a worker that is just ending, takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_servers_clock_jumps_under_load(installation: Installation, tmp_path: Path, measured: Callable[..., None]) -> None:
    needs(shutil.which("faketime") is not None, "clock jumps need faketime: apt-get install faketime")
    library = next(Path("/usr/lib").rglob("libfaketime.so.1"))
    offset = tmp_path / "offset"
    offset.write_text("+0")
    load = first_version(installation)  # its package is proven now: libfaketime breaks time.sleep, which waiting for a child needs
    installation.kill_server()
    until(lambda: not listens(installation.settings.predictions_port))
    installation.start_server(LD_PRELOAD=str(library), FAKETIME_TIMESTAMP_FILE=str(offset), FAKETIME_DONT_FAKE_MONOTONIC="1",
                              FAKETIME_NO_CACHE="1")
    answered = load.answered
    until(lambda: load.answered > answered + 10)
    load.failed = 0  # nobody answered between the two servers
    pids = [worker["pid"] for worker in installation.client.health()["workers"]]
    for jump in ("+40d", "-40d", "+0"):
        offset.write_text(jump)
        answered = load.answered
        until(lambda answered=answered: load.answered > answered + 40)
    assert [worker["pid"] for worker in installation.client.health()["workers"]] == pids
    load.stop()
    assert (load.wrong, load.failed) == ([], 0)
    measured("R8", "clock jumps of the server", tool="libfaketime", jumps=3, answered=load.answered, failed_answers=0, restarts=0)


def a_clock_put_back_stops_no_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs every few seconds would otherwise wait until the old time comes again."""
    clock, compacted = Clock(), []
    keeper = Keeper(world.settings, world.store, world.endpoint, clock, compact=lambda: compacted.append(clock.now))
    monkeypatch.setattr(keeper, "dispatcher", type("None", (), {"run_once": lambda self: []})())
    for step in (timedelta(0), timedelta(seconds=6), -timedelta(days=30), timedelta(seconds=6), timedelta(seconds=6)):
        clock.now += step
        keeper.run_once()
        keeper.beside.wait()
    keeper.close()
    assert len(compacted) == 5


def test_a_keeper_whose_clock_jumps_back_goes_on_with_all_its_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    a_clock_put_back_stops_no_work(world, monkeypatch)


def test_a_keeper_that_waits_for_the_old_time_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def naive(self: Keeper, step: str, seconds: float) -> bool:
        now = self.clock()
        if now < self._due.get(step, now):
            return False
        self._due[step] = now + timedelta(seconds=seconds)
        return True

    monkeypatch.setattr(Keeper, "_is_due", naive)
    with pytest.raises(AssertionError):
        a_clock_put_back_stops_no_work(world, monkeypatch)


def a_held_store_holds_up_no_rollback(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process holds the store against everybody, for longer than its patience: the endpoint swaps well before that is over."""
    monkeypatch.setattr(records_store, "BUSY_TIMEOUT_MS", 3_000)
    for number in (1, 2):
        world.make_live(number)
    generation, swapped = world.route.generation, []
    sound = world.endpoint.rollback

    def rollback(*given: object, **more: object) -> object:
        swapped.append(time.monotonic())
        return sound(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(world.endpoint, "rollback", rollback)
    patient = Store(world.settings.store_address)
    world.store.close()
    hold = [sys.executable, "-c", HOLD, world.settings.store_address.removeprefix("sqlite:///"), "everybody"]
    with subprocess.Popen(hold, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        began = time.monotonic()
        receipt = actions.rollback(world.settings, patient, actor="cas", use_case=NAME, reason="complaints", nonce=new_id(),
                                   expected_generation=generation, endpoint=world.endpoint, clock=world.clock)
    patient.close()
    assert receipt.sentence.endswith("the keeper writes it down later")
    assert swapped[0] - began < 2.5, "0.3 s for the store; its whole patience of 3 s is what must not be waited for"


def test_a_held_store_holds_up_no_rollback(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    a_held_store_holds_up_no_rollback(world, monkeypatch)


def test_a_rollback_that_waits_for_the_store_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Store.reading
    monkeypatch.setattr(Store, "reading", lambda self, hasty=False: sound(self))
    with pytest.raises(AssertionError, match="whole patience"):
        a_held_store_holds_up_no_rollback(world, monkeypatch)
