"""An open-loop client: requests leave when they are due, whether earlier ones have been answered or not.

Latency counts from the moment a request was due, so a server that stalls cannot hide the requests that it kept waiting ("coordinated
omission", Tene 2013). Connections are bounded: where all are busy a due request waits, and that wait counts too.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import msgspec

HEAD_BYTES_MAX = 65_536
REPLY_BYTES_MAX = 64 * 1024 * 1024
REQUESTS_MAX = 200_000


class Reply(msgspec.Struct):
    """The part of an answer that says who gave it."""

    version: int
    digest: str
    generation: int = 0


_reply = msgspec.json.Decoder(Reply)


@dataclass(frozen=True)
class Request:
    """One request: its body, and a word about it that comes back with the answer."""

    body: bytes
    tag: str = ""


@dataclass(frozen=True)
class Sent:
    """What became of one request. Times are those of `time.perf_counter`. `status` 0: no answer, `error` says why.

    It was `due`, the sender `noticed` that, and it was answered or given up (`done`); in between it may have waited for a connection.
    """

    tag: str
    due: float
    noticed: float
    done: float
    status: int
    reply: Reply | None = None
    error: str = ""

    @property
    def latency_ms(self) -> float:
        """From the moment it was due."""
        return (self.done - self.due) * 1_000

    @property
    def lag_ms(self) -> float:
        """How late the sender itself was: without a processor it measures its own lateness, not the server's."""
        return (self.noticed - self.due) * 1_000


@dataclass(frozen=True)
class Target:
    """Where requests go, and the bounds of the client."""

    host: str
    port: int
    path: str
    connections: int = 16
    timeout_s: float = 5.0

    def head(self, length: int) -> bytes:
        """The head of a POST with a JSON body of this many bytes."""
        lines = [f"POST {self.path} HTTP/1.1", f"host: {self.host}:{self.port}", "content-type: application/json",
                 f"content-length: {length}"]
        return "\r\n".join([*lines, "", ""]).encode()


def arrivals(rate_per_s: float, seconds: float, seed: int) -> Iterator[float]:
    """Seconds after the start at which requests are due: a seeded Poisson process of this rate, cut at `seconds`."""
    draw, at = random.Random(seed), 0.0  # noqa: S311 - a schedule, no secret
    for _ in range(REQUESTS_MAX):
        at += draw.expovariate(rate_per_s)
        if at >= seconds:
            return
        yield at


def even_arrivals(rate_per_s: float, seconds: float) -> Iterator[float]:
    """The same, evenly spaced: exactly rate × seconds requests."""
    return (n / rate_per_s for n in range(min(REQUESTS_MAX, round(rate_per_s * seconds))))


class Traffic:
    """A running stream of requests in a thread of its own; `make` is asked for each request in the moment when it leaves."""

    def __init__(self, target: Target, due: Iterator[float], make: Callable[[int], Request]) -> None:
        """Nothing is sent before `start`."""
        self._target, self._due, self._make = target, due, make
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="traffic")
        self._result: Future[list[Sent]] | None = None
        self.sent: list[Sent] = []  # grows while it runs; only the thread appends

    def start(self) -> Traffic:
        """Begin now."""
        self._result = self._thread.submit(lambda: asyncio.run(self._run()))
        return self

    def wait(self) -> list[Sent]:
        """Everything sent, once the schedule is at its end and each request was answered or given up."""
        try:
            return self._result.result() if self._result is not None else []
        finally:
            self._thread.shutdown(wait=True)

    def stop(self) -> list[Sent]:
        """Send nothing more; everything sent so far."""
        self._stop.set()
        return self.wait()

    async def _run(self) -> list[Sent]:
        waiting: asyncio.Queue[tuple[int, float, float] | None] = asyncio.Queue()
        senders = [asyncio.create_task(self._send(waiting)) for _ in range(self._target.connections)]
        began = time.perf_counter() + 0.01
        for n, after in enumerate(self._due):
            while (left := began + after - time.perf_counter()) > 0 and not self._stop.is_set():
                await asyncio.sleep(min(left, 0.05))
            if self._stop.is_set():
                break
            waiting.put_nowait((n, began + after, time.perf_counter()))
        for _ in senders:
            waiting.put_nowait(None)
        await asyncio.gather(*senders)
        return self.sent

    async def _send(self, waiting: asyncio.Queue[tuple[int, float, float] | None]) -> None:
        connection = _Connection(self._target)
        while (item := await waiting.get()) is not None:
            n, due, noticed = item
            request = self._make(n)
            status, reply, error = 0, None, ""
            try:
                async with asyncio.timeout(self._target.timeout_s):
                    status, body = await connection.post(request.body)
                reply = _reply.decode(body) if status == 200 else None
                error = "" if status == 200 else body[:200].decode(errors="replace")
            except TimeoutError:
                error = f"no answer within {self._target.timeout_s:g} s"
                connection.drop()
            except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, msgspec.DecodeError) as failure:
                status, error = 0, f"{type(failure).__name__}: {failure}"[:200]
                connection.drop()
            self.sent.append(Sent(request.tag, due, noticed, time.perf_counter(), status, reply, error))
        connection.drop()


class _Connection:
    """One kept-alive HTTP/1.1 connection; opened anew after a failure."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer. Raises OSError, ValueError or what asyncio says about broken streams."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._target.host, self._target.port, limit=HEAD_BYTES_MAX)
        reader, writer = self._streams
        writer.write(self._target.head(len(body)) + body)
        await writer.drain()
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(fields["content-length"]) if fields.get("content-length", "").isdigit() else -1
        if not 0 <= length <= REPLY_BYTES_MAX:
            raise ValueError("the answer does not say its length")
        answer = await reader.readexactly(length)
        if fields.get("connection", "").lower() == "close":
            self.drop()
        return int(lines[0].split(" ", 2)[1]), answer

    def drop(self) -> None:
        """Close the connection without waiting."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
