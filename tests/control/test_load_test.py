"""The open-loop client against a server that is told how to behave: latency from the intended moment, bounded connections, nothing lost."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from interlock.control.releases.load_test import Request, Target, Traffic, arrivals, even_arrivals

BODY = b'{"version": 1, "digest": "sha256:aa", "generation": 3, "predictions": []}'
Answer = Callable[[int], tuple[float, bytes]]


def whole(status: int = 200, body: bytes = BODY, head: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n{head}\r\n".encode() + body


class Server:
    """Answers each request after a pause, one at a time over all connections: a server that stalls keeps everybody waiting."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.count, self.open, self.open_max = answer, 0, 0, 0
        self.port: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()

    async def _serve(self) -> None:
        self._one, self._end, self._loop = asyncio.Lock(), asyncio.Event(), asyncio.get_running_loop()
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port.set_result(server.sockets[0].getsockname()[1])
        await self._end.wait()
        server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.open_max = max(self.open, self.open_max)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
                self.count += 1
                pause, raw = self.answer(self.count)
                async with self._one:
                    await asyncio.sleep(pause)
                writer.write(raw)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.open -= 1
            writer.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], tuple[Server, Target]]]:
    made: list[Server] = []

    def start(answer: Answer, connections: int = 4, timeout_s: float = 5.0) -> tuple[Server, Target]:
        made.append(Server(answer))
        return made[-1], Target("127.0.0.1", made[-1].port.result(10), "/v1/x/predict", connections, timeout_s)

    yield start
    for server in made:
        server.close()


def shoot(target: Target, due: Iterator[float]) -> list[float]:
    sent = Traffic(target, due, lambda n: Request(b"{}", str(n))).start().wait()
    assert [one.status for one in sent] == [200] * len(sent)
    return sorted(one.latency_ms for one in sent)


def test_a_stall_shows_in_every_request_that_was_due_meanwhile(serve: Callable[..., tuple[Server, Target]]) -> None:
    """100 requests/s for 1 s; the 20th answer takes 0.5 s. About 50 requests are due meanwhile and wait 0 to 0.5 s, half of them over
    0.25 s. A client that waits for each answer would have seen one slow request of 100."""
    _, target = serve(lambda n: (0.5 if n == 20 else 0.0, whole()))
    found = shoot(target, even_arrivals(100, 1.0))
    assert len(found) == 100
    assert sum(one > 200 for one in found) >= 20


def test_connections_are_bounded_and_waiting_for_one_counts(serve: Callable[..., tuple[Server, Target]]) -> None:
    """2 connections, 20 ms each, one at a time: 50/s at most; 100/s for 0.5 s pile up to about half a second of waiting."""
    server, target = serve(lambda n: (0.02, whole()), connections=2)
    found = shoot(target, even_arrivals(100, 0.5))
    assert len(found) == 50
    assert server.open_max <= 2
    assert found[-1] > 300


def test_what_fails_is_counted_and_the_next_request_goes_on(serve: Callable[..., tuple[Server, Target]]) -> None:
    answers = {1: (0.0, whole(503, b'{"error": "busy"}')), 2: (0.0, b"nonsense\r\n\r\n"), 3: (1.0, whole()), 4: (0.0, whole(body=b"[]")),
               5: (0.0, whole(head="connection: close\r\n"))}
    _, target = serve(lambda n: answers.get(n, (0.0, whole())), connections=1, timeout_s=0.3)
    sent = Traffic(target, iter([0.0, 0.02, 0.04, 1.5, 1.5, 1.5]), lambda n: Request(b"{}")).start().wait()
    assert [one.status for one in sent] == [503, 0, 0, 0, 200, 200]
    assert "no answer within 0.3 s" in sent[2].error
    assert [one.reply.version for one in sent if one.reply is not None] == [1, 1]


def test_nobody_there_is_an_error_of_each_request() -> None:
    sent = Traffic(Target("127.0.0.1", 1, "/"), even_arrivals(100, 0.05), lambda n: Request(b"{}")).start().wait()
    assert [one.status for one in sent] == [0] * 5


def test_stop_ends_a_stream_early(serve: Callable[..., tuple[Server, Target]]) -> None:
    _, target = serve(lambda n: (0.0, whole()))
    traffic = Traffic(target, even_arrivals(50, 60), lambda n: Request(b"{}")).start()
    time.sleep(0.3)
    began = time.monotonic()
    assert 0 < len(traffic.stop()) < 300
    assert time.monotonic() - began < 20


def test_arrivals_are_seeded_and_have_the_rate() -> None:
    """Poisson, 100/s for 100 s: 10,000 ± 4 × 100."""
    found = list(arrivals(100, 100, seed=1))
    assert found == list(arrivals(100, 100, seed=1)) != list(arrivals(100, 100, seed=2))
    assert abs(len(found) - 10_000) < 400
    assert found == sorted(found)
    assert list(even_arrivals(4, 1)) == [0.0, 0.25, 0.5, 0.75]
