"""What every test may use: real data, an own installation in a temporary folder, free ports."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from interlock.records.migrate import migrate_store
from interlock.records.store import Store
from interlock.settings import QUIET, Settings, load_settings

ROOT = Path(__file__).resolve().parent.parent
os.environ.update(QUIET)
hypothesis.settings.register_profile("shared machine", deadline=None)  # how long an example takes says more about the machine
hypothesis.settings.load_profile("shared machine")


@pytest.fixture(autouse=True)
def same_logging() -> Iterator[None]:
    """A program that a test starts in this process may set logging up for itself: its handlers must not outlive the test."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    if root.handlers != before:
        root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture(autouse=True)
def no_pings_after_the_test() -> Iterator[None]:
    """Prefect's event client pings for as long as it lives, from a thread that draws from Python's one random generator; Hypothesis, in a
    later test, takes that for a strategy that is not repeatable. It ends with the test that started it; the next flow starts another."""
    yield
    worker = sys.modules.get("prefect.events.worker")
    if worker is not None and worker.EventsWorker._instances:
        worker.EventsWorker.drain_all(timeout=30)


@pytest.fixture(autouse=True, scope="module")
def nothing_left_open() -> Iterator[None]:
    """What a file left unclosed is found at its end: else the collector finds it in a later file, which then fails for it, or does not."""
    yield
    gc.collect()


def free_port() -> int:
    """A loopback port that was free a moment ago, outside Prefect's ephemeral range."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if not 8000 <= port <= 9000:
            return port


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder with the real public data sets; docs/data.md says how to obtain each."""
    folder = Path(os.environ.get("INTERLOCK_DATA_DIR", ROOT.parent / "shared" / "data")).resolve()
    if not (folder / "adult.data.gz").is_file():
        if os.environ.get("CI"):
            pytest.fail(f"real data sets are missing from {folder}; CI never skips")
        pytest.skip(f"real data sets are not in {folder}: set INTERLOCK_DATA_DIR (docs/data.md says how to obtain them)")
    return folder


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation of its own: temporary home, free ports, this repository's use cases."""
    for name in [name for name in os.environ if name.startswith("INTERLOCK_") and name != "INTERLOCK_DATA_DIR"]:
        monkeypatch.delenv(name)
    ports = {f"{part}_port": free_port() for part in ("dashboard", "prefect", "mlflow", "predictions", "control")}
    data = Path(os.environ.get("INTERLOCK_DATA_DIR", ROOT.parent / "shared" / "data")).resolve()
    return load_settings(home=tmp_path / "home", usecases_dir=ROOT / "usecases", data_dir=data, **ports)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """One Prefect server for all tests that run flows; it takes seconds to start."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=60):
        yield


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a migrated, empty store, made once; tests get copies."""
    path = tmp_path_factory.mktemp("migrated") / "store.db"
    opened = Store(f"sqlite:///{path}")
    migrate_store(opened)
    opened.close()
    assert not path.with_name("store.db-wal").exists()  # everything is in the file itself
    return path


@pytest.fixture
def store(settings: Settings, migrated: Path) -> Iterator[Store]:
    """A migrated, empty store."""
    settings.home.mkdir(parents=True, exist_ok=True)
    shutil.copy(migrated, settings.store_address.removeprefix("sqlite:///"))
    opened = Store(settings.store_address)
    yield opened
    opened.close()
