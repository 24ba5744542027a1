"""Head and body of an answer leave in one write; what has no body, and what is not an answer's head, is not kept back."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn

from interlock.serving import one_write
from interlock.serving.one_write import OneWrite, _Joined

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Transport:
    """Remembers what was written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def joined() -> tuple[_Joined, Transport]:
    transport = Transport()
    return _Joined(cast(asyncio.Transport, transport)), transport


def test_head_and_body_are_one_write() -> None:
    one, transport = joined()
    one.write(HEAD)
    assert transport.written == []
    one.write(b"{}")
    assert transport.written == [HEAD + b"{}"]


def test_a_head_without_a_body_leaves_with_the_answers_end_or_the_connections() -> None:
    one, transport = joined()
    one.write(HEAD)
    one.flush()
    one.flush()
    one.write(HEAD)
    one.close()
    assert transport.written == [HEAD, HEAD]
    assert one.is_closing()


def test_continue_is_not_kept_back() -> None:
    one, transport = joined()
    one.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert transport.written == [b"HTTP/1.1 100 Continue\r\n\r\n"]


def test_a_real_server_answers_head_continue_and_pipelined_requests(start_server: Callable[..., Any],
                                                                   packages: tuple[Path, str, str]) -> None:
    server = start_server()
    server.client.converge(server.route(1, packages[1]))
    body = b'{"records": [{"distance": 700, "carrier": "AA", "night": false}]}'
    ask = b"POST /v1/late/predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: %d\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", server.settings.predictions_port), timeout=30) as connection:
        connection.sendall(b"HEAD /v2/health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        connection.sendall(ask + b"expect: 100-continue\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(body)
        assert b'"captured":true' in connection.recv(65_536)
        connection.sendall((ask + b"\r\n" + body) * 3)
        found = b""
        while found.count(b'"captured":true') < 3:
            part = connection.recv(65_536)
            assert part
            found += part
    assert found.count(b"HTTP/1.1 200") == 3


async def _serve(port: int, ask: Callable[[int], bytes]) -> bytes:
    """What a client gets from a server in this process."""
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})

    server = uvicorn.Server(uvicorn.Config(app, port=port, http=OneWrite, lifespan="off", log_config=None, ws="none"))
    serving = asyncio.create_task(server._serve())  # without its handling of signals
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        return await asyncio.to_thread(ask, port)
    finally:
        server.should_exit = True
        await serving


def _rest(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    found = b""
    while True:
        try:
            part = connection.recv(65_536)
        except ConnectionResetError:
            return found
        if not part:
            return found
        found += part


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n", b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET /"])
def test_a_connection_without_a_whole_head_is_closed(said: bytes, monkeypatch: pytest.MonkeyPatch,
                                                     free_ports: Callable[[int], list[int]]) -> None:
    """Silent, in the middle of its first head, or of its second; what was asked before is answered."""
    monkeypatch.setattr(one_write, "HEAD_S", 0.2)

    def ask(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(said)
            return _rest(connection)

    assert asyncio.run(_serve(free_ports(1)[0], ask)).count(b"HTTP/1.1 200") == said.count(b"\r\n\r\n")


def test_a_head_without_end_is_refused(free_ports: Callable[[int], list[int]]) -> None:
    sent = 0

    def ask(port: int) -> bytes:
        nonlocal sent
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nx: ")
            try:
                while sent < 50_000_000:
                    sent += connection.send(b"x" * 65_536)
            except OSError:
                return b"closed"
            return _rest(connection)

    asyncio.run(_serve(free_ports(1)[0], ask))
    assert sent < 50_000_000, "the server went on reading"


def test_the_pause_between_two_requests_may_be_longer(monkeypatch: pytest.MonkeyPatch, free_ports: Callable[[int], list[int]]) -> None:
    monkeypatch.setattr(one_write, "HEAD_S", 0.2)

    def ask(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            first = connection.recv(65_536)
            time.sleep(0.5)  # the pause between two requests is the keep-alive's business
            connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            return first + _rest(connection)

    assert asyncio.run(_serve(free_ports(1)[0], ask)).count(b"HTTP/1.1 200") == 2
