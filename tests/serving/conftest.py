"""A tiny real model in real packages, and real servers: a supervisor process with its workers, killed at the end of each test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import httpx
import numpy as np
import pytest

from interlock.errors import InterlockError
from interlock.modeling.features import FeatureSpace, FeatureSpec
from interlock.modeling.package import Manifest, golden_rows, read_package, write_package
from interlock.rules.routes import Route, Slot
from interlock.serving.client import ServingClient
from interlock.serving.limits import Limits
from interlock.settings import Settings

MOMENT = datetime(2013, 5, 4, 14, 3, tzinfo=UTC)
SPACE = FeatureSpace(specs=[
    FeatureSpec(name="distance", kind="numeric"), FeatureSpec(name="carrier", kind="category", categories=["AA", "B6", "UA"]),
    FeatureSpec(name="night", kind="boolean"), FeatureSpec(name="hour", kind="calendar")])
CODE = """
import asyncio, json, sys
from interlock.serving.limits import Limits
from interlock.serving.server import serve
from interlock.settings import load_settings
asyncio.run(serve(load_settings(), Limits(**json.loads(sys.argv[1]))))
"""


def record(**changes: Any) -> dict[str, Any]:
    """A valid record of the tiny model."""
    return {"distance": 700.0, "carrier": "AA", "night": False, "sex": "f", "event_time": "2013-05-04T14:03:00Z"} | changes


def build_package(root: Path, seed: int, *, use_case: str = "late", task: str = "binary") -> str:
    """Train a booster of three trees on noise and package it; the seed makes the model."""
    import xgboost

    draw = np.random.default_rng(seed)
    carriers = ["AA", "B6", "UA", None]
    rows = [{"distance": float(draw.integers(100, 3000)), "carrier": carriers[draw.integers(4)], "night": bool(draw.integers(2))}
            for _ in range(200)]
    matrix, _ = SPACE.encode_records(rows, [MOMENT] * len(rows))
    classes = ["early", "late", "never"] if task == "multiclass" else []
    label = {"binary": draw.integers(0, 2, 200), "multiclass": draw.integers(0, 3, 200), "regression": draw.normal(50, 20, 200)}[task]
    objective = {"binary": "binary:logistic", "multiclass": "multi:softprob", "regression": "reg:squarederror"}[task]
    parameters = {"objective": objective, "max_depth": 4, "nthread": 1, "seed": seed, "eta": 0.5} | ({"num_class": 3} if classes else {})
    data = xgboost.DMatrix(matrix, label=label, feature_types=SPACE.feature_types, enable_categorical=True)
    booster = xgboost.train(parameters, data, num_boost_round=3)
    margins = booster.inplace_predict(matrix[:20], predict_type="margin", missing=np.nan, validate_features=False)
    manifest = Manifest(
        use_case=use_case, task=task, classes=classes, features=SPACE, context_columns=["sex"], threshold=0.5,
        xgboost_version=xgboost.__version__, code_version="test", snapshot_digest="sha256:" + "0" * 64, spec_digest="sha256:" + "0" * 64)
    return write_package(root, booster_ubj=bytes(booster.save_raw("ubj")), manifest=manifest, profile_json=b"{}",
                         golden=golden_rows(rows[:20], [MOMENT] * 20, margins))


def expected_scores(root: Path, digest: str, records: list[dict[str, Any]]) -> list[float]:
    """What the packaged model answers, computed in this process."""
    package = read_package(root, digest)
    times = [datetime.fromisoformat(item.get("event_time", "2013-05-04T14:03:00Z")) for item in records]
    matrix, _ = SPACE.encode_records(records, times)
    return [float(score) for score in package.open_model().score(matrix)]


class Running:
    """A prediction server in a process of its own."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self.settings, self.limits = settings, limits
        self.client = ServingClient(settings)
        self.process: subprocess.Popen[bytes] | None = None
        self.start_s = 0.0

    def start(self, log: IO[str] | None = None, **environment: str) -> Running:
        """Start it, its log into the file, and wait until every worker answers."""
        settings = self.settings
        names = {"home": settings.home, "predictions_port": settings.predictions_port, "control_port": settings.control_port,
                 "serving_workers": settings.serving_workers}
        variables = os.environ | {f"INTERLOCK_{name.upper()}": str(value) for name, value in names.items()} | environment
        began = time.monotonic()
        self.process = subprocess.Popen([sys.executable, "-c", CODE, json.dumps(self.limits.__dict__)], env=variables, stderr=log)
        self.wait(lambda: self.client.health()["workers_live"] == settings.serving_workers, 20)
        self.start_s = time.monotonic() - began
        return self

    def wait(self, condition: Callable[[], Any], timeout_s: float = 30) -> None:
        """Until the condition holds; the server not answering counts as not yet."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            try:
                if condition():
                    return
            except InterlockError:
                pass
            time.sleep(0.02)
        raise TimeoutError(f"not within {timeout_s} s")

    def worker_pids(self) -> list[int]:
        return [worker["pid"] for worker in self.client.health()["workers"] if worker["state"] == "live"]

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the supervisor and wait for it."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process = None

    def route(self, generation: int, champion: str | None, previous: str | None = None, candidate: str | None = None,
              percent: float = 0, **more: Any) -> Route:
        """A route whose version numbers are the order in which digests were seen first."""
        slots = [self._slot(digest) for digest in (champion, previous, candidate)]
        return Route(use_case=more.pop("use_case", "late"), generation=generation, champion=slots[0], previous=slots[1], candidate=slots[2],
                     candidate_percent=percent, **more)

    def _slot(self, digest: str | None) -> Slot | None:
        known = self.__dict__.setdefault("versions", {})
        return None if digest is None else Slot(version=known.setdefault(digest, len(known) + 1), digest=digest)


@pytest.fixture(scope="session")
def two_packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A folder with two different models of one use case."""
    root = tmp_path_factory.mktemp("packages")
    return root, build_package(root, 1), build_package(root, 2)


@pytest.fixture
def packages(settings: Settings, two_packages: tuple[Path, str, str]) -> tuple[Path, str, str]:
    """The two packages inside this test's installation."""
    import shutil

    root = settings.folder("packages")
    shutil.copytree(two_packages[0], root, dirs_exist_ok=True)
    return root, two_packages[1], two_packages[2]


@pytest.fixture
def start_server(settings: Settings) -> Iterator[Callable[..., Running]]:
    """Starts servers of this installation: `start_server(workers=2, rows_max=10)`."""
    running: list[Running] = []

    def start(workers: int = 1, **limits: Any) -> Running:
        server = Running(settings.model_copy(update={"serving_workers": workers}), Limits(**limits))
        running.append(server)
        return server.start()

    yield start
    for server in running:
        server.kill()
        server.client.close()


@pytest.fixture(name="record")
def record_fixture() -> Callable[..., dict[str, Any]]:
    return record


@pytest.fixture(name="expected_scores")
def expected_scores_fixture() -> Callable[..., list[float]]:
    return expected_scores


@pytest.fixture(name="build_package", scope="session")
def build_package_fixture() -> Callable[..., str]:
    return build_package


@pytest.fixture(name="running", scope="session")
def running_fixture() -> type[Running]:
    return Running


@pytest.fixture(scope="session")
def free_ports() -> Callable[[int], list[int]]:
    """Loopback ports that were free a moment ago, outside Prefect's ephemeral range."""
    import socket

    def find(count: int) -> list[int]:
        probes = [socket.socket() for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        ports = [int(probe.getsockname()[1]) for probe in probes]
        for probe in probes:
            probe.close()
        return find(count) if any(8000 <= port <= 9000 for port in ports) else ports

    return find


@pytest.fixture
def http(server: Any) -> Iterator[httpx.Client]:
    """A client of the predictions port of the file's own `server`."""
    with httpx.Client(base_url=server.settings.predictions_url, timeout=30, trust_env=False) as client:
        yield client
