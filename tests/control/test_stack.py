"""The stack: a busy port names its owner, a dead program comes back, down leaves nothing, clean deletes only a home."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

import psutil
import pytest

from interlock.control.stack import lifecycle, supervision
from interlock.control.stack.ports import check_ports
from interlock.control.stack.programs import Program, programs
from interlock.errors import SettingsError, Unavailable
from interlock.serving.server import run_server
from interlock.settings import Settings


def test_a_busy_port_is_named_with_its_owner(settings: Settings) -> None:
    with socket.socket() as listener:
        listener.bind((settings.host, settings.predictions_port))
        listener.listen()
        with pytest.raises(SettingsError, match=rf"predictions_port {settings.predictions_port} by process {os.getpid()}"):
            check_ports(settings)


def test_every_server_binds_to_the_configured_host_only(settings: Settings) -> None:
    for program in programs(settings):
        assert "0.0.0.0" not in program.command_line  # noqa: S104


def test_up_and_serve_refuse_a_host_that_other_machines_reach(settings: Settings) -> None:
    remote = settings.model_copy(update={"host": "0.0.0.0"})  # noqa: S104 - refused
    for start in (lambda: lifecycle.up(remote, print), lambda: run_server(remote)):
        with pytest.raises(SettingsError, match="open approval, rollback and predictions to the network"):
            start()
    assert not settings.home.exists()
    assert supervision.states(settings) == {}


def _program(settings: Settings) -> Program:
    script = ("from http.server import HTTPServer, SimpleHTTPRequestHandler as Handler; "
              f"HTTPServer(('127.0.0.1', {settings.mlflow_port}), Handler).serve_forever()")
    return Program("web", "Web", [sys.executable, "-c", script], settings.mlflow_port, f"http://127.0.0.1:{settings.mlflow_port}/")


def test_a_killed_program_is_started_again_and_down_leaves_nothing_behind(settings: Settings) -> None:
    program = _program(settings)
    supervision.start(settings, [program])
    try:
        lifecycle.wait_ready(settings, program, timeout_s=30)
        first = supervision.process_id(settings, "web")
        os.kill(first, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while supervision.process_id(settings, "web") in {first, 0} and time.monotonic() < deadline:
            time.sleep(0.1)
        lifecycle.wait_ready(settings, program, timeout_s=30)
        second = supervision.process_id(settings, "web")
        assert second not in {first, 0}
    finally:
        supervision.stop(settings)
    assert not psutil.pid_exists(second)
    assert supervision.states(settings) == {}


def test_a_program_that_cannot_start_is_said_with_its_log(settings: Settings) -> None:
    program = Program("broken", "Broken part", [sys.executable, "-c", "raise SystemExit(3)"], None, "http://127.0.0.1:9/")
    supervision.start(settings, [program])
    try:
        with pytest.raises(Unavailable, match=r"Broken part does not answer.*\n.*broken\.log"):
            lifecycle.wait_ready(settings, program, timeout_s=3)
    finally:
        supervision.stop(settings)


def test_the_configuration_with_its_secrets_is_readable_by_the_owner_alone(settings: Settings) -> None:
    path = supervision.write_configuration(settings, [_program(settings)])
    assert path.stat().st_mode & 0o077 == 0


def test_clean_refuses_a_folder_that_is_not_a_home(settings: Settings, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    with pytest.raises(SettingsError, match="not an Interlock home"):
        lifecycle.clean(settings.model_copy(update={"home": precious / ".." / "precious"}), lambda _: None)
    assert (precious / "thesis.txt").exists()
