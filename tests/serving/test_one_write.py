"""Head and body of an answer leave in one write; what has no body, and what is not an answer's head, is not kept back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from interlock.serving.one_write import _Joined

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
    with socket.create_connection(("127.0.0.1", server.settings.predictions_port), timeout=5) as connection:
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
