"""The prediction server: a supervisor with its control port, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime

import uvicorn

from interlock.records.pointer import write_durably
from interlock.serving.access_log import set_up
from interlock.serving.control_port import control_app
from interlock.serving.limits import Limits
from interlock.serving.options import WorkerOptions
from interlock.serving.sockets import listen
from interlock.serving.supervisor import Supervisor
from interlock.serving.token import ROLLBACK_NAME, control_token
from interlock.settings import Settings, require_local

log = logging.getLogger("interlock.serving")


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handling."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: Settings, limits: Limits | None = None) -> None:
    """Serve until a signal asks to stop.

    Raises `SettingsError` when a port is taken or other machines reach the host, `StoreError` when a kept override is damaged.
    """
    require_local(settings)
    run = settings.folder("run")
    supervisor = Supervisor(
        packages=settings.folder("packages"), capture=settings.folder("capture"), run=run, host=settings.host,
        port=settings.predictions_port, workers=settings.serving_workers, limits=limits or Limits.from_settings(settings),
        options=WorkerOptions.from_settings(settings))
    control_socket = listen(settings.host, settings.control_port)
    app = control_app(supervisor, control_token(run), settings.host, control_token(run, ROLLBACK_NAME))
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False,
                            server_header=False, limit_concurrency=256, timeout_graceful_shutdown=2, ws="none")
    control = _Server(config)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    work = asyncio.create_task(supervisor.run())
    port = asyncio.create_task(control.serve(sockets=[control_socket]))
    write_durably(run / "serving.json", json.dumps({
        "pid": os.getpid(), "predictions": settings.predictions_url, "control": settings.control_url, "workers": settings.serving_workers,
        "started_at": datetime.now(UTC).isoformat()}).encode())
    waiting = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({work, port, waiting}, return_when=asyncio.FIRST_COMPLETED)
    control.should_exit = True
    work.cancel()
    waiting.cancel()
    await asyncio.gather(port, work, waiting, return_exceptions=True)
    for task in done - {waiting}:
        task.result()  # ended by itself: raise what ended it


def run_server(settings: Settings) -> None:
    """Blocking: what `interlock serve` does."""
    set_up("supervisor", settings.serving_log, logging.INFO)
    log.info("predictions on %s, control on %s, workers: %d", settings.predictions_url, settings.control_url, settings.serving_workers)
    asyncio.run(serve(settings))
