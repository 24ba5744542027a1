"""P9's prediction server: started before the clock runs, for either way in a home of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interlock.errors import InterlockError
from interlock.serving.client import ServingClient
from interlock.settings import Settings, load_settings

START_S = 60.0


def use_home(home: Path) -> Settings:
    """An installation in the folder on free ports, which flows in this process and the server find through the environment."""
    ports = {name: _free_port() for name in ("predictions_port", "control_port", "mlflow_port")}
    os.environ |= {"INTERLOCK_HOME": str(home), **{f"INTERLOCK_{name.upper()}": str(port) for name, port in ports.items()}}
    return load_settings(home=home, **ports)


@contextmanager
def started_server(settings: Settings) -> Iterator[None]:
    """A server with one live worker for the length of the block."""
    process = subprocess.Popen([sys.executable, "-m", "interlock.serving"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(settings, process)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def _wait(settings: Settings, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_S
    with ServingClient(settings) as client:
        while time.monotonic() < end and process.poll() is None:
            try:
                if client.health()["workers_live"] == 1:
                    return
            except InterlockError:
                pass  # it is still starting
            time.sleep(0.05)
    raise SystemExit("the prediction server did not start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
