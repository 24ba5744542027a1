"""Approve → deploy → canary → live → rollback against the real prediction server, with real packages and the keeper's own passes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interlock.control.decisions import actions
from interlock.control.embedded import EmbeddedEndpoint
from interlock.control.keeping.keeper import Keeper, head_path
from interlock.control.releases import deploying
from interlock.errors import InterlockError
from interlock.modeling.features import FeatureSpace, FeatureSpec
from interlock.modeling.package import Manifest, golden_rows, write_package
from interlock.records import ledger
from interlock.records.ids import new_id
from interlock.records.store import utc_now
from interlock.serving.client import ServingClient
from interlock.settings import settings_environment

World = Any  # tests/control/conftest.py
NAME = "small_loans"
SPACE = FeatureSpace(specs=[FeatureSpec(name="age", kind="numeric"), FeatureSpec(name="income", kind="numeric")])
STEPS = "steps = [{ percent = 50, bake_s = 0.2, requests_min = 40 }]\nwait_max_s = 600\nprobation_s = 0.2\nscore_shift_max = 5.0\n"
pytestmark = pytest.mark.end_to_end


def build(root: Path, seed: int) -> str:
    """A small real model that gives other answers for another seed."""
    import xgboost

    draw = np.random.default_rng(seed)
    rows = [{"age": float(draw.integers(18, 80)), "income": float(draw.integers(10, 200))} for _ in range(120)]
    moments = [datetime(2024, 1, 1, tzinfo=UTC)] * len(rows)
    matrix, _ = SPACE.encode_records(rows, moments)
    data = xgboost.DMatrix(matrix, label=draw.integers(0, 2, len(rows)), feature_types=SPACE.feature_types)
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 3, "nthread": 1, "seed": seed}, data, num_boost_round=3)
    margins = booster.inplace_predict(matrix[:10], predict_type="margin", missing=np.nan, validate_features=False)
    manifest = Manifest(use_case=NAME, task="binary", features=SPACE, xgboost_version=xgboost.__version__, code_version="test",
                        snapshot_digest="sha256:" + "0" * 64, spec_digest="sha256:" + "0" * 64)
    return write_package(root, booster_ubj=bytes(booster.save_raw("ubj")), manifest=manifest, profile_json=b"{}",
                         golden=golden_rows(rows[:10], moments[:10], margins))


class Fake:
    """Prefect's place: what the keeper dispatches is carried out at once, in this process."""

    def __init__(self, world: World, endpoint: EmbeddedEndpoint) -> None:
        self.world, self.endpoint = world, endpoint

    def run_once(self) -> list[str]:
        from interlock.records import outbox

        with self.world.store.writing() as session:
            for row in outbox.due(session, utc_now()):
                outbox.move(session, row, utc_now(), state="done")
                if row.deployment == "deploy/deploy":
                    session.commit()
                    deploying.carry_out(self.world.settings, self.world.store, self.endpoint, row.parameters["release_id"])
        return []


@pytest.fixture
def server(make_world: Callable[..., World]) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    settings = make_world().settings
    names = {"home": settings.home, "predictions_port": settings.predictions_port, "control_port": settings.control_port}

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-m", "interlock.serving"],
                                   env=os.environ | {f"INTERLOCK_{name.upper()}": str(value) for name, value in names.items()})
        started.append(process)
        with ServingClient(settings) as client:
            until(lambda: client.health()["workers_live"] == 1)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(15)


def until(condition: Callable[[], Any], timeout_s: float = 60) -> None:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        try:
            if condition():
                return
        except InterlockError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"not within {timeout_s:g} s")


def with_quick_steps(make_world: Callable[..., World]) -> World:
    """A world on the machine's own clock whose canary and probation last moments."""
    text = (make_world().settings.usecases_dir / f"{NAME}.toml").read_text()
    head, _, tail = text.partition("steps =")
    world = make_world(head + STEPS + "\n[approval]" + tail.partition("[approval]")[2])
    world.clock = utc_now
    return world


def test_the_whole_way_on_the_real_server(make_world: Callable[..., World], server: Callable[[], subprocess.Popen[bytes]]) -> None:
    world = with_quick_steps(make_world)
    packages = world.settings.folder("packages")
    first, second = build(packages, 1), build(packages, 2)
    endpoint = EmbeddedEndpoint(world.settings)
    keeper = Keeper(world.settings, world.store, endpoint, compact=lambda: None)
    keeper.dispatcher = Fake(world, endpoint)  # type: ignore[assignment]
    client = ServingClient(world.settings)

    receipt = world.approve(world.candidate(1, package=first))
    keeper.run_once()                                                   # decided while the server was down
    assert world.release(receipt.release_id).state == "probation"
    process = server()
    until(lambda: keeper.run_once() or endpoint.observed(NAME).generation == 1)
    assert client.predict(NAME, [{"age": 30, "income": 50}])["digest"] == first
    until(lambda: keeper.run_once() or world.release(receipt.release_id).state == "live")

    receipt = world.approve(world.candidate(2, package=second))
    keeper.run_once()
    assert endpoint.observed(NAME).candidate_percent == 50
    client.predict(NAME, [{"id": new_id(), "age": 20 + n % 50, "income": 40 + n} for n in range(200)])
    until(lambda: keeper.run_once() or endpoint.observed(NAME).generation == 3)
    assert client.predict(NAME, [{"age": 30, "income": 50}])["digest"] == second
    until(lambda: keeper.run_once() or world.release(receipt.release_id).state == "live")

    began = time.monotonic()
    rolled = actions.rollback(world.settings, world.store, actor="cas", use_case=NAME, reason="complaints", nonce=new_id(),
                              expected_generation=world.route.generation)
    assert time.monotonic() - began < 10  # with Prefect away, it does not wait for it
    assert rolled.observed is not None
    assert (rolled.observed.champion.digest, rolled.observed.override) == (first, False)
    assert client.predict(NAME, [{"age": 30, "income": 50}])["digest"] == first

    process.kill()                                                      # a server that starts anew answers from its own file at once
    process.wait(10)
    keeper.run_once()
    assert keeper.found[NAME].found == "unreachable"
    server()
    assert client.predict(NAME, [{"age": 30, "income": 50}])["digest"] == first
    until(lambda: keeper.run_once() or keeper.found[NAME].found == "agrees")
    assert ledger.verify(world.store, ledger.read_head(head_path(world.settings))).ok
    keeper.close()
    endpoint.close()
    client.close()


@pytest.fixture
def keepers() -> Iterator[Callable[[World], subprocess.Popen[bytes]]]:
    """Starts real keeper processes, each awaited until its first pass is done; none outlives the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(world: World) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-m", "interlock.cli.main", "keeper"],
                                   env=os.environ | settings_environment(world.settings))
        started.append(process)
        beat = world.settings.folder("run") / "keeper.json"
        until(lambda: process.poll() is not None or (beat.exists() and json.loads(beat.read_text())["pid"] == process.pid))
        assert process.poll() is None
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(10)


def test_a_killed_keeper_takes_up_every_release_where_it_was(
        make_world: Callable[..., World], server: Callable[[], subprocess.Popen[bytes]],
        keepers: Callable[[World], subprocess.Popen[bytes]]) -> None:
    """SIGKILL right after an approval, and again in the middle of a canary; the test does only what `deploy` runs would do."""
    world = with_quick_steps(make_world)
    packages = world.settings.folder("packages")
    first, second = build(packages, 1), build(packages, 2)

    def deploy(release_id: str) -> str:
        return str(deploying.carry_out(world.settings, world.store, endpoint, release_id).state)

    def kill(process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL

    with closing(EmbeddedEndpoint(world.settings)) as endpoint, ServingClient(world.settings) as client:
        keeper = keepers(world)
        release = str(world.approve(world.candidate(1, package=first)).release_id)
        kill(keeper)
        assert deploy(release) == "probation"                               # the route moves on; no server is there to hear of it
        server()
        assert (endpoint.observed(NAME).generation, world.route.generation) == (0, 1)
        keeper = keepers(world)
        until(lambda: endpoint.observed(NAME).generation == 1)              # only the keeper can have told the server
        assert client.predict(NAME, [{"age": 30, "income": 50}])["digest"] == first
        until(lambda: world.release(release).state == "live")               # not before it has answered

        release = str(world.approve(world.candidate(2, package=second)).release_id)
        assert deploy(release) == "canary"
        kill(keeper)
        answers = client.predict(NAME, [{"id": new_id(), "age": 20 + n % 50, "income": 40 + n} for n in range(200)])["predictions"]
        assert {answer["digest"] for answer in answers} == {first, second}  # the canary goes on without the keeper
        assert deploy(release) == "canary"                                  # and nobody else moves it on
        keepers(world)
        until(lambda: deploy(release) == "probation")
        assert client.predict(NAME, [{"age": 30, "income": 50}])["digest"] == second
        until(lambda: deploy(release) == "live")
        found = [(judged.get("stage"), judged["verdict"]) for judged in world.release(release).analysis]
        assert found[:2] == [("staging", "pass"), (None, "pass")]
        assert ledger.verify(world.store).ok


def test_a_damaged_package_never_reaches_a_customer(make_world: Callable[..., World]) -> None:
    world = make_world()
    packages = world.settings.folder("packages")
    digest = build(packages, 3)
    release = str(world.approve(world.candidate(1, package=digest)).release_id)
    model = packages / digest.removeprefix("sha256:") / "model.ubj"
    raw = bytearray(model.read_bytes())
    raw[len(raw) // 2] ^= 1
    model.chmod(0o644)
    model.write_bytes(raw)
    outcome = deploying.carry_out(world.settings, world.store, world.endpoint, release, clock=world.clock)
    assert (outcome.state, world.route.generation, world.endpoint.routes) == ("failed", 0, {})
    assert "model.ubj" in world.release(release).reason
