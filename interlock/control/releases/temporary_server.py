"""A prediction server for a few seconds, apart from the customers' one: same code, same packages, own ports, routes and capture.

Its state lies in `<home>/run/<purpose>-<id>/` and is deleted at the end; what a killed process left is swept by the next one. The server
ends when this process does (`interlock.serving.tethered`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

from interlock.control.embedded import EmbeddedEndpoint
from interlock.control.releases.load_test import Target
from interlock.errors import InterlockError, Unavailable
from interlock.serving.client import ServingClient
from interlock.settings import Settings, settings_environment

Purpose = Literal["staging", "drill"]
PURPOSES: tuple[Purpose, ...] = ("staging", "drill")
START_S = 40.0
STOP_S = 12.0
TRIES = 3            # a free port may be taken by somebody else before the server has it
LOG_BYTES_TOLD = 600
SHARED = ("packages", "online")  # read by the server, never written
# One worker on loopback that nobody else knows of: no keys, no certificate, and its requests are nobody's traffic.
OFF: dict[str, object] = {"serving_keys": "off", "serving_tls_cert": None, "serving_tls_key": None, "serving_trace_url": None}
ALONE = {"host": "127.0.0.1", "serving_workers": 1} | {name: value for name, value in OFF.items() if name in Settings.model_fields}


@dataclass(frozen=True)
class TemporaryServer:
    """A running server. `settings` are its own: another home and other ports."""

    settings: Settings
    client: ServingClient
    endpoint: EmbeddedEndpoint
    process: subprocess.Popen[bytes]

    def target(self, use_case: str, connections: int, timeout_s: float = 5.0) -> Target:
        """Where its predictions are asked for."""
        return Target(self.settings.host, self.settings.predictions_port, f"/v1/{use_case}/predict", connections, timeout_s)


@contextmanager
def temporary_server(settings: Settings, purpose: Purpose) -> Iterator[TemporaryServer]:
    """Start it, and end it whatever happens inside the block. Raises `Unavailable` where it does not come up."""
    run = settings.folder("run")
    sweep(run)
    folder = run / f"{purpose}-{uuid4().hex[:12]}"
    made = run / f".{folder.name}"
    made.mkdir(mode=0o700)
    with (made / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made.rename(folder)  # locked before it can be seen: nobody sweeps it away
        try:
            _link(settings, folder)
            yield from _running(settings, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep(run: Path) -> int:
    """Delete the folders of temporary servers whose owner is gone; how many."""
    gone = 0
    for folder in [path for purpose in PURPOSES for path in run.glob(f"{purpose}-*")]:
        try:
            with (folder / "lock").open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                gone += 1
        except OSError:  # at work
            continue
    return gone


def _link(settings: Settings, folder: Path) -> None:
    """The same packages, online tables and proofs as the customers' server has."""
    home = settings.home.resolve()
    settings.folder("packages")
    (folder / "run").mkdir()
    proven = settings.folder("run") / "proven"
    proven.mkdir(exist_ok=True)
    for name in SHARED:
        (folder / name).symlink_to(home / name)
    (folder / "run" / "proven").symlink_to(proven)


def _running(settings: Settings, folder: Path) -> Iterator[TemporaryServer]:
    process, own = _start(settings, folder)
    client = ServingClient(own)
    endpoint = EmbeddedEndpoint(own, client)
    try:
        yield TemporaryServer(own, client, endpoint, process)
    finally:
        client.close()
        _end(process)


def _start(settings: Settings, folder: Path) -> tuple[subprocess.Popen[bytes], Settings]:
    """The process and its settings, once a worker answers."""
    for attempt in range(1, TRIES + 1):
        predictions, control = _free_ports()
        own = settings.model_copy(update={"home": folder, "predictions_port": predictions, "control_port": control, **ALONE})
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen([sys.executable, "-m", "interlock.serving.tethered"], stdin=subprocess.PIPE, stdout=log, stderr=log,
                                       cwd=folder, env=_environment(own))
        try:
            if _up(process, own):
                return process, own
        except BaseException:
            _end(process)
            raise
        _end(process)
        said = (folder / "server.log").read_bytes()[-LOG_BYTES_TOLD:].decode(errors="replace").strip()
        if "cannot listen on" not in said or attempt == TRIES:
            break
    raise Unavailable("the temporary prediction server did not come up", value=said or "it said nothing", allowed=f"{START_S:g} s",
                      next_step="look at the machine's load and memory, then try again")


def _environment(own: Settings) -> dict[str, str]:
    """Exactly these settings: no other variable and (by the working folder) no file adds one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("INTERLOCK_", "OTEL_"))}
    return kept | settings_environment(own)


def _up(process: subprocess.Popen[bytes], own: Settings) -> bool:
    until = time.monotonic() + START_S
    with ServingClient(own) as client:
        while time.monotonic() < until and process.poll() is None:
            with suppress(InterlockError):
                if client.health()["workers_live"]:
                    return True
            time.sleep(0.03)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let go of the tether; kill what does not end by itself. The workers end with their supervisor."""
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_S)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        return int(first.getsockname()[1]), int(second.getsockname()[1])
