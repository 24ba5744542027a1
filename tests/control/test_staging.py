"""Staging on a real server with real packages: what passes, other bytes, a stalled model, a model that answers wrong, a killed flow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from interlock.control.releases import deploying, staging, temporary_server
from interlock.control.releases.temporary_server import TemporaryServer, sweep
from interlock.errors import Unavailable
from interlock.records import ledger
from interlock.records.tables import Alert
from interlock.rules.routes import Route, Slot
from interlock.rules.staging import StagingJudgement
from interlock.settings import settings_environment
from tests.control.test_real_server import build

World = Any  # tests/control/conftest.py
NAME = "small_loans"
pytestmark = pytest.mark.end_to_end
# A generous limit: these tests share two cores with others. The stall below is far over it.
LOAD = "[staging]\nload_rate_per_s = 60\nload_seconds = 2\nload_p99_ms_max = 700\nload_error_rate_max = 0.05\n"


@pytest.fixture
def staged(make_world: Callable[..., World]) -> Callable[..., tuple[World, deploying.Plan]]:
    """A world with an approved candidate; `text` is its `[staging]`."""

    def make(text: str = LOAD) -> tuple[World, deploying.Plan]:
        from tests.control.conftest import USE_CASE

        world = make_world(USE_CASE.replace("[staging]\nload_seconds = 0\n", text))
        digest = build(world.settings.folder("packages"), 3)
        release = world.approve(world.candidate(1, package=digest)).release_id
        return world, deploying.load(world.settings, world.store, release)

    return make


def verdicts(found: StagingJudgement) -> dict[str, str]:
    return {measure.name: measure.verdict for measure in found.measures}


@contextmanager
def stalling(seconds: float, pause: float) -> Iterator[Callable[[TemporaryServer], None]]:
    """Stop the worker again and again: a model that is too slow for the rate."""
    done, threads = threading.Event(), []

    def stall(pid: int) -> None:
        while not done.wait(pause):
            try:
                os.kill(pid, signal.SIGSTOP)
                done.wait(seconds)
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                return

    def up(server: TemporaryServer) -> None:
        threads.append(threading.Thread(target=stall, args=(server.client.health()["workers"][0]["pid"],)))
        threads[-1].start()

    yield up
    done.set()
    for thread in threads:
        thread.join(10)


def test_the_load_test_stops_a_slow_model_and_lets_the_same_one_pass_without_the_fault(staged: Callable[..., Any]) -> None:
    world, plan = staged()
    good = staging.rehearse(world.settings, world.store, plan)
    assert good.verdict == "pass", good.sentence
    assert verdicts(good) == dict.fromkeys(["identity", "golden", "latency", "errors"], "pass") | {"rows": "observed"}  # no snapshot here
    with stalling(1.2, 0.3) as slow:
        bad = staging.rehearse(world.settings, world.store, plan, up=slow)
    assert (bad.verdict, verdicts(bad)["latency"]) == ("fail", "fail"), bad.sentence
    assert not list(world.settings.folder("run").glob("staging-*"))


def test_other_bytes_on_the_staging_server_are_caught(staged: Callable[..., Any]) -> None:
    world, plan = staged()
    other = build(world.settings.folder("packages"), 4)

    def swap(server: TemporaryServer) -> None:
        server.client.converge(Route(use_case=NAME, generation=5, champion=Slot(version=1, digest=other)))

    found = staging.rehearse(world.settings, world.store, plan, up=swap)
    assert (found.verdict, verdicts(found)["identity"]) == ("fail", "fail")
    assert "latency" not in verdicts(found)  # nothing more is asked of a stranger


def test_a_staging_that_does_not_look_at_the_digest_lets_other_bytes_through(staged: Callable[..., Any],
                                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant: replies are taken for the candidate's, and the other model's own answers for right."""
    world, plan = staged("[staging]\nload_seconds = 0\n")
    other = build(world.settings.folder("packages"), 4)
    swapped = Slot(version=1, digest=other)
    monkeypatch.setattr(staging, "_ask", lambda server, name, slot, rows, expected, ask=staging._ask: ask(
        server, name, swapped, rows, staging.own_answers(world.settings, staging.read_package(
            world.settings.folder("packages"), other), rows.records)))
    found = staging.rehearse(world.settings, world.store, plan, up=lambda server: server.client.converge(
        Route(use_case=NAME, generation=5, champion=swapped)) and None)
    assert found.verdict == "pass"


def test_a_model_that_answers_otherwise_than_recorded_is_stopped(staged: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    world, plan = staged()
    monkeypatch.setattr(staging, "golden_scores", lambda package: staging.own_answers(
        world.settings, package, staging.golden_records(package).records) + 0.001)
    found = staging.rehearse(world.settings, world.store, plan)
    assert (found.verdict, verdicts(found)["golden"]) == ("fail", "fail")


def test_no_server_is_no_verdict_and_nothing_is_released(staged: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    world, plan = staged()
    tries = []

    def refuse(*_: Any) -> None:
        tries.append(1)
        raise Unavailable("the temporary prediction server did not come up")

    monkeypatch.setattr(staging, "temporary_server", refuse)
    release = plan.release.id
    outcome = deploying.carry_out(world.settings, world.store, world.endpoint, release, clock=world.clock)
    assert (outcome.state, world.route.generation, world.endpoint.routes, len(tries)) == ("failed", 0, {}, 2)
    found = world.release(release)
    assert found.reason.startswith("staging has no verdict: server:")
    assert [(one["stage"], one["verdict"], one["facts"]["attempt"]) for one in found.analysis] == [("staging", "unknown", 2)]
    with world.store.reading() as session:
        assert session.query(Alert).one().title == "version 1 of small_loans was not released"
    assert ledger.verify(world.store).ok


def test_a_stage_without_a_judgement_leads_nowhere(staged: Callable[..., Any]) -> None:
    world, plan = staged()
    assert deploying.stage(world.store, plan, [], None, clock=world.clock) == "failed"
    assert world.release(plan.release.id).reason == "it was not staged"


CODE = """
import sys
from interlock.control.releases.temporary_server import temporary_server
from interlock.settings import load_settings
with temporary_server(load_settings(), "staging") as server:
    print(server.process.pid, server.client.health()["workers"][0]["pid"], flush=True)
    sys.stdin.read()
"""


def test_a_killed_flow_leaves_no_server_behind(staged: Callable[..., Any]) -> None:
    world, _ = staged()
    flow = subprocess.Popen([sys.executable, "-c", CODE], env=os.environ | settings_environment(world.settings), stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert flow.stdout is not None
    pids = [int(word) for word in flow.stdout.readline().split()]
    assert len(pids) == 2
    assert all(psutil.pid_exists(pid) for pid in pids)
    flow.kill()
    flow.communicate(timeout=10)
    until = time.monotonic() + 20
    while any(_alive(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert [pid for pid in pids if _alive(pid)] == []
    run = world.settings.folder("run")
    assert len(list(run.glob("staging-*"))) == 1  # a killed process cannot tidy up
    assert sweep(run) == 1
    assert list(run.glob("staging-*")) == []


def test_a_server_at_work_is_not_swept_away(staged: Callable[..., Any]) -> None:
    world, _ = staged()
    with temporary_server.temporary_server(world.settings, "drill") as server:
        assert sweep(world.settings.folder("run")) == 0
        assert server.settings.home.is_dir()
    assert not server.settings.home.exists()


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
