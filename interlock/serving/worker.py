"""One prediction worker: `python -m interlock.serving.worker`, started by the supervisor with two inherited sockets.

It listens only after it has the current route of every use case. When the supervisor goes, it goes too: what nobody can
control must not answer.
"""

from __future__ import annotations

import sys

for _heavy in ("pandas", "sklearn"):  # XGBoost imports both where it can, and does without: a third of the start-up time
    sys.modules[_heavy] = None  # type: ignore[assignment]

import argparse  # noqa: E402
import asyncio  # noqa: E402
import contextlib  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import uvicorn  # noqa: E402

from interlock.errors import InterlockError  # noqa: E402
from interlock.rules.routes import Route  # noqa: E402
from interlock.serving.capturing import Capture  # noqa: E402
from interlock.serving.channel import Channel, Message  # noqa: E402
from interlock.serving.counters import Counters  # noqa: E402
from interlock.serving.endpoint import Endpoint  # noqa: E402
from interlock.serving.limits import Limits  # noqa: E402
from interlock.serving.shelf import Shelf  # noqa: E402

log = logging.getLogger("interlock.serving.worker")
FORBIDDEN = ("prefect", "streamlit", "mlflow", "evidently", "shap", "pandas", "sklearn", "polars", "sqlalchemy")


class Server(uvicorn.Server):
    """Uvicorn without its own signal handling: the supervisor says when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Worker:
    """Answers the supervisor's messages beside the HTTP server."""

    def __init__(self, channel: Channel, endpoint: Endpoint, listening: socket.socket) -> None:
        self._channel = channel
        self._endpoint = endpoint
        self._listening = listening
        limits = endpoint.limits
        self._server = Server(uvicorn.Config(
            endpoint, lifespan="off", log_config=None, access_log=False, server_header=False, limit_concurrency=limits.connections_max,
            timeout_keep_alive=30, timeout_graceful_shutdown=int(limits.drain_s), ws="none", h11_max_incomplete_event_size=65_536))
        self._serving: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Obey until told to stop or the supervisor is gone; then let requests at work end."""
        beat = asyncio.create_task(self._beat())
        loaded = sorted(name for name in FORBIDDEN if sys.modules.get(name) is not None)
        self._channel.send({"op": "hello", "pid": os.getpid(), "modules": loaded})
        while (message := await self._channel.receive()) is not None and message["op"] != "stop":
            self._obey(message)
        beat.cancel()
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving
        self._channel.send(self._state())
        self._endpoint.capture.close()

    def _obey(self, message: Message) -> None:
        shelf = self._endpoint.shelf
        match message["op"]:
            case "prepare":
                task = asyncio.create_task(self._prepare(message))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case "switch":
                self._acknowledge(message, lambda: shelf.switch(Route.model_validate(message["route"]), message["override_id"]))
            case "serve" if self._serving is None:
                self._serving = asyncio.create_task(self._server.serve(sockets=[self._listening]))
            case "report":
                self._channel.send(self._state() | {"n": message["n"], "ok": True})

    async def _prepare(self, message: Message) -> None:
        shelf = self._endpoint.shelf
        try:
            missing = shelf.hold(message["use_case"], message["digests"])
            shelf.put(await asyncio.to_thread(shelf.read, message["use_case"], missing))
        except InterlockError as error:
            self._refuse(message, error)
        else:
            self._channel.send({"n": message["n"], "ok": True})

    def _acknowledge(self, message: Message, change: Any) -> None:
        try:
            change()
        except InterlockError as error:
            self._refuse(message, error)
        else:
            self._channel.send({"n": message["n"], "ok": True, "serving": self._endpoint.shelf.report()})

    def _refuse(self, message: Message, error: InterlockError) -> None:
        value = None if error.value is None else str(error.value)[:500]
        self._channel.send({"n": message["n"], "ok": False, "error": error.what, "value": value, "allowed": error.allowed,
                            "next_step": error.next_step})

    def _state(self) -> dict[str, Any]:
        endpoint = self._endpoint
        return {"op": "beat", "serving": endpoint.shelf.report(), "counters": endpoint.counters.take(), **endpoint.report()}

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._endpoint.limits.beat_s)
            self._channel.send(self._state())


async def run(arguments: argparse.Namespace) -> None:
    """Set everything up and obey."""
    limits = Limits.from_json(arguments.limits)
    shelf = Shelf(Path(arguments.packages), limits)
    endpoint = Endpoint(shelf, Capture(Path(arguments.capture), arguments.index, limits), Counters(), limits)
    channel = await Channel.over(socket.socket(fileno=arguments.channel))
    await Worker(channel, endpoint, socket.socket(fileno=arguments.listening)).run()
    await channel.drain()
    os._exit(0)  # everything is on the disk; taking the interpreter and its libraries apart would only take time


def main() -> None:
    """Command line; written by the supervisor, not for people."""
    parser = argparse.ArgumentParser(prog="interlock.serving.worker")
    for name in ("index", "channel", "listening"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("packages", "capture", "limits"):
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format=f"%(asctime)s worker {arguments.index} %(levelname)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor says when to stop
    import uvloop
    import xgboost  # noqa: F401 - loaded before the first route, not during it

    uvloop.run(run(arguments))


if __name__ == "__main__":
    main()
