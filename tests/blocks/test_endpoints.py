"""The embedded server (a real process) and the one in memory that other tests use keep the same promises."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blocks.endpoint import EmbeddedEndpointBlock
from interlock.control.endpoint import Endpoint
from interlock.errors import Unavailable
from interlock.rules.routes import Slot
from interlock.settings import Settings
from tests.blocks.contract_endpoint import EndpointContract, Slots
from tests.control.conftest import Clock, MemoryEndpoint, slot
from tests.serving.conftest import build_package

START_S = 30.0


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Slots]:
    """Two small real packages."""
    root = tmp_path_factory.mktemp("packages")
    return root, (Slot(version=1, digest=build_package(root, 1)), Slot(version=2, digest=build_package(root, 2)))


class TestMemoryEndpoint(EndpointContract):
    @pytest.fixture
    def endpoint(self) -> Endpoint:
        return MemoryEndpoint(Clock())

    @pytest.fixture
    def slots(self) -> Slots:
        return slot(1), slot(2)

    @pytest.fixture
    def make_down(self, endpoint: MemoryEndpoint) -> Callable[[], None]:
        return lambda: setattr(endpoint, "down", True)


class TestEmbeddedEndpoint(EndpointContract):
    @pytest.fixture
    def slots(self, packages: tuple[Path, Slots]) -> Slots:
        return packages[1]

    @pytest.fixture
    def server(self, settings: Settings, packages: tuple[Path, Slots]) -> Iterator[subprocess.Popen[bytes]]:
        settings.home.mkdir(parents=True, exist_ok=True)
        (settings.home / "packages").symlink_to(packages[0])
        ports = {f"INTERLOCK_{name.upper()}": str(getattr(settings, name)) for name in ("home", "predictions_port", "control_port")}
        with subprocess.Popen([sys.executable, "-m", "interlock.serving"], env=os.environ | ports, stderr=subprocess.DEVNULL) as process:
            yield process
            process.terminate()
            process.wait(20)

    @pytest.fixture
    def endpoint(self, settings: Settings, server: subprocess.Popen[bytes]) -> Iterator[Endpoint]:
        opened = EmbeddedEndpointBlock(home=settings.home, predictions_port=settings.predictions_port,
                                       control_port=settings.control_port).open()
        end = time.monotonic() + START_S
        while True:
            try:
                opened.observed("never_served")
                break
            except Unavailable:
                assert server.poll() is None, "the server ended"
                assert time.monotonic() < end, "the server did not start"
                time.sleep(0.05)
        yield opened
        opened.close()  # type: ignore[attr-defined]

    @pytest.fixture
    def make_down(self, server: subprocess.Popen[bytes]) -> Callable[[], None]:
        def stop() -> None:
            server.terminate()
            server.wait(20)

        return stop
