"""`interlock up`, `down` and `clean`: the whole machine with one command."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx

from interlock.control.backups.confirming import require_confirmed
from interlock.control.stack import supervision
from interlock.control.stack.ports import PORTS, check_ports
from interlock.control.stack.programs import PROJECT, Program, programs
from interlock.control.stack.sign_in_file import require_sign_in, sign_in_file, write_sign_in_file
from interlock.errors import InterlockError, SettingsError, Unavailable
from interlock.records.migrate import migrate
from interlock.settings import Settings, require_local, settings_environment

READY_TIMEOUT_S = 120.0
POLL_S = 0.25
Say = Callable[[str], None]


def up(settings: Settings, say: Say, *, dashboard: bool = True) -> None:
    """Start everything that is not running yet and wait until each part answers.

    Raises `SettingsError` for a host that other machines reach or a busy port (with its owner), and
    `Unavailable` for a part that does not become ready.
    """
    require_local(settings)
    if dashboard:
        require_sign_in(settings)
    require_confirmed(settings)
    wanted = programs(settings, dashboard=dashboard)
    if not supervision.states(settings):
        write_sign_in_file(settings)
        check_ports(settings, PORTS if dashboard else tuple(port for port in PORTS if port != "dashboard_port"))
        say(f"store at revision {migrate(settings)}")
        supervision.start(settings, wanted)
    with ThreadPoolExecutor(1) as beside:
        flows: Future[None] | None = None
        for program in wanted:
            if program.health_url:
                wait_ready(settings, program)
                say(f"{program.title} answers")
            if program.name == "prefect":  # it is all that the flows need
                flows = beside.submit(deploy_flows, settings)
        if flows is not None:
            flows.result()
            say("flows deployed")


def wait_ready(settings: Settings, program: Program, *, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Wait until a program's health address answers 200, bounded."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if supervision.states(settings).get(program.name) == "FATAL":
            break
        try:
            if httpx.get(str(program.health_url), timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(POLL_S)
    raise Unavailable(f"{program.title} does not answer at {program.health_url} after {timeout_s:.0f} s",
                      next_step=f"see {settings.folder('log') / (program.name + '.log')}")


def deploy_flows(settings: Settings) -> None:
    """`prefect deploy --all`: register every flow of prefect.yaml; repeating it changes nothing."""
    prefect = str(programs(settings)[0].command[0])
    environment = {**os.environ, **settings_environment(settings)}
    for arguments in (["work-pool", "create", "local", "--type", "process", "--overwrite"], ["--no-prompt", "deploy", "--all"]):
        done = subprocess.run([prefect, *arguments], cwd=PROJECT, env=environment, capture_output=True, text=True,  # noqa: S603
                              timeout=120, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise InterlockError(f"`prefect {' '.join(arguments)}` failed", value=(done.stderr or done.stdout)[-400:],
                                 next_step="correct prefect.yaml, then `interlock up`")


def down(settings: Settings, say: Say) -> None:
    """Stop everything that `up` started; the state stays."""
    say("stopped" if supervision.stop(settings) else "nothing was running")
    sign_in_file(settings).unlink(missing_ok=True)


def clean(settings: Settings, say: Say) -> None:
    """Stop everything and delete all state. Refuses a folder that is not an Interlock home."""
    home = settings.home.resolve()
    if not home.exists():
        say("nothing to delete")
        return
    if home in {Path("/"), Path.home(), PROJECT} or not ((home / "store.db").exists() or (home / "run").is_dir()):
        raise SettingsError("this folder is not an Interlock home; nothing was deleted", value=home,
                            allowed="a folder with store.db or run/", next_step="check INTERLOCK_HOME")
    down(settings, say)
    shutil.rmtree(home)
    say(f"deleted {home}")
