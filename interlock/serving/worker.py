"""One prediction worker: `python -m interlock.serving.worker`, started by the supervisor with two inherited sockets.

It listens only after it has the current route of every use case. When the supervisor goes, it goes too: what nobody can
control must not answer.
"""

from __future__ import annotations

import sys
import time

if __name__ == "__main__":  # who imports this module keeps both
    for _heavy in ("pandas", "sklearn"):  # XGBoost imports both where it can, and does without: a third of the start-up time
        sys.modules[_heavy] = None  # type: ignore[assignment]

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import uvicorn

from interlock.errors import InterlockError, PackageError, Unavailable
from interlock.rules.routes import Route
from interlock.serving.access_log import AccessLog, place_of, set_up
from interlock.serving.capturing import Capture
from interlock.serving.channel import Channel, Message
from interlock.serving.counters import Counters
from interlock.serving.endpoint import Endpoint
from interlock.serving.front import Front
from interlock.serving.host_names import HostNames
from interlock.serving.keys import Keys
from interlock.serving.limits import Limits
from interlock.serving.one_write import OneWrite
from interlock.serving.options import WorkerOptions
from interlock.serving.shelf import Shelf
from interlock.serving.sockets import close_door, waiting_to_be_accepted
from interlock.serving.traces import traces_to

log = logging.getLogger("interlock.serving.worker")
ACCEPT_S, ACCEPT_MAX_S = 0.1, 2.0  # for connections that the kernel had taken already
FORBIDDEN = ("prefect", "streamlit", "mlflow", "evidently", "shap", "pandas", "sklearn", "polars", "sqlalchemy")


class Server(uvicorn.Server):
    """Uvicorn without its own signal handling: the supervisor says when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Worker:
    """Answers the supervisor's messages beside the HTTP server."""

    def __init__(self, channel: Channel, endpoint: Endpoint, listening: socket.socket, options: WorkerOptions) -> None:
        self._channel = channel
        self._endpoint = endpoint
        self._listening = listening
        limits = endpoint.limits
        self._traces = traces_to(options.trace_url, options.trace_share) if options.trace_url else None
        hosts = HostNames(options.hosts) if options.hosts else None
        self._front = Front(endpoint, AccessLog(options.access_log_share, limits), self._traces, hosts)
        self._proofs: dict[int, asyncio.Future[Message]] = {}
        self._numbers = count(1)
        endpoint.shelf.older.prove = self._prove
        self._server = Server(uvicorn.Config(
            self._front, ssl_certfile=options.tls_cert or None, ssl_keyfile=options.tls_key or None,
            http=OneWrite, proxy_headers=False, lifespan="off", log_config=None, access_log=False, server_header=False,
            limit_concurrency=limits.connections_max,
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
        await self._leave(in_peace=message is not None)
        beat.cancel()
        self._channel.send(self._state())
        self._endpoint.shadows.close()
        self._endpoint.capture.close()
        if self._traces is not None:
            await asyncio.to_thread(self._traces.close)

    async def _leave(self, *, in_peace: bool) -> None:
        """Say in every answer, and to who asks for readiness, that the server goes; then take no new connection, and let requests end.

        Without a supervisor (not `in_peace`) nobody is let in from now on.
        """
        self._endpoint.leaving = self._front.leaving = True
        if self._serving is not None:
            if in_peace:
                await asyncio.sleep(self._endpoint.limits.leave_s)
                close_door(self._listening)
                await self._accept_the_last()
            self._server.should_exit = True
            await self._serving

    async def _accept_the_last(self) -> None:
        """Wait until the kernel holds no connection that was let in before the door closed, `ACCEPT_MAX_S` at most."""
        until = time.monotonic() + ACCEPT_MAX_S
        await asyncio.sleep(ACCEPT_S)
        while waiting_to_be_accepted(self._listening) and time.monotonic() < until:
            await asyncio.sleep(ACCEPT_S)

    def _obey(self, message: Message) -> None:
        shelf = self._endpoint.shelf
        match message["op"]:
            case "prepare":
                task = asyncio.create_task(self._prepare(message))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case "switch":
                self._acknowledge(message, lambda: shelf.switch(Route.model_validate(message["route"]), message["override_id"],
                                                                message["versions"]))
            case "let_go":
                shelf.let_go(message["use_case"], message["digests"])
            case "versions":
                shelf.older.know(message["use_case"], message["versions"])
            case "proven":
                proof = self._proofs.get(message["k"])
                if proof is not None and not proof.done():
                    proof.set_result(message)
            case "serve" if self._serving is None:
                self._serving = asyncio.create_task(self._server.serve(sockets=[self._listening]))
            case "what_if":
                task = asyncio.create_task(self._look(message))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case "report":
                self._channel.send(self._state() | {"n": message["n"], "ok": True})

    async def _prove(self, use_case: str, digest: str) -> None:
        """Ask the supervisor whether this digest served and is sound. Raises `PackageError`; `Unavailable` when it does not say in time."""
        number = next(self._numbers)
        proof = self._proofs[number] = asyncio.get_running_loop().create_future()
        self._channel.send({"op": "prove", "k": number, "use_case": use_case, "digest": digest})
        try:
            reply = await asyncio.wait_for(proof, self._endpoint.limits.probe_timeout_s)
        except TimeoutError as error:
            raise Unavailable("the package was not proven in time") from error
        finally:
            del self._proofs[number]
        if not reply["ok"]:
            raise PackageError(reply["error"], value=reply["value"])

    async def _prepare(self, message: Message) -> None:
        shelf = self._endpoint.shelf
        try:
            missing = shelf.hold(message["use_case"], message["digests"])
            shelf.put(await asyncio.to_thread(shelf.read, message["use_case"], missing))
        except InterlockError as error:
            shelf.let_go(message["use_case"], message["digests"])
            self._refuse(message, error)
        else:
            self._channel.send({"n": message["n"], "ok": True})

    async def _look(self, message: Message) -> None:
        """Answer a question "what if" in a thread; nothing of it is captured or counted."""
        from interlock.serving.what_if import looked_at

        try:
            serving = self._endpoint.shelf.serving.get(message["use_case"])
            if serving is None:
                raise PackageError("nothing is approved here yet", value=message["use_case"])
            found = await asyncio.to_thread(looked_at, serving, message["record"], message["digest"])
        except InterlockError as error:
            self._refuse(message, error)
        except Exception as error:  # noqa: BLE001 - a question must not take the worker down: logged and told
            log.error("a what-if question failed: %s", place_of(error))
            self._refuse(message, InterlockError("the server failed on this question; it is in its log"))
        else:
            self._channel.send({"n": message["n"], "ok": True, "found": found})

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
                            "next_step": error.next_step, "kind": type(error).__name__})

    def _state(self) -> dict[str, Any]:
        endpoint = self._endpoint
        return {"op": "beat", "serving": endpoint.shelf.report(), "counters": endpoint.counters.take(), **endpoint.report()}

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._endpoint.limits.beat_s)
            self._channel.send(self._state())


async def run(arguments: argparse.Namespace) -> None:
    """Set everything up and obey."""
    limits, options = Limits.from_json(arguments.limits), WorkerOptions.from_json(arguments.options)
    shelf = Shelf(Path(arguments.packages), limits)
    endpoint = Endpoint(shelf, Capture(Path(arguments.capture), arguments.index, limits), Counters(), limits)
    endpoint.keys = Keys(Path(options.run), limits.workers) if options.keys else None
    channel = await Channel.over(socket.socket(fileno=arguments.channel))
    await Worker(channel, endpoint, socket.socket(fileno=arguments.listening), options).run()
    await channel.drain()
    os._exit(0)  # everything is on the disk; taking the interpreter and its libraries apart would only take time


def main() -> None:
    """Command line; written by the supervisor, not for people."""
    parser = argparse.ArgumentParser(prog="interlock.serving.worker")
    for name in ("index", "channel", "listening"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("packages", "capture", "limits", "options"):
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    set_up(f"worker {arguments.index}", WorkerOptions.from_json(arguments.options).log, logging.WARNING)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor says when to stop
    import uvloop
    import xgboost  # noqa: F401 - loaded before the first route, not during it

    uvloop.run(run(arguments))


if __name__ == "__main__":
    main()
