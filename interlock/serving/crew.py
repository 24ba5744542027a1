"""The workers: started, kept alive, asked and told. A worker serves only after it acknowledged the current routes."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Literal

from interlock.errors import InterlockError
from interlock.rules.routes import Route
from interlock.serving.channel import Channel, Message
from interlock.serving.limits import Limits
from interlock.serving.options import WorkerOptions

log = logging.getLogger("interlock.serving")
WORKER = "interlock.serving.worker"  # the module that a worker process runs
Key = tuple[int, str | None]  # generation and override that a use case is answered with
Wanted = Callable[[], Mapping[str, tuple[Route, str | None]]]
Versions = Callable[[str], dict[str, str]]          # versions of a use case that may be asked for by number
Prove = Callable[[str, str], Awaitable[None]]       # raises unless this digest served the use case and is sound
HEAL_AFTER_S = 5.0
GONE: Message = {"ok": False, "error": "the worker ended"}


@dataclass
class Worker:
    """One worker process as the supervisor sees it."""

    index: int
    process: asyncio.subprocess.Process
    channel: Channel
    state: Literal["starting", "live", "gone"] = "starting"
    serving: dict[str, Key] = field(default_factory=dict)
    calls: dict[int, asyncio.Future[Message]] = field(default_factory=dict)
    heard: float = field(default_factory=time.monotonic)
    report: Message = field(default_factory=dict)
    modules: list[str] = field(default_factory=list)
    healed: float = 0.0


class Crew:
    """N workers on one listening socket."""

    def __init__(self, count_wanted: int, listening: socket.socket, home: Mapping[str, Path], limits: Limits, wanted: Wanted,
                 counted: Callable[[Worker, Message], None], versions: Versions, prove: Prove, options: WorkerOptions) -> None:
        self.size = count_wanted
        self.restarts = 0
        self.workers: dict[int, Worker] = {}
        self._listening, self._home, self._limits = listening, home, limits
        self._wanted, self._counted, self._versions, self._prove = wanted, counted, versions, prove
        self._options = options.to_json()
        self._proofs: set[asyncio.Task[None]] = set()
        self._aligning: dict[int, asyncio.Task[None]] = {}  # one at most per worker
        self._numbers = count(1)
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = False

    def start(self) -> None:
        """Start all workers; each is kept alive by its own task."""
        self._keepers = [asyncio.create_task(self._keep(index)) for index in range(self.size)]

    @property
    def live(self) -> list[Worker]:
        return [worker for worker in self.workers.values() if worker.state == "live"]

    def ready(self, use_case: str, key: Key) -> int:
        """Workers that answer the use case with this generation and override."""
        return sum(worker.serving.get(use_case) == key for worker in self.live)

    async def wait_live(self, timeout_s: float) -> list[Worker]:
        """Live workers; waits a while for the first."""
        until = time.monotonic() + timeout_s
        while not self.live and time.monotonic() < until:
            await asyncio.sleep(0.02)
        return self.live

    async def ask(self, worker: Worker, op: str, timeout_s: float, **content: Any) -> Message | None:
        """The worker's reply; None when it gave none in time or died."""
        number = next(self._numbers)
        future = worker.calls[number] = asyncio.get_running_loop().create_future()
        worker.channel.send({"op": op, "n": number, **content})
        try:
            reply = await asyncio.wait_for(future, timeout_s)
            return None if reply is GONE else reply
        except TimeoutError:
            return None
        finally:
            worker.calls.pop(number, None)

    async def prepare(self, worker: Worker, route: Route) -> Message | None:
        """Have the worker load and hold the route's packages."""
        digests = [slot.digest for slot in route.slots()]
        return await self.ask(worker, "prepare", self._limits.prepare_timeout_s, use_case=route.use_case, digests=digests)

    async def switch(self, worker: Worker, route: Route, override_id: str | None) -> bool:
        """Have the worker answer with the route; whether it acknowledged in time."""
        content = {"route": route.model_dump(mode="json"), "override_id": override_id, "versions": self._versions(route.use_case)}
        reply = await self.ask(worker, "switch", self._limits.switch_timeout_s, **content)
        if reply is None or not reply["ok"]:
            return False
        worker.serving[route.use_case] = (route.generation, override_id)
        return True

    def let_go(self, worker: Worker, route: Route) -> None:
        """The route that the worker prepared does not come: it need not keep its packages."""
        worker.channel.send({"op": "let_go", "use_case": route.use_case, "digests": [slot.digest for slot in route.slots()]})

    def tell_versions(self, use_case: str) -> None:
        """Tell every worker which versions may be asked for by number from now on."""
        for worker in self.workers.values():
            worker.channel.send({"op": "versions", "use_case": use_case, "versions": self._versions(use_case)})

    def restart(self, worker: Worker, why: str) -> None:
        """Kill a worker that does not do what it must; its keeper starts another."""
        log.warning("worker %d (pid %d) is restarted: %s", worker.index, worker.process.pid, why)
        with suppress(ProcessLookupError):
            worker.process.kill()

    def look_after(self) -> None:
        """Once a beat: restart silent workers; bring those that answer with something else in line, each in a task of its own, so that
        a slow one delays neither the others nor this look."""
        now = time.monotonic()
        for worker in self.live:
            if now - worker.heard > self._limits.silence_s:
                self.restart(worker, f"not heard of for {self._limits.silence_s:g} s")
            elif now - worker.healed > HEAL_AFTER_S and worker.index not in self._aligning and self._behind(worker):
                self._aligning[worker.index] = task = asyncio.create_task(self._align(worker))
                task.add_done_callback(partial(self._aligned, worker))

    async def stop(self) -> None:
        """Let requests at work end, then stop all workers."""
        self._stopping = True
        for task in self._aligning.values():
            task.cancel()
        for worker in self.workers.values():
            worker.channel.send({"op": "stop"})
        waits = [asyncio.create_task(worker.process.wait()) for worker in self.workers.values()]
        if waits:
            _, late = await asyncio.wait(waits, timeout=self._limits.leave_s + self._limits.drain_s + 1)
            if late:
                for worker in self.workers.values():
                    self.restart(worker, "did not stop in time")
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    async def _keep(self, index: int) -> None:
        """Start the worker again whenever it ends, later and later while it ends early."""
        pause = self._limits.backoff_s
        while True:
            began = time.monotonic()
            await self._live_once(index)
            if self._stopping:
                return
            self.restarts += 1
            pause = self._limits.backoff_s if time.monotonic() - began > 10 else min(pause * 2, self._limits.backoff_max_s)
            log.warning("worker %d ended; another starts in %.1f s", index, pause)
            await asyncio.sleep(pause)

    async def _live_once(self, index: int) -> None:
        ours, its = socket.socketpair()
        with its:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", WORKER, f"--index={index}", f"--channel={its.fileno()}",
                f"--listening={self._listening.fileno()}", f"--packages={self._home['packages']}", f"--capture={self._home['capture']}",
                f"--limits={self._limits.to_json()}", f"--options={self._options}",
                pass_fds=(its.fileno(), self._listening.fileno()), stdin=asyncio.subprocess.DEVNULL)
        worker = self.workers[index] = Worker(index, process, await Channel.over(ours))
        listening = asyncio.create_task(self._listen(worker))
        starting = asyncio.create_task(self._bring_up(worker))
        await process.wait()
        worker.state = "gone"
        await listening  # what it said before it ended still counts
        starting.cancel()
        worker.channel.close()

    async def _listen(self, worker: Worker) -> None:
        while (message := await worker.channel.receive()) is not None:
            worker.heard = time.monotonic()
            if "n" in message and (call := worker.calls.get(message["n"])) is not None and not call.done():
                call.set_result(message)
            if message.get("op") == "hello":
                worker.modules = message["modules"]
            elif message.get("op") == "beat":
                worker.report = message
                worker.serving = {name: (key[0], key[1]) for name, key in message["serving"].items()}
                self._counted(worker, message)
            elif message.get("op") == "prove":
                task = asyncio.create_task(self._proven(worker, message))
                self._proofs.add(task)
                task.add_done_callback(self._proofs.discard)
        for call in worker.calls.values():
            if not call.done():
                call.set_result(GONE)

    async def _proven(self, worker: Worker, message: Message) -> None:
        """Answer a worker that wants to load an older version."""
        reply: Message = {"op": "proven", "k": message["k"], "ok": True}
        try:
            await self._prove(message["use_case"], message["digest"])
        except InterlockError as error:
            reply |= {"ok": False, "error": error.what, "value": None if error.value is None else str(error.value)[:500]}
        worker.channel.send(reply)

    async def _bring_up(self, worker: Worker) -> None:
        """Give it every current route, and only then let it listen."""
        began = time.monotonic()
        failed: set[tuple[str, Key]] = set()
        while behind := [(name, key) for name, key in self._behind(worker).items() if (name, key) not in failed]:
            for use_case, key in behind:
                if not await self._give(worker, use_case):
                    failed.add((use_case, key))
            if time.monotonic() - began > self._limits.start_timeout_s:
                return self.restart(worker, "did not come up in time")
        if not worker.serving and not self._wanted() and await self.ask(worker, "report", self._limits.start_timeout_s) is None:
            return self.restart(worker, "did not come up in time")
        worker.state = "live"  # nothing was awaited since the last look: it has what is current now
        worker.channel.send({"op": "serve"})
        return None

    def _behind(self, worker: Worker) -> dict[str, Key]:
        """Use cases that the worker answers with something else than it should."""
        wanted = {name: (route.generation, override_id) for name, (route, override_id) in self._wanted().items()}
        return {name: key for name, key in wanted.items() if worker.serving.get(name) != key}

    async def _align(self, worker: Worker) -> None:
        for use_case in self._behind(worker):
            if worker.state == "gone":
                return
            await self._give(worker, use_case)

    def _aligned(self, worker: Worker, done: asyncio.Task[None]) -> None:
        worker.healed = time.monotonic()
        if self._aligning.get(worker.index) is done:
            del self._aligning[worker.index]
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("worker %d cannot be brought in line: %s", worker.index, error)

    async def _give(self, worker: Worker, use_case: str) -> bool:
        route, override_id = self._wanted()[use_case]
        reply = await self.prepare(worker, route)
        if reply is None or not reply["ok"]:
            log.error("worker %d cannot load the route of %s: %s", worker.index, use_case, (reply or {}).get("error", "no answer"))
            return False
        route, override_id = self._wanted()[use_case]
        return await self.switch(worker, route, override_id)
