"""Starting, watching and stopping the programs with supervisord: restarts with back-off, logs, a clean stop."""

from __future__ import annotations

import configparser
import getpass
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal
from xmlrpc.client import ServerProxy

from interlock.control.stack.programs import PROJECT, Program
from interlock.control.stack.sign_in_file import SECRET_NAMES
from interlock.errors import Unavailable
from interlock.settings import Settings, settings_environment

SOCKET_PATH_MAX = 100  # a Unix socket's path ends at 108 bytes
START_RETRIES = 5      # supervisord waits one second longer before each
STOP_TIMEOUT_S = 40.0


def write_configuration(settings: Settings, programs: list[Program]) -> Path:
    """`run/supervisord.conf`; readable by the owner alone, because settings may hold secrets."""
    log, run = settings.folder("log"), settings.folder("run")
    config = configparser.RawConfigParser()
    socket_path = socket_file(settings)
    config["unix_http_server"] = {"file": str(socket_path), "chmod": "0600"}
    config["rpcinterface:supervisor"] = {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"}
    config["supervisord"] = {"logfile": str(log / "supervisord.log"), "logfile_maxbytes": "10MB", "logfile_backups": "2",
                             "pidfile": str(run / "supervisord.pid"), "childlogdir": str(log), "user": getpass.getuser()}
    config["supervisorctl"] = {"serverurl": f"unix://{socket_path}"}
    for program in programs:
        config[f"program:{program.name}"] = {
            "command": _escaped(program.command_line), "directory": str(PROJECT), "autorestart": "true", "startsecs": "2",
            "startretries": str(START_RETRIES), "stopwaitsecs": str(program.stop_wait_s), "stopasgroup": "true", "killasgroup": "true",
            "stdout_logfile": str(log / f"{program.name}.log"), "redirect_stderr": "true", "stdout_logfile_maxbytes": "20MB",
            "stdout_logfile_backups": "2", "environment": _environment({**settings_environment(settings), **program.environment}),
        }
    path = run / "supervisord.conf"
    path.touch(mode=0o600)
    with path.open("w") as file:
        config.write(file)
    return path


def start(settings: Settings, programs: list[Program]) -> None:
    """Start supervisord in the background; it starts every program."""
    path = write_configuration(settings, programs)
    own = {name: value for name, value in os.environ.items() if name not in SECRET_NAMES}  # the programs have no use for them
    subprocess.run([sys.executable, "-m", "supervisor.supervisord", "-c", str(path)], check=True, cwd=PROJECT, env=own,  # noqa: S603
                   stdin=subprocess.DEVNULL, timeout=30)


def states(settings: Settings) -> dict[str, str]:
    """Program name → RUNNING, STARTING, BACKOFF, FATAL …; empty where nothing was started."""
    try:
        with _connected(settings) as supervisor:
            return {entry["name"]: entry["statename"] for entry in supervisor.getAllProcessInfo()}
    except Unavailable:
        return {}


def stop(settings: Settings) -> bool:
    """Stop everything that was started; False where nothing ran. Waits for the end, bounded."""
    try:
        with _connected(settings) as supervisor:
            supervisor.shutdown()
    except Unavailable:
        socket_file(settings).unlink(missing_ok=True)
        return False
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while socket_file(settings).exists():
        if time.monotonic() > deadline:
            raise Unavailable(f"the programs did not stop within {STOP_TIMEOUT_S:.0f} s",
                              next_step=f"see {settings.folder('log') / 'supervisord.log'}")
        time.sleep(0.1)
    return True


def control(settings: Settings, program: str, action: Literal["start", "stop"]) -> None:
    """Start or stop one program (drills and tests take a part away)."""
    with _connected(settings) as supervisor:
        if action == "start":
            supervisor.startProcess(program)
        else:
            supervisor.stopProcess(program)


def process_id(settings: Settings, program: str) -> int:
    """Process id of a program; 0 while it does not run."""
    with _connected(settings) as supervisor:
        return int(supervisor.getProcessInfo(program)["pid"])


def socket_file(settings: Settings) -> Path:
    """supervisord's socket, under `run/`; under the temporary folder where that path would be too long."""
    path = settings.folder("run") / "supervisor.sock"
    if len(str(path)) <= SOCKET_PATH_MAX:
        return path
    return Path(tempfile.gettempdir()) / f"interlock-{hashlib.sha256(str(path).encode()).hexdigest()[:16]}.sock"


@contextmanager
def _connected(settings: Settings) -> Iterator[Any]:
    """supervisord's remote interface, or `Unavailable` where nothing was started."""
    from supervisor.xmlrpc import SupervisorTransport

    path = socket_file(settings)
    if not path.exists():
        raise Unavailable("nothing was started", next_step="interlock up")
    transport = SupervisorTransport(None, None, f"unix://{path}")
    try:
        yield ServerProxy("http://127.0.0.1", transport=transport).supervisor
    except (OSError, HTTPException) as error:
        raise Unavailable(f"supervisord does not answer at {path}: {error}", next_step="interlock up") from error
    finally:
        transport.close()


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _environment(values: dict[str, str]) -> str:
    return ",".join(f'{name}="{_quoted(value)}"' for name, value in values.items())


def _quoted(value: str) -> str:
    return _escaped(value).replace("\\", "\\\\").replace('"', '\\"')
